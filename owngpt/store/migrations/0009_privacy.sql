-- Times are whole Unix seconds.

-- What a project does with personal data; without a row, what the server's settings say. `policy` holds JSON.
CREATE TABLE privacy_policies (
    project_id TEXT PRIMARY KEY REFERENCES projects (id),
    policy TEXT NOT NULL,
    updated_at INTEGER NOT NULL
);

-- What the placeholders of a stored response or conversation stand for, encrypted with the key of the data folder.
CREATE TABLE privacy_vaults (
    owner_id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    sealed TEXT NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE INDEX privacy_vaults_by_project ON privacy_vaults (project_id);
