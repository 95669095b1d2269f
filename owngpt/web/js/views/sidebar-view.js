/** The list of conversations: search, groups by day, and what can be done with one. */
import { t } from "../i18n.js";
import { preference, setPreference } from "../preferences.js";
import { folded } from "../store.js";
import { byId, h, iconButton, keepFocus } from "./dom.js";
import { openMenu } from "./menu.js";

const DAY_MS = 86_400_000;
const SEARCH_AFTER_MS = 150;
const NARROW = matchMedia("(max-width: 52rem)");

export class SidebarView {
  #query = "";
  #matches = new Set();
  #timer = 0;
  #list = byId("conversations");

  /**
   * @param {import("../session.js").Session} session
   * @param {{open: (id: string) => void, startNew: () => void, menu: (conversation: import("../types.js").Conversation) => import("../types.js").MenuItem[]}} actions
   */
  constructor(session, actions) {
    this.session = session;
    this.actions = actions;
    for (const event of ["list", "busy", "thread"]) session.addEventListener(event, () => this.render());
    byId("search").addEventListener("input", ({ target }) => this.#search(target.value.trim()));
    byId("new-chat").addEventListener("click", () => actions.startNew());
    byId("sidebar-show").addEventListener("click", () => this.setOpen(true));
    byId("sidebar-hide").addEventListener("click", () => this.setOpen(false));
    byId("backdrop").addEventListener("click", () => this.setOpen(false));
    byId("sidebar").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && NARROW.matches) this.setOpen(false);
    });
    NARROW.addEventListener("change", () => this.#place(!NARROW.matches && preference("sidebar")));
    this.#place(!NARROW.matches && preference("sidebar"));
    this.render();
  }

  setOpen(isOpen) {
    if (!NARROW.matches) setPreference("sidebar", isOpen);
    this.#place(isOpen);
    byId(isOpen ? "sidebar-hide" : "sidebar-show").focus();
  }

  /** On a narrow screen the list covers the conversation: it goes away once something is chosen. */
  closeIfNarrow() {
    if (NARROW.matches) this.#place(false);
  }

  render() {
    const shown = this.session.conversations.filter((conversation) => this.#isWanted(conversation));
    const groups = grouped(shown);
    const none = this.#query ? t("sidebar.no_match", { query: this.#query }) : t("sidebar.none");
    const sections = [...groups].map(([name, conversations]) => this.#section(name, conversations));
    const content = shown.length ? sections : [h("p", { class: "hint" }, none)];
    keepFocus(this.#list, () => this.#list.replaceChildren(...content), byId("message"));
  }

  #place(isOpen) {
    document.documentElement.dataset.sidebar = isOpen ? "open" : "closed";
    byId("sidebar").inert = !isOpen;
    byId("main").inert = isOpen && NARROW.matches;
    byId("sidebar-show").setAttribute("aria-expanded", String(isOpen));
  }

  #search(query) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      this.#matches = query ? await this.session.store.search(query) : new Set();
      this.#query = query;
      this.render();
    }, SEARCH_AFTER_MS);
  }

  #isWanted({ id, title }) {
    return !this.#query || this.#matches.has(id) || folded(title).includes(folded(this.#query));
  }

  #section(name, conversations) {
    const id = `group-${name}`;
    const items = conversations.map((conversation) => this.#item(conversation));
    const list = h("ul", {}, ...items);
    return h("section", { "aria-labelledby": id }, h("h2", { id }, t(`sidebar.${name}`)), list);
  }

  #item(conversation) {
    const { id, title } = conversation;
    const isOpen = id === this.session.conversation.id;
    const isAnswering = this.session.isAnswering(id);
    const dot = isAnswering ? h("span", { class: "dot", role: "img", "aria-label": t("sidebar.running") }) : null;
    const properties = { type: "button", class: "conversation", "data-key": `open ${id}`, "aria-current": isOpen ? "true" : null };
    const button = h("button", { ...properties, onclick: () => this.actions.open(id) }, h("span", { dir: "auto" }, title), dot);
    return h("li", {}, button, this.#more(conversation));
  }

  #more(conversation) {
    const label = t("sidebar.more", { title: conversation.title });
    const open = ({ currentTarget }) => openMenu(currentTarget, this.actions.menu(conversation));
    const button = iconButton("more", label, open, `more ${conversation.id}`);
    button.setAttribute("aria-haspopup", "menu");
    return button;
  }
}

function grouped(conversations) {
  const groups = new Map();
  for (const conversation of conversations) {
    const name = dayGroup(conversation);
    groups.set(name, [...(groups.get(name) ?? []), conversation]);
  }
  return groups;
}

function dayGroup({ updatedAt }) {
  const today = new Date().setHours(0, 0, 0, 0);
  if (updatedAt >= today) return "today";
  if (updatedAt >= today - DAY_MS) return "yesterday";
  return updatedAt >= today - 7 * DAY_MS ? "week" : "older";
}
