/** Language, appearance, key, and all conversations at once. */
import { fromJson, toJson } from "../export.js";
import { formatNumber, t } from "../i18n.js";
import { forgetKey, keyPlace } from "../key.js";
import { preference, setPreference } from "../preferences.js";
import { askDelete } from "./dialogs.js";
import { byId, download } from "./dom.js";
import { toast } from "./toast.js";

/**
 * @param {object} parts
 * @param {import("../session.js").Session} parts.session
 * @param {() => void} parts.translate
 * @param {() => unknown} parts.changeKey
 * @param {() => unknown} parts.keyForgotten
 */
export function preparePreferences({ session, translate, changeKey, keyForgotten }) {
  const dialog = byId("preferences-dialog");
  byId("open-preferences").addEventListener("click", () => (showKeyPlace(), dialog.showModal()));
  choice("language", translate);
  choice("theme", applyTheme);
  byId("change-key").addEventListener("click", () => (dialog.close(), changeKey()));
  byId("forget-key").addEventListener("click", () => (dialog.close(), forgetKey(), keyForgotten()));
  byId("export-all").addEventListener("click", () => exportAll(session));
  byId("import").addEventListener("click", () => byId("import-file").click());
  byId("import-file").addEventListener("change", ({ target }) => importFile(session, target));
  byId("delete-all").addEventListener("click", async () => {
    dialog.close();
    if (await askDelete(null)) await session.deleteAll();
  });
}

function choice(name, apply) {
  const select = byId(name);
  select.value = preference(name);
  select.addEventListener("change", () => {
    setPreference(name, select.value);
    apply();
  });
}

function applyTheme() {
  const theme = preference("theme");
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function showKeyPlace() {
  byId("key-place").textContent = t(`preferences.key_${keyPlace()}`);
  byId("forget-key").disabled = keyPlace() === "none";
}

async function exportAll(session) {
  const day = new Date().toISOString().slice(0, 10);
  download(`owngpt-${day}.json`, "application/json", toJson(await session.records()));
}

async function importFile(session, input) {
  const text = await input.files[0].text();
  input.value = "";
  try {
    const records = fromJson(text);
    await session.add(records);
    toast(t(records.length === 1 ? "preferences.imported_one" : "preferences.imported", { count: formatNumber(records.length) }));
  } catch (error) {
    toast(t("preferences.import_failed", { message: error.message }));
  }
}
