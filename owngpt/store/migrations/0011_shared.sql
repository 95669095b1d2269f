-- Times are whole Unix seconds.

-- Calls of MCP tools that were approved and have begun: none begins twice, whichever branch of a conversation, or
-- whichever server, the approval comes to. It holds ids only, no content.
CREATE TABLE approved_calls (
    project_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, request_id)
);

-- Secrets that all servers of this database must have alike, as hashes that tell nothing of them.
CREATE TABLE secret_fingerprints (
    name TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
