//! What `kavi run-skill write_note` does for the outside, as a program that somebody would write by hand.
//!
//! `kavi-native-note WORKSPACE JSON` takes the same input, writes the same note to the same place and inserts the same
//! record into a ledger of the same schema, with the same steps to the disk in the same order: the note in a temporary
//! neighbour, fsync of it and of its folder; the record as PENDING in a transaction; the rename and an fsync of the folder; the
//! record as APPLIED in a second transaction that does not wait for the disk. It opens the ledger with the settings that Kavi opens it with.
//!
//! It looks nothing up, checks no digest, contains nothing and recovers nothing: that is what the comparison is about.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Input {
    path: String,
    title: String,
    body: String,
}

#[derive(Serialize)]
struct Output {
    written_path: String,
    sha256: String,
}

const COMMIT: &str = "INSERT INTO commits (id, kind, state, number, changes_json, created_at)
     VALUES (?1, 'RUN', 'PENDING', (SELECT coalesce(max(number), 0) + 1 FROM commits), ?2, ?3)";

const INSERT: &str = "INSERT INTO executions (execution_id, v, purpose, door, asked_by, skill_name, revision, source_hash,
         side_effect_class, input_json, output_json, success, error, clock, seed, effects_json, commit_id, started_at,
         finished_at)
     VALUES (?1, 2, 'RUN', 'cli', 'native', 'write_note', 1, ?2, 'FILE_WRITE', ?3, ?4, 1, NULL, ?5, ?6, ?7, ?1, ?5, ?8)";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, workspace, text] = arguments.as_slice() else {
        return Err("usage: kavi-native-note WORKSPACE JSON".into());
    };
    let workspace = Path::new(workspace);
    let (id, started) = (Uuid::new_v4(), now());
    let input: Input = serde_json::from_str(text)?;
    let note = note(&input)?;
    let sha256 = digest(note.as_bytes());
    let mut ledger = open(&workspace.join(".kavi/ledger.db"))?;

    let target = workspace.join("vault_out").join(&input.path);
    let folder = target.parent().ok_or("a note lies in a folder")?;
    let temporary = folder.join(format!(".{id}"));
    let mut file = File::create_new(&temporary)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    sync(folder)?;

    let effects = json!([{ "path": input.path, "sha256": sha256, "bytes": note.len() }]).to_string();
    let changes = json!([{ "path": input.path, "before": null, "after": sha256, "bytes": note.len() }]).to_string();
    let output = serde_json::to_string(&Output { written_path: input.path.clone(), sha256 })?;
    let input = serde_json::to_string(&input)?;
    let (source, seed) = (digest(b"component"), digest(id.as_bytes()));
    let transaction = ledger.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(COMMIT, params![id.to_string(), changes, started])?;
    let row = params![id.to_string(), source, input, output, started, seed, effects, now()];
    transaction.execute(INSERT, row)?;
    transaction.commit()?;

    fs::rename(&temporary, &target)?;
    sync(folder)?;
    ledger.pragma_update(None, "synchronous", "NORMAL")?;
    let transaction = ledger.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("UPDATE commits SET state = 'APPLIED' WHERE id = ?1", [id.to_string()])?;
    transaction.commit()?;
    println!("{output}");
    Ok(())
}

fn note(input: &Input) -> Result<String, Box<dyn Error>> {
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
    ledger.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    Ok(ledger)
}

fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// RFC 3339 in UTC with milliseconds, as the ledger has it.
fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
