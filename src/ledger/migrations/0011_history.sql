-- 2026-11-30  One append-only history: every event as a leaf, checkpoints over it, and the state that decides trust.

-- One event a row; `src/history/event.rs` says what its bytes are.
CREATE TABLE history (
    -- The place of the leaf, from 0.
    position INTEGER PRIMARY KEY CHECK (position >= 0),
    kind     TEXT NOT NULL CHECK (length(kind) > 0),
    -- Whether it decides what may run.
    decides  INTEGER NOT NULL CHECK (decides IN (0, 1)),
    -- The id of what it is about.
    subject  TEXT NOT NULL,
    -- The exact bytes of the leaf. Null once they were pruned.
    body     TEXT CHECK (length(body) > 0),
    leaf     BLOB NOT NULL CHECK (length(leaf) = 32),
    -- SHA-256 over the value before and the leaf.
    chain    BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;
CREATE INDEX history_decisions ON history (position) WHERE decides = 1;
CREATE INDEX history_adoptions ON history (position) WHERE kind = 'adopted';
CREATE INDEX history_subjects ON history (subject, position) WHERE kind <> 'run';

-- Signed notes over the first `size` leaves.
CREATE TABLE checkpoints (
    size       INTEGER PRIMARY KEY CHECK (size > 0),
    note       TEXT NOT NULL CHECK (length(note) > 0),
    -- The complete subtrees over all leaves but the last one, 32 bytes each, largest first.
    peaks      BLOB NOT NULL CHECK (length(peaks) % 32 = 0),
    created_at TEXT NOT NULL
) STRICT;

-- The leaves of the newest state: one a skill, and one for the switch.
CREATE TABLE trust_state (
    key  TEXT PRIMARY KEY CHECK (length(key) > 0),
    leaf BLOB NOT NULL CHECK (length(leaf) = 32)
) STRICT;
