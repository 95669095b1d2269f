/** Markdown that grows: blocks that did not change keep their elements, so selections and buttons survive. */
import { t } from "../i18n.js";
import { parseBlocks, renderBlock } from "../markdown.js";
import { copyButton } from "./clipboard.js";
import { h } from "./dom.js";

export class MarkdownView {
  #keys = [];
  #numTaken = 0;
  element = h("div", { class: "markdown" });

  update(text) {
    const blocks = parseBlocks(text);
    const same = this.#keys.findIndex((key, index) => key !== blocks[index]?.key);
    const kept = same === -1 ? this.#keys.length : same;
    while (this.element.children.length > kept) this.element.lastChild.remove();
    this.element.append(...blocks.slice(kept).map(blockElement));
    this.#keys = blocks.map(({ key }) => key);
  }

  /** The texts of blocks that are complete and were not taken before; the last block is, once `isDone`. */
  takeFinished(isDone) {
    const end = this.element.children.length - (isDone ? 0 : 1);
    const texts = [...this.element.children].slice(this.#numTaken, Math.max(end, 0)).map((block) => block.textContent.trim());
    this.#numTaken = Math.max(end, this.#numTaken);
    return texts;
  }
}

function blockElement(block) {
  const element = h("div", { class: "block" }, renderBlock(block));
  for (const pre of element.querySelectorAll("pre")) pre.replaceWith(codeElement(pre));
  for (const table of element.querySelectorAll("table")) wrapTable(table);
  return element;
}

/** Code with its language and a button to copy it; it scrolls sideways, also by keyboard. */
function codeElement(pre) {
  const language = /language-(\S+)/.exec(pre.firstElementChild?.className ?? "")?.[1] ?? t("code.plain");
  const bar = h("div", { class: "code-bar" }, h("span", {}, language), copyButton(t("code.copy"), () => pre.textContent.replace(/\n$/, "")));
  pre.tabIndex = 0;
  return h("figure", { class: "code", "aria-label": language }, bar, pre.cloneNode(true));
}

function wrapTable(table) {
  const frame = h("div", { class: "table", tabindex: "0" });
  table.replaceWith(frame);
  frame.append(table);
}
