/**
 * What the person is doing: the conversations, the one that is open, the answers that are under way.
 * Ties the API to the store. Knows no DOM; views listen to its events:
 * `list` (conversations changed), `thread` (the shown path changed), `message` (a shown answer grew), `busy`,
 * `models`, `moved` (another conversation is open, and not by its address), `unauthorized` (detail: {message, retry}).
 */
import { applyChunk, hasOutput } from "./answer.js";
import { ApiError } from "./api.js";
import { preference, setPreference } from "./preferences.js";
import { newId } from "./store.js";
import { newestLeaf, pathTo, versionsOf } from "./tree.js";
import { requestBody } from "./wire.js";

const SAVE_EVERY_MS = 1000; // how much of an answer a crash may cost
const TITLE_LENGTH = 60;

export class Session extends EventTarget {
  /** @type {import("./types.js").Conversation[]} */
  conversations = [];
  /** @type {{id: string, capabilities?: {chat?: boolean}}[]} */
  models = [];
  isConnected = false; // whether the models are known
  /** @type {Map<string, import("./types.js").Message>} */
  messages = new Map();
  /** @type {Map<string, import("./types.js").Run>} by conversation: an answer goes on while another one is shown */
  #running = new Map();
  #opening = null; // what `open` was asked for last
  #channel = new BroadcastChannel("owngpt");

  /** @param {import("./api.js").Api} api @param {import("./store.js").Store} store */
  constructor(api, store) {
    super();
    this.api = api;
    this.store = store;
    this.conversation = this.#draft();
    this.#channel.onmessage = () => this.#loadList();
  }

  // --- what is there

  get path() {
    return pathTo(this.messages, this.conversation.leaf);
  }

  get isBusy() {
    return this.#running.has(this.conversation.id);
  }

  isAnswering(id) {
    return this.#running.has(id);
  }

  isGrowing(message) {
    return this.#running.get(message.conversation)?.message.id === message.id;
  }

  versionsOf(message) {
    return versionsOf(this.messages, message);
  }

  /** @param {{key?: string}} [options] a key to try; without one, the key that is kept */
  async loadModels(options) {
    this.models = (await this.api.listModels(options)).filter(canChat);
    this.isConnected = true;
    this.#useKnownModel();
    this.#emit("models");
  }

  /** The key that is kept opens nothing any more; `retry` runs once there is another. */
  reportUnauthorized(message, retry) {
    this.#emit("unauthorized", { message, retry });
  }

  // --- conversations

  /** Opens conversation `id`, or a new one where there is no such. */
  async open(id) {
    const opening = (this.#opening = Symbol());
    await this.#loadList();
    const conversation = this.#find(id);
    const messages = conversation && (this.#running.get(id)?.messages ?? (await this.#messagesOf(id)));
    if (this.#opening !== opening) return; // something else was opened meanwhile
    if (conversation !== this.conversation) this.#show(conversation, messages ?? new Map());
  }

  startNew() {
    this.#opening = null;
    this.#show(undefined, new Map());
    this.#emit("moved");
  }

  async configure(changes) {
    Object.assign(this.conversation, changes);
    if (changes.model) setPreference("model", changes.model);
    if (this.conversation.leaf) await this.#save(this.conversation);
    this.#emit("models");
  }

  async rename(id, title) {
    const conversation = this.#find(id);
    conversation.title = title;
    await this.#save(conversation);
    this.#emit("thread");
  }

  async delete(id) {
    this.#forget(id);
    await this.store.delete(id);
    if (id === this.conversation.id) this.startNew();
    await this.#changed();
  }

  async deleteAll() {
    for (const id of [...this.#running.keys()]) this.#forget(id);
    await this.store.clear();
    this.startNew();
    await this.#changed();
  }

  /** @returns {Promise<import("./types.js").ExportRecord[]>} everything, or one conversation, for `export.js` */
  async records(id = null) {
    const chosen = this.conversations.filter((conversation) => id === null || conversation.id === id);
    return Promise.all(chosen.map(async (conversation) => ({ conversation, messages: await this.store.messages(conversation.id) })));
  }

  /** @param {import("./types.js").ExportRecord[]} records as `export.js` reads them */
  async add(records) {
    for (const { conversation, messages } of records) await this.store.save(conversation, messages);
    await this.#changed();
  }

  // --- messages. Each notes its place first: another conversation may be opened while it waits.

  async send(text) {
    const place = this.#place;
    await this.stop();
    const { conversation } = place;
    const isFirst = !conversation.leaf;
    if (isFirst) conversation.title = titleOf(text);
    await this.#append(place, { role: "user", content: text, parent: conversation.leaf });
    if (isFirst && conversation === this.conversation) this.#emit("moved");
    await this.#answer(place);
  }

  /** Asks the question of `message` anew; the answer becomes another version of it. */
  async regenerate(message, place = this.#place) {
    await this.stop();
    place.conversation.leaf = message.parent;
    await this.#answer(place);
  }

  /** Like `regenerate`, and drops a failed answer that holds nothing. */
  async retry(message, place = this.#place) {
    if (!hasOutput(message)) {
      place.messages.delete(message.id);
      await this.store.deleteMessage(message.id);
    }
    await this.regenerate(message, place);
  }

  /** Sends another version of a question; the conversation goes on from there. */
  async edit(message, text) {
    const place = this.#place;
    await this.stop();
    await this.#append(place, { role: "user", content: text, parent: message.parent });
    await this.#answer(place);
  }

  /** @param {string[]} results one for each tool call of the last message */
  async sendToolResults(message, results) {
    const place = this.#place;
    for (const [index, { id, name }] of message.toolCalls.entries()) {
      const result = { role: "tool", toolCallId: id, name, content: results[index] };
      await this.#append(place, { ...result, parent: place.conversation.leaf });
    }
    await this.#answer(place);
  }

  async select(version) {
    const { conversation, messages } = this;
    await this.stop();
    conversation.leaf = newestLeaf(messages, version.id);
    await this.#save(conversation);
    this.#emit("thread");
  }

  /** Ends the answer under way in the open conversation; what has come stays. */
  async stop() {
    const run = this.#running.get(this.conversation.id);
    run?.controller.abort();
    await run?.ended;
  }

  // --- an answer

  get #place() {
    return { conversation: this.conversation, messages: this.messages };
  }

  async #answer(place) {
    const { conversation } = place;
    const message = this.#add(place, {
      ...{ role: "assistant", content: "", reasoning: "", toolCalls: [], model: conversation.model },
      ...{ finishReason: null, error: null, usage: null, timing: { first: null, last: null } },
      parent: conversation.leaf,
    });
    /** @type {import("./types.js").Run} */
    const run = { ...place, message, controller: new AbortController() };
    run.ended = Promise.all([this.#stream(run), this.#save(conversation, [message])]).finally(() => this.#finish(run));
    this.#running.set(conversation.id, run);
    this.#emit("thread");
    this.#emit("busy");
    await run.ended;
    if (message.error?.status === 401) {
      this.reportUnauthorized(message.error.message, () => this.retry(message, place));
    }
  }

  async #stream({ conversation, messages, message, controller }) {
    const start = performance.now();
    let saved = start;
    try {
      const body = requestBody(conversation, pathTo(messages, message.parent));
      for await (const chunk of this.api.streamChat(body, controller.signal)) {
        const now = performance.now();
        applyChunk(message, chunk, now - start);
        this.#emitGrowth(message);
        if (now - saved > SAVE_EVERY_MS && this.isGrowing(message)) {
          saved = now;
          await this.store.saveMessage(message);
        }
      }
    } catch (error) {
      if (error.name === "AbortError") message.finishReason = "stopped";
      else message.error = described(error);
    }
  }

  async #finish(run) {
    const { conversation, message } = run;
    if (this.#running.get(conversation.id) !== run) return; // deleted meanwhile
    this.#running.delete(conversation.id);
    this.#emit("busy");
    this.#emitGrowth(message);
    conversation.updatedAt = Date.now();
    await this.#save(conversation, [message]);
  }

  #emitGrowth(message) {
    if (message.conversation === this.conversation.id) this.#emit("message", message);
  }

  // --- records

  async #append(place, fields) {
    const message = this.#add(place, fields);
    this.#emit("thread");
    await this.#save(place.conversation, [message]);
  }

