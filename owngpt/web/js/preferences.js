/** What this browser remembers beside conversations: language, theme, the last model, settings of new chats. */

const NAME = "owngpt.preferences";
const DEFAULTS = { language: "auto", theme: "auto", model: null, sidebar: true, settings: {} };

let values = { ...DEFAULTS, ...parsed(localStorage.getItem(NAME)) };

export function preference(name) {
  return values[name];
}

export function setPreference(name, value) {
  values = { ...values, [name]: value };
  localStorage.setItem(NAME, JSON.stringify(values));
}

function parsed(text) {
  try {
    return JSON.parse(text ?? "{}");
  } catch {
    return {}; // somebody edited it by hand: start over
  }
}
