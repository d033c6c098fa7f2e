-- 2026-11-20  The spine: proposals, builds, verifications, decisions, artifacts, executions.
-- Times are RFC 3339 in UTC, ids are UUIDs, digests are SHA-256 in lower-case hexadecimal.

CREATE TABLE skill_proposals (
    id                    TEXT PRIMARY KEY CHECK (length(id) = 36),
    name                  TEXT NOT NULL,
    description           TEXT NOT NULL,
    io_schema_json        TEXT NOT NULL,
    side_effect_class     TEXT NOT NULL CHECK (side_effect_class IN
                              ('READ_ONLY', 'FILE_WRITE', 'NETWORK', 'SECRET_READ', 'MESSAGING', 'MONEY')),
    required_secrets_json TEXT NOT NULL,
    -- The whole spec; its digest is what a person promotes.
    spec_json             TEXT NOT NULL,
    spec_sha256           TEXT NOT NULL CHECK (length(spec_sha256) = 64),
    -- The trusted revision this proposal sets out to follow, if there was one.
    parent_proposal_id    TEXT REFERENCES skill_proposals (id),
    -- Given at promotion, counted per name.
    revision              INTEGER CHECK (revision > 0),
    component_sha256      TEXT CHECK (length(component_sha256) = 64),
    snapshot_sha256       TEXT CHECK (length(snapshot_sha256) = 64),
    status                TEXT NOT NULL CHECK (status IN
                              ('PROPOSED', 'REJECTED', 'BUILT', 'VERIFIED', 'TRUSTED', 'SUPERSEDED', 'REVOKED')),
    created_at            TEXT NOT NULL,
    CHECK ((revision IS NULL) = (status IN ('PROPOSED', 'REJECTED', 'BUILT', 'VERIFIED'))),
    CHECK ((component_sha256 IS NULL) = (revision IS NULL)),
    CHECK ((snapshot_sha256 IS NULL) = (revision IS NULL))
) STRICT;

-- One active revision a name, and no revision twice.
CREATE UNIQUE INDEX one_trusted_per_name ON skill_proposals (name) WHERE status = 'TRUSTED';
CREATE UNIQUE INDEX one_proposal_per_revision ON skill_proposals (name, revision) WHERE revision IS NOT NULL;

CREATE TABLE builds (
    id              TEXT PRIMARY KEY CHECK (length(id) = 36),
    proposal_id     TEXT NOT NULL REFERENCES skill_proposals (id),
    branch_name     TEXT NOT NULL,
    builder         TEXT NOT NULL CHECK (builder IN ('claude', 'import')),
    attempt_number  INTEGER NOT NULL CHECK (attempt_number > 0),
    parent_build_id TEXT REFERENCES builds (id),
    status          TEXT NOT NULL CHECK (status IN ('STARTED', 'FAILED', 'SUCCEEDED')),
    confinement     TEXT NOT NULL,
    packet_sha256   TEXT NOT NULL CHECK (length(packet_sha256) = 64),
    snapshot_sha256 TEXT CHECK (length(snapshot_sha256) = 64),
    failure_kind    TEXT,
    summary         TEXT NOT NULL,
    findings_json   TEXT NOT NULL,
    started_at      TEXT NOT NULL,
    finished_at     TEXT,
    UNIQUE (proposal_id, attempt_number),
    CHECK ((finished_at IS NULL) = (status = 'STARTED')),
    CHECK ((snapshot_sha256 IS NOT NULL) = (status = 'SUCCEEDED'))
) STRICT;

