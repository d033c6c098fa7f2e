-- 2026-11-30  Attempts to improve the code of a skill: the proposal with the released failures as examples, and what came of it.

CREATE TABLE code_attempts (
    number      INTEGER PRIMARY KEY CHECK (number > 0),
    skill_name  TEXT NOT NULL CHECK (length(skill_name) > 0),
    -- The trusted revision that the attempt starts from.
    revision    INTEGER NOT NULL,
    -- Which attempt at this code it is within 30 days, from 1.
    attempt     INTEGER NOT NULL CHECK (attempt > 0),
    state       TEXT NOT NULL CHECK (state IN ('STARTED', 'PROPOSED', 'CANDIDATE', 'REFUSED', 'PUBLISHED', 'REJECTED')),
    e_value     REAL NOT NULL,
    proposal_id TEXT REFERENCES skill_proposals (id),
    -- Recorded runs that fail with the trusted revision alone, with the candidate alone, and those with the same end.
    gains       INTEGER,
    losses      INTEGER,
    same        INTEGER,
    why         TEXT,
    created_at  TEXT NOT NULL,
    changed_at  TEXT NOT NULL,
    CHECK (state NOT IN ('PROPOSED', 'CANDIDATE', 'PUBLISHED', 'REJECTED') OR proposal_id IS NOT NULL)
) STRICT;
CREATE INDEX code_attempts_of_skill ON code_attempts (skill_name, number);
-- One attempt at a skill's code is under way, or waits for a person.
CREATE UNIQUE INDEX code_attempts_open ON code_attempts (skill_name) WHERE state IN ('STARTED', 'PROPOSED', 'CANDIDATE');
