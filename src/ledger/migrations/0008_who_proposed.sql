-- 2026-11-20  Which proposals were not typed by a person at the command line: by whom, and what they said it was for.

CREATE TABLE proposal_askers (
    proposal_id TEXT PRIMARY KEY REFERENCES skill_proposals (id),
    door        TEXT NOT NULL CHECK (door IN ('mcp', 'background')),
    asked_by    TEXT NOT NULL CHECK (length(asked_by) > 0),
    why         TEXT NOT NULL CHECK (length(why) > 0),
    created_at  TEXT NOT NULL
) STRICT;
-- How many came lately.
CREATE INDEX proposal_askers_by_time ON proposal_askers (created_at);

-- An artifact by what is in it.
CREATE INDEX artifacts_by_sha256 ON artifacts (sha256);
