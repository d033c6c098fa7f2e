-- 2026-11-30  Attempts to improve a skill: what a model was asked, what it answered, and what became of it.

CREATE TABLE improvements (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    skill_name TEXT NOT NULL CHECK (length(skill_name) > 0),
    -- The revision of the guidance that the attempt starts from.
    revision   INTEGER NOT NULL,
    -- Which attempt at this skill it is within 30 days, from 1.
    attempt    INTEGER NOT NULL CHECK (attempt > 0),
    state      TEXT NOT NULL CHECK (state IN ('STARTED', 'ANSWERED', 'CANDIDATE', 'REFUSED', 'LOST', 'PUBLISHED', 'REJECTED')),
    e_value    REAL NOT NULL,
    model      TEXT,
    answer     TEXT,
    body       TEXT,
    why        TEXT,
    decided_by TEXT,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    FOREIGN KEY (skill_name, revision) REFERENCES guidance_revisions (skill_name, number),
    CHECK (state NOT IN ('CANDIDATE', 'PUBLISHED') OR body IS NOT NULL)
) STRICT;
CREATE INDEX improvements_of_skill ON improvements (skill_name, number);
-- One attempt of a skill is under way, or waits for a person.
CREATE UNIQUE INDEX improvements_open ON improvements (skill_name) WHERE state IN ('STARTED', 'ANSWERED', 'CANDIDATE');
