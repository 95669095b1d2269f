/** Projects of the organization; or one project. */
import { t } from "../../i18n.js";
import { Organization } from "../../organization.js";
import { hashOf } from "../../places.js";
import { askForm } from "../ask-form.js";
import { h } from "../dom.js";
import { button, hint, load, section, table, time } from "../parts.js";
import { projectView } from "./project-view.js";

/** @param {import("../../types.js").Place} place @param {string} [id] of one project */
export function projects(place, id) {
  const organization = new Organization(place.api, place.signal);
  if (id) return projectView(place, organization, id);
  return projectsSection(place, organization);
}

function projectsSection(place, organization) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.projects(true), projectsTable);
  const create = async () => {
    const made = await askProject(t("projects.create"), "", (name) => organization.createProject(name));
    if (made) location.hash = hashOf("projects", made.id);
  };
  refresh();
  return section(t("projects.title"), button(t("projects.create"), create, { kind: "primary", icon: "plus" }), hint(t("projects.intro")), list);
}

function projectsTable(all) {
  const rows = all.map(({ id, name, status, created_at: created }) => [
    h("a", { href: hashOf("projects", id) }, name),
    t(status === "active" ? "projects.active" : "projects.archived"),
    time(created),
  ]);
  return table(t("projects.title"), [t("stores.name"), t("file.status"), t("stores.created")], rows);
}

export function askProject(title, value, send) {
  const input = h("input", { value, required: true, autocomplete: "off" });
  return askForm({ title, fields: [{ name: "name", label: t("stores.name"), input }], submit: t("form.save"), send: ({ name }) => send(name.trim()) });
}
