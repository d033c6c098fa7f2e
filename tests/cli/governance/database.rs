//! What PostgreSQL as the store of charter, policy and capabilities adds: roles, row-level security, absence, deadlines.
//! That it answers like the ledger is in the files beside this one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use super::{CHARTER, Governed, capability, open, peek, set, set_charter};
use crate::support::mcp::client::Client;
use crate::support::postgres::{self, ROLE};
use crate::support::{Workspace, folder};

/// A workspace with trusted skills and a database, or none where PostgreSQL is not installed.
fn governed() -> Option<Governed> {
    if let Err(why) = postgres::programs() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        eprintln!("skipped: {test}: {why}");
        return None;
    }
    let governed = Governed::in_database(Workspace::trusted());
    fs::write(governed.vault("a.md"), "text\n").unwrap();
    Some(governed)
}

/// Why capabilities cannot be read, and that nothing runs.
#[track_caller]
fn refusal(governed: &Governed) -> String {
    let error = governed.refused(&["capability", "list"], 3);
    governed.run("peek", json!({ "path": "a.md" })).expect(3);
    error["message"].as_str().unwrap().to_owned()
}

/// The id that rows of the workspace have.
fn workspace_id(governed: &Governed) -> String {
    set(governed, "rate_limit_per_minute", "60");
    governed.database().admin("SELECT DISTINCT workspace_id FROM kavi_context.policy_values")
}

#[test]
fn a_role_or_table_for_which_row_security_does_not_hold_is_refused() {
    // What an administrator does, and what is said. `@` is a name of the test's own, because roles are the server's.
    let cases = [
        ("CREATE ROLE @ LOGIN SUPERUSER", "a superuser or bypasses"),
        ("CREATE ROLE @ LOGIN BYPASSRLS", "a superuser or bypasses"),
        ("CREATE ROLE @ LOGIN; CREATE ROLE @_strong BYPASSRLS; GRANT @_strong TO @", "a superuser or bypasses"),
        (
            "CREATE ROLE @ LOGIN; GRANT USAGE ON SCHEMA kavi_context TO @; GRANT kavi_context_owner TO @",
            "is the owner of",
        ),
        (
            "CREATE ROLE @ LOGIN; GRANT USAGE ON SCHEMA kavi_context TO @; ALTER TABLE kavi_context.policy_values OWNER TO @",
            "is the owner of policy_values",
        ),
        (
            "CREATE ROLE @_owner LOGIN; ALTER TABLE kavi_context.policy_values OWNER TO @_owner",
            "the owner of policy_values can log in",
        ),
        (
            "ALTER TABLE kavi_context.policy_values NO FORCE ROW LEVEL SECURITY",
            "policy_values is not enabled and forced",
        ),
        (
            "ALTER TABLE kavi_context.role_charters DISABLE ROW LEVEL SECURITY",
            "role_charters is not enabled and forced",
        ),
        ("GRANT TRUNCATE ON kavi_context.capability_grants TO kavi_app", "change or remove rows of capability_grants"),
        ("GRANT DELETE ON kavi_context.policy_values TO kavi_app", "change or remove rows of policy_values"),
        ("GRANT UPDATE ON kavi_context.context_versions TO PUBLIC", "change or remove rows of context_versions"),
        (
            "CREATE POLICY wide ON kavi_context.policy_values USING (true);
             INSERT INTO kavi_context.policy_values VALUES (gen_random_uuid(), 1, 'disabled', 'false')",
            "rows are seen without a workspace",
        ),
        ("DROP TABLE kavi_context.policy_values", "there is no table kavi_context.policy_values"),
    ];
    for (number, (sql, said)) in cases.into_iter().enumerate() {
        let Some(governed) = governed() else { return };
        let own = format!("role_{number}");
        governed.database().admin(&sql.replace('@', &own));
        if sql.contains("@ LOGIN") {
            governed.name_store(&governed.database().url(&own));
        }
        let why = refusal(&governed);
        assert!(why.contains("is not safe to use") && why.contains(said), "{sql}: {why}");
        // Also for the program that serves agents.
        let mut client = open(&governed);
        assert!(peek(&mut client).0, "{sql}");
        client.close();
    }
}

