/** Dialogs that are made for one question, and the one that shows a secret. An error keeps them open, in its words. */
import { ApiError } from "../api.js";
import { t } from "../i18n.js";
import { copyButton } from "./clipboard.js";
import { h } from "./dom.js";
import { errorText } from "./message-view.js";
import { field } from "./parts.js";

let count = 0; // ids of dialogs must differ

/**
 * @param {object} question
 * @param {string} question.title
 * @param {string} [question.note]
 * @param {{name: string, label: string, input: HTMLElement, hint?: string}[]} [question.fields]
 * @param {string} question.submit what the button says
 * @param {boolean} [question.isDanger]
 * @param {(values: Record<string, string>) => Promise<any>} question.send does it; its result is the answer
 * @returns {Promise<any>} undefined where it was cancelled
 */
export function askForm({ title, note, fields = [], submit, isDanger = false, send }) {
  const id = `form-${++count}`;
  for (const { name, input } of fields) input.setAttribute("name", name);
  const words = h("p", { class: "problem", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: isDanger ? "button danger solid" : "button primary" }, submit);
  const cancel = h("button", { type: "button", class: "button", onclick: () => dialog.close() }, t("dialog.cancel"));
  const form = h(
    "form",
    { class: "panel" },
    h("h2", { id }, title),
    note ? h("p", { class: "note" }, note) : null,
    ...fields.map(({ label, input, hint }) => field(label, input, hint)),
    words,
    h("div", { class: "buttons" }, cancel, button),
  );
  const dialog = h("dialog", { "aria-labelledby": id, role: isDanger ? "alertdialog" : null }, form);
  let answer;
  form.onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      answer = (await send(Object.fromEntries(new FormData(form)))) ?? null;
      dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      words.textContent = errorText(error);
      words.hidden = false;
    } finally {
      button.disabled = false;
    }
  };
  return shown(dialog).then(() => answer);
}

/** Shows what is shown only once. */
export function showSecret(title, note, secret) {
  const id = `form-${++count}`;
  const input = h("input", { class: "code", value: secret, readonly: true, "aria-label": title, onfocus: ({ target }) => target.select() });
  const line = h("div", { class: "secret field" }, input, copyButton(t("message.copy"), () => secret));
  const close = h("button", { type: "button", class: "button primary", onclick: () => dialog.close() }, t("secret.done"));
  const content = [h("h2", { id }, title), h("p", { class: "note" }, note), line, h("div", { class: "buttons" }, close)];
  const dialog = h("dialog", { "aria-labelledby": id }, h("div", { class: "panel" }, ...content));
  return shown(dialog);
}

function shown(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => (dialog.remove(), resolve());
  });
}
