/** The API key: in this tab's session storage, or on this device where the person asked for that. */

const NAME = "owngpt.key";

export function getKey() {
  return sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME);
}

/** @returns {"session" | "device" | "none"} where the key is kept */
export function keyPlace() {
  if (sessionStorage.getItem(NAME)) return "session";
  return localStorage.getItem(NAME) ? "device" : "none";
}

export function setKey(key, isRemembered) {
  forgetKey();
  (isRemembered ? localStorage : sessionStorage).setItem(NAME, key);
}

export function forgetKey() {
  sessionStorage.removeItem(NAME);
  localStorage.removeItem(NAME);
}
