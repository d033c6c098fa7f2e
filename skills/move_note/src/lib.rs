//! Moves or renames a note, and rewrites the links that lead to it.

use kavi_sdk::note;
use kavi_sdk::prelude::*;
use kavi_sdk::vault::LeftOut;

mod rewrite;
#[cfg(test)]
mod tests;

use rewrite::Move;

/// The folders of the specification. Elsewhere the host refuses the run, so this is said before anything is written.
const FOLDERS: [&str; 8] = [
    "Inbox",
    "Daily",
    "Journal",
    "Notes",
    "Projects",
    "Areas",
    "Resources",
    "Archive",
];
/// Notes that were not read and are named.
const MAX_UNREAD: usize = 20;

#[derive(Deserialize)]
struct Input {
    /// The note.
    path: String,
    /// Where it goes. With `/` at the end, a folder in which it keeps its name.
    to: String,
    /// Only if the file has this SHA-256.
    expect_sha256: Option<String>,
    /// Whether links are rewritten.
    #[serde(default = "yes")]
    update_links: bool,
}

fn yes() -> bool {
    true
}

#[derive(Serialize)]
struct Output {
    /// Where the note is now.
    path: String,
    /// The SHA-256 of the file as it is now.
    sha256: String,
    /// How many links were rewritten.
    links: usize,
    /// The notes in which they are, also the moved one.
    changed: Vec<String>,
    /// How many links, folders and notes could not be read.
    skipped: usize,
    /// The first of them, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<LeftOut>,
}

/// A note with other links.
struct Rewritten {
    path: String,
    bytes: Vec<u8>,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let from = input.path.as_str();
    let to = destination(&input)?;
    let bytes = vault::read_bytes(from)?;
    let now = sha256(&bytes);
    let expected = input.expect_sha256.as_ref();
    if expected.is_some_and(|expected| !expected.eq_ignore_ascii_case(&now)) {
        let why = format!("`{from}` has changed: its SHA-256 is {now}");
        return Err(SkillError::failed(why));
    }
    if vault::exists(&to)? {
        return Err(SkillError::failed(format!("`{to}` exists already")));
    }
    if let Some(path) = [from, to.as_str()]
        .into_iter()
        .find(|path| !may_change(path))
    {
        return Err(SkillError::invalid_input(outside(path)));
    }
    let mut output = Output {
        path: to.clone(),
        sha256: String::new(),
        links: 0,
        changed: Vec::new(),
        skipped: 0,
        unread: Vec::new(),
    };
    // All notes are read before the first is written: a link is compared with the vault as it was.
    let mut rewritten = Vec::new();
    if input.update_links {
        rewritten = rewrite_links(from, &to, &mut output)?;
    }
    let moved = rewritten.iter().position(|note| note.path == to);
    let moved = match moved {
        Some(at) => rewritten.swap_remove(at).bytes,
        None => bytes,
    };
    output.sha256 = sha256(&moved);
    vault::write(&to, &moved)?;
    for note in rewritten {
        vault::write(&note.path, &note.bytes)?;
    }
    vault::remove(from)?;
    Ok(output)
}

/// Where the note goes.
fn destination(input: &Input) -> Result<String, SkillError> {
    let (from, to) = (&input.path, &input.to);
    if !note::is_note(from) {
        let why = format!("`{from}` is no note: it does not end with `.md`");
        return Err(SkillError::invalid_input(why));
    }
    let to = if to.ends_with('/') {
        let name = from.rsplit('/').next().unwrap_or(from);
        format!("{to}{name}")
    } else {
        to.clone()
    };
    if !note::is_note(&to) {
        let why = format!("`{to}` does not end with `.md`, nor with `/` as a folder does");
        return Err(SkillError::invalid_input(why));
    }
    if to.contains(['#', '^', '[', ']', '|']) {
        let why = format!("`{to}` has one of `# ^ [ ] |`: no link could lead to it");
        return Err(SkillError::invalid_input(why));
    }
    if to == *from {
        return Err(SkillError::invalid_input(format!(
            "`{to}` is where it is already"
        )));
    }
    Ok(to)
}

fn may_change(path: &str) -> bool {
    path.split_once('/')
        .is_some_and(|(folder, _)| FOLDERS.contains(&folder))
}

fn outside(path: &str) -> String {
    format!("`{path}` is in none of the folders {}", FOLDERS.join(", "))
}

/// Every note whose links change, with its new path.
fn rewrite_links(from: &str, to: &str, output: &mut Output) -> Result<Vec<Rewritten>, SkillError> {
    let walk = vault::walk("")?;
    let moved = Move::new(from, to, &walk.files);
    output.unread = walk.left_out;
    let mut rewritten = Vec::new();
    for path in walk.files.iter().filter(|path| note::is_note(path)) {
        let text = match note::read(path) {
            Ok(text) => text,
            Err(error) => {
                output.unread.push(LeftOut::new(path.as_str(), &error));
                continue;
            }
        };
        let changes = moved.changes(path, &text)?;
        if changes.is_empty() {
            continue;
        }
        let mut bytes = vault::read_bytes(path)?;
        // From the end, so that the places of those before stay.
        for change in changes.iter().rev() {
            bytes = change.apply(&bytes);
        }
        let path = moved.new_path(path).to_owned();
        if !may_change(&path) {
            return Err(SkillError::failed(format!(
                "{}, and links to the note",
                outside(&path)
            )));
        }
        output.links += changes.len();
        output.changed.push(path.clone());
        rewritten.push(Rewritten { path, bytes });
    }
    output.skipped = output.unread.len();
    output.unread.truncate(MAX_UNREAD);
    Ok(rewritten)
}

kavi_sdk::export_skill!(run);
