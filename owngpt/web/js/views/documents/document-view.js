/** A file of a vector store: what is known of it, and its pages as they were read. */
import { formatNumber, t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { h } from "../dom.js";
import { load } from "../parts.js";
import { PageView } from "./page-view.js";
import { crumbs } from "./store-view.js";

/** @param {import("../../types.js").Place} place @param {string} store @param {string} id of the file */
export function documentView(place, store, id) {
  const element = h("div", { class: "stack" });
  const fetch = async () => {
    const [file, owner] = await Promise.all([place.library.file(store, id, place.signal), place.library.store(store, place.signal)]);
    return { file, owner };
  };
  load(place, element, fetch, ({ file, owner }) => {
    place.setTitle(file.filename);
    const page = new PageView(place, { store, file: id, filename: file.filename });
    page.open(null);
    return [crumbs([[owner.name || owner.id, hashOf("documents", store)]]), facts(file), page.element];
  });
  return element;
}

function facts({ chunking_strategy: chunking, notes, attributes }) {
  const { max_chunk_size_tokens: size, chunk_overlap_tokens: overlap } = chunking.static;
  const lines = [
    t("document.chunks", { size: formatNumber(size), overlap: formatNumber(overlap) }),
    ...Object.entries(attributes ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  return h("div", { class: "stack" }, h("p", { class: "hint" }, lines.join(" · ")), ...notes.map((note) => h("p", { class: "notice" }, note)));
}
