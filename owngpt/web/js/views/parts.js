/** What the places beside the chat are made of: buttons, fields, tables, and what is shown while something loads. */
import { ApiError } from "../api.js";
import { formatTime, t } from "../i18n.js";
import { h, icon, keepFocus } from "./dom.js";
import { errorText } from "./message-view.js";

const PATIENCE_MS = 150; // what comes sooner needs no sign that it is coming
const latest = new WeakMap(); // element -> what was asked for last: an answer that comes late shows nothing

/** @param {string} label @param {() => unknown} onclick @param {{kind?: string, icon?: string, key?: string}} [options] */
export function button(label, onclick, { kind = "", icon: name, key = "" } = {}) {
  const properties = { type: "button", class: `button ${kind}`.trim(), "data-key": key, onclick };
  return h("button", properties, name ? icon(name) : null, h("span", {}, label));
}

/** A labelled input, select or textarea, perhaps with a hint. */
export function field(label, input, hint = null) {
  const control = input.matches("select") ? h("span", { class: "select" }, input) : input;
  const element = h("label", { class: "field" }, h("span", {}, label), control);
  if (hint) element.append(h("small", {}, hint));
  return element;
}

/** @param {[string, string][]} options values and labels */
export function select(options, value = options[0]?.[0], properties = {}) {
  const element = h("select", properties, ...options.map(([option, label]) => h("option", { value: option }, label)));
  element.value = value;
  return element;
}

/**
 * A table that scrolls sideways, also by keyboard.
 *
 * @param {string} caption what it is, for screen readers
 * @param {string[]} columns an empty name is that of a column of buttons
 * @param {(Node | string | null)[][]} rows
 */
export function table(caption, columns, rows) {
  const head = h("tr", {}, ...columns.map((name) => (name ? h("th", { scope: "col" }, name) : h("td", {}))));
  const body = rows.map((cells) => h("tr", {}, ...cells.map((cell, index) => h(index ? "td" : "th", index ? {} : { scope: "row" }, cell ?? ""))));
  const content = h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, head), h("tbody", {}, ...body));
  return h("div", { class: "table", role: "group", tabindex: "0", "aria-label": caption }, content);
}

/** A part of a page under a heading, perhaps with a button beside it. */
export function section(title, action, ...content) {
  const head = h("div", { class: "section-top" }, h("h2", {}, title), action);
  return h("section", { class: "section", "aria-label": title }, head, ...content);
}

/** @param {number | null} seconds Unix time */
export function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  return h("time", { datetime: new Date(seconds * 1000).toISOString() }, formatTime(seconds));
}

export function hint(text) {
  return h("p", { class: "hint" }, text);
}

/** An error of the API in its words, with what it means where that is not plain. */
export function problem(error, retry = null) {
  const words = error instanceof ApiError ? errorText(error) : t("error.unexpected", { message: error.message });
  const why = error.status === 403 ? h("p", {}, t("places.forbidden")) : null;
  const again = retry ? h("button", { type: "button", class: "button", onclick: retry }, t("error.retry")) : null;
  return h("div", { class: "error", role: "alert" }, icon("alert"), h("div", {}, h("p", {}, words), why), again);
}

/**
 * Fills `element` with what `render` makes of what `fetch` gets; until then, and if it fails, says so there.
 *
 * @param {import("../types.js").Place} place left before the answer comes, nothing happens any more
 */
export async function load(place, element, fetch, render) {
  const again = () => load(place, element, fetch, render);
  const turn = {};
  const isStale = () => place.signal.aborted || latest.get(element) !== turn;
  const show = (...content) => keepFocus(element, () => element.replaceChildren(...content), element.closest("[tabindex]"));
  const timer = setTimeout(() => (element.hasChildNodes() ? element.setAttribute("aria-busy", "true") : show(waiting())), PATIENCE_MS);
  latest.set(element, turn);
  try {
    const found = await fetch();
    if (!isStale()) show(...[render(found)].flat().filter(Boolean));
  } catch (error) {
    if (error.name === "AbortError" || isStale()) return;
    if (!(error instanceof ApiError)) console.error(error);
    if (error.status === 401) place.unauthorized(error.message, again);
    show(problem(error, again));
  } finally {
    clearTimeout(timer);
    if (!isStale()) element.removeAttribute("aria-busy");
  }
}

export function waiting() {
  return h("p", { class: "waiting", role: "img", "aria-label": t("places.loading") }, h("i"), h("i"), h("i"));
}

/** Runs what a button does; what goes wrong is shown at the top of the place. */
export async function attempt(place, action) {
  try {
    return await action();
  } catch (error) {
    if (error.name === "AbortError" || place.signal.aborted) return undefined;
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) place.unauthorized(error.message, () => attempt(place, action));
    place.showProblem(problem(error));
    return undefined;
  }
}
