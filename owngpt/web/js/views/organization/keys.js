/** The keys of a project and its service accounts. A secret is shown once, when it is made. */
import { t } from "../../i18n.js";
import { askForm, showSecret } from "../ask-form.js";
import { h, iconButton } from "../dom.js";
import { openMenu } from "../menu.js";
import { button, load, section, select, table, time } from "../parts.js";

const DAY_S = 86_400;
const OBJECTS = ["batches", "completions", "conversations", "files", "responses", "vector_stores"];
const SCOPES = ["api.model.read", "api.model.request", ...OBJECTS.flatMap((name) => [`api.${name}.read`, `api.${name}.write`])];

/** @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization */
export function keysSection(place, organization, id) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.keys(id), (keys) => keysTable(organization, id, keys, refresh));
  const create = async () => {
    const made = await askKeyOf(organization, id);
    if (made) await shown(made, refresh);
  };
  refresh();
  return section(t("keys.title"), button(t("keys.create"), create, { kind: "primary", icon: "plus" }), list);
}

function keysTable(organization, id, keys, refresh) {
  if (!keys.length) return h("p", { class: "nothing" }, t("keys.none"));
  const columns = [t("stores.name"), t("keys.key"), t("keys.owner"), t("keys.scopes"), t("keys.used"), t("keys.expires"), ""];
  return table(t("keys.title"), columns, keys.map((key) => keyRow(organization, id, key, refresh)));
}

function keyRow(organization, id, key, refresh) {
  const rotate = async () => {
    const made = await askRotation(organization, id, key);
    if (made) await shown(made, refresh);
  };
  const question = { title: t("keys.revoke_title", { name: key.name }), note: t("keys.revoke_note"), submit: t("keys.revoke"), isDanger: true };
  const revoke = async () => (await askForm({ ...question, send: () => organization.deleteKey(id, key.id) })) && refresh();
  const items = [{ label: t("keys.rotate"), run: rotate }, { label: t("keys.revoke"), run: revoke, isDanger: true }];
  const more = moreButton(key.name, items, key.id);
  const expiry = key.expires_at === null ? t("keys.never") : time(key.expires_at);
  return [key.name, h("code", {}, key.redacted_value), ownerOf(key), scopesOf(key.scopes), time(key.last_used_at), expiry, more];
}

/** A button that opens a menu of what can be done with a row. */
export function moreButton(name, items, key) {
  const more = iconButton("more", t("sidebar.more", { title: name }), ({ currentTarget }) => openMenu(currentTarget, items), `more ${key}`);
  more.setAttribute("aria-haspopup", "menu");
  return h("div", { class: "row-actions" }, more);
}

function ownerOf({ owner, owner_project_access: access }) {
  const name = owner?.user?.email ?? owner?.service_account?.name ?? t("keys.of_project");
  return access === "inactive" ? `${name} · ${t("keys.inactive")}` : name;
}

function scopesOf(scopes) {
  const known = { api: "keys.all", all: "keys.all", read_only: "keys.read_only" }[scopes.join(" ")];
  return known ? t(known) : scopes.map((scope) => scope.replace(/^api\./, "")).join(", ");
}

async function askKeyOf(organization, id) {
  const members = await organization.members(id).catch(() => []); // the key may not see people: then it is the project's
  const name = h("input", { required: true, autocomplete: "off" });
  const owner = select([["", t("keys.of_project")], ...members.map(({ id: user, email }) => [user, email])]);
  const access = select([["all", t("keys.all")], ["read_only", t("keys.read_only")], ["some", t("keys.some")]]);
  const scopes = h("select", { multiple: true, size: "7" }, ...SCOPES.map((scope) => h("option", { value: scope }, scope)));
  const expiry = askExpiry();
  scopes.disabled = true;
  access.addEventListener("change", () => (scopes.disabled = access.value !== "some"));
  return askForm({
    title: t("keys.create"),
    fields: [
      { name: "name", label: t("stores.name"), input: name },
      { name: "owner", label: t("keys.owner"), input: owner, hint: t("keys.owner_hint") },
      { name: "access", label: t("keys.scopes"), input: access },
      { name: "scopes", label: t("keys.some"), input: scopes },
      { name: "expiry", label: t("keys.expires"), input: expiry },
    ],
    submit: t("keys.create"),
    send: () => organization.createKey(id, wantedKey(name, owner, access, scopes, expiry)),
  });
}

/** The body of the request, without what is left to the server. */
function wantedKey(name, owner, access, scopes, expiry) {
  const chosen = access.value === "some" ? [...scopes.selectedOptions].map(({ value }) => value) : [access.value];
  return {
    name: name.value.trim(),
    ...(owner.value && { user_id: owner.value }),
    ...(access.value !== "all" && { scopes: chosen }),
    ...wantedExpiry(expiry),
  };
}

export function askExpiry() {
  return select([["", t("keys.never")], ...[7, 30, 90, 365].map((days) => [String(days), t("keys.days", { days })])]);
}

export function wantedExpiry({ value }) {
  return value ? { expires_in_seconds: Number(value) * DAY_S } : {};
}

function askRotation(organization, id, key) {
  const inDays = [1, 7].map((days) => [String(days * DAY_S), t("keys.days", { days })]);
  const grace = select([["0", t("keys.at_once")], ["3600", t("keys.one_hour")], ...inDays]);
  const fields = [{ name: "grace", label: t("keys.grace"), input: grace }];
  const send = () => organization.rotateKey(id, key.id, Number(grace.value));
  return askForm({ title: t("keys.rotate_title", { name: key.name }), note: t("keys.rotate_note"), fields, submit: t("keys.rotate"), send });
}

export function accountsSection(place, organization, id) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.accounts(id), (accounts) => accountsTable(organization, id, accounts, refresh));
  const input = h("input", { required: true, autocomplete: "off" });
  const create = async () => {
    input.value = "";
    const fields = [{ name: "name", label: t("stores.name"), input }];
    const question = { title: t("accounts.create"), note: t("accounts.note"), fields, submit: t("accounts.create") };
    const made = await askForm({ ...question, send: ({ name }) => organization.createAccount(id, name.trim()) });
    if (made) await shown(made.api_key, refresh);
  };
  refresh();
  return section(t("accounts.title"), button(t("accounts.create"), create, { icon: "plus" }), list);
}

function accountsTable(organization, id, accounts, refresh) {
  if (!accounts.length) return h("p", { class: "nothing" }, t("accounts.none"));
  const row = ({ id: account, name, role, created_at: created }) => {
    const question = { title: t("delete.title", { title: name }), note: t("accounts.delete_note"), submit: t("delete.confirm"), isDanger: true };
    const remove = async () => (await askForm({ ...question, send: () => organization.deleteAccount(id, account) })) && refresh();
    return [name, role, time(created), moreButton(name, [{ label: t("menu.delete"), run: remove, isDanger: true }], account)];
  };
  return table(t("accounts.title"), [t("stores.name"), t("people.role"), t("stores.created"), ""], accounts.map(row));
}

/** Shows the secret of a key that was made, once. */
export async function shown({ name, value }, refresh) {
  await showSecret(t("secret.title", { name }), t("secret.note"), value);
  refresh();
}
