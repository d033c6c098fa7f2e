-- 2026-11-20  Commits, and records that say who asked, through which door, with which limits, on which engine.

-- Files that appear in the vault together. One of a run or a chain has the id of its first run.
CREATE TABLE commits (
    id           TEXT PRIMARY KEY CHECK (length(id) = 36),
    kind         TEXT NOT NULL CHECK (kind IN ('RUN', 'CHAIN', 'UNDO')),
    -- PENDING: recorded, files not all in the vault yet (recovery finishes them). APPLIED: all there. The others: none there.
    state        TEXT NOT NULL CHECK (state IN ('PENDING', 'APPLIED', 'REVERTED', 'HELD', 'REJECTED', 'EXPIRED')),
    -- The order in which commits reached for the vault.
    number       INTEGER UNIQUE CHECK (number > 0),
    -- [{path, before, after, bytes}]; digests, null for no file.
    changes_json TEXT NOT NULL CHECK (changes_json <> '[]'),
    undoes       TEXT REFERENCES commits (id),
    created_at   TEXT NOT NULL,
    expires_at   TEXT,
    decided_by   TEXT CHECK (length(decided_by) > 0),
    decided_at   TEXT,
    why          TEXT CHECK (length(why) > 0),
    CHECK ((number IS NULL) = (state IN ('HELD', 'REJECTED', 'EXPIRED'))),
    CHECK ((undoes IS NOT NULL) = (kind = 'UNDO')),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CHECK (state <> 'HELD' OR (expires_at IS NOT NULL AND decided_by IS NULL)),
    CHECK (state <> 'REJECTED' OR decided_by IS NOT NULL),
    CHECK (state <> 'REVERTED' OR why IS NOT NULL)
) STRICT;
CREATE INDEX pending_commits ON commits (number) WHERE state = 'PENDING';
CREATE INDEX held_commits ON commits (expires_at) WHERE state = 'HELD';
-- What was taken back is not taken back again.
CREATE UNIQUE INDEX one_undo_per_commit ON commits (undoes) WHERE state IN ('PENDING', 'APPLIED');

INSERT INTO commits (id, kind, state, number, changes_json, created_at)
SELECT execution_id, 'RUN', effects_state, row_number() OVER (ORDER BY rowid),
       (SELECT json_group_array(json_object('path', value ->> 'path', 'before', NULL, 'after', value ->> 'sha256',
                                            'bytes', value -> 'bytes'))
        FROM json_each(effects_json)),
       finished_at
FROM executions WHERE effects_json <> '[]' ORDER BY rowid;

-- The limits that runs had, each set once: a JSON object, name to value.
CREATE TABLE limit_sets (
    sha256      TEXT PRIMARY KEY CHECK (length(sha256) = 64),
    limits_json TEXT NOT NULL
) STRICT;

CREATE TABLE executions_new (
    execution_id        TEXT PRIMARY KEY CHECK (length(execution_id) = 36),
    v                   INTEGER NOT NULL,
    -- Not a reference: a record outlives those that were pruned.
    parent_execution_id TEXT CHECK (length(parent_execution_id) = 36),
    purpose             TEXT NOT NULL CHECK (purpose IN ('RUN', 'DRY_RUN', 'REPLAY')),
    door                TEXT NOT NULL CHECK (door IN ('cli', 'chain', 'mcp', 'background')),
    asked_by            TEXT NOT NULL CHECK (length(asked_by) > 0),
    skill_name          TEXT NOT NULL,
    -- Null where nothing trusted was found to run.
    revision            INTEGER CHECK (revision > 0),
    source_hash         TEXT CHECK (length(source_hash) = 64),
    side_effect_class   TEXT,
    -- Null where no guest was started, and in older records.
    engine              TEXT,
    limits_sha256       TEXT REFERENCES limit_sets (sha256),
    input_json          TEXT NOT NULL,
    -- {sha256, bytes} of a value that the store has; the value itself is null then.
    input_stored_json   TEXT CHECK (input_stored_json IS NULL OR input_json = 'null'),
    output_json         TEXT,
    output_stored_json  TEXT CHECK (output_stored_json IS NULL OR output_json = 'null'),
    success             INTEGER NOT NULL CHECK (success IN (0, 1)),
    error               TEXT,
    clock               TEXT NOT NULL,
    seed                TEXT NOT NULL CHECK (length(seed) = 64),
    effects_json        TEXT NOT NULL,
    commit_id           TEXT REFERENCES commits (id),
    started_at          TEXT NOT NULL,
    finished_at         TEXT NOT NULL,
    second_wall         TEXT CHECK (length(second_wall) > 0),
    said_json           TEXT CHECK (length(said_json) > 0),
    CHECK ((revision IS NULL) = (source_hash IS NULL)),
    CHECK ((revision IS NULL) = (side_effect_class IS NULL)),
    CHECK (revision IS NOT NULL OR NOT success),
    CHECK ((output_json IS NOT NULL) = success),
    CHECK ((error IS NULL) = success),
    CHECK (success OR effects_json = '[]'),
    CHECK (commit_id IS NULL OR effects_json <> '[]')
) STRICT;

INSERT INTO executions_new (execution_id, v, parent_execution_id, purpose, door, asked_by, skill_name, revision, source_hash,
    side_effect_class, input_json, output_json, success, error, clock, seed, effects_json, commit_id, started_at, finished_at,
    second_wall, said_json)
SELECT execution_id, v, parent_execution_id, 'RUN', 'cli', 'unknown', skill_name, revision, source_hash, side_effect_class,
    input_json, output_json, success, error, clock, seed, effects_json, iif(effects_json <> '[]', execution_id, NULL), started_at,
    finished_at, second_wall, said_json
FROM executions ORDER BY rowid;

DROP TABLE executions;
ALTER TABLE executions_new RENAME TO executions;
CREATE INDEX executions_by_time ON executions (started_at);
CREATE INDEX executions_by_skill ON executions (skill_name, started_at);
CREATE INDEX failed_executions ON executions (started_at) WHERE success = 0;
CREATE INDEX executions_by_parent ON executions (parent_execution_id) WHERE parent_execution_id IS NOT NULL;
CREATE INDEX executions_by_commit ON executions (commit_id) WHERE commit_id IS NOT NULL;

-- Every time that old records were thrown away.
CREATE TABLE prunes (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    older_than TEXT NOT NULL,
    executions INTEGER NOT NULL,
    commits    INTEGER NOT NULL,
    pruned_by  TEXT NOT NULL CHECK (length(pruned_by) > 0),
    created_at TEXT NOT NULL
) STRICT;
