/**
 * The shapes of the console's data: what the store keeps and the other files pass around. Types only, no code.
 *
 * @typedef {object} Settings what the person chose; a missing field leaves the choice to the server
 * @property {string} [system]
 * @property {number} [temperature]
 * @property {number} [top_p]
 * @property {number} [max_tokens]
 * @property {number} [seed]
 * @property {string} [reasoning_effort]
 * @property {object[]} [tools] as in the API
 *
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {string | null} model
 * @property {Settings} settings
 * @property {string | null} leaf the last message that is shown; null while there is none
 * @property {number} createdAt milliseconds since 1970, as all times of records
 * @property {number} updatedAt
 *
 * @typedef {object} Message a node of the conversation's tree
 * @property {string} id
 * @property {string} conversation
 * @property {string | null} parent
 * @property {number} createdAt
 * @property {"user" | "assistant" | "tool"} role
 * @property {string} content
 * @property {string} [toolCallId] of a tool's result
 * @property {string} [name] of the tool
 * @property {string} [reasoning] this and the rest: of an assistant
 * @property {ToolCall[]} [toolCalls]
 * @property {string | null} [model]
 * @property {string | null} [finishReason] the API's, or "stopped" by the person; null while it grows
 * @property {Problem | null} [error]
 * @property {Usage | null} [usage]
 * @property {{first: number | null, last: number | null}} [timing] of tokens, in milliseconds since the request
 *
 * @typedef {object} ToolCall
 * @property {string} id
 * @property {"function" | "custom"} type
 * @property {string} name
 * @property {string} arguments as the model wrote them
 *
 * @typedef {object} Problem why an answer failed
 * @property {string} message the server's words; empty where it said none
 * @property {number} status of HTTP; 0 where nothing answered
 * @property {string | null} code
 * @property {number | null} retryAfter in seconds
 *
 * @typedef {object} Usage the API's
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {{cached_tokens?: number}} [prompt_tokens_details]
 * @property {{reasoning_tokens?: number}} [completion_tokens_details]
 *
 * @typedef {object} Run an answer under way
 * @property {Conversation} conversation
 * @property {Map<string, Message>} messages
 * @property {Message} message
 * @property {AbortController} controller
 * @property {Promise<unknown>} [ended]
 *
 * @typedef {{conversation: Conversation, messages: Message[]}} ExportRecord
 * @typedef {{label: string, run: () => unknown, isDanger?: boolean}} MenuItem
 */

export {};
