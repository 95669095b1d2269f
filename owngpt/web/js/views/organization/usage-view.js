/** Tokens and costs of the last days, as charts, with the numbers in tables below. */
import { formatNumber, formatTime, t } from "../../i18n.js";
import { Organization } from "../../organization.js";
import { h } from "../dom.js";
import { field, load, section, select, table } from "../parts.js";
import { barChart } from "./chart.js";

const MAX_SERIES = 4; // as many colours as can be told apart; the rest is one more
const DAY = { month: "short", day: "numeric", timeZone: "UTC" };

/** @param {import("../../types.js").Place} place */
export function usage(place) {
  const organization = new Organization(place.api, place.signal);
  const days = select([7, 30, 90].map((count) => [String(count), t("usage.days", { days: count })]), "30");
  const project = select([["", t("usage.all_projects")]]);
  const charts = h("div", { class: "stack" });
  const refresh = () => {
    const span = { days: Number(days.value), project: project.value || null };
    const fetch = () => Promise.all([organization.usage(span), organization.costs(span)]);
    return load(place, charts, fetch, ([tokens, costs]) => [tokensSection(tokens), costsSection(costs)]);
  };
  for (const choice of [days, project]) choice.addEventListener("change", refresh);
  organization.projects(true).then(
    (all) => project.append(...all.map(({ id, name }) => h("option", { value: id }, name))),
    () => {}, // the key may see usage and no projects: then there is nothing to choose
  );
  refresh();
  return h("div", { class: "stack" }, h("div", { class: "filters" }, field(t("usage.span"), days), field(t("projects.one"), project)), charts);
}

function tokensSection(buckets) {
  const series = seriesOf(buckets, ({ model }) => model, (result) => result.input_tokens + result.output_tokens);
  const sum = (field) => formatNumber(total(buckets, (result) => result[field]));
  const numbers = t("usage.sums", { input: sum("input_tokens"), cached: sum("input_cached_tokens"), output: sum("output_tokens"), requests: sum("num_model_requests") });
  const columns = [t("usage.day"), t("header.model"), t("usage.requests"), t("usage.input"), t("usage.cached"), t("usage.output")];
  const counted = ["num_model_requests", "input_tokens", "input_cached_tokens", "output_tokens"];
  const rows = rowsOf(buckets, (result) => [result.model ?? "", ...counted.map((name) => formatNumber(result[name]))]);
  return chartSection(t("usage.tokens"), numbers, buckets, series, formatNumber, columns, rows);
}

function costsSection(buckets) {
  const dollars = (value) => formatNumber(value, { style: "currency", currency: "USD", maximumFractionDigits: value && value < 0.1 ? 6 : 2 });
  const cost = (result) => result.amount.value;
  const series = seriesOf(buckets, ({ line_item: item }) => item?.replace(/, [^,]*$/, ""), cost);
  const rows = rowsOf(buckets, (result) => [result.line_item ?? "", formatNumber(result.quantity ?? 0, { maximumFractionDigits: 2 }), dollars(cost(result))]);
  const columns = [t("usage.day"), t("usage.item"), t("usage.quantity"), t("usage.cost")];
  return chartSection(t("usage.costs"), t("usage.total", { amount: dollars(total(buckets, cost)) }), buckets, series, dollars, columns, rows);
}

function chartSection(title, numbers, buckets, series, format, columns, rows) {
  const labels = buckets.map(({ start_time: start }) => formatTime(start, DAY));
  if (!series.length) return section(title, null, h("p", { class: "nothing" }, t("usage.none")));
  const fold = h("details", { class: "more" }, h("summary", {}, t("usage.table")), table(title, columns, rows));
  return section(title, null, h("p", { class: "sums" }, numbers), barChart(title, labels, series, format), fold);
}

/** The largest series by name, each with a value for every bucket; the others are added up. */
function seriesOf(buckets, nameOf, valueOf) {
  const all = new Map();
  buckets.forEach(({ results }, index) => {
    for (const result of results) {
      const name = nameOf(result) ?? "";
      const values = all.get(name) ?? all.set(name, buckets.map(() => 0)).get(name);
      values[index] += valueOf(result);
    }
  });
  const used = [...all].map(([name, values]) => ({ name, values })).filter(({ values }) => sumOf(values) > 0);
  const sorted = used.sort((a, b) => sumOf(b.values) - sumOf(a.values));
  const rest = sorted.splice(MAX_SERIES);
  if (rest.length) sorted.push({ name: t("usage.others"), values: buckets.map((_, index) => sumOf(rest.map(({ values }) => values[index]))) });
  return sorted;
}

function rowsOf(buckets, cells) {
  return buckets.flatMap(({ start_time: start, results }) => results.map((result) => [formatTime(start, DAY), ...cells(result)])).reverse();
}

function total(buckets, valueOf) {
  return sumOf(buckets.flatMap(({ results }) => results.map(valueOf)));
}

function sumOf(values) {
  return values.reduce((sum, value) => sum + value, 0);
}
