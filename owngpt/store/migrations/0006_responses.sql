-- Times are whole Unix seconds. `body`, `item`, `event`, `request`, `metadata`, `messages` hold JSON.

-- `body` is the response as it is answered, without its output: that stands, like its input, in response_items.
CREATE TABLE responses (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    previous_id TEXT,
    conversation_id TEXT,
    body TEXT NOT NULL
);

CREATE INDEX responses_by_project ON responses (project_id, created_at, id);

-- What went in (is_output = 0) and what came out (1), in order.
CREATE TABLE response_items (
    response_id TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    is_output INTEGER NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (response_id, position)
);

CREATE INDEX response_items_by_id ON response_items (id);

-- A background response that has not ended: whose key asked for it, and the request as it was sent. `beat_at` is 0 until
-- a server takes it up, which then writes the time there again and again.
CREATE TABLE response_jobs (
    response_id TEXT PRIMARY KEY REFERENCES responses (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL,
    request TEXT NOT NULL
);

-- The events of background responses, from which a stream can be resumed.
CREATE TABLE response_events (
    response_id TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
    sequence_number INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (response_id, sequence_number)
);

CREATE INDEX response_events_by_age ON response_events (created_at);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    created_at INTEGER NOT NULL,
    metadata TEXT NOT NULL
);

CREATE INDEX conversations_by_project ON conversations (project_id, created_at, id);

CREATE TABLE conversation_items (
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (conversation_id, position),
    UNIQUE (conversation_id, id)
);

CREATE INDEX conversation_items_by_id ON conversation_items (id);

-- Chat completions whose requests say `store: true`.
CREATE TABLE chat_completions (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    created_at INTEGER NOT NULL,
    model TEXT NOT NULL,
    body TEXT NOT NULL,
    messages TEXT NOT NULL
);

CREATE INDEX chat_completions_by_project ON chat_completions (project_id, created_at, id);

CREATE TABLE chat_completion_metadata (
    completion_id TEXT NOT NULL REFERENCES chat_completions (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (completion_id, name)
);

-- The files of vector stores that a stored response or conversation (`owner_id`) was made from. `readers` are those that
-- a file had then, with commas between them; they count once it is gone.
CREATE TABLE answer_sources (
    owner_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    vector_store_id TEXT NOT NULL,
    file_id TEXT NOT NULL,
    readers TEXT NOT NULL,
    PRIMARY KEY (owner_id, vector_store_id, file_id)
);
