//! Lists the notes that have a tag, or one below it.

use kavi_sdk::note::{self, letters, tags};
use kavi_sdk::prelude::*;
use kavi_sdk::vault::LeftOut;

#[cfg(test)]
mod tests;

/// Tags that are shown of one note.
const MAX_TAGS: usize = 10;
/// Characters of an excerpt.
const EXCERPT: usize = 200;
/// Things that were not read and are named.
const MAX_UNREAD: usize = 20;

#[derive(Deserialize)]
struct Input {
    /// The tag, with or without `#`.
    tag: String,
    /// Only below this folder.
    #[serde(default)]
    folder: String,
    /// How many notes at most.
    #[serde(default = "fifty")]
    limit: usize,
    /// How many of them to leave out, to see the next ones.
    #[serde(default)]
    offset: usize,
}

fn fifty() -> usize {
    50
}

#[derive(Serialize)]
struct Output {
    /// How many notes have the tag.
    total: usize,
    /// In the order of their paths.
    notes: Vec<Note>,
    /// The offset of the next ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
    /// How many links, folders and notes could not be read.
    skipped: usize,
    /// The first of them, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<LeftOut>,
}

#[derive(Serialize)]
struct Note {
    path: String,
    title: String,
    /// The tags that fit, as they are written, each once.
    tags: Vec<String>,
    /// How the text begins.
    excerpt: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let asked = tags::query(input.tag.trim())
        .ok_or_else(|| SkillError::invalid_input(format!("`{}` is no tag", input.tag)))?;
    let walk = vault::walk(&input.folder)?;
    let mut unread = walk.left_out;
    let mut total = 0;
    let mut notes = Vec::new();
    for path in walk.files.into_iter().filter(|path| note::is_note(path)) {
        let text = match note::read(&path) {
            Ok(text) => text,
            Err(error) => {
                unread.push(LeftOut::new(path, &error));
                continue;
            }
        };
        let fitting = fitting(&text, asked);
        if fitting.is_empty() {
            continue;
        }
        if total >= input.offset && notes.len() < input.limit {
            notes.push(Note {
                title: note::name(&path).to_owned(),
                tags: fitting,
                excerpt: excerpt(&text),
                path,
            });
        }
        total += 1;
    }
    let next = input.offset.saturating_add(notes.len());
    let skipped = unread.len();
    unread.truncate(MAX_UNREAD);
    Ok(Output {
        next_offset: (next < total).then_some(next),
        total,
        notes,
        skipped,
        unread,
    })
}

fn fitting(text: &str, asked: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for tag in note::tags_of(text) {
        let is_new = || {
            !found
                .iter()
                .any(|known| letters::folded(known) == letters::folded(&tag.name))
        };
        if tags::is_within(&tag.name, asked) && found.len() < MAX_TAGS && is_new() {
            found.push(tag.name);
        }
    }
    found
}

fn excerpt(text: &str) -> String {
    let body = &text[note::outline(text).body..];
    body.trim().chars().take(EXCERPT).collect()
}

kavi_sdk::export_skill!(run);
