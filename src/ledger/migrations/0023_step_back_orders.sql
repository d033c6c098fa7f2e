-- 2026-11-30  Standing orders of persons: the guidance of a skill may step back to a revision by itself, once, until a time.

-- The newest order of a skill counts, until it ends or expires.
CREATE TABLE step_back_orders (
    number      INTEGER PRIMARY KEY CHECK (number > 0),
    skill_name  TEXT NOT NULL CHECK (length(skill_name) > 0),
    target      INTEGER NOT NULL,
    valid_until TEXT NOT NULL,
    ordered_by  TEXT NOT NULL CHECK (length(ordered_by) > 0),
    created_at  TEXT NOT NULL,
    FOREIGN KEY (skill_name, target) REFERENCES guidance_revisions (skill_name, number)
) STRICT;
CREATE INDEX step_back_orders_of_skill ON step_back_orders (skill_name, number);

-- How an order ended before its time: with the decision that was made under it, or by a person.
CREATE TABLE step_back_ends (
    order_number INTEGER PRIMARY KEY REFERENCES step_back_orders (number),
    decision     INTEGER REFERENCES guidance_decisions (number),
    e_value      REAL,
    ended_by     TEXT NOT NULL CHECK (length(ended_by) > 0),
    created_at   TEXT NOT NULL,
    CHECK ((decision IS NULL) = (e_value IS NULL))
) STRICT;
