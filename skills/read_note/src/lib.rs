//! Reads notes: whole, a section, a block, lines, or bytes.

use kavi_sdk::note::{self, Note};
use kavi_sdk::prelude::*;
use kavi_sdk::vault::LeftOut;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Bytes that are given at most when nothing is said.
const DEFAULT_BYTES: usize = 50_000;

#[derive(Deserialize)]
struct Input {
    /// One note.
    path: Option<String>,
    /// Several notes.
    #[serde(default)]
    paths: Vec<String>,
    /// Only what is below this heading, with the heading.
    heading: Option<String>,
    /// Only the block with this id.
    block: Option<String>,
    /// Only these lines, from 1.
    lines: Option<Span>,
    /// Only these bytes, from 0.
    bytes: Option<Span>,
    /// Bytes of all texts together.
    #[serde(default = "default_bytes")]
    max_bytes: usize,
}

fn default_bytes() -> usize {
    DEFAULT_BYTES
}

#[derive(Deserialize)]
struct Span {
    start: usize,
    /// The last line, or the byte behind the last one.
    end: Option<usize>,
}

#[derive(Serialize)]
struct Output {
    notes: Vec<Read>,
    /// The notes that could not be read, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<LeftOut>,
}

#[derive(Serialize)]
struct Read {
    path: String,
    title: String,
    text: String,
    /// Where the text is, in bytes of the file.
    start: usize,
    end: usize,
    /// Bytes of the whole file.
    size: usize,
    /// Of the whole file: to change it only if it is still the same.
    sha256: String,
    /// Whether the text was cut because of `max_bytes`. It goes on at `end`.
    truncated: bool,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let paths: Vec<&String> = input.path.iter().chain(&input.paths).collect();
    let parts = [
        input.heading.is_some(),
        input.block.is_some(),
        input.lines.is_some(),
        input.bytes.is_some(),
    ];
    if paths.is_empty() {
        return Err(SkillError::invalid_input("`path` and `paths` are missing"));
    }
    if parts.iter().filter(|part| **part).count() > 1 {
        let why = "only one of `heading`, `block`, `lines` and `bytes` can be given";
        return Err(SkillError::invalid_input(why));
    }
    let mut output = Output {
        notes: Vec::new(),
        unread: Vec::new(),
    };
    let mut room = input.max_bytes;
    for path in &paths {
        match read(path, &input, room) {
            Ok(note) => {
                room -= note.text.len();
                output.notes.push(note);
            }
            Err(error) if paths.len() == 1 => return Err(error),
            Err(error) => output.unread.push(LeftOut::new(path.as_str(), &error)),
        }
    }
    Ok(output)
}

fn read(path: &str, input: &Input, room: usize) -> Result<Read, SkillError> {
    if !note::is_note(path) {
        let why = format!("`{path}` is no note: it does not end with `.md`");
        return Err(SkillError::invalid_input(why));
    }
    let bytes = vault::read_bytes(path)?;
    let text = note::read(path)?;
    let wanted = part(&text, path, input)?;
    let end = wanted
        .end
        .min(text.floor_char_boundary(wanted.start + room));
    Ok(Read {
        path: path.to_owned(),
        title: note::name(path).to_owned(),
        text: text[wanted.start..end].to_owned(),
        start: wanted.start,
        end,
        size: bytes.len(),
        sha256: sha256(&bytes),
        truncated: end < wanted.end,
    })
}

/// The part of a text that is asked for.
fn part(text: &str, path: &str, input: &Input) -> Result<Range<usize>, SkillError> {
    if let Some(heading) = &input.heading {
        let sections = Note::parse(text).sections(text, heading);
        let first = sections.into_iter().next().map(|section| section.whole);
        return first
            .ok_or_else(|| SkillError::not_found(format!("`{path}` has no heading `{heading}`")));
    }
    if let Some(block) = &input.block {
        let found = Note::parse(text).block_with_id(text, block);
        return found
            .ok_or_else(|| SkillError::not_found(format!("`{path}` has no block `^{block}`")));
    }
    if let Some(lines) = &input.lines {
        return Ok(lines_of(text, lines));
    }
    if let Some(bytes) = &input.bytes {
        let start = text.floor_char_boundary(bytes.start);
        let end = text.floor_char_boundary(bytes.end.unwrap_or(text.len()));
        return Ok(start..end.max(start));
    }
    Ok(0..text.len())
}

fn lines_of(text: &str, lines: &Span) -> Range<usize> {
    let mut at = 0;
    let mut found = text.len()..text.len();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if number == lines.start.max(1) {
            found.start = at;
        }
        at += line.len();
        if Some(number) == lines.end {
            found.end = at;
        }
    }
    found.start..found.end.max(found.start)
}

kavi_sdk::export_skill!(run);
