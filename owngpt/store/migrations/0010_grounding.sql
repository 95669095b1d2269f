-- Times are whole Unix seconds.

-- From which support on an answer from documents is given: what a project has calibrated on its own questions. The last
-- one of a language holds; all are kept, so that it can be told what held when.
CREATE TABLE thresholds (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    language TEXT NOT NULL,
    threshold REAL NOT NULL,
    num_questions INTEGER NOT NULL,
    false_answers REAL NOT NULL,
    bound REAL NOT NULL,
    confidence REAL NOT NULL,
    answered REAL NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX thresholds_of_project ON thresholds (project_id, language, created_at);
