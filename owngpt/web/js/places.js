/** The places of the console beside the chat, and how the address names them: `#documents/STORE/FILE`. No DOM. */

/** What an admin's key opens and a project's does not: place -> what is asked for to find out. */
export const RIGHTS = {
  projects: ["organization/projects", { limit: 1 }],
  organization: ["organization/users", { limit: 1 }],
  usage: ["organization/usage/completions", { limit: 1, start_time: Math.floor(Date.now() / 1000) - 60 }],
  audit: ["organization/audit_logs", { limit: 1 }],
};

/**
 * @param {string} hash of the address
 * @returns {{name: string, ids: string[]}} `chat` where it names no other place
 */
export function placeOf(hash) {
  const [name, ...ids] = hash.replace(/^#/, "").split("/");
  const isOther = ["ask", "documents", "projects", "organization", "usage", "audit"].includes(name);
  return isOther ? { name, ids: ids.filter(Boolean).map(decodeURIComponent) } : { name: "chat", ids: [] };
}

export function hashOf(name, ...ids) {
  return `#${[name, ...ids.map(encodeURIComponent)].join("/")}`;
}

/** @param {import("./api.js").Api} api @returns {Promise<string[]>} the places that the key opens, of those that not all keys open */
export async function placesOf(api) {
  const open = await Promise.all(
    Object.entries(RIGHTS).map(([name, [path, query]]) => api.get(path, query).then(() => name, () => null)),
  );
  return open.filter((name) => name !== null);
}
