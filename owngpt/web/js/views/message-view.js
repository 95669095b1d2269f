/** One message of the thread. `update()` brings the element up to date with the message. */
import { hasOutput, tokensPerSecond } from "../answer.js";
import { formatNumber, t } from "../i18n.js";
import { copyButton } from "./clipboard.js";
import { h, icon, iconButton } from "./dom.js";
import { growsWithText, sendsOnEnter } from "./keyboard.js";
import { MarkdownView } from "./markdown-view.js";
import { toolCallElement, toolResultForm } from "./tool-calls.js";

/**
 * @param {import("../types.js").Message} message
 * @param {import("../session.js").Session} session
 * @returns {UserView | AssistantView | ToolView}
 */
export function messageView(message, session) {
  return new { user: UserView, assistant: AssistantView, tool: ToolView }[message.role](message, session);
}

/** @param {import("../types.js").Message} message whose name stands over it */
export function nameOf(message) {
  if (message.role === "user") return t("message.you");
  return message.role === "tool" ? t("message.tool", { name: message.name }) : (message.model ?? "");
}

/** All versions of a message share the keys of their buttons: the focus stays in its place when another is shown. */
function keyOf(action, message) {
  return `${action} ${message.role} ${message.parent}`;
}

class UserView {
  constructor(message, session) {
    this.message = message;
    this.session = session;
    this.element = h("article", { class: "message user" });
  }

  update() {
    if (this.element.querySelector("form")) return; // being edited
    const { message, session } = this;
    const actions = h(
      "div",
      { class: "actions" },
      copyButton(t("message.copy"), () => message.content, keyOf("copy", message)),
      iconButton("edit", t("message.edit"), () => this.#edit(), keyOf("edit", message)),
      ...versionButtons(message, session),
    );
    const heading = h("h2", { class: "visually-hidden" }, nameOf(message));
    this.element.replaceChildren(heading, h("div", { class: "bubble", dir: "auto" }, message.content), actions);
  }

  #edit() {
    const { message, session } = this;
    const area = h("textarea", { "aria-label": t("edit.label"), rows: "1" });
    const send = () => {
      if (!area.value.trim()) return;
      close();
      session.edit(message, area.value.trim());
    };
    const close = () => {
      form.remove();
      this.update();
      this.element.querySelector(`[data-key="${keyOf("edit", message)}"]`).focus();
    };
    const cancel = h("button", { type: "button", class: "button", onclick: close }, t("edit.cancel"));
    const submit = h("button", { type: "submit", class: "button primary" }, t("edit.send"));
    const form = h("form", { class: "edit" }, area, h("div", { class: "buttons" }, cancel, submit));
    form.addEventListener("submit", (event) => (event.preventDefault(), send()));
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      close();
    });
    sendsOnEnter(area, send);
    const fit = growsWithText(area);
    area.value = message.content;
    this.element.replaceChildren(h("h2", { class: "visually-hidden" }, nameOf(message)), form);
    fit();
    area.focus();
  }
}

class ToolView {
  constructor(message) {
    this.message = message;
    this.element = h("article", { class: "message tool" });
  }

  update() {
    const bar = h("div", { class: "code-bar" }, h("h2", { class: "with-icon" }, icon("tool"), nameOf(this.message)));
    const pre = h("pre", { tabindex: "0" }, h("code", {}, this.message.content));
    this.element.replaceChildren(h("figure", { class: "code" }, bar, pre));
  }
}

class AssistantView {
  #answer = new MarkdownView();
  #thoughts = new MarkdownView();
  #heading = h("h2", { class: "author" });
  #reasoning = h("details", { class: "reasoning", hidden: true }, h("summary"), this.#thoughts.element);
  #calls = h("div", { class: "tool-calls" });
  #footer = h("div", { class: "footer" });
  #footerState = "";

