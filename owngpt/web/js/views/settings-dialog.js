/** System prompt and parameters of the open conversation. An empty field leaves the choice to the server. */
import { t } from "../i18n.js";
import { setPreference } from "../preferences.js";
import { byId } from "./dom.js";

const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];

/** @param {import("../session.js").Session} session */
export function prepareSettings(session) {
  const dialog = byId("settings-dialog");
  const form = dialog.querySelector("form");
  byId("open-settings").addEventListener("click", () => {
    fill(form, session.conversation.settings);
    dialog.showModal();
  });
  byId("settings-reset").addEventListener("click", () => fill(form, {}));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const settings = read(form);
    if (!settings) return;
    if (form.elements.keep.checked) setPreference("settings", settings);
    session.configure({ settings });
    dialog.close();
  });
}

function fill(form, settings) {
  const { elements } = form;
  for (const name of ["system", ...NUMBERS, "reasoning_effort"]) elements[name].value = settings[name] ?? "";
  elements.tools.value = settings.tools ? JSON.stringify(settings.tools, null, 2) : "";
  elements.keep.checked = false;
  showProblem(null);
}

/** @returns {import("../types.js").Settings | null} the settings that differ from the default, or null where a field cannot be used */
function read(form) {
  const { elements } = form;
  const invalid = NUMBERS.map((name) => elements[name]).find((input) => !input.validity.valid);
  if (invalid) {
    showProblem(`${invalid.labels[0].querySelector("span").textContent}: ${invalid.validationMessage}`);
    invalid.focus();
    return null;
  }
  const numbers = NUMBERS.filter((name) => elements[name].value !== "").map((name) => [name, elements[name].valueAsNumber]);
  const texts = ["system", "reasoning_effort"].map((name) => [name, elements[name].value.trim()]).filter(([, text]) => text);
  try {
    const tools = toolsOf(elements.tools.value);
    return { ...Object.fromEntries([...numbers, ...texts]), ...(tools && { tools }) };
  } catch (error) {
    showProblem(t("settings.tools_invalid", { message: error.message }));
    elements.tools.focus();
    return null;
  }
}

function toolsOf(text) {
  if (!text.trim()) return null;
  const tools = JSON.parse(text);
  if (!Array.isArray(tools)) throw new Error(text.trim().slice(0, 40));
  return tools;
}

function showProblem(text) {
  byId("settings-problem").textContent = text ?? "";
  byId("settings-problem").hidden = !text;
}
