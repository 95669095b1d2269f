/** Conversations as files: Markdown to read, JSON to keep and to read back. No I/O. */

const FORMAT = "owngpt.conversations";

/**
 * @param {import("./types.js").Conversation} conversation
 * @param {import("./types.js").Message[]} path the messages that are shown
 * @param {(message: import("./types.js").Message) => string} nameOf gives a message's heading
 */
export function toMarkdown({ title, settings }, path, nameOf) {
  const system = settings.system ? [`> ${settings.system.replaceAll("\n", "\n> ")}`] : [];
  const turns = path.map((message) => [`## ${nameOf(message)}`, message.content, ...(message.toolCalls ?? []).map(callBlock)]);
  return [`# ${title}`, ...system, ...turns.flat()].filter(Boolean).join("\n\n") + "\n";
}

function callBlock(call) {
  return "```json\n" + JSON.stringify({ tool: call.name, arguments: call.arguments }, null, 2) + "\n```";
}

/** @param {import("./types.js").ExportRecord[]} records */
export function toJson(records) {
  return JSON.stringify({ format: FORMAT, version: 1, records }, null, 2) + "\n";
}

/**
 * Reads what `toJson` wrote. Throws an Error that says what is wrong.
 *
 * @param {string} text
 * @returns {import("./types.js").ExportRecord[]}
 */
export function fromJson(text) {
  const { format, version, records } = JSON.parse(text);
  if (format !== FORMAT || version !== 1) throw new Error(`format is ${format} ${version}, not ${FORMAT} 1`);
  return records.map(({ conversation, messages }) => ({
    conversation: conversationOf(conversation),
    messages: messages.map((message) => messageOf(message, conversation.id)),
  }));
}

function conversationOf({ id, title, model, settings, leaf, createdAt, updatedAt }) {
  requireText({ id, title });
  return { id, title, model: model ?? null, settings: { ...settings }, leaf: leaf ?? null, createdAt: +createdAt, updatedAt: +updatedAt };
}

function messageOf(message, conversation) {
  const { id, role, content, reasoning = "", toolCalls = [] } = message;
  requireText({ id, content, reasoning });
  if (!["user", "assistant", "tool"].includes(role)) throw new Error(`a message has role ${role}`);
  for (const call of toolCalls) requireText({ id: call.id, name: call.name, arguments: call.arguments });
  const answer = role === "assistant" ? { reasoning, toolCalls, timing: { first: null, last: null, ...message.timing } } : {};
  return { ...message, conversation, ...answer };
}

function requireText(fields) {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== "string") throw new Error(`${name} is ${JSON.stringify(value)}, not a text`);
  }
}
