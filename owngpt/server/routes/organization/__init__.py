"""/v1/organization and /v1/projects: people and rights, one file per object."""

from __future__ import annotations

from owngpt.server.routes.organization import (
    admin_api_keys,
    api_keys,
    audit_logs,
    certificates,
    data_retention,
    groups,
    invites,
    permissions,
    privacy,
    project_groups,
    project_users,
    projects,
    rate_limits,
    role_assignments,
    roles,
    service_accounts,
    spend,
    usage,
    users,
)

ROUTES = (
    *projects.ROUTES,
    *project_users.ROUTES,
    *project_groups.ROUTES,
    *service_accounts.ROUTES,
    *api_keys.ROUTES,
    *data_retention.ROUTES,
    *permissions.ROUTES,
    *privacy.ROUTES,
    *admin_api_keys.ROUTES,
    *users.ROUTES,
    *invites.ROUTES,
    *groups.ROUTES,
    *roles.ROUTES,
    *role_assignments.ROUTES,
    *audit_logs.ROUTES,
    *certificates.ROUTES,
    *rate_limits.ROUTES,
    *spend.ROUTES,
    *usage.ROUTES,
)
