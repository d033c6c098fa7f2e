-- 2026-11-30  Which gates a verification ran, and what today's gates find in what is trusted.

-- 1 stands for every version before this column.
ALTER TABLE verifications ADD COLUMN gates_version INTEGER NOT NULL DEFAULT 1 CHECK (gates_version > 0);

-- It changes no trust, so it is no verification of a proposal.
CREATE TABLE reverifications (
    id            TEXT PRIMARY KEY,
    proposal_id   TEXT NOT NULL REFERENCES skill_proposals (id),
    gates_version INTEGER NOT NULL CHECK (gates_version > 0),
    status        TEXT NOT NULL CHECK (status IN ('PASSED', 'FAILED')),
    findings_json TEXT NOT NULL CHECK (json_valid(findings_json)),
    created_at    TEXT NOT NULL
) STRICT;
CREATE INDEX reverifications_by_proposal ON reverifications (proposal_id, created_at);
