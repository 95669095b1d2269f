/**
 * A conversation is a tree of messages. Editing or regenerating adds a sibling, so nothing is lost; the path from
 * the root to the conversation's leaf is what is shown and sent. Works on a Map of id -> message; no I/O.
 */

/**
 * @param {Map<string, import("./types.js").Message>} messages
 * @returns {import("./types.js").Message[]} the messages from the root to `leaf`
 */
export function pathTo(messages, leaf) {
  const path = [];
  for (let message = messages.get(leaf); message; message = messages.get(message.parent)) path.unshift(message);
  return path;
}

/**
 * @param {Map<string, import("./types.js").Message>} messages
 * @returns {import("./types.js").Message[]} the versions of `message`, oldest first, itself among them
 */
export function versionsOf(messages, message) {
  return [...messages.values()].filter((other) => other.parent === message.parent).sort(byAge);
}

/**
 * @param {Map<string, import("./types.js").Message>} messages
 * @returns {string} the end of the newest branch below `id`
 */
export function newestLeaf(messages, id) {
  const children = [...messages.values()].filter((message) => message.parent === id).sort(byAge);
  return children.length ? newestLeaf(messages, children.at(-1).id) : id;
}

function byAge(a, b) {
  return a.createdAt - b.createdAt;
}
