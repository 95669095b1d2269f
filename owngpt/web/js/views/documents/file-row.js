/** A file of a vector store in its table: how far it is, what could not be read, what can be done with it. */
import { formatBytes, formatNumber, t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { askForm } from "../ask-form.js";
import { h, iconButton } from "../dom.js";
import { openMenu } from "../menu.js";
import { time } from "../parts.js";

export function isWaiting(file) {
  return file.status === "in_progress";
}

export function fileColumns() {
  return [t("file.name"), t("file.status"), t("file.size"), t("file.added"), ""];
}

/** @param {import("../../types.js").Place} place @param {any} file a `vector_store.file` */
export function fileRow(place, file, refresh) {
  const { id, vector_store_id: store, filename } = file;
  const name = file.status === "completed" ? h("a", { href: hashOf("documents", store, id), "data-key": id }, filename) : filename;
  const readers = file.attributes?.readers ? h("p", { class: "hint" }, t("file.for_readers", { readers: file.attributes.readers })) : null;
  const open = ({ currentTarget }) => openMenu(currentTarget, actionsOf(place, file, refresh));
  const more = iconButton("more", t("sidebar.more", { title: filename }), open, `more ${id}`);
  more.setAttribute("aria-haspopup", "menu");
  return [h("div", {}, name, readers), statusOf(file), formatBytes(file.usage_bytes), time(file.created_at), h("div", { class: "row-actions" }, more)];
}

/** How it is in words, with a bar while it is read, the reason if it failed, and notes on what was left out. */
function statusOf({ status, progress, last_error: error, notes, filename }) {
  const notice = notes.map((note) => h("p", { class: "notice" }, note));
  if (status === "failed") return h("div", { class: "status" }, h("strong", { class: "bad" }, t("file.failed")), h("p", {}, error?.message ?? ""), ...notice);
  if (status !== "in_progress") return h("div", { class: "status" }, t(status === "completed" ? "file.ready" : "file.cancelled"), ...notice);
  const { stage, done, total } = progress;
  const count = total ? t("file.of", { done: formatNumber(done), total: formatNumber(total) }) : "";
  const bar = h("progress", { "aria-label": filename, ...(total ? { value: String(done), max: String(total) } : {}) });
  return h("div", { class: "status" }, `${stageOf(stage)} ${count}`, bar, ...notice);
}

function stageOf(stage) {
  const known = { reading: "file.reading", embedding: "file.embedding" }[stage];
  return t(known ?? "file.waiting");
}

function actionsOf(place, { id, vector_store_id: store, filename }, refresh) {
  const ask = (title, note, send) => async () => (await askForm({ title, note, submit: t("delete.confirm"), isDanger: true, send })) && refresh();
  return [
    { label: t("file.remove"), run: ask(t("file.remove_title", { name: filename }), t("file.remove_note"), () => place.library.removeFile(store, id)) },
    { label: t("file.delete"), run: ask(t("delete.title", { title: filename }), t("file.delete_note"), () => place.library.deleteFile(id)), isDanger: true },
  ];
}
