/** Small helpers to build and find elements. */

/**
 * An element. `on*` properties are listeners, `true` is an attribute without value, null and false leave it out;
 * children are nodes or texts, null is skipped.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The element of the page with that id. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** A drawing of `icons.svg`; it says nothing to a screen reader, its button does. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} [key] for `keepFocus` */
export function iconButton(name, label, onclick, key = "") {
  const properties = { type: "button", class: "icon-button small", "aria-label": label, title: label, "data-key": key };
  return h("button", { ...properties, onclick }, icon(name));
}

/**
 * Runs `change`, which may replace elements of `container`. If that takes the element with the focus away, the one
 * with the same `data-key` gets it, else `fallback`.
 */
export function keepFocus(container, change, fallback) {
  const focused = container.contains(document.activeElement) ? document.activeElement : null;
  change();
  if (!focused || container.contains(document.activeElement)) return;
  const heir = container.querySelector(`[data-key="${CSS.escape(focused.dataset.key || "none")}"]:enabled`);
  (heir ?? fallback)?.focus();
}

/** Offers `text` as a file to save. */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
