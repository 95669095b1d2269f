/** Texts in the person's language. `data-i18n*` attributes of the page name what stands there. */
import en from "./locales/en.js";
import ja from "./locales/ja.js";
import { preference } from "./preferences.js";

const LOCALES = { en, ja };
const ATTRIBUTES = { i18nLabel: "aria-label", i18nPlaceholder: "placeholder", i18nTitle: "title" };

/** The choice of the person, else the first of the browser's languages that there is, else English. */
export function language() {
  const wanted = [preference("language"), ...navigator.languages].map((tag) => tag.split("-")[0]);
  return wanted.find((tag) => tag in LOCALES) ?? "en";
}

/** The text called `key`, with each `{name}` replaced by `values[name]`. */
export function t(key, values = {}) {
  const text = LOCALES[language()][key];
  if (text === undefined) throw new Error(`no text is called ${key}`);
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}

export function formatNumber(value, options = {}) {
  return new Intl.NumberFormat(language(), options).format(value);
}

/** @param {number} seconds Unix time, as the API tells it */
export function formatTime(seconds, options = { dateStyle: "medium", timeStyle: "short" }) {
  return new Intl.DateTimeFormat(language(), options).format(seconds * 1000);
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

export function formatBytes(bytes) {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const options = { style: "unit", unit: UNITS[power], unitDisplay: power ? "short" : "long", maximumFractionDigits: power ? 1 : 0 };
  return formatNumber(bytes / 1000 ** power, options).replaceAll(" ", "\u00a0");
}

/** Fills in all texts that the page itself holds. */
export function translatePage(root = document) {
  document.documentElement.lang = language();
  for (const element of root.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const [name, attribute] of Object.entries(ATTRIBUTES)) {
    const selector = `[data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`;
    for (const element of root.querySelectorAll(selector)) element.setAttribute(attribute, t(element.dataset[name]));
  }
}
