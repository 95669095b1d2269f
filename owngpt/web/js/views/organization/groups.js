/** Groups of people: all of the organization, one of them, and those that a project lets in. */
import { t } from "../../i18n.js";
import { hashOf } from "../../places.js";
import { askForm } from "../ask-form.js";
import { crumbs } from "../documents/store-view.js";
import { h } from "../dom.js";
import { button, hint, load, section, select, table, time } from "../parts.js";
import { moreButton } from "./keys.js";
import { roleSelect } from "./people.js";

/** @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization */
export function groupsSection(place, organization) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.groups(), (groups) => {
    if (!groups.length) return h("p", { class: "nothing" }, t("groups.none"));
    const columns = [t("stores.name"), t("groups.id"), t("stores.created"), ""];
    return table(t("groups.title"), columns, groups.map((group) => groupRow(organization, group, refresh)));
  });
  const create = async () => {
    const made = await askGroup(t("groups.create"), "", (name) => organization.createGroup(name));
    if (made) location.hash = hashOf("organization", made.id);
  };
  refresh();
  return section(t("groups.title"), button(t("groups.create"), create, { icon: "plus" }), hint(t("groups.intro")), list);
}

function groupRow(organization, { id, name, created_at: created }, refresh) {
  const rename = async () => (await askGroup(t("groups.rename"), name, (wanted) => organization.renameGroup(id, wanted))) && refresh();
  const question = { title: t("delete.title", { title: name }), note: t("groups.delete_note"), submit: t("delete.confirm"), isDanger: true };
  const remove = async () => (await askForm({ ...question, send: () => organization.deleteGroup(id) })) && refresh();
  const items = [{ label: t("menu.rename"), run: rename }, { label: t("menu.delete"), run: remove, isDanger: true }];
  return [h("a", { href: hashOf("organization", id) }, name), h("code", {}, `group:${id}`), time(created), moreButton(name, items, id)];
}

function askGroup(title, value, send) {
  const input = h("input", { value, required: true, autocomplete: "off" });
  return askForm({ title, fields: [{ name: "name", label: t("stores.name"), input }], submit: t("form.save"), send: ({ name }) => send(name.trim()) });
}

export function groupView(place, organization, id) {
  const element = h("div", { class: "stack" });
  load(place, element, () => organization.group(id), ({ name }) => {
    place.setTitle(name);
    const about = section(t("groups.one"), null, h("p", { class: "hint" }, t("groups.id"), ": ", h("code", {}, `group:${id}`)));
    return [crumbs([[t("places.organization"), hashOf("organization")]]), about, peopleSection(place, organization, id)];
  });
  return element;
}

function peopleSection(place, organization, id) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.groupMembers(id), (people) => {
    if (!people.length) return h("p", { class: "nothing" }, t("groups.empty"));
    const columns = [t("stores.name"), t("people.email"), ""];
    return table(t("groups.members"), columns, people.map((person) => personRow(organization, id, person, refresh)));
  });
  const add = async () => (await askPerson(organization, id)) && refresh();
  refresh();
  return section(t("groups.members"), button(t("groups.add"), add, { kind: "primary", icon: "plus" }), list);
}

function personRow(organization, id, { id: user, name, email }, refresh) {
  const question = { title: t("groups.remove_title", { name: email ?? name }), note: t("groups.delete_note"), submit: t("groups.remove"), isDanger: true };
  const remove = async () => (await askForm({ ...question, send: () => organization.removeGroupMember(id, user) })) && refresh();
  return [name, email ?? "–", moreButton(email ?? name, [{ label: t("groups.remove"), run: remove, isDanger: true }], user)];
}

async function askPerson(organization, id) {
  const [users, members] = await Promise.all([organization.users(), organization.groupMembers(id)]);
  const inside = new Set(members.map((member) => member.id));
  const person = select(users.filter((user) => !inside.has(user.id)).map((user) => [user.id, user.email]));
  const note = person.options.length ? null : t("groups.no_users");
  const fields = note ? [] : [{ name: "person", label: t("people.email"), input: person }];
  const send = async () => (note ? null : organization.addGroupMember(id, person.value));
  return askForm({ title: t("groups.add"), note, fields, submit: t("groups.add"), send });
}

export function projectGroupsSection(place, organization, id) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.projectGroups(id), (groups) => {
    if (!groups.length) return h("p", { class: "nothing" }, t("groups.none_in"));
    const rows = groups.map((group) => projectGroupRow(organization, id, group, refresh));
    return table(t("groups.of_project"), [t("stores.name"), t("people.added"), ""], rows);
  });
  const add = async () => (await askProjectGroup(organization, id)) && refresh();
  refresh();
  return section(t("groups.of_project"), button(t("groups.let_in"), add, { icon: "plus" }), list);
}

function projectGroupRow(organization, id, { group_id: group, group_name: name, created_at: added }, refresh) {
  const question = { title: t("groups.put_out_title", { name }), note: t("groups.put_out_note"), submit: t("groups.put_out"), isDanger: true };
  const remove = async () => (await askForm({ ...question, send: () => organization.removeProjectGroup(id, group) })) && refresh();
  return [name, time(added), moreButton(name, [{ label: t("groups.put_out"), run: remove, isDanger: true }], group)];
}

async function askProjectGroup(organization, id) {
  const [all, inside] = await Promise.all([organization.groups(), organization.projectGroups(id)]);
  const known = new Set(inside.map((group) => group.group_id));
  const group = select(all.filter((each) => !known.has(each.id)).map((each) => [each.id, each.name]));
  const role = roleSelect();
  const isNone = !group.options.length;
  const fields = [
    { name: "group", label: t("groups.one"), input: group },
    { name: "role", label: t("people.project_role"), input: role },
  ];
  const send = async () => (isNone ? null : organization.addProjectGroup(id, { group_id: group.value, role: role.value }));
  const note = t(isNone ? "groups.none_left" : "groups.let_in_note");
  return askForm({ title: t("groups.let_in"), note, fields: isNone ? [] : fields, submit: t("groups.let_in"), send });
}
