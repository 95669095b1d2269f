/** Builds an assistant message out of the chunks of a stream. No I/O; time is passed in. */

/**
 * Takes one chunk into `message`. Missing fields are left alone, unknown ones are ignored.
 *
 * @param {import("./types.js").Message} message an assistant's
 * @param {any} chunk a `chat.completion.chunk`
 * @param {number} elapsed milliseconds since the request was sent
 */
export function applyChunk(message, chunk, elapsed) {
  if (chunk.usage) message.usage = chunk.usage;
  if (chunk.model) message.model = chunk.model;
  const choice = chunk.choices?.[0];
  if (!choice) return;
  const delta = choice.delta ?? {};
  message.content += delta.content ?? delta.refusal ?? "";
  message.reasoning += delta.reasoning_content ?? delta.reasoning ?? "";
  for (const call of delta.tool_calls ?? []) applyToolCall(message.toolCalls, call);
  if (choice.finish_reason) message.finishReason = choice.finish_reason;
  if (hasOutput(message)) {
    message.timing.first ??= elapsed;
    message.timing.last = elapsed;
  }
}

function applyToolCall(calls, delta) {
  const call = (calls[delta.index] ??= { id: "", type: "function", name: "", arguments: "" });
  const part = delta.function ?? delta.custom ?? {};
  call.id = delta.id ?? call.id;
  call.type = delta.type ?? call.type;
  call.name += part.name ?? "";
  call.arguments += part.arguments ?? part.input ?? "";
}

/** @param {import("./types.js").Message} message whether there is anything to show of an answer */
export function hasOutput(message) {
  return Boolean(message.content || message.reasoning || message.toolCalls.length);
}

const SHORTEST_S = 0.1; // in less, it is the browser's pauses that would be measured

/**
 * Tokens per second from the first token to the last, or null where it cannot be known. The first token is
 * not counted: its time is the prompt's.
 *
 * @param {Pick<import("./types.js").Message, "usage" | "timing">} message
 */
export function tokensPerSecond({ usage, timing }) {
  const seconds = (timing.last - timing.first) / 1000;
  return usage?.completion_tokens > 1 && seconds >= SHORTEST_S ? (usage.completion_tokens - 1) / seconds : null;
}
