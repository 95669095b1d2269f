/** What is kept of requests and answers, in the organization or in a project. */
import { t } from "../../i18n.js";
import { h } from "../dom.js";
import { attempt, field, hint, load, section, select } from "../parts.js";
import { toast } from "../toast.js";

const KEEPS = "modified_abuse_monitoring"; // what is asked for; nothing is ever read for abuse here
const NOTHING = "zero_data_retention";

/**
 * @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization
 * @param {string | null} id of a project; null: what holds where a project says nothing
 */
export function retentionSection(place, organization, id) {
  const box = h("div", { class: "stack" });
  load(place, box, () => organization.retention(id), ({ type }) => choice(place, organization, id, type));
  return section(t("retention.title"), null, hint(t("retention.intro")), box);
}

function choice(place, organization, id, type) {
  const offered = id === null ? [KEEPS, NOTHING] : ["organization_default", "none", NOTHING];
  const types = offered.includes(type) ? offered : [...offered, type];
  const input = select(types.map((name) => [name, t(`retention.${name}`)]), type);
  const note = h("p", { class: "notice" }, t("retention.zero_note"));
  const tell = (now) => (note.hidden = !now.includes("zero"));
  input.addEventListener("change", async () => {
    const changed = await attempt(place, () => organization.setRetention(id, input.value));
    if (changed) toast(t("form.saved"));
    input.value = type = changed?.type ?? type;
    tell(type);
  });
  tell(type);
  return [h("div", { class: "choices" }, field(t("retention.label"), input)), note];
}
