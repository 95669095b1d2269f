/** What an admin's key manages: projects, people, keys, limits, policies, usage, the audit log. Knows the API, and no DOM. */

const UNLIMITED = Number.MAX_SAFE_INTEGER; // "no limit" on the wire
const DAY_S = 86_400;

export class Organization {
  /** @param {import("./api.js").Api} api @param {AbortSignal} signal */
  constructor(api, signal) {
    this.api = api;
    this.signal = signal;
  }

  projects(isWithArchived = false) {
    return this.#all("projects", { include_archived: isWithArchived });
  }

  project(id) {
    return this.api.get(`organization/${project(id)}`, {}, this.signal);
  }

  createProject(name) {
    return this.api.post("organization/projects", { name });
  }

  renameProject(id, name) {
    return this.api.post(`organization/${project(id)}`, { name });
  }

  archiveProject(id) {
    return this.api.post(`organization/${project(id)}/archive`);
  }

  // --- keys

  keys(id) {
    return this.#all(`${project(id)}/api_keys`);
  }

  /** @param {{name: string, user_id?: string, scopes?: string[], expires_in_seconds?: number}} wanted */
  createKey(id, wanted) {
    return this.api.post(`organization/${project(id)}/api_keys`, wanted);
  }

  rotateKey(id, key, grace) {
    return this.api.post(`organization/${project(id)}/api_keys/${key}/rotate`, { grace_seconds: grace });
  }

  deleteKey(id, key) {
    return this.api.delete(`organization/${project(id)}/api_keys/${key}`);
  }

  accounts(id) {
    return this.#all(`${project(id)}/service_accounts`);
  }

  createAccount(id, name) {
    return this.api.post(`organization/${project(id)}/service_accounts`, { name });
  }

  deleteAccount(id, account) {
    return this.api.delete(`organization/${project(id)}/service_accounts/${account}`);
  }

  adminKeys() {
    return this.#all("admin_api_keys");
  }

  /** @param {{name: string, expires_in_seconds?: number}} wanted */
  createAdminKey(wanted) {
    return this.api.post("organization/admin_api_keys", wanted);
  }

  deleteAdminKey(key) {
    return this.api.delete(`organization/admin_api_keys/${key}`);
  }

  // --- people

  users() {
    return this.#all("users");
  }

  deleteUser(id) {
    return this.api.delete(`organization/users/${id}`);
  }

  members(id) {
    return this.#all(`${project(id)}/users`);
  }

  /** @param {{email: string, role: string}} wanted */
  addMember(id, wanted) {
    return this.api.post(`organization/${project(id)}/users`, wanted);
  }

  changeMember(id, user, role) {
    return this.api.post(`organization/${project(id)}/users/${user}`, { role });
  }

  removeMember(id, user) {
    return this.api.delete(`organization/${project(id)}/users/${user}`);
  }

  invites() {
    return this.#all("invites");
  }

  /** @param {{email: string, role: string, projects?: {id: string, role: string}[]}} wanted */
  invite(wanted) {
    return this.api.post("organization/invites", wanted);
  }

  deleteInvite(id) {
    return this.api.delete(`organization/invites/${id}`);
  }

  // --- groups

  groups() {
    return this.#all("groups");
  }

  group(id) {
    return this.api.get(`organization/${group(id)}`, {}, this.signal);
  }

  createGroup(name) {
    return this.api.post("organization/groups", { name });
  }

  renameGroup(id, name) {
    return this.api.post(`organization/${group(id)}`, { name });
  }

  deleteGroup(id) {
    return this.api.delete(`organization/${group(id)}`);
  }

  groupMembers(id) {
    return this.#all(`${group(id)}/users`);
  }

  addGroupMember(id, user) {
    return this.api.post(`organization/${group(id)}/users`, { user_id: user });
  }

  removeGroupMember(id, user) {
    return this.api.delete(`organization/${group(id)}/users/${user}`);
  }

  projectGroups(id) {
    return this.#all(`${project(id)}/groups`);
  }

  /** @param {{group_id: string, role: string}} wanted */
  addProjectGroup(id, wanted) {
    return this.api.post(`organization/${project(id)}/groups`, wanted);
  }

