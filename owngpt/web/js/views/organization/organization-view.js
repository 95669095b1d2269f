/** The organization: its people, groups and admin keys, what is kept, and what it may cost; or one group. */
import { Organization } from "../../organization.js";
import { h } from "../dom.js";
import { adminKeysSection } from "./admin-keys.js";
import { alertsSection } from "./alerts.js";
import { groupsSection, groupView } from "./groups.js";
import { budgetSection } from "./limits.js";
import { invitesSection, usersSection } from "./people.js";
import { retentionSection } from "./retention.js";

/** @param {import("../../types.js").Place} place @param {string} [group] the id of a group */
export function organization(place, group) {
  const all = new Organization(place.api, place.signal);
  if (group) return groupView(place, all, group);
  const parts = [usersSection, invitesSection, groupsSection, adminKeysSection, retentionSection, budgetSection, alertsSection];
  return h("div", { class: "stack" }, ...parts.map((part) => part(place, all, null)));
}
