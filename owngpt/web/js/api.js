/** The `/v1` API as the console uses it. The only file that fetches. */
import { readEvents } from "./sse.js";

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

  /** @param {string} path @param {{body?: object, signal?: AbortSignal, key?: string | null}} options */
  async #fetch(path, { body, signal, key = this.getKey() } = {}) {
    const headers = { ...(key && { authorization: `Bearer ${key}` }), ...(body && { "content-type": "application/json" }) };
    /** @type {RequestInit} */
    const request = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal, cache: "no-store" };
    const response = await fetch(new URL(path, this.base), request).catch((error) => {
      throw error.name === "AbortError" ? error : new ApiError({ code: "network" });
    });
    if (!response.ok) throw await errorOf(response);
    return response;
  }
}

/** @param {Response} response @returns {Promise<ApiError>} */
async function errorOf(response) {
  const error = await response.json().then((body) => body.error, () => null); // a proxy's error page is not JSON
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  return new ApiError({ message: error?.message, code: error?.code, status: response.status, retryAfter });
}
