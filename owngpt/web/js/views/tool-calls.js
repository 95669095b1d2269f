/** Tool calls of an answer, readable, and the form that takes their results. */
import { t } from "../i18n.js";
import { h, icon } from "./dom.js";

/** @param {import("../types.js").ToolCall} call */
export function toolCallElement(call) {
  const head = h("div", { class: "code-bar" }, h("span", { class: "with-icon" }, icon("tool"), t("tool.call", { name: call.name })));
  return h("figure", { class: "code tool-call" }, head, h("pre", { tabindex: "0" }, h("code", {}, readable(call.arguments))));
}

/**
 * Asks for a result of each call.
 *
 * @param {import("../types.js").ToolCall[]} calls
 * @param {(results: string[]) => void} onsend gets the texts in the calls' order
 */
export function toolResultForm(calls, onsend) {
  const inputs = calls.map(() => h("textarea", { rows: "2", class: "code", spellcheck: "false" }));
  const fields = calls.map(({ name }, index) => h("label", { class: "field" }, h("span", {}, t("tool.result", { name })), inputs[index]));
  const button = h("button", { type: "submit", class: "button primary" }, t("tool.send"));
  const onsubmit = (event) => {
    event.preventDefault();
    onsend(inputs.map(({ value }) => value));
  };
  return h("form", { class: "tool-results", onsubmit }, ...fields, h("div", { class: "buttons" }, button));
}

/** JSON indented; while it is incomplete, or for custom tools, the text as it is. */
function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
