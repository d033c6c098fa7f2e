//! Lists the notes that have a tag, or one below it.

use kavi_sdk::prelude::*;

mod tags;
#[cfg(test)]
mod tests;

/// Tags that are shown of one note.
const MAX_TAGS: usize = 10;
/// Characters of an excerpt.
const EXCERPT: usize = 200;

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
    let asked = tags::parse(input.tag.trim())
        .ok_or_else(|| SkillError::invalid_input(format!("`{}` is no tag", input.tag)))?;
    let walk = vault::walk(&input.folder)?;
    let mut skipped = walk.skipped;
    let mut total = 0;
    let mut notes = Vec::new();
    for path in walk.files.into_iter().filter(|path| is_note(path)) {
        let Ok(text) = vault::read_lossy(&path) else {
            skipped += 1;
            continue;
        };
        let fitting = fitting(&text, asked);
        if fitting.is_empty() {
            continue;
        }
        if total >= input.offset && notes.len() < input.limit {
            notes.push(Note {
                title: title_of(&path).to_owned(),
                tags: fitting,
                excerpt: excerpt(&text),
                path,
            });
        }
        total += 1;
    }
    let next = input.offset.saturating_add(notes.len());
    Ok(Output {
        next_offset: (next < total).then_some(next),
        total,
        notes,
        skipped,
    })
}

fn is_note(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("md"))
}

fn title_of(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').map_or(file, |(name, _)| name)
}

fn fitting(text: &str, asked: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for tag in tags::of(text) {
        let is_new = || {
            !found
                .iter()
                .any(|known| known.to_lowercase() == tag.to_lowercase())
        };
        if tags::is_within(tag, asked) && found.len() < MAX_TAGS && is_new() {
            found.push(tag.to_owned());
        }
    }
    found
}

fn excerpt(text: &str) -> String {
    let (_, body) = tags::split(text);
    body.trim().chars().take(EXCERPT).collect()
}

kavi_sdk::export_skill!(run);
