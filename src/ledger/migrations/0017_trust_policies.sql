-- 2026-11-30  The policy in force: what decisions need, who may sign them, and what channels may do. The newest row counts.

CREATE TABLE trust_policies (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    -- JSON; `src/history/trust_policy.rs` says its form.
    policy     TEXT NOT NULL CHECK (length(policy) > 0),
    decided_by TEXT NOT NULL CHECK (length(decided_by) > 0),
    created_at TEXT NOT NULL
) STRICT;
