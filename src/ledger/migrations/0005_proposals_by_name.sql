-- 2026-11-20  What a name was ever proposed as, without reading every proposal.

CREATE INDEX proposals_by_name ON skill_proposals (name, created_at);
