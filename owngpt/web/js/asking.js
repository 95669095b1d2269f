/**
 * A question to documents and its answer, as it comes in a stream of `/v1/responses`. Kept in memory, so that one can look
 * into a document and come back. Knows the API, and no DOM; `change` tells that there is more to show.
 */
import { ApiError } from "./api.js";

export class Asking extends EventTarget {
  question = "";
  mode = "quote"; // or "extract"
  /** @type {string[] | null} ids of the vector stores to look in; null before anything was chosen */
  stores = null;
  /** @type {string | null} the server's own choice where it is null */
  model = null;
  /** @type {Answer | null} */
  answer = null;
  #controller = new AbortController();

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    super();
    this.api = api;
  }

  get isBusy() {
    return this.answer?.status === "running";
  }

  /** @param {string} question */
  async ask(question) {
    this.stop();
    const { signal } = (this.#controller = new AbortController());
    const answer = (this.answer = new Answer(question, this.mode, [...(this.stores ?? [])]));
    this.question = question;
    this.#changed();
    try {
      for await (const event of this.api.streamResponse(this.#body(), signal)) {
        answer.apply(event);
        if (this.answer === answer) this.#changed();
      }
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof ApiError)) throw error;
      answer.fail(error);
    }
    if (this.answer === answer) this.#changed();
  }

  stop() {
    this.#controller.abort();
  }

  #body() {
    const tools = [{ type: "file_search", vector_store_ids: this.stores }];
    const options = { citation_options: { mode: this.mode }, store: false };
    return { ...(this.model && { model: this.model }), input: this.question, tools, ...options };
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}

export class Answer {
  text = "";
  reasoning = "";
  /** @type {import("./types.js").FileCitation[]} */
  citations = [];
  /** @type {import("./types.js").Grounding | null} */
  grounding = null;
  /** @type {"running" | "done" | "stopped" | "failed"} */
  status = "running";
  isSearched = false;
  isCut = false; // at the token limit
  error = null;

  /** @param {string} question @param {string} mode @param {string[]} stores where the citations come from */
  constructor(question, mode, stores) {
    this.question = question;
    this.mode = mode;
    this.stores = stores;
  }

  /** Takes an event of the stream in; what it does not know it leaves alone. */
  apply(event) {
    if (event.type === "response.output_text.delta" || event.type === "response.refusal.delta") this.text += event.delta;
    else if (event.type.startsWith("response.reasoning") && event.type.endsWith(".delta")) this.reasoning += event.delta;
    else if (event.type === "response.output_text.annotation.added") this.#cite(event.annotation);
    else if (event.type === "response.file_search_call.completed") this.isSearched = true;
    else if (/^response\.(completed|incomplete|failed)$/.test(event.type)) this.#end(event.response);
  }

  fail(error) {
    this.status = error.name === "AbortError" ? "stopped" : "failed";
    this.error = this.status === "failed" ? error : null;
  }

  #cite(annotation) {
    if (annotation.type === "file_citation") this.citations.push(annotation);
  }

  /** The last event has the whole answer; where it differs from what came, it is right. */
  #end({ status, output, error }) {
    const message = output.findLast((item) => item.type === "message");
    this.grounding = message?.grounding ?? null;
    this.isCut = status === "incomplete";
    if (status === "failed") this.fail(new ApiError(error));
    else this.status = "done";
  }
}
