-- The store of charter, policy and capabilities of Kavi. A superuser runs this once in a database, and again after an update:
-- nothing that is there is deleted.
--
-- The tables belong to a role that cannot log in. Kavi logs in as a role that owns nothing and adds rows alone. Row-level
-- security is forced, so that it holds for the owner as well.
BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'kavi_context_owner') THEN
        CREATE ROLE kavi_context_owner NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '@role@') THEN
        CREATE ROLE @role@ LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS kavi_context AUTHORIZATION kavi_context_owner;
SET LOCAL ROLE kavi_context_owner;
SET LOCAL search_path = pg_catalog;

-- Every key begins with the workspace, so that no error about a duplicate tells of another workspace's row.
CREATE TABLE IF NOT EXISTS kavi_context.role_charters (
    workspace_id  uuid    NOT NULL,
    number        bigint  NOT NULL CHECK (number > 0),
    version       bigint  NOT NULL CHECK (version > 0),
    active        boolean NOT NULL,
    -- Nullable, as in the ledger: a row without its text is an error of integrity that Kavi reports.
    content_md    text,
    content_hash  text    NOT NULL,
    sections_json text    NOT NULL,
    set_by        text    NOT NULL,
    created_at    text    NOT NULL,
    PRIMARY KEY (workspace_id, number)
);

CREATE UNIQUE INDEX IF NOT EXISTS role_charters_active ON kavi_context.role_charters (workspace_id) WHERE active;

-- The newest row of a key holds. A row without a value gives the key its default again.
CREATE TABLE IF NOT EXISTS kavi_context.policy_values (
    workspace_id uuid   NOT NULL,
    number       bigint NOT NULL CHECK (number > 0),
    key          text   NOT NULL,
    value_json   text,
    PRIMARY KEY (workspace_id, number)
);

CREATE INDEX IF NOT EXISTS policy_values_by_key ON kavi_context.policy_values (workspace_id, key, number);

-- The newest row of an actor and a capability holds. A row without an answer gives them their default again.
CREATE TABLE IF NOT EXISTS kavi_context.capability_grants (
    workspace_id uuid   NOT NULL,
    number       bigint NOT NULL CHECK (number > 0),
    actor        text   NOT NULL,
    capability   text   NOT NULL,
    granted      boolean,
    PRIMARY KEY (workspace_id, number)
);

CREATE INDEX IF NOT EXISTS capability_grants_by_key
    ON kavi_context.capability_grants (workspace_id, actor, capability, number);

CREATE TABLE IF NOT EXISTS kavi_context.context_versions (
    workspace_id uuid   PRIMARY KEY,
    version      bigint NOT NULL
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['role_charters', 'policy_values', 'capability_grants', 'context_versions'] LOOP
        EXECUTE format('ALTER TABLE kavi_context.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE kavi_context.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS one_workspace ON kavi_context.%I', name);
        -- A setting that was made once in a session is '' afterwards, and '' is no uuid.
        EXECUTE format('CREATE POLICY one_workspace ON kavi_context.%I
            USING (workspace_id = NULLIF(current_setting(''app.current_workspace_id'', true), '''')::uuid)
            WITH CHECK (workspace_id = NULLIF(current_setting(''app.current_workspace_id'', true), '''')::uuid)', name);
    END LOOP;
END
$$;

-- The trigger counts a change of any workspace, also one that an operator made by hand without the setting.
DROP POLICY IF EXISTS counted_by_owner ON kavi_context.context_versions;
CREATE POLICY counted_by_owner ON kavi_context.context_versions TO kavi_context_owner USING (true) WITH CHECK (true);

CREATE OR REPLACE FUNCTION kavi_context.count_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    changed uuid;
BEGIN
    FOREACH changed IN ARRAY CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.workspace_id]
        WHEN 'DELETE' THEN ARRAY[OLD.workspace_id]
        ELSE ARRAY[OLD.workspace_id, NEW.workspace_id] END
    LOOP
        INSERT INTO kavi_context.context_versions AS v (workspace_id, version) VALUES (changed, 1)
            ON CONFLICT (workspace_id) DO UPDATE SET version = v.version + 1;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION kavi_context.count_truncation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE kavi_context.context_versions SET version = version + 1;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['role_charters', 'policy_values', 'capability_grants'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE ON kavi_context.%I
            FOR EACH ROW EXECUTE FUNCTION kavi_context.count_change()', name);
        EXECUTE format('CREATE OR REPLACE TRIGGER count_truncation AFTER TRUNCATE ON kavi_context.%I
            FOR EACH STATEMENT EXECUTE FUNCTION kavi_context.count_truncation()', name);
    END LOOP;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA kavi_context FROM PUBLIC, @role@;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kavi_context FROM PUBLIC, @role@;
GRANT USAGE ON SCHEMA kavi_context TO @role@;
GRANT SELECT ON kavi_context.context_versions TO @role@;
GRANT SELECT, INSERT ON kavi_context.role_charters, kavi_context.policy_values, kavi_context.capability_grants TO @role@;
GRANT UPDATE (active) ON kavi_context.role_charters TO @role@;

COMMIT;
