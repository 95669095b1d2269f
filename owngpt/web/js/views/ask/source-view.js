/** The page that a citation names, beside the answer; on a narrow screen it covers the answer. */
import { formatNumber, t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { PageView } from "../documents/page-view.js";
import { h, iconButton } from "../dom.js";
import { load } from "../parts.js";
import { percent } from "./answer-view.js";

const NARROW = matchMedia("(max-width: 64rem)");

export class SourceView {
  element = h("aside", { class: "source", id: "source", tabindex: "-1", hidden: true });
  #opener = null;

  /** @param {import("../../types.js").Place} place */
  constructor(place) {
    this.place = place;
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") (event.stopPropagation(), this.close());
    });
  }

  /** @param {import("../../types.js").FileCitation} citation @param {string[]} stores where it was found */
  async open(citation, stores) {
    this.#opener = document.activeElement;
    const body = h("div", { class: "source-body", tabindex: "0", role: "region", "aria-label": t("source.document") });
    this.element.setAttribute("aria-label", t("source.title", { file: citation.filename }));
    this.element.replaceChildren(this.#head(citation), body);
    this.element.hidden = false;
    this.element.previousElementSibling.inert = NARROW.matches;
    this.element.focus({ preventScroll: true });
    const { library, signal } = this.place;
    await load(this.place, body, () => library.storeOf(stores, citation.file_id, signal), (store) => this.#page(store, citation));
  }

  close() {
    if (this.element.hidden) return;
    this.element.hidden = true;
    this.element.previousElementSibling.inert = false;
    this.element.replaceChildren();
    this.#opener?.focus();
  }

  #head(citation) {
    const close = iconButton("close", t("dialog.close"), () => this.close());
    const numbers = { start: formatNumber(citation.start), end: formatNumber(citation.end) };
    const facts = [
      citation.page === null ? null : t("source.page", { page: formatNumber(citation.page) }),
      t("source.characters", numbers),
      citation.support === null ? null : t("source.support", { percent: percent(citation.support) }),
    ];
    return h(
      "header",
      { class: "source-head" },
      h("div", { class: "panel-top" }, h("h2", {}, citation.filename), close),
      h("p", { class: "hint", id: "source-facts" }, facts.filter(Boolean).join(" · ")),
      h("blockquote", { class: "source-quote", dir: "auto" }, citation.quote),
    );
  }

  #page(store, { file_id: file, filename, start, end, page }) {
    if (store === null) return h("p", { class: "nothing" }, t("source.gone"));
    const view = new PageView(this.place, { store, file, filename, mark: { start, end } });
    view.open(page);
    return [view.element, h("p", { class: "hint" }, h("a", { href: hashOf("documents", store, file) }, t("source.whole")))];
  }
}
