-- Files, uploads in parts, and batches. Times are whole Unix seconds.
-- `sha256` names bytes in the folder of blobs; those that no row names are deleted.

CREATE TABLE files (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
);

CREATE INDEX files_by_project ON files (project_id, created_at, id);

CREATE INDEX files_by_content ON files (sha256);

CREATE INDEX files_by_expiry ON files (expires_at);

-- Who may read a file: user:ID, group:ID or key:ID. A file without a row here is for its whole project.
CREATE TABLE file_readers (
    file_id TEXT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    principal TEXT NOT NULL,
    PRIMARY KEY (file_id, principal)
);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    key_id TEXT NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    mime_type TEXT NOT NULL,
    readers TEXT NOT NULL,
    file_seconds INTEGER,
    status TEXT NOT NULL,
    file_id TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE INDEX uploads_by_expiry ON uploads (status, expires_at);

CREATE TABLE upload_parts (
    id TEXT PRIMARY KEY,
    upload_id TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE INDEX upload_parts_by_upload ON upload_parts (upload_id);

CREATE INDEX upload_parts_by_content ON upload_parts (sha256);

-- `input_sha256` holds the input's bytes for as long as the batch needs them, also when its file is deleted.
-- Its requests run in the name of the key, with the rights that it has then. `errors` and `metadata` are JSON.
CREATE TABLE batches (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    key_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    completion_window TEXT NOT NULL,
    metadata TEXT,
    input_file_id TEXT NOT NULL,
    input_sha256 TEXT,
    readers TEXT NOT NULL,
    output_seconds INTEGER,
    status TEXT NOT NULL,
    model TEXT,
    errors TEXT,
    output_file_id TEXT,
    error_file_id TEXT,
    total INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    reasoning_tokens INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    in_progress_at INTEGER,
    finalizing_at INTEGER,
    completed_at INTEGER,
    failed_at INTEGER,
    expired_at INTEGER,
    cancelling_at INTEGER,
    cancelled_at INTEGER
);

CREATE INDEX batches_by_project ON batches (project_id, created_at, id);

CREATE INDEX batches_by_status ON batches (status, created_at);

CREATE INDEX batches_by_content ON batches (input_sha256);

-- A line of a batch's input: where it stands there, and how far it is. pending -> started -> completed or failed;
-- `stopped`: ended by a server that was about to stop.
-- `started` is on disk before the request runs, its end together with `result`: the line of the output file.
CREATE TABLE batch_lines (
    batch_id TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    custom_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    status TEXT NOT NULL,
    result TEXT,
    PRIMARY KEY (batch_id, line)
);

CREATE INDEX batch_lines_by_status ON batch_lines (batch_id, status, line);
