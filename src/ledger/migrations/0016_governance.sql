-- 2026-11-30  Who the agent is and what it may do: role charters, policy values and capability grants; what a run or a
-- proposal was decided under; and how much of a limit was used.

CREATE TABLE role_charters (
    version       INTEGER PRIMARY KEY CHECK (version > 0),
    active        INTEGER NOT NULL CHECK (active IN (0, 1)),
    -- Nullable: a row without its text is reported as such, and not as a ledger that cannot be opened.
    content_md    TEXT,
    content_hash  TEXT NOT NULL,
    sections_json TEXT NOT NULL,
    set_by        TEXT NOT NULL CHECK (length(set_by) > 0),
    created_at    TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX role_charters_active ON role_charters (active) WHERE active = 1;

-- The newest row of a key holds. A row without a value gives the key its default again.
CREATE TABLE policy_values (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    key        TEXT NOT NULL CHECK (length(key) > 0),
    value_json TEXT,
    set_by     TEXT NOT NULL CHECK (length(set_by) > 0),
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX policy_values_by_key ON policy_values (key, number);

-- The newest row of an actor and a capability holds.
CREATE TABLE capability_grants (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    actor      TEXT NOT NULL CHECK (length(actor) > 0),
    capability TEXT NOT NULL CHECK (length(capability) > 0),
    granted    INTEGER NOT NULL CHECK (granted IN (0, 1)),
    set_by     TEXT NOT NULL CHECK (length(set_by) > 0),
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX capability_grants_by_key ON capability_grants (actor, capability, number);

-- What charter, policy and capabilities together were after each decision about them, by the digest of the text. Records name
-- one; that of a workspace without any decision is known without a row.
CREATE TABLE context_sets (
    sha256       TEXT PRIMARY KEY,
    context_json TEXT NOT NULL
) STRICT;

ALTER TABLE executions ADD COLUMN context_sha256 TEXT;

CREATE TABLE proposal_contexts (
    proposal_id    TEXT PRIMARY KEY REFERENCES skill_proposals (id),
    context_sha256 TEXT NOT NULL
) STRICT;

-- What was used of a limit, at its place on a time line that a clock that is set does not move.
CREATE TABLE used_allowances (
    number      INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('run', 'override')),
    position_ms INTEGER NOT NULL,
    wall_ms     INTEGER NOT NULL,
    boot_id     TEXT NOT NULL,
    boot_ms     INTEGER NOT NULL
) STRICT;

CREATE INDEX used_allowances_by_kind ON used_allowances (kind, position_ms);
