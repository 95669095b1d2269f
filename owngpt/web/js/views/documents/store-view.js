/** One vector store: drop files into it, watch them being read, open or delete them. */
import { t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { h, keepFocus } from "../dom.js";
import { attempt, button, load, section, table } from "../parts.js";
import { dropZone } from "./drop-zone.js";
import { fileColumns, fileRow, isWaiting } from "./file-row.js";
import { askDeleteStore, askStore, nameOfStore } from "./stores-view.js";

const PAGE = 50;
const POLL_MS = 700;

/** @param {import("../../types.js").Place} place @param {string} id of the store */
export function storeView(place, id) {
  const element = h("div", { class: "stack" });
  load(place, element, () => place.library.store(id, place.signal), (store) => {
    place.setTitle(nameOfStore(store));
    return [crumbs([[t("places.documents"), hashOf("documents")]]), storeSection(place, store)];
  });
  return element;
}

/** The way back. @param {[string, string][]} links labels and addresses */
export function crumbs(links) {
  return h("p", { class: "crumbs" }, ...links.map(([label, href]) => h("a", { href }, `‹ ${label}`)));
}

function storeSection(place, store) {
  const files = new Files(place, store.id);
  const rename = async () => {
    const changed = await askStore(t("stores.rename"), nameOfStore(store), (name) => place.library.renameStore(store.id, name));
    if (changed) place.setTitle(nameOfStore(Object.assign(store, changed)));
  };
  const remove = async () => (await askDeleteStore(place, store)) && (location.hash = hashOf("documents"));
  const actions = h("div", { class: "buttons" }, button(t("menu.rename"), rename), button(t("menu.delete"), remove, { kind: "danger" }));
  files.refresh();
  return section(t("store.files"), actions, dropZone(place, store.id, () => files.refresh()), files.element);
}

/** The files of a store, page by page; while one of them is read, they are asked for again and again. */
class Files {
  element = h("div", { class: "stack" });
  #numPages = 1;
  #timer = 0;
  #turn = 0; // an answer that comes late shows nothing

  constructor(place, store) {
    this.place = place;
    this.store = store;
    place.signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  async refresh() {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    const found = await attempt(this.place, () => this.#fetch());
    if (!found || this.place.signal.aborted || turn !== this.#turn) return;
    keepFocus(this.element, () => this.#show(found), this.element.querySelector("a"));
    if (found.files.some(isWaiting)) this.#timer = setTimeout(() => this.refresh(), POLL_MS);
  }

  async #fetch() {
    const files = [];
    let hasMore = true;
    for (let page = 0; page < this.#numPages && hasMore; page++) {
      const found = await this.place.library.files(this.store, files.at(-1)?.id ?? null, PAGE, this.place.signal);
      files.push(...found.data);
      hasMore = found.has_more;
    }
    return { files, hasMore };
  }

  #show({ files, hasMore }) {
    const rows = files.map((file) => fileRow(this.place, file, () => this.refresh()));
    const list = files.length ? table(t("store.files"), fileColumns(), rows) : h("p", { class: "nothing" }, t("store.none"));
    const more = hasMore ? button(t("places.more"), () => (this.#numPages++, this.refresh()), { key: "more" }) : null;
    this.element.replaceChildren(...[list, more].filter(Boolean));
  }
}
