//! A note as Obsidian and CommonMark read it: front matter, headings, blocks, tags, links and tasks.
//!
//! Guarantees: every range is in bytes of the text that was given. No text makes it fail: front matter that is not valid
//! YAML is read property by property. What is in code, comments and formulas gives no tag and no sentence.
//!
//! Deliberately never: reads a file by itself, except in [`read`], or changes a text.
//!
//! ```
//! use kavi_sdk::note::Note;
//!
//! let note = Note::parse("---\ntags: [garden]\n---\n# Beds\n\nDig `#not` over. #soil/clay\n");
//! assert_eq!(note.front.get("tags"), Some(&kavi_sdk::json!(["garden"])));
//! assert_eq!(note.headings[0].text, "Beds");
//! let tags: Vec<&str> = note.tags.iter().map(|tag| tag.name.as_str()).collect();
//! assert_eq!(tags, ["garden", "soil/clay"]);
//! ```

use std::ops::Range;

use crate::{SkillError, vault};

mod blocks;
mod comments;
pub mod edit;
pub mod front;
pub mod letters;
mod links;
mod parts;
pub mod tags;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vault_cases;
pub mod words;
mod yaml;

pub use front::{FrontMatter, Property};
pub use links::{Links, is_external};
pub use parts::{Section, line_end, line_start};
pub use tags::Tag;

/// A note that was taken apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Note {
    /// Its properties.
    pub front: FrontMatter,
    /// Where the text behind the front matter and the byte order mark starts.
    pub body: usize,
    /// Its headings, in their order.
    pub headings: Vec<Heading>,
    /// The parts of its text that have sentences: in their order, without code, comments and formulas.
    pub blocks: Vec<Block>,
    /// What is at its top level: paragraphs, headings, lists, quotes, tables and code, each from its first byte to its last.
    pub elements: Vec<Range<usize>>,
    /// Its tags: those of the front matter first, each time that one occurs.
    pub tags: Vec<Tag>,
    /// Its links: those of the front matter first.
    pub links: Vec<Link>,
    /// Its tasks, in their order.
    pub tasks: Vec<Task>,
}

/// One heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Its words, as they are written.
    pub text: String,
    /// The heading, without the end of its last line.
    pub range: Range<usize>,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// A heading.
    Heading,
    /// A paragraph.
    Paragraph,
    /// A paragraph of an item of a list.
    Item,
    /// A cell of a table.
    Cell,
}

/// A paragraph, a heading, the text of an item or a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its lines as they are written, without marks of lists and quotes, and without comments.
    pub lines: Vec<String>,
    /// From its first byte to its last.
    pub range: Range<usize>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it leads to, as it is written, without the heading: `Note` in `[[Note#Beds|beds]]`.
    pub target: String,
    /// The heading or block in the target: `Beds` in `[[Note#Beds]]`.
    pub heading: Option<String>,
    /// Whether it is written as `[[…]]`.
    pub wiki: bool,
    /// Whether the target is shown in place, as `![[…]]`.
    pub embed: bool,
    /// The whole link.
    pub range: Range<usize>,
    /// Where its target is written, without the heading. `None` where that cannot be told. Several links that name one
    /// definition, as `[a][x]` and `[b][x]`, have the same.
    pub place: Option<Range<usize>>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The character between the brackets: a space while it is open.
    pub state: char,
    /// Its words.
    pub text: String,
    /// The brackets and the words behind them.
    pub range: Range<usize>,
}

impl Task {
    /// Whether it needs nothing more: done or cancelled.
    pub fn is_done(&self) -> bool {
        matches!(self.state, 'x' | 'X' | '-')
    }
}

impl Note {
    /// Takes a text apart.
    pub fn parse(text: &str) -> Self {
        let mut note = outline_front(text);
        tags::in_front(&note.front, &mut note.tags);
        note.links = links::in_front(text, &note.front);
        blocks::read(text, &mut note);
        note
    }
}

/// The front matter and the headings alone: quicker than [`Note::parse`] where no more is asked for.
pub fn outline(text: &str) -> Note {
    let mut note = outline_front(text);
    if blocks::may_have_headings(&text[note.body..]) {
        blocks::read(text, &mut note);
    }
    note
}

fn outline_front(text: &str) -> Note {
    let front = front::read(text);
    Note { body: front.end, front, ..Note::default() }
}

/// Whether a path is that of a note: it ends with `.md`, in any case.
pub fn is_note(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("md"))
}

/// The name of a note: that of its file, without the ending.
pub fn name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').map_or(file, |(name, _)| name)
}

/// The text of a note, in which every place is the same place in the file: a byte that is no UTF-8 and a NUL is one `?`.
///
/// # Errors
/// As [`vault::read_lossy`], and failed for a text that is UTF-16: its places could not be told.
pub fn read(path: &str) -> Result<String, SkillError> {
    let bytes = vault::read_bytes(path)?;
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(SkillError::failed(format!("`{path}` is UTF-16 text; save it as UTF-8")));
    }
    Ok(vault::lossy(bytes))
}

/// The tags of a note alone: quicker than [`Note::parse`] where its text has none.
pub fn tags_of(text: &str) -> Vec<Tag> {
    let mut note = outline_front(text);
    tags::in_front(&note.front, &mut note.tags);
    if text[note.body..].contains('#') {
        blocks::read(text, &mut note);
    }
    note.tags
}
