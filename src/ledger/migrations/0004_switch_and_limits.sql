-- 2026-11-20  The kill switch, the limits a promotion narrowed, and the second wall of each run.

-- Every turn of the switch. The newest one holds; without one, nothing may run.
CREATE TABLE switch_turns (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    position   TEXT NOT NULL CHECK (position IN ('RUNNING', 'STOPPED')),
    turned_by  TEXT NOT NULL CHECK (length(turned_by) > 0),
    why        TEXT CHECK (length(why) > 0),
    created_at TEXT NOT NULL,
    CHECK (position = 'RUNNING' OR why IS NOT NULL)
) STRICT;
INSERT INTO switch_turns (number, position, turned_by, why, created_at)
VALUES (1, 'RUNNING', 'kavi', 'the workspace was made', '2026-11-20T00:00:00.000Z');

-- Limits below those of kavi.toml, fixed with the trust: a JSON object, name to value.
ALTER TABLE skill_proposals ADD COLUMN limits_json TEXT NOT NULL DEFAULT '{}';

-- What stood behind the first wall; null where no guest was started, and in older records.
ALTER TABLE executions ADD COLUMN second_wall TEXT CHECK (length(second_wall) > 0);
