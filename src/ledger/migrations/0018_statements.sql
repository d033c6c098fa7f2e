-- 2026-11-30  Which program verified something, the signed statements about a promotion, and where a proposal came from.

-- A verification from before has no row: nobody wrote down which program it was.
CREATE TABLE verification_programs (
    verification_id TEXT PRIMARY KEY REFERENCES verifications (id),
    program_sha256  TEXT NOT NULL CHECK (length(program_sha256) = 64),
    version         TEXT NOT NULL,
    -- None where the build did not embed it.
    commit_id       TEXT,
    sources_sha256  TEXT NOT NULL CHECK (length(sources_sha256) = 64),
    contract_sha256 TEXT NOT NULL CHECK (length(contract_sha256) = 64)
) STRICT;

CREATE TABLE statements (
    promotion_id   TEXT NOT NULL REFERENCES promotions (id),
    predicate_type TEXT NOT NULL CHECK (length(predicate_type) > 0),
    -- DSSE, as JSON; `src/history/statement.rs` says its form.
    envelope       TEXT NOT NULL CHECK (length(envelope) > 256),
    PRIMARY KEY (promotion_id, predicate_type)
) STRICT;

-- Proposals that came in a bundle of another workspace: what its proof showed. It is evidence, and decides nothing.
CREATE TABLE proposal_origins (
    proposal_id      TEXT PRIMARY KEY REFERENCES skill_proposals (id),
    workspace        TEXT NOT NULL,
    signed_by        TEXT NOT NULL,
    events           INTEGER NOT NULL,
    promoted_at      TEXT NOT NULL,
    promoted_by      TEXT NOT NULL,
    -- Who signed the promotion with a key, in words; none where nobody did.
    approval         TEXT,
    bundle_sha256    TEXT NOT NULL CHECK (length(bundle_sha256) = 64),
    source_sha256    TEXT NOT NULL CHECK (length(source_sha256) = 64),
    component_sha256 TEXT NOT NULL CHECK (length(component_sha256) = 64)
) STRICT;
