-- Times are whole Unix seconds.

-- A file as it is searched in one vector store. `readers` (a JSON list of principals; empty: the whole project) and
-- `attributes` (a JSON object) hold for all of its chunks; `content` is another text whenever its segments are others.
CREATE TABLE indexed_files (
    vector_store_id TEXT NOT NULL,
    file_id TEXT NOT NULL,
    project_id TEXT NOT NULL REFERENCES projects (id),
    filename TEXT NOT NULL,
    attributes TEXT NOT NULL,
    readers TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (vector_store_id, file_id)
);

CREATE INDEX indexed_files_by_project ON indexed_files (project_id, vector_store_id);

-- The text of each chunk, in the order of the document. `pages` and `headings` are JSON lists.
CREATE TABLE chunks (
    vector_store_id TEXT NOT NULL,
    file_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    begins INTEGER NOT NULL,
    pages TEXT NOT NULL,
    headings TEXT NOT NULL,
    PRIMARY KEY (vector_store_id, file_id, number),
    FOREIGN KEY (vector_store_id, file_id) REFERENCES indexed_files (vector_store_id, file_id)
);

-- What is searched of up to some thousand chunks of a file: their terms (as `analysis` made them) and their vectors
-- (float16, one after the other; none where `embedder` is empty). `base` is the number of the first chunk.
CREATE TABLE index_segments (
    vector_store_id TEXT NOT NULL,
    file_id TEXT NOT NULL,
    base INTEGER NOT NULL,
    num_chunks INTEGER NOT NULL,
    content TEXT NOT NULL,
    analysis TEXT NOT NULL,
    terms BLOB NOT NULL,
    embedder TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    vectors BLOB NOT NULL,
    PRIMARY KEY (vector_store_id, file_id, base),
    FOREIGN KEY (vector_store_id, file_id) REFERENCES indexed_files (vector_store_id, file_id)
);

-- Another text after each change of a store, so that what is kept in memory knows when it is old.
CREATE TABLE index_revisions (
    vector_store_id TEXT PRIMARY KEY,
    revision TEXT NOT NULL
);
