-- 2026-11-30  Texts of runs that a person saw and released. Only these may become a part of a question to a model, or an example.

CREATE TABLE released_evidence (
    number       INTEGER PRIMARY KEY CHECK (number > 0),
    -- Its record may be pruned. The newest text of a run counts.
    execution_id TEXT NOT NULL,
    skill_name   TEXT NOT NULL CHECK (length(skill_name) > 0),
    body         TEXT NOT NULL CHECK (length(body) > 0),
    sha256       TEXT NOT NULL,
    -- Whether it is kept from the writer of a guidance, to compare texts by it. Every second run of a skill is.
    held_out     INTEGER NOT NULL CHECK (held_out IN (0, 1)),
    released_by  TEXT NOT NULL CHECK (length(released_by) > 0),
    created_at   TEXT NOT NULL
) STRICT;
CREATE INDEX released_evidence_of_skill ON released_evidence (skill_name, number);
