-- 2026-11-30  Records are looked back on in the order in which they were written: a clock can be wrong, that order cannot.

-- An index ends with the row's number, so what it finds of one skill, or of the failures, is in that order.
DROP INDEX executions_by_skill;
DROP INDEX failed_executions;
CREATE INDEX executions_of_skill ON executions (skill_name);
CREATE INDEX executions_that_failed ON executions (success) WHERE success = 0;
