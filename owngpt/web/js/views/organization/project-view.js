/** One project: its keys, who has access, what it may use, what is kept of it, and what happens to personal data. */
import { t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { askForm } from "../ask-form.js";
import { crumbs } from "../documents/store-view.js";
import { h } from "../dom.js";
import { button, load, section } from "../parts.js";
import { alertsSection } from "./alerts.js";
import { projectGroupsSection } from "./groups.js";
import { accountsSection, keysSection } from "./keys.js";
import { budgetSection, limitsSection } from "./limits.js";
import { membersSection } from "./people.js";
import { privacySection } from "./privacy.js";
import { askProject } from "./projects-view.js";
import { retentionSection } from "./retention.js";

const PARTS = [
  ...[keysSection, accountsSection, membersSection, projectGroupsSection],
  ...[limitsSection, budgetSection, alertsSection, retentionSection, privacySection],
];

export function projectView(place, organization, id) {
  const element = h("div", { class: "stack" });
  load(place, element, () => organization.project(id), (project) => {
    place.setTitle(project.name);
    const back = crumbs([[t("places.projects"), hashOf("projects")]]);
    if (project.status !== "active") return [back, h("p", { class: "notice" }, t("projects.is_archived"))];
    return [back, headSection(place, organization, project), ...PARTS.map((part) => part(place, organization, id))];
  });
  return element;
}

function headSection(place, organization, project) {
  const rename = async () => {
    const changed = await askProject(t("projects.rename"), project.name, (name) => organization.renameProject(project.id, name));
    if (changed) place.setTitle(Object.assign(project, changed).name);
  };
  const archive = async () => {
    const question = { title: t("projects.archive_title", { name: project.name }), note: t("projects.archive_note"), submit: t("projects.archive") };
    const isDone = await askForm({ ...question, isDanger: true, send: () => organization.archiveProject(project.id) });
    if (isDone) location.hash = hashOf("projects");
  };
  const actions = h("div", { class: "buttons" }, button(t("menu.rename"), rename), button(t("projects.archive"), archive, { kind: "danger" }));
  return section(t("projects.one"), actions, h("p", { class: "hint" }, project.id));
}
