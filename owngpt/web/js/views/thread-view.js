/** The messages of the open conversation, the empty state, and where the page is scrolled. */
import { language, t } from "../i18n.js";
import { announce } from "./announcer.js";
import { byId, keepFocus } from "./dom.js";
import { isTouch } from "./keyboard.js";
import { errorText, messageView } from "./message-view.js";

const NEAR_END_PX = 80;

export class ThreadView {
  #views = new Map(); // message id -> view
  #language = language();
  #frame = 0;
  #scroller = byId("thread");
  #list = byId("messages");
  #latest = byId("latest");

  /** @param {import("../session.js").Session} session */
  constructor(session) {
    this.session = session;
    session.addEventListener("thread", () => this.render());
    session.addEventListener("busy", () => this.render());
    session.addEventListener("message", ({ detail }) => this.#grow(detail));
    this.#scroller.addEventListener("scroll", () => this.#showLatest(), { passive: true });
    this.#latest.addEventListener("click", () => this.#toEnd());
    this.render();
  }

  /** Shows the path; what stays keeps its element. */
  render() {
    const { path, conversation } = this.session;
    keepFocus(this.#list, () => this.#showPath(path), isTouch() ? this.#scroller : byId("message"));
    byId("empty").hidden = path.length > 0;
    if (byId("place").hidden) this.#showTitle(conversation.title);
    this.#showLatest();
  }

  #showTitle(title) {
    byId("title").textContent = title || t("sidebar.new");
    document.title = title ? `${title} – owngpt` : "owngpt";
  }

  #showPath(path) {
    this.#dropStale();
    const isFollowing = this.#isAtEnd();
    const views = path.map((message) => this.#viewOf(message));
    for (const view of views) view.update();
    const isLastNew = !views.at(-1)?.element.isConnected;
    const isOther = !views.some(({ element }) => element.isConnected);
    if (!isSame([...this.#list.children], views)) this.#list.replaceChildren(...views.map(({ element }) => element));
    if (!views.length) this.#scroller.scrollTop = 0;
    else if (isFollowing || isOther || (isLastNew && this.session.isBusy)) this.#toEnd();
  }

  #viewOf(message) {
    let view = this.#views.get(message.id);
    if (view?.message !== message) {
      view = messageView(message, this.session);
      this.#views.set(message.id, view);
    }
    return view;
  }

  #dropStale() {
    if (this.#language !== language()) this.#views.clear();
    this.#language = language();
    for (const id of this.#views.keys()) if (!this.session.messages.has(id)) this.#views.delete(id);
  }

  /** One update per frame, however many tokens came. */
  #grow(message) {
    if (!this.session.isGrowing(message)) return this.#end(message);
    this.#frame ||= requestAnimationFrame(() => this.#update(message));
  }

  #end(message) {
    cancelAnimationFrame(this.#frame);
    this.#update(message);
    announce(message.error ? `${t("error.title")}: ${errorText(message.error)}` : t("message.done"));
  }

  #update(message) {
    this.#frame = 0;
    const view = this.#views.get(message.id);
    if (!view) return;
    const isFollowing = this.#isAtEnd();
    view.update();
    for (const text of view.takeFinished()) announce(text);
    if (isFollowing) this.#toEnd();
    this.#showLatest();
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #showLatest() {
    this.#latest.hidden = this.#isAtEnd();
  }
}

function isSame(elements, views) {
  return elements.length === views.length && views.every(({ element }, index) => element === elements[index]);
}