  #add({ conversation, messages }, fields) {
    const message = { id: newId(), conversation: conversation.id, createdAt: now(), ...fields };
    messages.set(message.id, message);
    conversation.leaf = message.id;
    conversation.updatedAt = Date.now();
    return message;
  }

  async #save(conversation, messages = []) {
    await this.store.save(conversation, messages);
    await this.#changed();
  }

  async #changed() {
    this.#channel.postMessage("changed");
    await this.#loadList();
  }

  async #loadList() {
    this.conversations = await this.store.conversations();
    this.#emit("list");
  }

  /** The one object of a conversation that is open or under way, else the one of the list. */
  #find(id) {
    if (id === this.conversation.id) return this.conversation;
    return this.#running.get(id)?.conversation ?? this.conversations.find((conversation) => conversation.id === id);
  }

  async #messagesOf(id) {
    return new Map((await this.store.messages(id)).map((message) => [message.id, message]));
  }

  #forget(id) {
    const run = this.#running.get(id);
    this.#running.delete(id);
    run?.controller.abort();
  }

  #show(conversation, messages) {
    this.conversation = conversation ?? this.#draft();
    this.messages = messages;
    if (this.isConnected) this.#useKnownModel();
    for (const event of ["thread", "list", "busy", "models"]) this.#emit(event);
  }

  #draft() {
    const created = Date.now();
    const settings = { ...preference("settings") };
    return { id: newId(), title: "", model: this.#defaultModel(), settings, leaf: null, createdAt: created, updatedAt: created };
  }

  /** A conversation may be older than the models that are served now. */
  #useKnownModel() {
    const { conversation } = this;
    if (!this.models.some(({ id }) => id === conversation.model)) conversation.model = this.#defaultModel();
  }

  #defaultModel() {
    const last = preference("model");
    return this.models.some(({ id }) => id === last) ? last : (this.models[0]?.id ?? last);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

let latest = 0;

/** Milliseconds since 1970, never the same twice: versions are ordered by it. */
function now() {
  latest = Math.max(Date.now(), latest + 1);
  return latest;
}

function titleOf(text) {
  const line = text.trim().split("\n")[0];
  const characters = [...new Intl.Segmenter().segment(line)].map(({ segment }) => segment);
  return characters.length > TITLE_LENGTH ? `${characters.slice(0, TITLE_LENGTH).join("")}…` : line;
}

function described(error) {
  if (error instanceof ApiError) return { message: error.message, status: error.status, code: error.code, retryAfter: error.retryAfter };
  console.error(error);
  return { message: String(error), status: 0, code: null, retryAfter: null };
}

/** Embedders are listed beside chat models; the server marks them where it can. */
function canChat(model) {
  return model.capabilities?.chat ?? true;
}
