/** Costs of a month that somebody should know of. */
import { formatNumber, t } from "../../i18n.js";
import { askForm } from "../ask-form.js";
import { h } from "../dom.js";
import { button, hint, load, section, table, time } from "../parts.js";
import { moreButton } from "./keys.js";

/**
 * @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization
 * @param {string | null} id of a project; null: of all together
 */
export function alertsSection(place, organization, id) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.alerts(id), (alerts) => {
    if (!alerts.length) return h("p", { class: "nothing" }, t("alerts.none"));
    const columns = [t("alerts.amount"), t("alerts.recipients"), t("alerts.triggered"), ""];
    return table(t("alerts.title"), columns, alerts.map((alert) => alertRow(organization, id, alert, refresh)));
  });
  const create = async () => (await askAlert(organization, id)) && refresh();
  refresh();
  return section(t("alerts.title"), button(t("alerts.create"), create, { icon: "plus" }), hint(t("alerts.intro")), list);
}

function alertRow(organization, id, { id: alert, threshold_amount: cents, notification_channel: channel, triggered_at: at }, refresh) {
  const amount = formatNumber(cents / 100, { style: "currency", currency: "USD" });
  const question = { title: t("alerts.delete_title", { amount }), note: t("alerts.delete_note"), submit: t("delete.confirm"), isDanger: true };
  const remove = async () => (await askForm({ ...question, send: () => organization.deleteAlert(id, alert) })) && refresh();
  const more = moreButton(amount, [{ label: t("menu.delete"), run: remove, isDanger: true }], alert);
  return [amount, channel.recipients.join(", "), at ? time(at) : t("alerts.not_yet"), more];
}

function askAlert(organization, id) {
  const amount = h("input", { type: "number", required: true, min: "0.01", step: "0.01" });
  const recipients = h("input", { type: "email", multiple: true, required: true, autocomplete: "off" });
  return askForm({
    title: t("alerts.create"),
    fields: [
      { name: "amount", label: t("alerts.amount"), input: amount },
      { name: "recipients", label: t("alerts.recipients"), input: recipients, hint: t("alerts.recipients_hint") },
    ],
    submit: t("alerts.create"),
    send: () => organization.addAlert(id, Math.round(amount.valueAsNumber * 100), recipients.value.split(",").map((address) => address.trim())),
  });
}
