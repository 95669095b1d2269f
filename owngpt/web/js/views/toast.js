/** Short notices at the edge of the page, read out politely. */
import { byId, h } from "./dom.js";

const VISIBLE_MS = 4000;

export function toast(text) {
  const element = h("p", { class: "toast" }, text);
  byId("toasts").replaceChildren(element);
  setTimeout(() => element.remove(), VISIBLE_MS);
}