  constructor(message, session) {
    this.message = message;
    this.session = session;
    this.element = h("article", { class: "message assistant" });
    this.element.append(this.#heading, this.#reasoning, this.#answer.element, this.#calls, this.#footer);
  }

  update() {
    const { message, session } = this;
    const isGrowing = session.isGrowing(message);
    this.#heading.textContent = nameOf(message);
    this.element.setAttribute("aria-busy", String(isGrowing));
    this.element.classList.toggle("is-growing", isGrowing);
    this.#updateReasoning(isGrowing);
    this.#answer.update(message.content);
    this.#calls.replaceChildren(...message.toolCalls.map(toolCallElement));
    this.#updateFooter(isGrowing);
  }

  /** Only when it would look different: it may hold a half-filled form. */
  #updateFooter(isGrowing) {
    const { message, session } = this;
    const ids = isGrowing ? [hasOutput(message)] : session.versionsOf(message).map(({ id }) => id);
    const state = [isGrowing, session.conversation.leaf === message.id, ...ids].join(" ");
    if (state === this.#footerState) return;
    this.#footerState = state;
    this.#footer.replaceChildren(...(isGrowing ? waiting(message) : this.#ending()));
  }

  /** What can be read out now, each text once. */
  takeFinished() {
    const isDone = !this.session.isGrowing(this.message);
    const calls = isDone ? this.message.toolCalls.map(({ name }) => t("tool.call", { name })) : [];
    return [...this.#answer.takeFinished(isDone), ...calls];
  }

  #updateReasoning(isGrowing) {
    const { reasoning, content, toolCalls } = this.message;
    const isThinking = isGrowing && !content && !toolCalls.length;
    this.#reasoning.hidden = !reasoning;
    this.#reasoning.firstChild.textContent = t(isThinking ? "message.thinking" : "message.reasoning");
    this.#thoughts.update(reasoning);
  }

  /** What stands under an answer that has ended. */
  #ending() {
    const { message, session } = this;
    const isLast = session.conversation.leaf === message.id;
    const isCalling = isLast && message.toolCalls.length > 0 && !message.error;
    return [
      message.error ? errorElement(message.error, () => session.retry(message)) : noteElement(message),
      isCalling ? toolResultForm(message.toolCalls, (results) => session.sendToolResults(message, results)) : null,
      h(
        "div",
        { class: "actions" },
        message.content ? copyButton(t("message.copy"), () => message.content, keyOf("copy", message)) : null,
        iconButton("again", t("message.regenerate"), () => session.regenerate(message), keyOf("again", message)),
        ...versionButtons(message, session),
        statsElement(message),
      ),
    ].filter(Boolean);
  }
}

function waiting(message) {
  return hasOutput(message) ? [] : [h("p", { class: "waiting", role: "img", "aria-label": t("message.waiting") }, h("i"), h("i"), h("i"))];
}

function noteElement(message) {
  const known = { stopped: "message.stopped", length: "message.length" }[message.finishReason];
  const key = known ?? (message.finishReason === null ? "message.interrupted" : hasOutput(message) ? null : "message.empty");
  return key && h("p", { class: "note" }, t(key));
}

function errorElement(error, retry) {
  const wait = error.retryAfter ? h("p", {}, t("error.retry_after", { seconds: error.retryAfter })) : null;
  const text = h("div", {}, h("strong", {}, t("error.title")), h("p", {}, errorText(error)), wait);
  return h("div", { class: "error" }, icon("alert"), text, h("button", { type: "button", class: "button", onclick: retry }, t("error.retry")));
}

/** The server's own words; ours only where it said nothing. @param {import("../types.js").Problem} problem */
export function errorText({ message, status, code }) {
  if (message) return message;
  if (code === "network") return t("error.network", { host: location.host });
  return code === "interrupted" ? t("error.interrupted") : t("error.status", { status });
}

function versionButtons(message, session) {
  const versions = session.versionsOf(message);
  if (versions.length < 2) return [];
  const index = versions.findIndex(({ id }) => id === message.id);
  const step = (name, label, target) => {
    const button = iconButton(name, t(label), () => target && session.select(target), keyOf(name, message));
    button.setAttribute("aria-disabled", String(!target)); // not `disabled`: it keeps the focus
    return button;
  };
  const place = t("message.version", { index: index + 1, count: versions.length });
  return [
    step("left", "message.previous", versions[index - 1]),
    h("span", { class: "version", role: "img", "aria-label": place }, `${index + 1}/${versions.length}`),
    step("right", "message.next", versions[index + 1]),
  ];
}

/** Tokens and speed on the line, the rest in its tooltip and for screen readers. */
function statsElement({ usage, timing }) {
  if (!usage) return null;
  const count = (key, number) => (number ? t(key, { count: formatNumber(number) }) : null);
  const speed = tokensPerSecond({ usage, timing });
  const shown = [
    t(usage.completion_tokens === 1 ? "stats.tokens_one" : "stats.tokens", { count: formatNumber(usage.completion_tokens) }),
    speed && t("stats.speed", { speed: formatNumber(speed, { maximumSignificantDigits: 3 }) }),
  ];
  const more = [
    count("stats.prompt", usage.prompt_tokens),
    count("stats.cached", usage.prompt_tokens_details?.cached_tokens),
    count("stats.reasoning", usage.completion_tokens_details?.reasoning_tokens),
    timing.first && t("stats.first", { seconds: formatNumber(timing.first / 1000, { maximumFractionDigits: 2 }) }),
  ];
  const title = more.filter(Boolean).join(" · ");
  const hidden = h("span", { class: "visually-hidden" }, ` · ${title}`);
  return h("span", { class: "stats", title }, shown.filter(Boolean).join(" · "), hidden);
}