#[test]
fn a_workspace_sees_and_writes_its_own_rows_alone() {
    let Some(one) = governed() else { return };
    let other = Governed::in_database(Workspace::trusted());
    // Both in one database, under ids of their own.
    for (workspace, id) in
        [(&one, "11111111-1111-1111-1111-111111111111"), (&other, "22222222-2222-2222-2222-222222222222")]
    {
        workspace.name_store(&one.database().url(ROLE));
        let path = workspace.path().join("kavi.toml");
        let toml = fs::read_to_string(&path).unwrap();
        let commented = toml.lines().find(|line| line.starts_with("# workspace_id")).unwrap();
        fs::write(&path, toml.replace(commented, &format!("workspace_id = \"{id}\""))).unwrap();
    }
    set(&one, "rate_limit_per_minute", "60");
    set_charter(&one, CHARTER);
    let listed = other.json(&["policy", "list"]).expect(0).json();
    assert_eq!(listed["drift"], "policy drift: 0 of 31 expected keys are seeded");
    set(&other, "rate_limit_per_minute", "7");
    let got = one.json(&["policy", "get", "rate_limit_per_minute"]).expect(0).json();
    assert_eq!(got["value"], 60);
    let database = one.database();
    assert_eq!(database.admin("SELECT count(DISTINCT workspace_id) FROM kavi_context.policy_values"), "2");
    // The role of Kavi, as somebody else could use it.
    assert_eq!(database.app("SELECT count(*) FROM kavi_context.policy_values"), "0");
    let within = |sql: &str| {
        format!(
            "BEGIN; SELECT set_config('app.current_workspace_id', '11111111-1111-1111-1111-111111111111', true); {sql}"
        )
    };
    let seen = database.app(&within("SELECT string_agg(value_json, ' ') FROM kavi_context.policy_values; COMMIT"));
    assert!(seen.ends_with("60"), "{seen}");
    // After the transaction the setting is an empty text, which is no workspace and no error.
    let after = database.app(&within("COMMIT; SELECT count(*) FROM kavi_context.policy_values"));
    assert!(after.ends_with('0'), "{after}");
    for sql in [
        "INSERT INTO kavi_context.policy_values VALUES ('22222222-2222-2222-2222-222222222222', 9, 'disabled', 'false')",
        "UPDATE kavi_context.role_charters SET workspace_id = '22222222-2222-2222-2222-222222222222'",
        "UPDATE kavi_context.role_charters SET content_md = ''",
        "DELETE FROM kavi_context.policy_values",
        "TRUNCATE kavi_context.policy_values",
        "UPDATE kavi_context.context_versions SET version = 0",
        "SET ROLE kavi_context_owner",
    ] {
        let refused = within(&format!(
            "DO $$ BEGIN EXECUTE $sql${sql}$sql$; RAISE 'it was done'; EXCEPTION
                 WHEN insufficient_privilege THEN NULL; END $$; COMMIT; SELECT 'refused'"
        ));
        assert!(database.app(&refused).ends_with("refused"), "{sql}");
    }
    // No error tells whether another workspace has a row of this number.
    let taken = within("INSERT INTO kavi_context.policy_values VALUES
        ('11111111-1111-1111-1111-111111111111', 1000, 'disabled', 'false') ON CONFLICT DO NOTHING; ROLLBACK; SELECT 'free'");
    assert!(database.app(&taken).ends_with("free"));
}

#[test]
fn the_digest_is_the_one_that_postgresql_computes() {
    let Some(governed) = governed() else { return };
    set_charter(&governed, &CHARTER.replace("notes", "caf\u{e9}s \u{2014} \u{9be8}"));
    let sql =
        "SELECT content_hash = encode(sha256(convert_to(content_md, 'UTF8')), 'hex') FROM kavi_context.role_charters";
    assert_eq!(governed.database().admin(sql), "t");
}

#[test]
fn two_active_charters_are_an_error_of_integrity() {
    let Some(governed) = governed() else { return };
    set_charter(&governed, CHARTER);
    governed.database().admin(
        "DROP INDEX kavi_context.role_charters_active; INSERT INTO kavi_context.role_charters
             SELECT workspace_id, number + 1, version + 1, active, content_md, content_hash, sections_json, set_by,
             created_at FROM kavi_context.role_charters",
    );
    let error = governed.refused(&["charter", "verify"], 3);
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("RoleCharterIntegrity: 2 charters are active"), "{message}");
}