  removeProjectGroup(id, group) {
    return this.api.delete(`organization/${project(id)}/groups/${group}`);
  }

  // --- limits

  rateLimits(id) {
    return this.api.get(`organization/${project(id)}/rate_limits`, {}, this.signal).then(({ data }) => data.map(plainLimit));
  }

  /** @param {Record<string, number | null>} limits null takes one away */
  setRateLimit(id, limit, limits) {
    const wire = Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, value ?? UNLIMITED]));
    return this.api.post(`organization/${project(id)}/rate_limits/${limit}`, wire).then(plainLimit);
  }

  /** @returns {Promise<any | null>} how much a month may cost, in cents; null where nothing is set */
  spendLimit(id) {
    return this.api.get(`${owner(id)}/spend_limit`, {}, this.signal).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
  }

  setSpendLimit(id, cents) {
    const path = `${owner(id)}/spend_limit`;
    if (cents === null) return this.api.delete(path);
    return this.api.post(path, { threshold_amount: cents, currency: "USD", interval: "month" });
  }

  alerts(id) {
    return this.api.all(`${owner(id)}/spend_alerts`, {}, this.signal);
  }

  /** @param {string | null} id @param {number} cents @param {string[]} recipients */
  addAlert(id, cents, recipients) {
    const channel = { type: "email", recipients };
    return this.api.post(`${owner(id)}/spend_alerts`, { threshold_amount: cents, currency: "USD", interval: "month", notification_channel: channel });
  }

  deleteAlert(id, alert) {
    return this.api.delete(`${owner(id)}/spend_alerts/${alert}`);
  }

  // --- what is kept, and what happens to personal data

  /** @param {string | null} id of a project; null: what holds where a project says nothing */
  retention(id) {
    return this.api.get(`${owner(id)}/data_retention`, {}, this.signal);
  }

  setRetention(id, type) {
    return this.api.post(`${owner(id)}/data_retention`, { retention_type: type });
  }

  privacy(id) {
    return this.api.get(`organization/${project(id)}/privacy`, {}, this.signal);
  }

  setPrivacy(id, policy) {
    return this.api.post(`organization/${project(id)}/privacy`, policy);
  }

  resetPrivacy(id) {
    return this.api.delete(`organization/${project(id)}/privacy`);
  }

  // --- what happened

  /** Usage by day and model, all days of the span. @param {{days: number, project: string | null}} span */
  usage({ days, project: id }) {
    return this.#buckets("usage/completions", { ...this.#span(days, id), group_by: ["model"], limit: 31 });
  }

  costs({ days, project: id }) {
    return this.#buckets("costs", { ...this.#span(days, id), group_by: ["line_item"], limit: 180 });
  }

  /** One page of the audit log, the newest first. @param {import("./types.js").Query} query */
  auditLogs(query) {
    return this.api.get("organization/audit_logs", query, this.signal);
  }

  #span(days, id) {
    const today = Math.floor(Date.now() / 1000 / DAY_S) * DAY_S; // days are UTC's
    return { start_time: today - (days - 1) * DAY_S, bucket_width: "1d", project_ids: id ? [id] : [] };
  }

  async #buckets(path, query) {
    const buckets = [];
    for (let page = null; ; ) {
      const found = await this.api.get(`organization/${path}`, { ...query, page }, this.signal);
      buckets.push(...found.data);
      if (!found.has_more) return buckets;
      page = found.next_page;
    }
  }

  #all(path, query = {}) {
    return this.api.all(`organization/${path}`, query, this.signal);
  }
}

function project(id) {
  return `projects/${encodeURIComponent(id)}`;
}

function group(id) {
  return `groups/${encodeURIComponent(id)}`;
}

/** @param {string | null} id of a project; null: all of the organization */
function owner(id) {
  return id === null ? "organization" : `organization/${project(id)}`;
}

/** A rate limit with null where there is none. */
function plainLimit(limit) {
  return Object.fromEntries(Object.entries(limit).map(([name, value]) => [name, value === UNLIMITED ? null : value]));
}
