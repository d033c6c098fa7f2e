-- 2026-11-30  Paired episodes: the published and the rewritten guidance of an attempt, each on the same held-out text of a run.

CREATE TABLE guidance_pairs (
    improvement INTEGER NOT NULL REFERENCES improvements (number),
    evidence    INTEGER NOT NULL REFERENCES released_evidence (number),
    -- LOST: the pass ended, or the model did, while it was asked.
    result      TEXT NOT NULL CHECK (result IN ('STARTED', 'GAIN', 'LOSS', 'SAME', 'LOST')),
    -- Questions to the model, and the characters of both sides.
    calls       INTEGER NOT NULL,
    sent        INTEGER NOT NULL,
    received    INTEGER NOT NULL,
    created_at  TEXT NOT NULL,
    changed_at  TEXT NOT NULL,
    PRIMARY KEY (improvement, evidence)
) STRICT;
