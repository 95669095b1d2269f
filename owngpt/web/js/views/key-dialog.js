/** Asks for the API key until the server takes one. */
import { ApiError } from "../api.js";
import { t } from "../i18n.js";
import { keyPlace, setKey } from "../key.js";
import { byId } from "./dom.js";
import { errorText } from "./message-view.js";

let pending = null;

/**
 * Opens the dialog, or leaves it open, and resolves once a key works and is kept.
 *
 * @param {import("../session.js").Session} session its models are loaded with the key
 * @param {string | null} problem why it is asked again: the server's words
 * @param {boolean} canCancel whether there is a key that may stay; then false is a possible result
 * @returns {Promise<boolean>}
 */
export function askKey(session, problem = null, canCancel = false) {
  pending ??= ask(session, problem, canCancel).finally(() => (pending = null));
  return pending;
}

function ask(session, problem, canCancel) {
  const dialog = byId("key-dialog");
  byId("key-remember").checked = keyPlace() === "device";
  byId("key-input").value = "";
  showProblem(problem);
  return new Promise((resolve) => {
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      if (!(await connect(session))) return;
      resolve(true);
      dialog.close();
    };
    dialog.oncancel = (event) => !canCancel && event.preventDefault();
    dialog.onclose = () => (canCancel ? resolve(false) : dialog.showModal()); // browsers let a second Escape through
    dialog.showModal();
  });
}

async function connect(session) {
  const key = byId("key-input").value.trim();
  if (!key) return showProblem(t("key.missing"));
  setChecking(true);
  try {
    await session.loadModels({ key }).catch((error) => {
      if (![403, 503].includes(error.status)) throw error; // the key is good: models still load, or it only manages
    });
    setKey(key, byId("key-remember").checked);
    byId("key-dialog").onclose = null;
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return showProblem(errorText(error));
  } finally {
    setChecking(false);
  }
}

function setChecking(isChecking) {
  byId("key-connect").disabled = isChecking;
  byId("key-connect").textContent = t(isChecking ? "key.checking" : "key.connect");
}

function showProblem(text) {
  byId("key-problem").textContent = text ?? "";
  byId("key-problem").hidden = !text;
  byId("key-input").setAttribute("aria-invalid", String(Boolean(text)));
  return false;
}
