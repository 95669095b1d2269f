/** People: users and invitations of the organization, members of a project. */
import { t } from "../../i18n.js";
import { askForm, showSecret } from "../ask-form.js";
import { h } from "../dom.js";
import { attempt, button, hint, load, section, select, table, time } from "../parts.js";
import { moreButton } from "./keys.js";

/** @param {import("../../types.js").Place} place @param {import("../../organization.js").Organization} organization */
export function usersSection(place, organization) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.users(), (users) => {
    if (!users.length) return h("p", { class: "nothing" }, t("people.none"));
    const columns = [t("stores.name"), t("people.email"), t("people.role"), t("people.added"), ""];
    return table(t("people.title"), columns, users.map((user) => userRow(organization, user, refresh)));
  });
  refresh();
  return section(t("people.title"), null, list);
}

function userRow(organization, { id, name, email, role, added_at: added }, refresh) {
  const question = { title: t("delete.title", { title: email }), note: t("people.delete_note"), submit: t("delete.confirm"), isDanger: true };
  const remove = async () => (await askForm({ ...question, send: () => organization.deleteUser(id) })) && refresh();
  return [name, email, role, time(added), moreButton(email, [{ label: t("menu.delete"), run: remove, isDanger: true }], id)];
}

export function invitesSection(place, organization) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.invites(), (invites) => {
    if (!invites.length) return h("p", { class: "nothing" }, t("invites.none"));
    const columns = [t("people.email"), t("people.role"), t("file.status"), t("keys.expires"), ""];
    return table(t("invites.title"), columns, invites.map((invite) => inviteRow(place, organization, invite, refresh)));
  });
  const create = async () => {
    const made = await askInvite(organization);
    if (!made) return;
    await showSecret(t("invites.token", { email: made.email }), t("invites.token_note"), made.token);
    refresh();
  };
  refresh();
  return section(t("invites.title"), button(t("invites.create"), create, { icon: "plus" }), hint(t("invites.intro")), list);
}

function inviteRow(place, organization, { id, email, role, status, expires_at: expires }, refresh) {
  const takeBack = async () => (await attempt(place, () => organization.deleteInvite(id))) && refresh();
  const state = { pending: "invites.pending", accepted: "invites.accepted", expired: "invites.expired" }[status];
  return [email, role, state ? t(state) : status, time(expires), moreButton(email, [{ label: t("invites.delete"), run: takeBack, isDanger: true }], id)];
}

async function askInvite(organization) {
  const projects = await organization.projects();
  const email = h("input", { type: "email", required: true, autocomplete: "off" });
  const role = select([["reader", t("people.reader")], ["owner", t("people.owner")]]);
  const project = select(projects.map(({ id, name }) => [id, name]));
  const projectRole = select([["member", t("people.member")], ["owner", t("people.owner")]]);
  return askForm({
    title: t("invites.create"),
    fields: [
      { name: "email", label: t("people.email"), input: email },
      { name: "role", label: t("people.role"), input: role },
      { name: "project", label: t("projects.one"), input: project },
      { name: "project_role", label: t("people.project_role"), input: projectRole },
    ],
    submit: t("invites.create"),
    send: () => organization.invite({ email: email.value.trim(), role: role.value, projects: [{ id: project.value, role: projectRole.value }] }),
  });
}

export function membersSection(place, organization, id) {
  const list = h("div", {});
  const refresh = () => load(place, list, () => organization.members(id), (members) => {
    if (!members.length) return h("p", { class: "nothing" }, t("members.none"));
    const columns = [t("stores.name"), t("people.email"), t("people.role"), t("people.added"), ""];
    return table(t("members.title"), columns, members.map((member) => memberRow(place, organization, id, member, refresh)));
  });
  const add = async () => {
    const email = h("input", { type: "email", required: true, autocomplete: "off" });
    const fields = [{ name: "email", label: t("people.email"), input: email }, { name: "role", label: t("people.role"), input: roleSelect() }];
    const question = { title: t("members.add"), note: t("members.note"), fields, submit: t("members.add") };
    if (await askForm({ ...question, send: ({ email: address, role }) => organization.addMember(id, { email: address.trim(), role }) })) refresh();
  };
  refresh();
  return section(t("members.title"), button(t("members.add"), add, { icon: "plus" }), list);
}

function memberRow(place, organization, id, { id: user, name, email, role, added_at: added }, refresh) {
  const choice = roleSelect(role);
  choice.setAttribute("aria-label", t("people.role_of", { name: email }));
  choice.addEventListener("change", async () => {
    if (!(await attempt(place, () => organization.changeMember(id, user, choice.value)))) choice.value = role;
  });
  const question = { title: t("members.remove_title", { name: email }), note: t("members.remove_note"), submit: t("members.remove"), isDanger: true };
  const remove = async () => (await askForm({ ...question, send: () => organization.removeMember(id, user) })) && refresh();
  return [name, email, h("span", { class: "select" }, choice), time(added), moreButton(email, [{ label: t("members.remove"), run: remove, isDanger: true }], user)];
}

/** The predefined roles, and the one that somebody has beside these. */
export function roleSelect(role = "member") {
  const known = [["member", t("people.member")], ["owner", t("people.owner")], ["viewer", t("people.viewer")]];
  return select(known.some(([name]) => name === role) ? known : [...known, [role, role]], role);
}
