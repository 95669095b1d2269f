/** From a conversation to the body of `POST /v1/chat/completions`. No I/O. */
import { hasOutput } from "./answer.js";

const PARAMETERS = ["temperature", "top_p", "max_tokens", "seed", "reasoning_effort"];

/**
 * @param {import("./types.js").Conversation} conversation its `model` and `settings`
 * @param {import("./types.js").Message[]} path messages from the root on
 */
export function requestBody({ model, settings }, path) {
  /** @type {Record<string, unknown>} */
  const body = { model, messages: wireMessages(settings.system, path) };
  for (const name of PARAMETERS) {
    if (settings[name] != null) body[name === "max_tokens" ? "max_completion_tokens" : name] = settings[name];
  }
  if (settings.tools?.length) body.tools = settings.tools;
  return body;
}

/** Answers that failed before their first word are left out, and the questions around them become one turn. */
function wireMessages(system, path) {
  const messages = system ? [{ role: "system", content: system }] : [];
  for (const message of path) {
    if (message.role === "assistant" && !hasOutput(message)) continue;
    const last = messages.at(-1);
    if (message.role === "user" && last?.role === "user") last.content += `\n\n${message.content}`;
    else messages.push(wireMessage(message));
  }
  return messages;
}

function wireMessage(message) {
  if (message.role === "tool") return { role: "tool", tool_call_id: message.toolCallId, content: message.content };
  if (message.role === "user" || !message.toolCalls.length) return { role: message.role, content: message.content };
  return { role: "assistant", content: message.content || null, tool_calls: message.toolCalls.map(wireCall) };
}

function wireCall({ id, type, name, arguments: text }) {
  return type === "custom" ? { id, type, custom: { name, input: text } } : { id, type, function: { name, arguments: text } };
}