#[test]
fn a_store_that_is_down_denies_and_a_decision_made_meanwhile_is_published_later() {
    let Some(governed) = governed() else { return };
    let url = governed.database().url(ROLE);
    governed.name_store(&format!("postgres://{ROLE}@/test?host={}", governed.path().display()));
    assert!(refusal(&governed).contains("cannot be used"));
    let mut client = open(&governed);
    let (failed, said) = peek(&mut client);
    assert!(failed && said.contains("cannot be used"), "{said}");
    client.close();
    // It is opened with the first question, and what asks none works.
    governed.json(&["list-skills"]).expect(0);
    let doctor = governed.json(&["doctor"]).expect(1).json();
    let store = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "context store").unwrap();
    assert_eq!(store["health"], "fail", "{store}");
    // A decision is in the history first, and the person is told that the store lacks it.
    let args = ["policy", "set", "rate_limit_per_minute", "7", "--approved-by", "ada"];
    let said = governed.call(&args).expect(6).stderr;
    assert!(said.contains("the decision is in the history") && said.contains("kavi context publish"), "{said}");
    assert_eq!(governed.count("SELECT count(*) FROM history WHERE kind = 'policy'"), 1);
    governed.name_store(&url);
    assert!(refusal(&governed).contains("lacks the newest decision"));
    governed.json(&["context", "publish"]).expect(0);
    let got = governed.json(&["policy", "get", "rate_limit_per_minute"]).expect(0).json();
    assert_eq!(got["value"], 7);
    governed.run("peek", json!({ "path": "a.md" })).expect(0);
    // The ledger is a store that needs no copy.
    governed.name_store("sqlite");
    governed.refused(&["context", "publish"], 2);
    governed.name_store("postgres://kavi_app:hunter2@localhost/kavi");
    let said = governed.call(&["policy", "list"]).expect(2).stderr;
    assert!(said.contains("no place for one") && !said.contains("hunter2"), "{said}");
}

#[test]
fn an_edit_of_the_database_is_seen_by_the_next_call_of_a_running_server() {
    let Some(governed) = governed() else { return };
    let id = workspace_id(&governed);
    let mut client = open(&governed);
    assert!(!peek(&mut client).0);
    // By hand, and without the setting of row-level security: the trigger counts it all the same.
    let edits = [
        format!("INSERT INTO kavi_context.policy_values VALUES ('{id}', 100, 'disabled', 'true')"),
        "UPDATE kavi_context.policy_values SET value_json = '1000'".to_owned(),
        "DELETE FROM kavi_context.policy_values".to_owned(),
        format!("INSERT INTO kavi_context.capability_grants VALUES ('{id}', 1, 'agent', 'promote_skill', true)"),
        "TRUNCATE kavi_context.policy_values".to_owned(),
    ];
    for edit in edits {
        governed.database().admin(&edit);
        let (failed, said) = peek(&mut client);
        assert!(failed && said.contains("changed outside of Kavi"), "{edit}: {said}");
        governed.json(&["context", "publish"]).expect(0);
        assert!(!peek(&mut client).0, "{edit}");
    }
    // What another workspace does changes no counter of this one.
    let counter = format!("SELECT version FROM kavi_context.context_versions WHERE workspace_id = '{id}'");
    let before = governed.database().admin(&counter);
    governed
        .database()
        .admin("INSERT INTO kavi_context.policy_values VALUES (gen_random_uuid(), 1, 'disabled', 'true')");
    assert_eq!(governed.database().admin(&counter), before);
    assert!(!peek(&mut client).0);
    client.close();
}

