/** Puts the console together: makes the parts, connects them, opens what the address names (`#c/<conversation>` or a place). */
import { Api, ApiError } from "./api.js";
import { Asking } from "./asking.js";
import { toJson, toMarkdown } from "./export.js";
import { t, translatePage } from "./i18n.js";
import { getKey } from "./key.js";
import { Library } from "./library.js";
import { Session } from "./session.js";
import { Store } from "./store.js";
import { ComposerView } from "./views/composer-view.js";
import { askDelete, askName, prepareDialogs } from "./views/dialogs.js";
import { byId, download } from "./views/dom.js";
import { HeaderView } from "./views/header-view.js";
import { askKey } from "./views/key-dialog.js";
import { isMac, isTouch } from "./views/keyboard.js";
import { errorText, nameOf } from "./views/message-view.js";
import { PlacesView } from "./views/places-view.js";
import { preparePreferences } from "./views/preferences-dialog.js";
import { prepareSettings } from "./views/settings-dialog.js";
import { SidebarView } from "./views/sidebar-view.js";
import { ThreadView } from "./views/thread-view.js";
import { toast } from "./views/toast.js";
import { pathTo } from "./tree.js";

const RECONNECT_MS = 3000;

translatePage();
prepareDialogs();

const api = new Api(new URL(".", document.baseURI), getKey);
const store = await Store.open().catch((error) => {
  toast(t("app.storage_failed", { message: error.message }));
  throw error;
});
const session = new Session(api, store);
const composer = new ComposerView(session);
const header = new HeaderView(session);
const thread = new ThreadView(session);
const sidebar = new SidebarView(session, { open: goTo, startNew, menu: menuOf });
const places = new PlacesView({ api, session, library: new Library(api), asking: new Asking(api), showChat: () => thread.render() });

prepareSettings(session);
preparePreferences({ session, translate, changeKey: () => connect(null, true), keyForgotten: () => connect() });
connectPage();
await session.open(addressed());
await connect();
if (places.isChat) focusComposer();

function connectPage() {
  byId("new-chat-keys").textContent = isMac() ? "⌘K" : "Ctrl K";
  byId("skip-link").addEventListener("click", (event) => (event.preventDefault(), places.isChat ? composer.focus() : byId("place").focus()));
  byId("places").addEventListener("click", () => sidebar.closeIfNarrow());
  byId("examples").addEventListener("click", ({ target }) => target.matches("button") && composer.write(target.textContent));
  document.addEventListener("keydown", onKey);
  addEventListener("unhandledrejection", ({ reason }) => toast(t("error.unexpected", { message: reason?.message ?? reason })));
  addEventListener("hashchange", () => places.isChat && session.open(addressed()));
  session.addEventListener("moved", showAddress);
  session.addEventListener("unauthorized", async ({ detail }) => (await connect(detail.message)) && detail.retry());
}

/** Sees to a key that works, and loads the models. A problem that is not the key's is shown. */
async function connect(problem = null, canCancel = false) {
  const isAsked = !getKey() || problem !== null || canCancel;
  if (isAsked && !(await askKey(session, problem, canCancel))) return false;
  if (isAsked && session.isConnected) return connected();
  try {
    await session.loadModels();
    return connected();
  } catch (error) {
    if (error.status === 403) return connected(); // a key that manages, and asks no model
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return connect(error.message);
    toast(errorText(error)); // the server starts, or is away: keep asking
    setTimeout(connect, RECONNECT_MS);
  }
  return true;
}

function connected() {
  places.update();
  return true;
}

function onKey(event) {
  if (event.isComposing || document.querySelector("dialog[open], :popover-open")) return;
  if (event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey) && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    startNew();
  } else if (event.key === "Escape" && event.target !== byId("search") && places.isChat) {
    session.stop();
  }
}

// --- the address says which conversation is open, so that reload and Back work

function addressed() {
  return location.hash.startsWith("#c/") ? location.hash.slice(3) : null;
}

function showAddress() {
  const hash = session.conversation.leaf ? `#c/${session.conversation.id}` : "";
  if (location.hash === hash) return;
  history.pushState(null, "", `${location.pathname}${location.search}${hash}`);
  places.render();
}

function goTo(id) {
  location.hash = `#c/${id}`;
  sidebar.closeIfNarrow();
  focusComposer();
}

function startNew() {
  session.startNew();
  sidebar.closeIfNarrow();
  composer.focus();
}

/** Not on touch screens, where it would open the keyboard. */
function focusComposer() {
  if (!isTouch()) composer.focus();
}

function translate() {
  translatePage();
  for (const view of [composer, header, thread, sidebar, places]) view.render();
}

// --- what can be done with one conversation

function menuOf(conversation) {
  const { id, title } = conversation;
  const rename = async () => {
    const name = await askName(title);
    if (name) await session.rename(id, name);
  };
  return [
    { label: t("menu.rename"), run: rename },
    { label: t("menu.export_markdown"), run: () => exportMarkdown(conversation) },
    { label: t("menu.export_json"), run: async () => download(`${fileName(title)}.json`, "application/json", toJson(await session.records(id))) },
    { label: t("menu.delete"), run: async () => (await askDelete(title)) && session.delete(id), isDanger: true },
  ];
}

async function exportMarkdown(conversation) {
  const [{ messages }] = await session.records(conversation.id);
  const path = pathTo(new Map(messages.map((message) => [message.id, message])), conversation.leaf);
  download(`${fileName(conversation.title)}.md`, "text/markdown", toMarkdown(conversation, path, nameOf));
}

function fileName(title) {
  return title.replace(/[\\/:*?"<>|\p{Cc}]+/gu, " ").trim().slice(0, 80) || "owngpt";
}
