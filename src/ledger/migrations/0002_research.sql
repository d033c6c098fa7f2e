-- 2026-11-22  Why attempts failed, and who let the next one go ahead.

CREATE TABLE research (
    id               TEXT PRIMARY KEY CHECK (length(id) = 36),
    build_id         TEXT NOT NULL REFERENCES builds (id),
    -- The verification that was classified; none when the attempt itself failed.
    verification_id  TEXT REFERENCES verifications (id),
    kind             TEXT NOT NULL CHECK (kind IN ('VERIFY_INVARIANT', 'VERIFY_POLICY', 'VERIFY_TEST', 'VERIFY_LINT',
                         'TIMEOUT', 'GATE_VIOLATION', 'BUILD_ERROR', 'UNKNOWN')),
    facts_json       TEXT NOT NULL,
    hint             TEXT,
    advice_json      TEXT NOT NULL,
    escalations_json TEXT NOT NULL,
    note_path        TEXT NOT NULL,
    created_at       TEXT NOT NULL
) STRICT;
CREATE INDEX research_by_build ON research (build_id);

-- A person's go for one attempt, written with the attempt or not at all.
CREATE TABLE acknowledgements (
    build_id         TEXT PRIMARY KEY REFERENCES builds (id),
    acknowledged_by  TEXT NOT NULL CHECK (length(acknowledged_by) > 0),
    escalations_json TEXT NOT NULL,
    created_at       TEXT NOT NULL
) STRICT;
