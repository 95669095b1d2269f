/** An answer from documents: what it is worth, its text with a mark behind each quote, and the quotes with their sources. */
import { splitAtMarks, withMarks } from "../../citations.js";
import { formatNumber, t } from "../../i18n.js";
import { announce } from "../announcer.js";
import { h } from "../dom.js";
import { MarkdownView } from "../markdown-view.js";
import { problem, waiting } from "../parts.js";

export class AnswerView {
  element = h("div", { class: "grounded-answer", "aria-busy": "false" });
  #text = null;
  #answer = null;
  #frame = 0;

  /** @param {import("../../types.js").Place} place @param {(citation: import("../../types.js").FileCitation) => void} onopen */
  constructor(place, onopen) {
    this.asking = place.asking;
    this.onopen = onopen;
    this.asking.addEventListener("change", () => this.#changed(), { signal: place.signal });
    this.#render();
  }

  /** One update per frame, however many tokens came; the last one at once. */
  #changed() {
    if (this.asking.isBusy) {
      this.#frame ||= requestAnimationFrame(() => this.#render());
      return;
    }
    cancelAnimationFrame(this.#frame);
    this.#render();
    announce([this.element.querySelector(".verdict")?.textContent, this.asking.answer.text].filter(Boolean).join(" "));
  }

  #render() {
    this.#frame = 0;
    const { answer } = this.asking;
    if (!answer) return;
    if (answer !== this.#answer) [this.#answer, this.#text] = [answer, new MarkdownView()];
    this.element.setAttribute("aria-busy", String(answer.status === "running"));
    this.#text.update(withMarks(answer.text, answer.citations));
    putMarks(this.#text.element, answer.citations, this.onopen);
    const parts = [
      h("h2", { class: "asked" }, answer.question),
      answer.grounding ? verdictElement(answer.grounding, answer.mode) : null,
      answer.status === "running" && !answer.text ? waiting() : this.#text.element,
      answer.isCut ? h("p", { class: "note" }, t("message.length")) : null,
      answer.status === "stopped" ? h("p", { class: "note" }, t("message.stopped")) : null,
      answer.error ? problem(answer.error, () => this.asking.ask(answer.question)) : null,
      answer.citations.length ? this.#sources(answer.citations) : null,
      answer.grounding?.hints.length ? this.#hints(answer.grounding.hints) : null,
    ];
    this.element.replaceChildren(...parts.filter(Boolean));
  }

  #sources(citations) {
    const items = citations.map((citation, number) => {
      const label = h("span", { class: "mark", "aria-hidden": "true" }, formatNumber(number + 1));
      const text = h("span", {}, h("q", { dir: "auto" }, citation.quote), h("small", {}, whereOf(citation)));
      return h("li", {}, h("button", { type: "button", class: "source-button", onclick: () => this.onopen(citation) }, label, text));
    });
    return h("section", { "aria-label": t("ask.sources") }, h("h3", {}, t("ask.sources")), h("ol", { class: "sources" }, ...items));
  }

  #hints(hints) {
    const items = hints.map((found) => {
      const citation = { ...found, end: found.start + [...found.text].length, quote: found.text, support: null };
      const text = h("span", {}, h("span", { class: "passage", dir: "auto" }, found.text), h("small", {}, whereOf(citation)));
      return h("li", {}, h("button", { type: "button", class: "source-button", onclick: () => this.onopen(citation) }, text));
    });
    return h("section", { "aria-label": t("ask.hints") }, h("h3", {}, t("ask.hints")), h("ol", { class: "sources" }, ...items));
  }
}

/** File and page, and how well the quote bears the answer out, where that is known. */
export function whereOf({ filename, page, support }) {
  const parts = [filename, page === null ? null : t("source.page", { page: formatNumber(page) })];
  if (support !== null) parts.push(t("source.support", { percent: percent(support) }));
  return parts.filter(Boolean).join(" · ");
}

export function percent(share) {
  return formatNumber(share, { style: "percent", maximumFractionDigits: 0 });
}

function verdictElement({ verdict, support, threshold, sentences, is_extract: isExtract }, mode) {
  const weak = sentences.filter((sentence) => sentence.support < 0.5).length;
  const numbers = t("verdict.numbers", { support: percent(support), threshold: percent(threshold) });
  const more = verdict === "partly" && weak ? t("verdict.weak", { weak: formatNumber(weak), count: formatNumber(sentences.length) }) : null;
  const instead = isExtract && mode === "quote" && verdict !== "abstained" ? t("verdict.instead") : null;
  const text = [t(`verdict.${verdict}_text`), more, instead].filter(Boolean).join(" ");
  return h("p", { class: `verdict is-${verdict}` }, h("strong", {}, t(`verdict.${verdict}`)), ` ${text} `, h("small", {}, numbers));
}

/** Puts a button where each mark stands; blocks that did not change have theirs already. */
function putMarks(element, citations, onopen) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (walker.currentNode.data.includes("\uE000")) texts.push(walker.currentNode);
  for (const node of texts) {
    node.replaceWith(...splitAtMarks(node.data).map(({ text, number }) => (number === null ? text : markButton(citations[number], number, onopen))));
  }
}

function markButton(citation, number, onopen) {
  const name = t("ask.mark", { number: number + 1, file: citation.filename });
  const properties = { type: "button", class: "mark", "aria-label": name, title: whereOf(citation) };
  return h("button", { ...properties, onclick: () => onopen(citation) }, formatNumber(number + 1));
}
