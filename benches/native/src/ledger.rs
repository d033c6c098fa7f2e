//! The record that a program of this folder writes by hand: the same row as Kavi's, in a ledger of the same schema.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// One run, as its record names it.
pub struct Run {
    id: Uuid,
    started: String,
}

impl Run {
    pub fn start() -> Self {
        Self { id: Uuid::new_v4(), started: now() }
    }
}

/// What a run was given, and what it said.
pub struct Call<'a> {
    pub skill: &'a str,
    pub input: &'a str,
    pub output: &'a str,
}

/// A note, and where it is to be.
pub struct NewFile<'a> {
    /// The folder that stands for the vault.
    pub vault: &'a Path,
    pub path: &'a str,
    pub text: &'a str,
}

const COMMIT: &str = "INSERT INTO commits (id, kind, state, number, changes_json, created_at)
     VALUES (?1, 'RUN', 'APPLIED', (SELECT coalesce(max(number), 0) + 1 FROM commits), ?2, ?3)";

const INSERT: &str =
    "INSERT INTO executions (execution_id, v, purpose, door, asked_by, skill_name, revision, source_hash,
         side_effect_class, input_json, output_json, success, error, clock, seed, effects_json, commit_id, started_at,
         finished_at)
     VALUES (?1, 2, 'RUN', 'cli', 'native', ?9, 1, ?2, ?10, ?3, ?4, 1, NULL, ?5, ?6, ?7, ?11, ?5, ?8)";

/// Puts a file in its place, and waits for the disk twice: for its bytes and for its name.
pub fn place(run: &Run, file: &NewFile<'_>) -> Result<(), Box<dyn Error>> {
    let target = file.vault.join(file.path);
    let folder = target.parent().ok_or("a note lies in a folder")?;
    let temporary = folder.join(format!(".{}", run.id));
    let mut written = File::create_new(&temporary)?;
    written.write_all(file.text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&temporary, &target)?;
    Ok(File::open(folder)?.sync_all()?)
}

/// The record of a run that changed nothing.
pub fn record(ledger: &Connection, run: &Run, call: &Call<'_>) -> rusqlite::Result<()> {
    insert(ledger, run, call, None)
}

/// The record of a run that wrote a file, and that file's commit, in one transaction.
pub fn record_with_file(
    ledger: &mut Connection,
    run: &Run,
    call: &Call<'_>,
    file: &NewFile<'_>,
) -> Result<(), Box<dyn Error>> {
    let sha256 = digest(file.text.as_bytes());
    let effects = json!([{ "path": file.path, "sha256": sha256, "bytes": file.text.len() }]).to_string();
    let changes = json!([{ "path": file.path, "before": null, "after": sha256, "bytes": file.text.len() }]).to_string();
    let transaction = ledger.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.prepare_cached(COMMIT)?.execute(params![run.id.to_string(), changes, run.started])?;
    insert(&transaction, run, call, Some(&effects))?;
    Ok(transaction.commit()?)
}

fn insert(ledger: &Connection, run: &Run, call: &Call<'_>, effects: Option<&str>) -> rusqlite::Result<()> {
    let class = if effects.is_some() { "FILE_WRITE" } else { "READ_ONLY" };
    let (source, seed, id) = (digest(b"component"), digest(run.id.as_bytes()), run.id.to_string());
    let commit = effects.map(|_| &id);
    let row = params![
        id,
        source,
        call.input,
        call.output,
        run.started,
        seed,
        effects.unwrap_or("[]"),
        now(),
        call.skill,
        class,
        commit
    ];
    ledger.prepare_cached(INSERT)?.execute(row).map(|_| ())
}

pub fn open(path: &Path) -> Result<Connection, Box<dyn Error>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let ledger = Connection::open_with_flags(path, flags)?;
    ledger.busy_timeout(Duration::from_secs(10))?;
    ledger.pragma_update(None, "trusted_schema", "OFF")?;
    ledger.pragma_update(None, "foreign_keys", "ON")?;
    ledger.pragma_update(None, "synchronous", "FULL")?;
    ledger.pragma_update(None, "cell_size_check", "ON")?;
    ledger.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    ledger.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    Ok(ledger)
}

pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// RFC 3339 in UTC with milliseconds, as the ledger has it.
fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
