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
 *
 * @typedef {Record<string, string | number | boolean | string[] | null>} Query of a URL
 * @typedef {{start: number, end: number}} Mark characters (code points) of a document
 *
 * @typedef {object} Place what a view beside the chat works with; `signal` is aborted when it is left
 * @property {import("./api.js").Api} api
 * @property {import("./library.js").Library} library
 * @property {import("./asking.js").Asking} asking
 * @property {import("./session.js").Session} session
 * @property {AbortSignal} signal
 * @property {(title: string) => void} setTitle
 * @property {(element: HTMLElement) => void} showProblem
 * @property {(message: string, retry: () => unknown) => void} unauthorized
 *
 * @typedef {object} FileCitation the API's, with fields of this server
 * @property {string} file_id
 * @property {string} filename
 * @property {number} index where it stands in the answer's text, in code points
 * @property {string} quote
 * @property {number} start of the quote in its document
 * @property {number} end
 * @property {number | null} page
 * @property {number | null} support 0 to 1
 *
 * @typedef {object} Grounding what an answer is worth
 * @property {"supported" | "partly" | "abstained"} verdict
 * @property {number} support
 * @property {number} threshold
 * @property {boolean} [is_extract] whether the documents' own sentences stand in the place of the model's answer
 * @property {{support: number}[]} sentences
 * @property {{file_id: string, filename: string, start: number, page: number | null, text: string}[]} hints
 */

export {};
