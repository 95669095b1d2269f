/** What a project may use: rate limits by model, and a budget for a month. */
import { formatNumber, t } from "../../i18n.js";
import { h } from "../dom.js";
import { attempt, hint, load, section, table } from "../parts.js";
import { toast } from "../toast.js";

const FIELDS = { max_requests_per_1_minute: "limits.requests", max_tokens_per_1_minute: "limits.tokens", max_requests_per_1_day: "limits.day" };

/** @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization */
export function limitsSection(place, organization, id) {
  const list = h("div", {});
  load(place, list, () => organization.rateLimits(id), (limits) => {
    const columns = [t("header.model"), ...Object.values(FIELDS).map((key) => t(key))];
    return table(t("limits.title"), columns, limits.map((limit) => limitRow(place, organization, id, limit)));
  });
  return section(t("limits.title"), null, hint(t("limits.intro")), list);
}

function limitRow(place, organization, id, limit) {
  const model = limit.model === "*" ? t("limits.all_models") : limit.model;
  const inputs = Object.entries(FIELDS).map(([name, key]) => {
    const save = (value) => organization.setRateLimit(id, limit.id, { [name]: value });
    return limitInput(place, `${t(key)}, ${model}`, limit[name] ?? null, save);
  });
  return [model, ...inputs];
}

/** A number that is saved when it is left; empty is no limit. */
function limitInput(place, label, value, save) {
  const input = h("input", { type: "number", class: "number", min: "0", step: "1", value: value ?? "", placeholder: "∞", "aria-label": label });
  input.addEventListener("change", async () => {
    if (!input.checkValidity()) return input.reportValidity();
    const wanted = input.value === "" ? null : input.valueAsNumber;
    if (await attempt(place, () => save(wanted))) toast(t("form.saved"));
    else input.value = value ?? "";
  });
  return input;
}

/** @param {string | null} id of a project; null: of all together */
export function budgetSection(place, organization, id) {
  const box = h("div", {});
  load(place, box, () => organization.spendLimit(id), (limit) => {
    const dollars = limit === null ? null : limit.threshold_amount / 100;
    const save = (value) => organization.setSpendLimit(id, value === null ? null : Math.round(value * 100));
    const input = Object.assign(limitInput(place, t("budget.label"), dollars, save), { step: "0.01" });
    const label = h("label", { class: "field budget" }, h("span", {}, t("budget.label")), input);
    if (limit?.enforcement?.status !== "enforcing") return label;
    const amount = formatNumber(dollars, { style: "currency", currency: "USD" });
    return [label, h("p", { class: "notice" }, t("budget.reached", { amount }))];
  });
  return section(t("budget.title"), null, hint(t("budget.intro")), box);
}
