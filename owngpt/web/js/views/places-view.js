/** Which place is shown: the chat, or one of the others, which is built anew whenever it is opened. */
import { t } from "../i18n.js";
import { placeOf, placesOf, RIGHTS } from "../places.js";
import { ask } from "./ask/ask-view.js";
import { documents } from "./documents/documents-view.js";
import { byId, h } from "./dom.js";
import { audit } from "./organization/audit-view.js";
import { organization } from "./organization/organization-view.js";
import { projects } from "./organization/projects-view.js";
import { usage } from "./organization/usage-view.js";

const VIEWS = { ask, documents, projects, organization, usage, audit };

export class PlacesView {
  #leaving = new AbortController();
  #isFirst = true;

  /**
   * @param {object} parts
   * @param {import("../api.js").Api} parts.api
   * @param {import("../library.js").Library} parts.library
   * @param {import("../asking.js").Asking} parts.asking
   * @param {import("../session.js").Session} parts.session
   * @param {() => void} parts.showChat gives the page's title back to the chat
   */
  constructor(parts) {
    this.parts = parts;
    addEventListener("hashchange", () => this.render());
  }

  get isChat() {
    return placeOf(location.hash).name === "chat";
  }

  /** There is another key: the place that is open is opened anew, and the links are those of places that the key opens. */
  async update() {
    this.render();
    const open = await placesOf(this.parts.api);
    for (const name of Object.keys(RIGHTS)) this.#link(name).parentElement.hidden = !open.includes(name);
  }

  render() {
    const { name, ids } = placeOf(location.hash);
    this.#leaving.abort();
    this.#leaving = new AbortController();
    for (const link of byId("places").querySelectorAll("a")) link.removeAttribute("aria-current");
    this.#link(name).setAttribute("aria-current", "page");
    const { conversation } = this.parts.session;
    this.#link("chat").href = conversation.leaf ? `#c/${conversation.id}` : "#";
    for (const element of document.querySelectorAll("[data-chat]")) element.toggleAttribute("data-away", name !== "chat");
    byId("place").hidden = name === "chat";
    byId("place").replaceChildren();
    if (name === "chat") this.parts.showChat();
    else this.#open(name, ids);
    this.#isFirst = false;
  }

  #open(name, ids) {
    const notices = h("div", { class: "notices" });
    const place = {
      ...this.parts,
      signal: this.#leaving.signal,
      setTitle: (title) => this.#setTitle(title),
      showProblem: (element) => (notices.replaceChildren(element), element.scrollIntoView({ block: "nearest" })),
      unauthorized: (message, retry) => this.parts.session.reportUnauthorized(message, retry),
    };
    this.#setTitle(t(`places.${name}`));
    byId("place").replaceChildren(h("div", { class: `page page-${name}` }, notices, VIEWS[name](place, ...ids)));
    byId("place").scrollTop = 0;
    if (!this.#isFirst) byId("place").focus({ preventScroll: true });
  }

  #setTitle(title) {
    byId("title").textContent = title;
    document.title = `${title} – owngpt`;
  }

  #link(name) {
    return byId("places").querySelector(`[data-place="${name}"]`);
  }
}
