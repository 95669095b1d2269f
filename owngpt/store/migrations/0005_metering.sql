-- Times are whole Unix seconds; costs are whole 1e-9 parts of the currency unit (nano-dollars).

-- What each request cost. `id` is made at admission, so an event that is written again changes nothing. No references
-- to other tables: usage outlives projects, keys and models.
CREATE TABLE usage_events (
    id TEXT PRIMARY KEY,
    request_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    user_id TEXT,
    kind TEXT NOT NULL,
    model TEXT,
    tier TEXT NOT NULL,
    vector_store_id TEXT,
    created_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    num_requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    input_cost INTEGER NOT NULL,
    cached_cost INTEGER NOT NULL,
    output_cost INTEGER NOT NULL
);

CREATE INDEX usage_events_by_kind ON usage_events (organization_id, kind, created_at);

CREATE INDEX usage_events_by_time ON usage_events (organization_id, created_at);

-- The sum of the events' costs, by calendar month (UTC, its first second), kept in the transaction that adds them.
CREATE TABLE monthly_costs (
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    month INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (organization_id, project_id, month)
);

-- NULL is no limit. `model` is the name of a loaded model, or '*' for all of the project together.
CREATE TABLE project_rate_limits (
    project_id TEXT NOT NULL,
    model TEXT NOT NULL,
    requests_per_minute INTEGER,
    tokens_per_minute INTEGER,
    requests_per_day INTEGER,
    batch_tokens_per_day INTEGER,
    PRIMARY KEY (project_id, model)
);

-- Where `project_id` is '', the limit or alert is that of the whole organization. Thresholds are in cents.
CREATE TABLE spend_limits (
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    threshold_amount INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, project_id)
);

CREATE TABLE spend_alerts (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    threshold_amount INTEGER NOT NULL,
    recipients TEXT NOT NULL,
    subject_prefix TEXT,
    created_at INTEGER NOT NULL
);

CREATE INDEX spend_alerts_by_project ON spend_alerts (organization_id, project_id, created_at, id);

-- An alert is triggered once in a month.
CREATE TABLE spend_alert_events (
    alert_id TEXT NOT NULL,
    month INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (alert_id, month)
);
