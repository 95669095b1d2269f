/** The vector stores of the project: make, rename, delete, open. */
import { formatBytes, formatNumber, t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { askForm } from "../ask-form.js";
import { h, iconButton } from "../dom.js";
import { button, hint, load, section, table, time } from "../parts.js";

/** @param {import("../../types.js").Place} place */
export function storesView(place) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => place.library.stores(place.signal), (stores) => storesTable(place, stores, refresh));
  const create = async () => {
    const made = await askStore(t("stores.create"), "", (name) => place.library.createStore(name));
    if (made) location.hash = hashOf("documents", made.id);
  };
  refresh();
  return section(t("stores.title"), button(t("stores.create"), create, { kind: "primary", icon: "plus" }), hint(t("stores.intro")), list);
}

function storesTable(place, stores, refresh) {
  if (!stores.length) return h("p", { class: "nothing" }, t("stores.none"));
  const columns = [t("stores.name"), t("stores.files"), t("stores.size"), t("stores.created"), ""];
  return table(t("stores.title"), columns, stores.map((store) => storeRow(place, store, refresh)));
}

function storeRow(place, store, refresh) {
  const { id, file_counts: counts, usage_bytes: bytes, created_at: created } = store;
  const name = nameOfStore(store);
  const rename = async () => (await askStore(t("stores.rename"), name, (text) => place.library.renameStore(id, text))) && refresh();
  const remove = async () => (await askDeleteStore(place, store)) && refresh();
  const edit = iconButton("edit", t("stores.rename_of", { name }), rename);
  const buttons = h("div", { class: "row-actions" }, edit, iconButton("trash", t("stores.delete_of", { name }), remove));
  return [h("a", { href: hashOf("documents", id) }, name), countsOf(counts), formatBytes(bytes), time(created), buttons];
}

/** @returns {string} */
export function nameOfStore({ id, name }) {
  return name || id;
}

function countsOf({ total, in_progress: waiting, failed }) {
  const parts = [formatNumber(total)];
  if (waiting) parts.push(t("stores.in_progress", { count: formatNumber(waiting) }));
  if (failed) parts.push(t("stores.failed", { count: formatNumber(failed) }));
  return parts.join(" · ");
}

export function askStore(title, value, send) {
  const input = h("input", { value, maxlength: "1000", autocomplete: "off", required: true });
  return askForm({ title, fields: [{ name: "name", label: t("stores.name"), input }], submit: t("form.save"), send: ({ name }) => send(name.trim()) });
}

export function askDeleteStore(place, store) {
  const title = t("delete.title", { title: nameOfStore(store) });
  return askForm({ title, note: t("stores.delete_note"), submit: t("delete.confirm"), isDanger: true, send: () => place.library.deleteStore(store.id) });
}
