-- 2026-11-30  Which proposals a person rejected and why, and how often the same specification came.

CREATE TABLE rejections (
    proposal_id TEXT PRIMARY KEY REFERENCES skill_proposals (id),
    from_status TEXT NOT NULL CHECK (from_status IN ('PROPOSED', 'BUILT', 'VERIFIED')),
    rejected_by TEXT NOT NULL CHECK (length(rejected_by) > 0),
    why         TEXT NOT NULL CHECK (length(why) > 0),
    created_at  TEXT NOT NULL
) STRICT;

-- One row for each proposal that came again, and not one for each time: an agent can repeat itself without an end.
CREATE TABLE proposal_repeats (
    proposal_id TEXT PRIMARY KEY REFERENCES skill_proposals (id),
    times       INTEGER NOT NULL CHECK (times > 0),
    last_by     TEXT NOT NULL CHECK (length(last_by) > 0),
    last_why    TEXT NOT NULL CHECK (length(last_why) > 0),
    last_at     TEXT NOT NULL
) STRICT;
