/** The audit log: what was changed, by whom, from where; filtered by the server, page by page. */
import { t } from "../../i18n.js";
import { Organization } from "../../organization.js";
import { h } from "../dom.js";
import { attempt, button, field, load, table, time } from "../parts.js";

const PAGE = 50;
const TYPES = [
  ...["api_key.created", "api_key.updated", "api_key.deleted", "group.created", "group.updated", "group.deleted"],
  ...["invite.sent", "invite.accepted", "invite.deleted", "login.failed", "organization.updated"],
  ...["project.created", "project.updated", "project.archived", "rate_limit.updated", "role.created", "role.updated", "role.deleted"],
  ...["service_account.created", "service_account.updated", "service_account.deleted"],
  ...["tenant.billing.alerts.updated", "tenant.billing.overage_limit.updated", "user.added", "user.updated", "user.deleted"],
];

/** @param {import("../../types.js").Place} place */
export function audit(place) {
  const organization = new Organization(place.api, place.signal);
  const list = h("div", { class: "stack" });
  const form = filterForm(() => refresh());
  const refresh = () => {
    const query = { ...queryOf(form), limit: PAGE };
    return load(place, list, () => organization.auditLogs(query), (page) => new Entries(place, organization, query, page).element);
  };
  refresh();
  return h("div", { class: "stack" }, form, list);
}

function filterForm(onchange) {
  const types = h("input", { name: "type", list: "audit-types", autocomplete: "off", spellcheck: "false" });
  const known = h("datalist", { id: "audit-types" }, ...TYPES.map((type) => h("option", { value: type })));
  const fields = [
    field(t("audit.type"), types),
    field(t("audit.email"), h("input", { name: "email", type: "search", autocomplete: "off", spellcheck: "false" })),
    field(t("audit.from"), h("input", { name: "from", type: "date" })),
    field(t("audit.to"), h("input", { name: "to", type: "date" })),
  ];
  const onsubmit = (event) => (event.preventDefault(), onchange());
  return h("form", { class: "filters", onsubmit, onchange }, ...fields, known, h("button", { type: "submit", class: "button" }, t("audit.show")));
}

/** Days are those of the person's clock, and `to` is inclusive. */
function queryOf({ elements }) {
  const midnight = (text, days) => {
    const [year, month, day] = text.split("-").map(Number);
    return text ? Math.floor(new Date(year, month - 1, day + days).getTime() / 1000) : null;
  };
  const list = (text) => (text.trim() ? [text.trim()] : []);
  return {
    event_types: list(elements.type.value),
    actor_emails: list(elements.email.value),
    "effective_at[gte]": midnight(elements.from.value, 0),
    "effective_at[lt]": midnight(elements.to.value, 1),
  };
}

class Entries {
  element = h("div", { class: "stack" });
  #entries;

  constructor(place, organization, query, page) {
    Object.assign(this, { place, organization, query });
    this.#entries = page.data;
    this.#show(page);
  }

  async #more() {
    const query = { ...this.query, after: this.#entries.at(-1).id };
    const page = await attempt(this.place, () => this.organization.auditLogs(query));
    if (!page) return;
    this.#entries.push(...page.data);
    this.#show(page);
  }

  #show({ has_more: hasMore }) {
    if (!this.#entries.length) return this.element.replaceChildren(h("p", { class: "nothing" }, t("audit.none")));
    const columns = [t("audit.time"), t("audit.type"), t("audit.actor"), t("projects.one"), t("audit.details")];
    const more = hasMore ? button(t("places.more"), () => this.#more(), { key: "more" }) : null;
    return this.element.replaceChildren(...[table(t("places.audit"), columns, this.#entries.map(rowOf)), more].filter(Boolean));
  }
}

function rowOf(entry) {
  const { effective_at: at, type, actor, project } = entry;
  const details = entry[type] ?? {};
  const fold = h("details", {}, h("summary", {}, details.id ?? t("audit.show")), h("pre", { tabindex: "0" }, JSON.stringify({ ...details, actor }, null, 2)));
  return [time(at), h("code", {}, type), actorOf(actor), project?.name ?? "", fold];
}

/** Who, as well as it is known: a person, a service account or a key, and from which address. */
function actorOf(actor) {
  const owner = actor?.session?.user ?? actor?.api_key?.user ?? actor?.api_key?.service_account;
  const name = owner?.email ?? owner?.name ?? owner?.id ?? actor?.api_key?.id ?? "–";
  return h("div", {}, name, h("p", { class: "hint" }, actor?.ip_address ?? actor?.session?.ip_address ?? ""));
}