#[test]
fn a_server_goes_on_after_its_connection_was_ended() {
    let Some(governed) = governed() else { return };
    let mut client = open(&governed);
    assert!(!peek(&mut client).0);
    let ended = governed.database().admin(&format!(
        "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
             WHERE usename = '{ROLE}' AND datname = current_database()"
    ));
    assert_eq!(ended, "t");
    let (failed, said) = peek(&mut client);
    assert!(!failed, "{said}");
    client.close();
}

/// Has a table locked while a call is made, and gives what the call is told.
fn told_while_locked(governed: &Governed, table: &str, client: &mut Client) -> (bool, String) {
    let mut session = governed.database().session();
    let mut said = BufReader::new(session.stdout.take().unwrap()).lines();
    let lock = format!("BEGIN; LOCK TABLE kavi_context.{table} IN ACCESS EXCLUSIVE MODE;\n\\echo locked\n");
    session.stdin.as_mut().unwrap().write_all(lock.as_bytes()).unwrap();
    assert!(said.any(|line| line.is_ok_and(|line| line == "locked")), "the lock is held");
    // Otherwise the three reads come from the cache.
    governed.database().admin("UPDATE kavi_context.context_versions SET version = version + 1");
    let told = peek(client);
    drop(session.stdin.take());
    session.wait().unwrap();
    told
}

#[test]
fn reads_that_take_too_long_deny_and_the_next_ones_work() {
    let Some(governed) = governed() else { return };
    set_charter(&governed, CHARTER);
    let mut client = open(&governed);
    assert!(!peek(&mut client).0);
    // The kill switch is in the first of them, and charters are among the three reads.
    for (table, said) in [("policy_values", "`disabled` cannot be read"), ("role_charters", "did not answer within")] {
        let (failed, told) = told_while_locked(&governed, table, &mut client);
        assert!(failed && told.contains(said), "{table}: {told}");
        let (failed, told) = peek(&mut client);
        assert!(!failed, "{table}: {told}");
    }
    client.close();
}

#[test]
fn a_server_that_never_answers_denies() {
    let Some(governed) = governed() else { return };
    // It takes connections and says nothing.
    let place = folder();
    let _silent = UnixListener::bind(place.path().join(".s.PGSQL.5432")).unwrap();
    governed.name_store(&format!("postgres://{ROLE}@/test?host={}", place.path().display()));
    assert!(refusal(&governed).contains("did not answer within 3000 ms"));
}

#[test]
fn decisions_of_many_processes_at_once_all_arrive() {
    const KEYS: [&str; 6] = [
        "rate_limit_per_minute",
        "output_size_cap_pull",
        "max_nonsecurity_overrides_per_24h",
        "policy.mcp.FILE_WRITE",
        "policy.chain.READ_ONLY",
        "policy.cli.MONEY",
    ];
    let Some(governed) = governed() else { return };
    std::thread::scope(|scope| {
        for key in KEYS {
            let governed = &governed;
            let value = if key.starts_with("policy.") { "deny" } else { "77" };
            scope.spawn(move || set(governed, key, value));
        }
        scope.spawn(|| capability(&governed, "revoke", "agent:eve", "run_skill"));
    });
    let listed = governed.json(&["policy", "list"]).expect(0).json();
    let stored = listed["policy"].as_array().unwrap().iter().filter(|entry| entry["seeded"] == json!(true)).count();
    assert_eq!(stored, KEYS.len(), "{listed}");
    let grants = governed.json(&["capability", "check", "agent:eve", "run_skill"]).expect(3).json();
    assert_eq!(grants["granted"], Value::Bool(false));
}

#[test]
fn the_schema_is_run_again_without_a_loss() {
    let Some(governed) = governed() else { return };
    set(&governed, "rate_limit_per_minute", "60");
    let sql = governed.json(&["context", "schema"]).expect(0).json();
    governed.database().admin(sql["sql"].as_str().unwrap());
    let got = governed.json(&["policy", "get", "rate_limit_per_minute"]).expect(0).json();
    assert_eq!(got["value"], 60);
    governed.call(&["context", "schema", "--role", "a; DROP TABLE b"]).expect(2);
}
