//! Makes a workspace large: copies of the one trusted skill under many names, and records of runs.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

/// The name of the skill with this number. The promoted one keeps its own.
pub fn name(number: usize) -> String {
    if number == 0 { "write_note".to_owned() } else { format!("write_note_{number}") }
}

/// A random id in SQL.
const ID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
    || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";

/// Copies the trusted skill, with its build, its verification and its promotion, until there are `count`.
pub fn skills(ledger: &Connection, count: usize) {
    let spec: String = ledger.query_row("SELECT spec_json FROM skill_proposals", [], |row| row.get(0)).unwrap();
    let original = "\"name\":\"write_note\"";
    assert!(spec.contains(original), "{spec}");
    let id =
        |table: &str| ledger.query_row(&format!("SELECT {ID} FROM {table} LIMIT 1"), [], |row| row.get(0)).unwrap();
    ledger.execute_batch("BEGIN").unwrap();
    for number in 1..count {
        let name = name(number);
        let spec = spec.replace(original, &format!("\"name\":\"{name}\""));
        let digest = digest(spec.as_bytes());
        let proposal: String = id("skill_proposals");
        copy(
            ledger,
            "skill_proposals",
            "name = 'write_note'",
            &[("id", &proposal), ("name", &name), ("spec_json", &spec), ("spec_sha256", &digest)],
        );
        let (build, verification): (String, String) = (id("builds"), id("verifications"));
        let first = |table: &str| format!("rowid = (SELECT min(rowid) FROM {table})");
        copy(ledger, "builds", &first("builds"), &[("id", &build), ("proposal_id", &proposal)]);
        copy(
            ledger,
            "verifications",
            &first("verifications"),
            &[("id", &verification), ("proposal_id", &proposal), ("build_id", &build)],
        );
        let promotion: String = id("promotions");
        copy(
            ledger,
            "promotions",
            &first("promotions"),
            &[
                ("id", &promotion),
                ("proposal_id", &proposal),
                ("spec_sha256", &digest),
                ("verification_id", &verification),
            ],
        );
    }
    forget_history(ledger);
    ledger.execute_batch("COMMIT").unwrap();
}

/// What was written by SQL has no events, so nothing of it is believed. Without a history the next process takes the ledger over as
/// it finds it, as one of a version that had none.
fn forget_history(ledger: &Connection) {
    ledger.execute_batch("DELETE FROM history; DELETE FROM trust_state; DELETE FROM checkpoints").unwrap();
}

/// Inserts a copy of one row with some of its columns changed.
fn copy(ledger: &Connection, table: &str, row: &str, changed: &[(&str, &str)]) {
    let mut names = ledger.prepare_cached("SELECT name FROM pragma_table_info(?1)").unwrap();
    let columns: Vec<String> = names.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let position = |column: &String| changed.iter().position(|(name, _)| name == column);
    let values: Vec<String> =
        columns.iter().map(|name| position(name).map_or(name.clone(), |at| format!("?{}", at + 1))).collect();
    let sql =
        format!("INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE {row}", columns.join(", "), values.join(", "));
    let mut statement = ledger.prepare_cached(&sql).unwrap();
    let values = changed.iter().map(|(_, value)| value);
    assert_eq!(statement.execute(rusqlite::params_from_iter(values)).unwrap(), 1, "{sql}");
}

/// Records of runs that are over, of about the size that write_note's have.
pub fn records(ledger: &Connection, count: usize) {
    let sql = format!(
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < ?1)
         INSERT INTO executions (execution_id, v, purpose, door, asked_by, skill_name, revision, source_hash,
             side_effect_class, engine, limits_sha256, input_json, output_json, success, error, clock, seed, effects_json,
             commit_id, started_at, finished_at)
         SELECT {ID}, 2, 'RUN', 'cli', 'bench', 'write_note', 1, ?2, 'FILE_WRITE', 'wasmtime', ?2,
             '{{\"body\":\"Body\",\"path\":\"Inbox/AI/' || n || '.md\",\"title\":\"Title\"}}',
             '{{\"sha256\":\"' || ?2 || '\",\"written_path\":\"Inbox/AI/' || n || '.md\"}}', 1, NULL,
             '2026-01-01T00:00:00.000Z', ?2,
             '[{{\"path\":\"Inbox/AI/' || n || '.md\",\"sha256\":\"' || ?2 || '\",\"bytes\":14}}]', NULL,
             strftime('%Y-%m-%dT%H:%M:%S.000Z', 1735689600 + n, 'unixepoch'),
             strftime('%Y-%m-%dT%H:%M:%S.000Z', 1735689600 + n, 'unixepoch')
         FROM many WHERE ?1 > 0"
    );
    let digest = digest(b"component");
    ledger.execute("INSERT OR IGNORE INTO limit_sets (sha256, limits_json) VALUES (?1, '{}')", [&digest]).unwrap();
    ledger.execute(&sql, params![count, digest]).unwrap();
    let commits = "INSERT INTO commits (id, kind, state, number, changes_json, created_at)
         SELECT execution_id, 'RUN', 'APPLIED', row_number() OVER (ORDER BY rowid),
             json_array(json_object('path', effects_json ->> '$[0].path', 'before', NULL,
                 'after', effects_json ->> '$[0].sha256', 'bytes', 14)), finished_at
         FROM executions WHERE asked_by = 'bench'";
    ledger.execute(commits, []).unwrap();
    ledger.execute("UPDATE executions SET commit_id = execution_id WHERE asked_by = 'bench'", []).unwrap();
    forget_history(ledger);
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
