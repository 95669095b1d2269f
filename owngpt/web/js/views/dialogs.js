/** What all dialogs share, and the two small ones that ask something. */
import { t } from "../i18n.js";
import { byId } from "./dom.js";

/** Close buttons and clicks on the backdrop. Escape is the browser's. */
export function prepareDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
    if (dialog.id !== "key-dialog") dialog.addEventListener("mousedown", ({ target }) => target === dialog && dialog.close());
  }
}

/** Opens a dialog; true once its form is sent, false when it is closed otherwise. */
export function asked(dialog) {
  const form = dialog.querySelector("form");
  return new Promise((resolve) => {
    let isSent = false;
    form.onsubmit = (event) => {
      event.preventDefault();
      isSent = true;
      dialog.close();
    };
    dialog.addEventListener("close", () => resolve(isSent), { once: true });
    dialog.showModal();
  });
}

/** @returns {Promise<string | null>} the new name */
export async function askName(title) {
  const input = byId("rename-input");
  input.value = title;
  const answer = asked(byId("rename-dialog"));
  input.select();
  return (await answer) && input.value.trim() ? input.value.trim() : null;
}

export function askDelete(title) {
  byId("delete-title").textContent = title === null ? t("delete.all_title") : t("delete.title", { title });
  byId("delete-body").textContent = t(title === null ? "delete.all_body" : "delete.body");
  return asked(byId("delete-dialog"));
}
