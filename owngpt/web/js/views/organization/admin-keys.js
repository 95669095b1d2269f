/** Keys that manage the organization. */
import { t } from "../../i18n.js";
import { askForm } from "../ask-form.js";
import { h } from "../dom.js";
import { button, hint, load, section, table, time } from "../parts.js";
import { askExpiry, moreButton, shown, wantedExpiry } from "./keys.js";

/** @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization */
export function adminKeysSection(place, organization) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.adminKeys(), (keys) => {
    const columns = [t("stores.name"), t("keys.key"), t("keys.owner"), t("keys.used"), t("keys.expires"), ""];
    return table(t("admin_keys.title"), columns, keys.map((key) => keyRow(organization, key, refresh)));
  });
  const create = async () => {
    const made = await askKey(organization);
    if (made) await shown(made, refresh);
  };
  refresh();
  return section(t("admin_keys.title"), button(t("admin_keys.create"), create, { icon: "plus" }), hint(t("admin_keys.intro")), list);
}

function keyRow(organization, { id, name, redacted_value: value, owner, last_used_at: used, expires_at: expires }, refresh) {
  const question = { title: t("keys.revoke_title", { name }), note: t("admin_keys.revoke_note"), submit: t("keys.revoke"), isDanger: true };
  const revoke = async () => (await askForm({ ...question, send: () => organization.deleteAdminKey(id) })) && refresh();
  const more = moreButton(name, [{ label: t("keys.revoke"), run: revoke, isDanger: true }], id);
  return [name, h("code", {}, value), owner?.name ?? "–", time(used), expires === null ? t("keys.never") : time(expires), more];
}

function askKey(organization) {
  const name = h("input", { required: true, autocomplete: "off" });
  const expiry = askExpiry();
  const fields = [
    { name: "name", label: t("stores.name"), input: name },
    { name: "expiry", label: t("keys.expires"), input: expiry },
  ];
  const send = () => organization.createAdminKey({ name: name.value.trim(), ...wantedExpiry(expiry) });
  return askForm({ title: t("admin_keys.create"), note: t("admin_keys.intro"), fields, submit: t("admin_keys.create"), send });
}
