/** Reads answers to screen readers: each finished block once, never token by token. */
import { byId, h } from "./dom.js";

const CLEAR_AFTER_MS = 15_000; // time to read it; then it is not found twice when browsing
let timer = 0;

export function announce(text) {
  clearTimeout(timer);
  byId("announcer").append(h("p", {}, text));
  timer = setTimeout(() => byId("announcer").replaceChildren(), CLEAR_AFTER_MS);
}
