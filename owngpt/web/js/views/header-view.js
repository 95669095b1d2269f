/** The bar above the thread: which model answers. */
import { t } from "../i18n.js";
import { byId, h } from "./dom.js";

export class HeaderView {
  /** @param {import("../session.js").Session} session */
  constructor(session) {
    this.session = session;
    session.addEventListener("models", () => this.render());
    byId("model").addEventListener("change", ({ target }) => session.configure({ model: target.value }));
    this.render();
  }

  render() {
    const { models, isConnected, conversation } = this.session;
    const select = byId("model");
    select.replaceChildren(...models.map(({ id }) => h("option", { value: id }, id)));
    if (!models.length) select.append(h("option", { value: "" }, isConnected ? t("header.no_models") : ""));
    select.disabled = !models.length;
    select.value = conversation.model ?? "";
  }
}
