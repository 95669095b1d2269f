/** What a project does with personal data: for all, and type by type. A change is saved at once. */
import { t } from "../../i18n.js";
import { askForm } from "../ask-form.js";
import { h } from "../dom.js";
import { attempt, button, field, hint, load, section, select, table } from "../parts.js";
import { toast } from "../toast.js";

const ACTIONS = ["off", "mask", "block"];

/** @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization */
export function privacySection(place, organization, id) {
  const box = h("div", { class: "stack" });
  const draft = { policy: null, waiting: 0, turn: Promise.resolve() };
  const draw = (policy) => {
    if (!draft.waiting) draft.policy = policy;
    return policyForm(organization, id, draft.policy, save, refresh);
  };
  const refresh = () => load(place, box, () => organization.privacy(id), draw);
  const save = (change) => {
    draft.policy = { ...draft.policy, ...change(draft.policy) }; // the next change builds on this one, which is still on its way
    const { mode, threshold, restore, entities } = draft.policy;
    const send = async () => {
      try {
        const isSaved = await attempt(place, () => organization.setPrivacy(id, { mode, threshold, restore, entities }));
        if (isSaved) toast(t("form.saved"));
      } finally {
        draft.waiting -= 1;
        if (!draft.waiting) refresh();
      }
    };
    draft.waiting += 1;
    draft.turn = draft.turn.catch(() => undefined).then(send);
  };
  refresh();
  return section(t("privacy.title"), null, hint(t("privacy.intro")), box);
}

function policyForm(organization, id, policy, save, refresh) {
  const mode = select(ACTIONS.map((name) => [name, t(`privacy.${name}`)]), policy.mode, { "data-key": "mode" });
  mode.addEventListener("change", () => save((now) => ({ mode: mode.value, entities: following(now, mode.value) })));
  const restore = select([["true", t("privacy.restored")], ["false", t("privacy.not_restored")]], String(policy.restore), { "data-key": "restore" });
  restore.addEventListener("change", () => save(() => ({ restore: restore.value === "true" })));
  const choices = h("div", { class: "choices" }, field(t("privacy.mode"), mode), field(t("privacy.restore"), restore));
  const types = h("details", { class: "more", "data-key": "types" }, h("summary", {}, t("privacy.types")), typesTable(policy, save));
  types.open = isOpen.has(id);
  types.addEventListener("toggle", () => (types.open ? isOpen.add(id) : isOpen.delete(id)));
  if (policy.is_default) return [choices, types, hint(t("privacy.is_default"))];
  return [choices, types, h("div", { class: "buttons" }, button(t("privacy.reset"), () => reset(organization, id, refresh)))];
}

const isOpen = new Set(); // projects whose types are shown: each change draws the section anew

function typesTable(policy, save) {
  const rows = Object.entries(policy.entities).map(([type, { action }]) => {
    const name = t(`pii.${type}`);
    const options = ACTIONS.map((each) => [each, t(`privacy.${each}`)]);
    const properties = { "aria-label": t("privacy.action_of", { type: name }), "data-key": type };
    const input = select(options, action, properties);
    input.addEventListener("change", () => save(({ entities }) => ({ entities: { ...entities, [type]: { ...entities[type], action: input.value } } })));
    return [name, h("span", { class: "select" }, input)];
  });
  return table(t("privacy.types"), [t("privacy.type"), t("privacy.action")], rows);
}

/** The types with another mode: those that were as the mode follow it. Where all were off, each gets its default. */
function following({ mode, entities }, wanted) {
  if (mode === "off") return {};
  const rules = Object.entries(entities).map(([type, rule]) => [type, rule.action === mode ? { ...rule, action: wanted } : rule]);
  return Object.fromEntries(rules);
}

async function reset(organization, id, refresh) {
  const question = { title: t("privacy.reset_title"), note: t("privacy.reset_note"), submit: t("privacy.reset"), isDanger: true };
  if (await askForm({ ...question, send: () => organization.resetPrivacy(id) })) refresh();
}
