//! What `kavi run-skill write_note` does for the outside, as a program that somebody would write by hand.
//!
//! `kavi-native-note WORKSPACE JSON` takes the same input, writes the same note to the same place and inserts the same
//! record into a ledger of the same schema. Its steps to the disk are fixed, and there are as few as such a program needs: fsync
//! of the note in a temporary neighbour, a rename, fsync of the folder, and one commit that waits for the write-ahead log. The log
//! stays when the ledger is closed, so that is three waits. An input that has only a `path` is a note to read: one commit.
//!
//! It looks nothing up, checks no digest, contains nothing and recovers nothing: that is what the comparison is about.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Write(NewNote),
    Read(NoteToRead),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NewNote {
    path: String,
    title: String,
    body: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NoteToRead {
    path: String,
}

#[derive(Serialize)]
struct Written {
    written_path: String,
    sha256: String,
}

#[derive(Serialize)]
struct Read {
    text: String,
    sha256: String,
}

struct Run {
    id: Uuid,
    started: String,
}

const COMMIT: &str = "INSERT INTO commits (id, kind, state, number, changes_json, created_at)
     VALUES (?1, 'RUN', 'APPLIED', (SELECT coalesce(max(number), 0) + 1 FROM commits), ?2, ?3)";

const INSERT: &str =
    "INSERT INTO executions (execution_id, v, purpose, door, asked_by, skill_name, revision, source_hash,
         side_effect_class, input_json, output_json, success, error, clock, seed, effects_json, commit_id, started_at,
         finished_at)
     VALUES (?1, 2, 'RUN', 'cli', 'native', ?9, 1, ?2, ?10, ?3, ?4, 1, NULL, ?5, ?6, ?7, ?11, ?5, ?8)";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, workspace, text] = arguments.as_slice() else {
        return Err("usage: kavi-native-note WORKSPACE JSON".into());
    };
    let workspace = Path::new(workspace);
    let run = Run { id: Uuid::new_v4(), started: now() };
    let ledger = open(&workspace.join(".kavi/ledger.db"))?;
    let output = match serde_json::from_str(text)? {
        Input::Write(input) => write(workspace, ledger, &run, &input)?,
        Input::Read(input) => read(workspace, &ledger, &run, &input)?,
    };
    println!("{output}");
    Ok(())
}

/// The file is whole and in its place before the record says so. A crash in between leaves a file without a record.
fn write(workspace: &Path, mut ledger: Connection, run: &Run, input: &NewNote) -> Result<String, Box<dyn Error>> {
    let note = note(input)?;
    let sha256 = digest(note.as_bytes());
    let target = workspace.join("vault_out").join(&input.path);
    let folder = target.parent().ok_or("a note lies in a folder")?;
    let temporary = folder.join(format!(".{}", run.id));
    let mut file = File::create_new(&temporary)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &target)?;
    File::open(folder)?.sync_all()?;

    let effects = json!([{ "path": input.path, "sha256": sha256, "bytes": note.len() }]).to_string();
    let changes = json!([{ "path": input.path, "before": null, "after": sha256, "bytes": note.len() }]).to_string();
    let output = serde_json::to_string(&Written { written_path: input.path.clone(), sha256 })?;
    let transaction = ledger.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(COMMIT, params![run.id.to_string(), changes, run.started])?;
    record(&transaction, run, "write_note", &serde_json::to_string(input)?, &output, Some(&effects))?;
    transaction.commit()?;
    Ok(output)
}

fn read(workspace: &Path, ledger: &Connection, run: &Run, input: &NoteToRead) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(workspace.join("vault_out").join(&input.path))?;
    let output = serde_json::to_string(&Read { sha256: digest(text.as_bytes()), text })?;
    record(ledger, run, "read_note", &serde_json::to_string(input)?, &output, None)?;
    Ok(output)
}

fn record(
    ledger: &Connection,
    run: &Run,
    skill: &str,
    input: &str,
    output: &str,
    effects: Option<&str>,
) -> rusqlite::Result<()> {
    let class = if effects.is_some() { "FILE_WRITE" } else { "READ_ONLY" };
    let (source, seed, id) = (digest(b"component"), digest(run.id.as_bytes()), run.id.to_string());
    let commit = effects.map(|_| &id);
    let row =
        params![id, source, input, output, run.started, seed, effects.unwrap_or("[]"), now(), skill, class, commit];
    ledger.execute(INSERT, row).map(|_| ())
}

fn note(input: &NewNote) -> Result<String, Box<dyn Error>> {
    let title = input.title.trim();
    let hidden = |name: &str| name.is_empty() || name.starts_with('.');
    if title.is_empty() || title.chars().any(char::is_control) {
        return Err("`title` is not one line of text".into());
    }
    if !input.path.starts_with("Inbox/AI/") || !input.path.ends_with(".md") || input.path.split('/').any(hidden) {
        return Err("`path` is no place for a note".into());
    }
    Ok(format!("# {title}\n\n{}\n", input.body.trim_end()))
}

fn open(path: &Path) -> Result<Connection, Box<dyn Error>> {
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

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// RFC 3339 in UTC with milliseconds, as the ledger has it.
fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
