-- 2026-11-30  When skills called hosts, for the limit of a rule over an hour. Older rows are deleted with the next call.

CREATE TABLE network_calls (
    skill_name TEXT NOT NULL,
    rule       TEXT NOT NULL,
    at_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX network_calls_by_rule ON network_calls (skill_name, rule, at_ms);