CREATE TABLE verifications (
    id               TEXT PRIMARY KEY CHECK (length(id) = 36),
    proposal_id      TEXT NOT NULL REFERENCES skill_proposals (id),
    build_id         TEXT NOT NULL REFERENCES builds (id),
    status           TEXT NOT NULL CHECK (status IN ('PASSED', 'FAILED')),
    snapshot_sha256  TEXT NOT NULL CHECK (length(snapshot_sha256) = 64),
    component_sha256 TEXT CHECK (length(component_sha256) = 64),
    toolchain        TEXT NOT NULL,
    sdk_sha256       TEXT NOT NULL CHECK (length(sdk_sha256) = 64),
    confinement      TEXT NOT NULL,
    report_path      TEXT NOT NULL,
    created_at       TEXT NOT NULL,
    CHECK (status = 'FAILED' OR component_sha256 IS NOT NULL)
) STRICT;
CREATE INDEX verifications_by_proposal ON verifications (proposal_id, created_at);

-- One row a gate, so that a new gate is no new column.
CREATE TABLE verification_gates (
    verification_id TEXT NOT NULL REFERENCES verifications (id),
    position        INTEGER NOT NULL,
    gate            TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('PASSED', 'FAILED', 'SKIPPED')),
    findings_json   TEXT NOT NULL,
    duration_ms     INTEGER NOT NULL CHECK (duration_ms >= 0),
    PRIMARY KEY (verification_id, gate)
) STRICT;

CREATE TABLE promotions (
    id               TEXT PRIMARY KEY CHECK (length(id) = 36),
    proposal_id      TEXT NOT NULL REFERENCES skill_proposals (id),
    decision         TEXT NOT NULL CHECK (decision IN ('PROMOTE', 'ROLLBACK', 'REVOKE')),
    from_status      TEXT NOT NULL,
    to_status        TEXT NOT NULL,
    component_sha256 TEXT NOT NULL CHECK (length(component_sha256) = 64),
    spec_sha256      TEXT NOT NULL CHECK (length(spec_sha256) = 64),
    verification_id  TEXT REFERENCES verifications (id),
    approved_by      TEXT NOT NULL,
    reason           TEXT,
    created_at       TEXT NOT NULL
) STRICT;
CREATE INDEX promotions_by_proposal ON promotions (proposal_id);

CREATE TABLE artifacts (
    id         TEXT PRIMARY KEY CHECK (length(id) = 36),
    kind       TEXT NOT NULL CHECK (kind IN ('SKILL_SPEC', 'BUILD_PACKET', 'BUILD_LOG', 'PATCH_SUMMARY',
                   'VERIFICATION_REPORT', 'RESEARCH_NOTE', 'NOTE')),
    path       TEXT NOT NULL UNIQUE,
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    created_at TEXT NOT NULL,
    related_id TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_by_related ON artifacts (related_id);

CREATE TABLE executions (
    execution_id        TEXT PRIMARY KEY CHECK (length(execution_id) = 36),
    v                   INTEGER NOT NULL,
    parent_execution_id TEXT REFERENCES executions (execution_id),
    skill_name          TEXT NOT NULL,
    revision            INTEGER NOT NULL,
    source_hash         TEXT NOT NULL CHECK (length(source_hash) = 64),
    side_effect_class   TEXT NOT NULL,
    input_json          TEXT NOT NULL,
    output_json         TEXT,
    success             INTEGER NOT NULL CHECK (success IN (0, 1)),
    error               TEXT,
    clock               TEXT NOT NULL,
    seed                TEXT NOT NULL CHECK (length(seed) = 64),
    effects_json        TEXT NOT NULL,
    -- PENDING: recorded, files not all in the vault yet (recovery finishes them). APPLIED: all there.
    effects_state       TEXT NOT NULL CHECK (effects_state IN ('PENDING', 'APPLIED')),
    started_at          TEXT NOT NULL,
    finished_at         TEXT NOT NULL,
    CHECK ((output_json IS NOT NULL) = success),
    CHECK ((error IS NULL) = success),
    CHECK (success OR effects_json = '[]')
) STRICT;
CREATE INDEX executions_by_time ON executions (started_at);
CREATE INDEX pending_effects ON executions (execution_id) WHERE effects_state = 'PENDING';
