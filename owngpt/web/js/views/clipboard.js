/** Copying text, with feedback. */
import { t } from "../i18n.js";
import { h, icon, iconButton } from "./dom.js";
import { toast } from "./toast.js";

const FEEDBACK_MS = 1600;

/** A button that copies what `getText` returns. */
export function copyButton(label, getText, key = "") {
  const copyText = async () => {
    if (!(await copy(getText()))) return toast(t("message.copy_failed"));
    toast(t("message.copied"));
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(icon("copy")), FEEDBACK_MS);
  };
  const button = iconButton("copy", label, copyText, key);
  return button;
}

/** The clipboard API is missing on plain-HTTP addresses of a local network; the old command works there. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = h("textarea", { class: "visually-hidden", "aria-hidden": "true" });
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return isCopied;
}
