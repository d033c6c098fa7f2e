-- 2026-11-30  Guidance of skills: its revisions, each decision about which one is published, and words about single runs.

CREATE TABLE guidance_revisions (
    -- NAME@NUMBER
    id         TEXT PRIMARY KEY CHECK (length(id) > 0),
    skill_name TEXT NOT NULL CHECK (length(skill_name) > 0),
    number     INTEGER NOT NULL CHECK (number > 0),
    body       TEXT NOT NULL CHECK (length(body) > 0),
    sha256     TEXT NOT NULL,
    origin     TEXT NOT NULL CHECK (origin IN ('TEMPLATE', 'BUILDER', 'PERSON', 'IMPORT', 'MODEL')),
    author     TEXT NOT NULL CHECK (length(author) > 0),
    created_at TEXT NOT NULL,
    UNIQUE (skill_name, number)
) STRICT;

-- The newest row of a skill says what is published.
CREATE TABLE guidance_decisions (
    number       INTEGER PRIMARY KEY CHECK (number > 0),
    skill_name   TEXT NOT NULL,
    step         TEXT NOT NULL CHECK (step IN ('PUBLISH', 'ROLLBACK', 'STEP_BACK')),
    published    INTEGER NOT NULL,
    previous     INTEGER CHECK (previous <> published),
    decided_by   TEXT NOT NULL CHECK (length(decided_by) > 0),
    why          TEXT NOT NULL CHECK (length(why) > 0),
    -- The newest record of a run then. Later runs used this revision, whatever a clock says.
    after_record INTEGER NOT NULL,
    created_at   TEXT NOT NULL,
    FOREIGN KEY (skill_name, published) REFERENCES guidance_revisions (skill_name, number),
    FOREIGN KEY (skill_name, previous) REFERENCES guidance_revisions (skill_name, number)
) STRICT;
CREATE INDEX guidance_decisions_of_skill ON guidance_decisions (skill_name, number);

-- What persons say about runs. The newest word about a run counts. Records may be pruned, words stay.
CREATE TABLE outcome_reports (
    number       INTEGER PRIMARY KEY CHECK (number > 0),
    execution_id TEXT NOT NULL,
    skill_name   TEXT NOT NULL,
    verdict      TEXT NOT NULL CHECK (verdict IN ('OK', 'BAD')),
    fault        TEXT NOT NULL CHECK (fault IN ('GUIDANCE', 'CODE', 'NEITHER')),
    reported_by  TEXT NOT NULL CHECK (length(reported_by) > 0),
    why          TEXT NOT NULL CHECK (length(why) > 0),
    created_at   TEXT NOT NULL
) STRICT;
CREATE INDEX outcome_reports_of_skill ON outcome_reports (skill_name, number);

-- What agents say about runs, once for each run. It is shown, and decides nothing.
CREATE TABLE outcome_opinions (
    execution_id TEXT PRIMARY KEY,
    skill_name   TEXT NOT NULL,
    verdict      TEXT NOT NULL CHECK (verdict IN ('OK', 'BAD')),
    opinion_by   TEXT NOT NULL,
    why          TEXT NOT NULL,
    created_at   TEXT NOT NULL
) STRICT;
CREATE INDEX outcome_opinions_of_skill ON outcome_opinions (skill_name);
