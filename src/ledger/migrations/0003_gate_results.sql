-- 2026-11-20  Results of gates that stand for the same inputs.

-- A digest over all that the result depends on; null when it may depend on how busy the machine was.
ALTER TABLE verification_gates ADD COLUMN check_key TEXT CHECK (length(check_key) = 64);
-- The verification that ran the gate, when this one took its result.
ALTER TABLE verification_gates ADD COLUMN reused_from TEXT REFERENCES verifications (id);
CREATE INDEX verification_gates_by_key ON verification_gates (check_key) WHERE check_key IS NOT NULL;
