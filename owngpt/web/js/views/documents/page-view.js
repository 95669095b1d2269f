/**
 * A page of a document, with a quote marked where it stands: the picture of a page of a PDF with its text below, else the
 * text. A document without pages is one long page.
 */
import { t } from "../../i18n.js";
import { h, iconButton } from "../dom.js";
import { load } from "../parts.js";

export class PageView {
  element = h("div", { class: "page-view" });
  #url = null; // of the picture that is shown

  /**
   * @param {import("../../types.js").Place} place
   * @param {{store: string, file: string, filename: string, mark?: import("../../types.js").Mark | null}} document `mark` counts the document's characters
   */
  constructor(place, { store, file, filename, mark = null }) {
    Object.assign(this, { place, store, file, filename, mark });
    place.signal.addEventListener("abort", () => this.#forget());
  }

  /** @param {number | null} number of the page; null is the first one, or all where there are none */
  open(number) {
    const { library, signal } = this.place;
    const fetch = async () => {
      const page = await (number === null ? library.firstPage(this.store, this.file, signal) : library.page(this.store, this.file, number, signal));
      return { page, picture: await this.#picture(page) };
    };
    return load(this.place, this.element, fetch, (found) => this.#content(found)).then(() => this.#showMark());
  }

  /** Ends the use of the picture. */
  #forget() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = null;
  }

  async #picture(page) {
    if (page.page === null || !/\.pdf$/i.test(this.filename)) return null;
    const { library, signal } = this.place;
    return library.picture(this.store, this.file, page.page, this.#markOn(page), signal).catch((error) => {
      if (error.code === "pii_masked") return null; // the text alone, in which personal data is blanked
      throw error;
    });
  }

  #content({ page, picture }) {
    this.#forget();
    const text = h("div", { class: "page-text", lang: "" }, ...this.#marked(page));
    const parts = [page.num_pages > 1 ? this.#pager(page) : null];
    if (!picture) return [...parts, text];
    this.#url = URL.createObjectURL(picture);
    const isMarked = this.#markOn(page) !== null;
    const alt = t(isMarked ? "page.picture_marked" : "page.picture", { page: page.page, name: this.filename });
    const image = h("img", { src: this.#url, alt });
    const frame = h("div", { class: "page-picture", "data-marked": isMarked }, image, isMarked ? anchorOf(page, this.mark) : null);
    const fold = h("details", { class: "more" }, h("summary", {}, t("page.text")), text);
    return [...parts, frame, fold];
  }

  #pager({ page, num_pages: count }) {
    const step = (name, label, target) => {
      const button = iconButton(name, t(label), () => target >= 1 && target <= count && this.open(target), label);
      button.setAttribute("aria-disabled", String(target < 1 || target > count));
      return button;
    };
    const where = h("span", { role: "status" }, t("page.of", { page, count }));
    return h("div", { class: "pager" }, step("left", "page.previous", page - 1), where, step("right", "page.next", page + 1));
  }

  /** The mark, if any of it stands on this page. */
  #markOn({ start, end }) {
    return this.mark && this.mark.start < end && this.mark.end > start ? this.mark : null;
  }

  #marked(page) {
    const mark = this.#markOn(page);
    if (!mark) return [page.text];
    const letters = [...page.text]; // code points, as the API counts
    const [first, last] = [Math.max(0, mark.start - page.start), mark.end - page.start];
    const parts = [letters.slice(0, first), letters.slice(first, last), letters.slice(last)].map((part) => part.join(""));
    return [parts[0], h("mark", {}, parts[1]), parts[2]];
  }

  /** Scrolls to the quote. */
  async #showMark() {
    await this.element.querySelector("img")?.decode().catch(() => {}); // until then it has no height
    (this.element.querySelector(".page-picture .anchor") ?? this.element.querySelector(":not(details) > .page-text mark"))?.scrollIntoView({ block: "center" });
  }
}

/** About where in the picture the mark stands: text is spread over a page more or less evenly. */
function anchorOf({ start, end }, mark) {
  const anchor = h("span", { class: "anchor" });
  anchor.style.top = `${(100 * Math.max(0, mark.start - start)) / Math.max(1, end - start)}%`;
  return anchor;
}
