/** The box where a message is written, with Send or Stop. */
import { t } from "../i18n.js";
import { byId } from "./dom.js";
import { growsWithText, isTouch, sendsOnEnter } from "./keyboard.js";

export class ComposerView {
  #area = byId("message");
  #fit = growsWithText(this.#area);

  /** @param {import("../session.js").Session} session */
  constructor(session) {
    this.session = session;
    sendsOnEnter(this.#area, () => this.#send());
    byId("composer").addEventListener("submit", (event) => (event.preventDefault(), this.#send()));
    byId("stop").addEventListener("click", () => (session.stop(), this.focus()));
    this.#area.addEventListener("input", () => this.render());
    session.addEventListener("busy", () => this.render());
    session.addEventListener("models", () => this.render());
    this.render();
  }

  render() {
    const { isBusy, conversation } = this.session;
    const isFocusLost = !isBusy && document.activeElement === byId("stop"); // it is about to go
    byId("send").hidden = isBusy;
    byId("stop").hidden = !isBusy;
    byId("send").disabled = !this.#area.value.trim() || !conversation.model;
    if (isFocusLost) this.focus();
    byId("composer-hint").textContent = t(isTouch() ? "composer.hint_touch" : "composer.hint");
  }

  /** Puts a text into the box, ready to be changed or sent. */
  write(text) {
    this.#area.value = text;
    this.#fit();
    this.render();
    this.focus();
  }

  focus() {
    this.#area.focus();
  }

  #send() {
    const text = this.#area.value.trim();
    if (!text || this.session.isBusy || !this.session.conversation.model) return;
    this.write("");
    this.session.send(text);
  }
}
