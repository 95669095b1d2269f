-- People and rights. Times are whole Unix seconds. An owner or principal is a user (user-...), a service account
-- (svc_acct_...) or a group (group_...); the prefix says which.

ALTER TABLE organizations ADD COLUMN retention TEXT NOT NULL DEFAULT 'modified_abuse_monitoring';

ALTER TABLE projects ADD COLUMN archived_at INTEGER;
ALTER TABLE projects ADD COLUMN retention TEXT NOT NULL DEFAULT 'organization_default';
ALTER TABLE projects ADD COLUMN model_mode TEXT;                         -- allow_list, deny_list; null: every model
ALTER TABLE projects ADD COLUMN model_ids TEXT NOT NULL DEFAULT '[]';    -- JSON
ALTER TABLE projects ADD COLUMN disabled_tools TEXT NOT NULL DEFAULT ''; -- separated by spaces

-- Keys that were made before have no owner, and go on as keys of their project. Admin keys belong to the
-- organization; they name its default project, as the column takes no null.
ALTER TABLE keys ADD COLUMN owner_id TEXT;
ALTER TABLE keys ADD COLUMN expires_at INTEGER;
CREATE INDEX keys_by_owner ON keys (owner_id);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    technical_level TEXT,
    developer_persona TEXT,
    added_at INTEGER NOT NULL,
    UNIQUE (organization_id, email)
);

CREATE TABLE service_accounts (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX service_accounts_by_project ON service_accounts (project_id);

CREATE TABLE project_users (
    project_id TEXT NOT NULL REFERENCES projects (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX project_users_by_user ON project_users (user_id);

-- `hash` is the SHA-256 of the token that accepts it; `projects` is JSON: [{"id", "role"}].
CREATE TABLE invites (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    projects TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    accepted_at INTEGER
);
CREATE INDEX invites_by_organization ON invites (organization_id, created_at);

CREATE TABLE user_groups (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (organization_id, name)
);

-- A member is a user or a service account.
CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES user_groups (id),
    user_id TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_by_user ON group_members (user_id);

CREATE TABLE project_groups (
    project_id TEXT NOT NULL REFERENCES projects (id),
    group_id TEXT NOT NULL REFERENCES user_groups (id),
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, group_id)
);
CREATE INDEX project_groups_by_group ON project_groups (group_id);

-- `project_id` is empty for a role of the organization; `permissions` are separated by spaces.
CREATE TABLE roles (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL,
    created_by TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (organization_id, project_id, name)
);

-- A principal is a user or a group; `project_id` is empty for the organization.
CREATE TABLE role_assignments (
    role_id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    project_id TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    PRIMARY KEY (principal_id, project_id, role_id)
);

-- Only ever appended to. `actor` and `event` are JSON, as on the wire.
CREATE TABLE audit_logs (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    type TEXT NOT NULL,
    effective_at INTEGER NOT NULL,
    project_id TEXT,
    project_name TEXT,
    key_id TEXT,
    owner_id TEXT,
    email TEXT,
    resource_id TEXT,
    actor TEXT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX audit_logs_by_time ON audit_logs (organization_id, effective_at, id);
