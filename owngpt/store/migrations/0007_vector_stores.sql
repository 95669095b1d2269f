-- Times are whole Unix seconds.

-- `metadata` is a JSON object. A store expires `expires_after_days` after it was last active; its files go then.
CREATE TABLE vector_stores (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,
    expires_after_days INTEGER,
    created_at INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL,
    expired_at INTEGER
);

CREATE INDEX vector_stores_by_project ON vector_stores (project_id, created_at, id);

-- The text of a file as it was read, for one project alone. `digest` is of the file's bytes and of how they were read.
CREATE TABLE documents (
    project_id TEXT NOT NULL REFERENCES projects (id),
    digest TEXT NOT NULL,
    content BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, digest)
);

-- A file in a store; `id` is the file's. While its status is in_progress it is in the queue: whoever works on it holds
-- it by `claim` until `claimed_until`, and nobody's work counts that does not hold it any more. `attributes`, `chunking`
-- and `notes` are JSON. `key_id`: in whose name it is read.
CREATE TABLE vector_store_files (
    vector_store_id TEXT NOT NULL REFERENCES vector_stores (id),
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    filename TEXT NOT NULL,
    status TEXT NOT NULL,
    error_code TEXT,
    error_message TEXT,
    attributes TEXT NOT NULL,
    chunking TEXT NOT NULL,
    digest TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    usage_bytes INTEGER NOT NULL DEFAULT 0,
    stage TEXT NOT NULL DEFAULT 'waiting',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    claim TEXT NOT NULL DEFAULT '',
    claimed_until INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (vector_store_id, id)
);

CREATE INDEX vector_store_files_by_file ON vector_store_files (id);

CREATE INDEX vector_store_files_by_status ON vector_store_files (status, project_id, created_at);

CREATE INDEX vector_store_files_by_document ON vector_store_files (project_id, digest);

-- Who may read a file in a store (user:ID, group:ID, key:ID): whom the store's file and the file itself both name.
-- One without a row here is for the whole project.
CREATE TABLE vector_store_file_readers (
    vector_store_id TEXT NOT NULL,
    file_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (vector_store_id, file_id, principal),
    FOREIGN KEY (vector_store_id, file_id) REFERENCES vector_store_files (vector_store_id, id) ON DELETE CASCADE
);

CREATE TABLE vector_store_file_batches (
    id TEXT PRIMARY KEY,
    vector_store_id TEXT NOT NULL REFERENCES vector_stores (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    is_cancelled INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX vector_store_file_batches_by_store ON vector_store_file_batches (vector_store_id);

CREATE TABLE vector_store_batch_files (
    batch_id TEXT NOT NULL REFERENCES vector_store_file_batches (id) ON DELETE CASCADE,
    file_id TEXT NOT NULL,
    PRIMARY KEY (batch_id, file_id)
);
