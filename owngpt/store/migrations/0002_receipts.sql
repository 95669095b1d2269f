-- A receipt says what an answer followed from, and what it was. `id` is the answer's own id; the three documents are
-- JSON: the body of the request, everything that the tokens depend on (`digest` is the SHA-256 of it), and the tokens.
CREATE TABLE receipts (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    created_at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    request TEXT NOT NULL,
    inputs TEXT NOT NULL,
    outputs TEXT NOT NULL
);

CREATE INDEX receipts_by_project ON receipts (project_id, created_at, id);

CREATE INDEX receipts_by_age ON receipts (created_at);
