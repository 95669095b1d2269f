/** The `/v1` API as the console uses it. The only file that fetches. */
import { readEvents } from "./sse.js";

const PAGE = 100; // the most that every list gives at once

/** What the server, or the way to it, answered instead of a result. `status` is 0 where nothing answered. */
export class ApiError extends Error {
  /** @param {{message?: string, status?: number, code?: string | null, retryAfter?: number | null}} details */
  constructor({ message = "", status = 0, code = null, retryAfter = null }) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export class Api {
  /**
   * @param {URL} base the address that `v1/` is relative to
   * @param {() => string | null} getKey
   */
  constructor(base, getKey) {
    this.base = base;
    this.getKey = getKey;
  }

  /** @returns {Promise<any[]>} the models, as `GET /v1/models` lists them */
  async listModels({ key = this.getKey() } = {}) {
    const response = await this.#fetch("v1/models", { key });
    return (await response.json()).data;
  }

  /**
   * The chunks of a streamed chat completion. Aborting `signal` ends the request on the server too.
   *
   * @param {object} body
   * @param {AbortSignal} signal
   */
  async *streamChat(body, signal) {
    const options = { stream: true, stream_options: { include_usage: true } };
    const response = await this.#fetch("v1/chat/completions", { body: { ...body, ...options }, signal });
    for await (const data of readEvents(response.body)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError({ ...chunk.error, status: response.status });
      yield chunk;
    }
    throw new ApiError({ code: "interrupted" });
  }

  /** The events of a streamed response, up to the last one. @param {object} body @param {AbortSignal} signal */
  async *streamResponse(body, signal) {
    const response = await this.#fetch("v1/responses", { body: { ...body, stream: true }, signal });
    for await (const data of readEvents(response.body)) {
      const event = JSON.parse(data);
      if (event.type === "error" || event.error) throw new ApiError({ ...(event.error ?? event), status: response.status });
      yield event;
      if (/^response\.(completed|incomplete|failed)$/.test(event.type)) return;
    }
    throw new ApiError({ code: "interrupted" });
  }

  /** @param {string} path behind `v1/` @param {import("./types.js").Query} [query] @param {AbortSignal} [signal] */
  async get(path, query = {}, signal) {
    return (await this.#fetch(withQuery(`v1/${path}`, query), { signal })).json();
  }

  async post(path, body = {}) {
    return (await this.#fetch(`v1/${path}`, { body })).json();
  }

  async delete(path) {
    return (await this.#fetch(`v1/${path}`, { method: "DELETE" })).json();
  }

  /** All entries of a list, page by page. */
  async all(path, query = {}, signal) {
    const entries = [];
    for (let after = null, hasMore = true; hasMore; ) {
      const page = await this.get(path, { ...query, limit: PAGE, after }, signal);
      entries.push(...page.data);
      after = page.next ?? entries.at(-1)?.id ?? null;
      hasMore = page.has_more && page.data.length > 0;
    }
    return entries;
  }

  /** @returns {Promise<Blob>} a picture: an `img` could not send the key */
  async picture(path, query, signal) {
    return (await this.#fetch(withQuery(`v1/${path}`, query), { signal })).blob();
  }

  /**
   * Uploads a file for vector stores. Not by `fetch`, which does not tell how far it is.
   *
   * @param {File} file
   * @param {{readers: string, onprogress: (done: number, total: number) => void}} options
   * @returns {Promise<any>} the file, as the API tells of it
   */
  upload(file, { readers, onprogress }) {
    const form = new FormData();
    form.append("purpose", "assistants");
    if (readers) form.append("readers", readers);
    form.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", new URL("v1/files", this.base));
    request.setRequestHeader("authorization", `Bearer ${this.getKey()}`);
    request.upload.onprogress = ({ loaded, total }) => onprogress(loaded, total);
    return new Promise((resolve, reject) => {
      request.onload = () => (request.status < 300 ? resolve(JSON.parse(request.responseText)) : reject(uploadError(request)));
      request.onerror = () => reject(new ApiError({ code: "network" }));
      request.send(form);
    });
  }

  /** @param {string} path @param {{method?: string, body?: object, signal?: AbortSignal, key?: string | null}} options */
  async #fetch(path, { method, body, signal, key = this.getKey() } = {}) {
    const headers = { ...(key && { authorization: `Bearer ${key}` }), ...(body && { "content-type": "application/json" }) };
    /** @type {RequestInit} */
    const request = { method: method ?? (body ? "POST" : "GET"), headers, body: body && JSON.stringify(body), signal, cache: "no-store" };
    const response = await fetch(new URL(path, this.base), request).catch((error) => {
      throw error.name === "AbortError" ? error : new ApiError({ code: "network" });
    });
    if (!response.ok) throw await errorOf(response);
    return response;
  }
}

/** Lists are sent as `name[]`; what is null or empty is left out. */
function withQuery(path, query) {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((item) => [`${name}[]`, item]) : value === null || value === "" ? [] : [[name, String(value)]],
  );
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

/** @param {Response} response @returns {Promise<ApiError>} */
async function errorOf(response) {
  const error = await response.json().then((body) => body.error, () => null); // a proxy's error page is not JSON
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  return new ApiError({ message: error?.message, code: error?.code, status: response.status, retryAfter });
}

function uploadError({ status, responseText }) {
  try {
    return new ApiError({ ...JSON.parse(responseText).error, status });
  } catch {
    return new ApiError({ status }); // a proxy's error page
  }
}
