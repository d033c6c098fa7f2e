-- 2026-11-20  What a guest said and used: log, standard output and error, time, memory, staged bytes and files.

-- A JSON object; null where no guest was started, and in older records.
ALTER TABLE executions ADD COLUMN said_json TEXT CHECK (length(said_json) > 0);
