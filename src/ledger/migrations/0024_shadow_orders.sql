-- 2026-11-30  Live shadow: a person lets a candidate component repeat so many calls that come after that, beside the trusted one.

CREATE TABLE shadow_orders (
    number           INTEGER PRIMARY KEY CHECK (number > 0),
    skill_name       TEXT NOT NULL CHECK (length(skill_name) > 0),
    proposal_id      TEXT NOT NULL REFERENCES skill_proposals (id),
    component_sha256 TEXT NOT NULL,
    calls            INTEGER NOT NULL CHECK (calls > 0),
    -- The newest record of a run then. Only later calls are repeated.
    after_record     INTEGER NOT NULL,
    ordered_by       TEXT NOT NULL CHECK (length(ordered_by) > 0),
    created_at       TEXT NOT NULL
) STRICT;
CREATE INDEX shadow_orders_of_skill ON shadow_orders (skill_name, number);

-- Of each call two digests and whether the end flipped, and nothing else.
CREATE TABLE shadow_runs (
    order_number     INTEGER NOT NULL REFERENCES shadow_orders (number),
    execution_id     TEXT NOT NULL,
    flip             TEXT NOT NULL CHECK (flip IN ('GAIN', 'LOSS', 'SAME')),
    trusted_sha256   TEXT,
    candidate_sha256 TEXT,
    created_at       TEXT NOT NULL,
    PRIMARY KEY (order_number, execution_id)
) STRICT;
