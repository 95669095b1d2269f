/**
 * Conversations and messages in IndexedDB, one record each, so that two tabs do not overwrite each other's messages.
 * Knows no API and no DOM.
 */

/** A unique id; `crypto.randomUUID` is missing on plain-HTTP addresses of a local network. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Store {
  /** @param {IDBDatabase} database */
  constructor(database) {
    this.database = database;
  }

  /** @returns {Promise<Store>} */
  static async open(name = "owngpt") {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("conversations", { keyPath: "id" });
      request.result.createObjectStore("messages", { keyPath: "id" }).createIndex("conversation", "conversation");
    };
    return new Store(await promised(request));
  }

  /** @returns {Promise<import("./types.js").Conversation[]>} all conversations without their messages, the latest first */
  async conversations() {
    const all = await promised(this.#read("conversations").getAll());
    return all.sort((a, b) => b.updatedAt - a.updatedAt);
  }

  /** @param {string} conversation @returns {Promise<import("./types.js").Message[]>} */
  messages(conversation) {
    return promised(this.#read("messages").index("conversation").getAll(conversation));
  }

  /**
   * Writes a conversation, and messages of it, in one transaction.
   *
   * @param {import("./types.js").Conversation} conversation
   * @param {import("./types.js").Message[]} messages
   */
  save(conversation, messages = []) {
    return this.#write((conversations, records) => {
      conversations.put(conversation);
      for (const message of messages) records.put(message);
    });
  }

  saveMessage(message) {
    return this.#write((_, records) => records.put(message));
  }

  deleteMessage(id) {
    return this.#write((_, records) => records.delete(id));
  }

  async delete(conversation) {
    const messages = await this.messages(conversation);
    await this.#write((conversations, records) => {
      conversations.delete(conversation);
      for (const { id } of messages) records.delete(id);
    });
  }

  clear() {
    return this.#write((conversations, records) => {
      conversations.clear();
      records.clear();
    });
  }

  /** @returns {Promise<Set<string>>} ids of conversations with a message that holds `query`, whatever its case or width */
  async search(query) {
    const wanted = folded(query);
    const messages = await promised(this.#read("messages").getAll());
    return new Set(messages.filter(({ content }) => folded(content).includes(wanted)).map((message) => message.conversation));
  }

  #read(name) {
    return this.database.transaction(name).objectStore(name);
  }

  /** @returns {Promise<void>} resolved once it is on disk */
  #write(change) {
    const transaction = this.database.transaction(["conversations", "messages"], "readwrite");
    change(transaction.objectStore("conversations"), transaction.objectStore("messages"));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** Text as search compares it: full-width and half-width, upper and lower case are equal. */
export function folded(text) {
  return text.normalize("NFKC").toLowerCase();
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function promised(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
