//! What `kavi run-skill write_note` does for the outside, as a program that somebody would write by hand.
//!
//! `kavi-native-note WORKSPACE JSON` takes the same input, writes the same note to the same place and inserts the same
//! record into a ledger of the same schema. Its steps to the disk are fixed, and there are as few as such a program needs: fsync
//! of the note in a temporary neighbour, a rename, fsync of the folder, and one commit that waits for the write-ahead log. The log
//! stays when the ledger is closed, so that is three waits. An input that has only a `path` is a note to read: one commit.
//!
//! It looks nothing up, checks no digest, contains nothing and recovers nothing: that is what the comparison is about.

mod ledger;

use std::error::Error;
use std::fs;
use std::path::Path;

use ledger::{Call, NewFile, Run};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

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

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, workspace, text] = arguments.as_slice() else {
        return Err("usage: kavi-native-note WORKSPACE JSON".into());
    };
    let workspace = Path::new(workspace);
    let run = Run::start();
    let ledger = ledger::open(&workspace.join(".kavi/ledger.db"))?;
    let output = match serde_json::from_str(text)? {
        Input::Write(input) => write(workspace, ledger, &run, &input)?,
        Input::Read(input) => read(workspace, &ledger, &run, &input)?,
    };
    println!("{output}");
    Ok(())
}

/// The file is whole and in its place before the record says so. A crash in between leaves a file without a record.
fn write(workspace: &Path, mut ledger: Connection, run: &Run, input: &NewNote) -> Result<String, Box<dyn Error>> {
    let text = note(input)?;
    let vault = workspace.join("vault_out");
    let file = NewFile { vault: &vault, path: &input.path, text: &text };
    ledger::place(run, &file)?;
    let sha256 = ledger::digest(text.as_bytes());
    let output = serde_json::to_string(&Written { written_path: input.path.clone(), sha256 })?;
    let call = Call { skill: "write_note", input: &serde_json::to_string(input)?, output: &output };
    ledger::record_with_file(&mut ledger, run, &call, &file)?;
    Ok(output)
}

fn read(workspace: &Path, ledger: &Connection, run: &Run, input: &NoteToRead) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(workspace.join("vault_out").join(&input.path))?;
    let output = serde_json::to_string(&Read { sha256: ledger::digest(text.as_bytes()), text })?;
    let call = Call { skill: "read_note", input: &serde_json::to_string(input)?, output: &output };
    ledger::record(ledger, run, &call)?;
    Ok(output)
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
