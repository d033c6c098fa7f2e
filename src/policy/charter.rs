//! The role charter: a text that says who the agent is, what it can do, and what it cannot do.
//!
//! Guarantees: the sections are parsed from the same bytes that are hashed, and nothing is normalized in between. A text that a
//! reader could take for another one, or whose sections are not exactly the three, is refused. A charter that is stored is
//! believed only when text, digest, sections and the event of the history agree.
//!
//! Deliberately never: reads a file, or decides what a charter may say.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{
    characters::is_hidden,
    digest::Digest,
    governance::{CharterRow, GovernanceRows},
    text,
};

/// Largest charter, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;

/// One of the three sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CharterSection {
    /// Who the agent is.
    Identity,
    /// What it can do.
    CanDo,
    /// What it cannot do.
    CannotDo,
}

impl CharterSection {
    /// Every section.
    pub const ALL: [Self; 3] = [Self::Identity, Self::CanDo, Self::CannotDo];

    /// Its heading, as it is compared.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::CanDo => "authority_can_do",
            Self::CannotDo => "authority_cannot_do",
        }
    }

    /// The section of a heading. Letter case, spaces, `-` and `:` make no difference.
    fn of_heading(heading: &str) -> Option<Self> {
        // People write headings for people. What is meant is plain, and a charter that is refused
        // for a colon protects nobody.
        let words: Vec<String> = heading
            .split(|c: char| c.is_whitespace() || matches!(c, '_' | '-' | ':'))
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        let name = words.join("_");
        Self::ALL.into_iter().find(|section| section.as_str() == name)
    }
}

impl fmt::Display for CharterSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the three sections say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterSections {
    /// Who the agent is, in paragraphs.
    pub identity: String,
    /// What it can do, one entry a list item.
    pub authority_can_do: Vec<String>,
    /// What it cannot do, likewise.
    pub authority_cannot_do: Vec<String>,
}

/// A charter whose text and digest are known to belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleCharter {
    /// The text.
    pub content_md: String,
    /// The SHA-256 of its UTF-8 bytes.
    pub content_sha256: Digest,
    /// What it says.
    pub sections: CharterSections,
}

/// Why a text is not a charter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCharter {
    /// It is too large.
    #[error("the charter has {0} bytes; the most is {MOST_BYTES}")]
    TooLarge(usize),
    /// Its bytes are not UTF-8.
    #[error("the charter is not UTF-8: the first wrong byte is at {0}")]
    NotUtf8(usize),
    /// It begins with a byte order mark.
    #[error("the charter begins with a byte order mark; save it as UTF-8 without one")]
    ByteOrderMark,
    /// A character that a reader does not see, or that reorders the text.
    #[error("line {line} of the charter has the invisible or control character U+{code:04X}; remove it")]
    Hidden {
        /// The line, from 1.
        line: usize,
        /// The character.
        code: u32,
    },
    /// A heading that is none of the three.
    #[error(
        "line {line} of the charter has the heading `{heading}`; the sections are identity, authority_can_do and \
         authority_cannot_do"
    )]
    UnknownHeading {
        /// The line, from 1.
        line: usize,
        /// The heading.
        heading: String,
    },
    /// A section that is there twice.
    #[error("line {line} of the charter begins the section {section} again; keep one of the two")]
    Repeated {
        /// The line, from 1.
        line: usize,
        /// The section.
        section: CharterSection,
    },
    /// A section that is missing.
    #[error("the charter has no section {0}; add a heading `## {0}`")]
    Missing(CharterSection),
    /// A section that says nothing.
    #[error("the section {0} of the charter is empty")]
    Empty(CharterSection),
    /// Text of an authority section that is no list item.
    #[error("line {line} of the charter is no list item; the section {section} is a list of `- ` lines")]
    NoItem {
        /// The line, from 1.
        line: usize,
        /// The section.
        section: CharterSection,
    },
    /// A code fence, whose content a reader would take for something else than a parser does.
    #[error("line {0} of the charter has a code fence or HTML; a charter is plain headings, paragraphs and lists")]
    Markup(usize),
}

/// Why there is no charter to act under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// There is none, and one is required.
    #[error("NoActiveRoleCharter: this workspace has no active role charter, and its policy requires one")]
    NoActiveRoleCharter,
    /// There is one that cannot be believed.
    #[error("RoleCharterIntegrity: {0}")]
    RoleCharterIntegrity(String),
}

impl RoleCharter {
    /// Reads a charter. The digest and the sections come from these bytes and no others.
    ///
    /// # Errors
    /// [`InvalidCharter`] with the first problem.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidCharter> {
        if bytes.len() > MOST_BYTES {
            return Err(InvalidCharter::TooLarge(bytes.len()));
        }
        let content =
            std::str::from_utf8(bytes).map_err(|error| InvalidCharter::NotUtf8(error.valid_up_to()))?.to_owned();
        if content.starts_with('\u{feff}') {
            return Err(InvalidCharter::ByteOrderMark);
        }
        // A text that is shown in another order than it is read could forbid something to a person
        // and allow it to the agent.
        let refused = |c: &char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_hidden(*c);
        for (line, number) in content.split('\n').zip(1..) {
            if let Some(c) = line.chars().find(refused) {
                return Err(InvalidCharter::Hidden { line: number, code: c.into() });
            }
        }
        let sections = parse_sections(&content)?;
        Ok(Self { content_sha256: Digest::of(bytes), content_md: content, sections })
    }

    /// The sections as they are stored beside the text.
    pub fn sections_json(&self) -> String {
        serde_json::to_string(&self.sections).unwrap_or_default()
    }
}

/// The text of a heading; none for another line.
fn heading(line: &str) -> Option<&str> {
    let marks = line.bytes().take_while(|byte| *byte == b'#').count();
    let rest = line.get(marks..)?;
    ((1..=6).contains(&marks) && (rest.is_empty() || rest.starts_with([' ', '\t'])))
        .then(|| rest.trim().trim_end_matches('#').trim())
}

/// Whether a line underlines the one before it, which Markdown takes for a heading.
fn is_underline(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && (line.bytes().all(|byte| byte == b'=') || line.bytes().all(|byte| byte == b'-'))
}

fn is_markup(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~") || line.starts_with('<')
}

fn parse_sections(content: &str) -> Result<CharterSections, InvalidCharter> {
    let mut found: [Option<Vec<(usize, &str)>>; 3] = Default::default();
    let mut current: Option<CharterSection> = None;
    for (line, number) in content.split('\n').zip(1..) {
        // A reader sees no heading inside of a fence or a comment, and the parser would. So neither
        // may be there.
        if is_markup(line) || is_underline(line) {
            return Err(InvalidCharter::Markup(number));
        }
        // Also when it is indented. Markdown would take it for code, and somebody who reads the
        // file for a heading.
        let Some(title) = heading(line.trim_start()) else {
            if let Some(lines) = current.and_then(|section| found[section as usize].as_mut()) {
                lines.push((number, line));
            }
            continue;
        };
        match CharterSection::of_heading(title) {
            Some(section) if found[section as usize].is_some() => {
                return Err(InvalidCharter::Repeated { line: number, section });
            }
            Some(section) => {
                found[section as usize] = Some(Vec::new());
                current = Some(section);
            }
            // A title may come before the first section. After that, a prohibition under a mistyped heading would be lost.
            None if current.is_none() => {}
            None => return Err(InvalidCharter::UnknownHeading { line: number, heading: text::line(title, 100) }),
        }
    }
    let [identity, can, cannot] = found;
    let missing = InvalidCharter::Missing;
    let identity = identity.ok_or(missing(CharterSection::Identity))?;
    let identity: Vec<&str> = identity.into_iter().map(|(_, line)| line.trim_end()).collect();
    let identity = identity.join("\n").trim().to_owned();
    if identity.is_empty() {
        return Err(InvalidCharter::Empty(CharterSection::Identity));
    }
    Ok(CharterSections {
        identity,
        authority_can_do: items(&can.ok_or(missing(CharterSection::CanDo))?, CharterSection::CanDo)?,
        authority_cannot_do: items(&cannot.ok_or(missing(CharterSection::CannotDo))?, CharterSection::CannotDo)?,
    })
}

/// The items of a list. An indented line goes on with the item before it.
fn items(lines: &[(usize, &str)], section: CharterSection) -> Result<Vec<String>, InvalidCharter> {
    let mut items: Vec<String> = Vec::new();
    for (number, line) in lines {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let item = ["- ", "* "].iter().find_map(|mark| line.strip_prefix(mark));
        match (item.map(str::trim), items.last_mut()) {
            (Some(""), _) => return Err(InvalidCharter::NoItem { line: *number, section }),
            (Some(item), _) => items.push(item.to_owned()),
            // A long item is wrapped. Without this, its second line would be refused, or be an
            // entry that means something else alone.
            (None, Some(before)) if line.starts_with([' ', '\t']) => {
                before.push(' ');
                before.push_str(trimmed);
            }
            (None, _) => return Err(InvalidCharter::NoItem { line: *number, section }),
        }
    }
    if items.is_empty() { Err(InvalidCharter::Empty(section)) } else { Ok(items) }
}

/// The active charter and its number, if there is one and everything about it agrees.
///
/// # Errors
/// [`CharterError::RoleCharterIntegrity`].
pub fn active(rows: &GovernanceRows) -> Result<Option<(u64, RoleCharter)>, CharterError> {
    let broken = |why: String| Err(CharterError::RoleCharterIntegrity(why));
    // A row that is gone is as wrong as one that was edited: without it the agents would act under
    // no charter at all.
    let row = match (rows.charters.as_slice(), &rows.pinned) {
        ([], None) => return Ok(None),
        ([], Some(pinned)) => {
            return broken(format!("the history says that charter {} is active, and there is no row", pinned.version));
        }
        ([row], _) => row,
        (more, _) => return broken(format!("{} charters are active; there may be one", more.len())),
    };
    let charter = checked(row).map_err(CharterError::RoleCharterIntegrity)?;
    match &rows.pinned {
        Some(pinned) if pinned.version == row.version && pinned.content_sha256 == charter.content_sha256 => {}
        Some(pinned) => {
            return broken(format!(
                "charter {} has the SHA-256 {}, and the history says charter {} with {}",
                row.version, charter.content_sha256, pinned.version, pinned.content_sha256
            ));
        }
        // Somebody inserted it. A charter that nobody set must not be the one that agents read.
        None => return broken(format!("no event of the history is about charter {}", row.version)),
    }
    match &rows.charter_problem {
        Some(problem) => broken(problem.clone()),
        None => Ok(Some((row.version, charter))),
    }
}

/// Compares the parts of a row with each other.
fn checked(row: &CharterRow) -> Result<RoleCharter, String> {
    let version = row.version;
    let content = row.content_md.as_ref().ok_or_else(|| format!("charter {version} has no text"))?;
    let charter =
        RoleCharter::parse(content.as_bytes()).map_err(|error| format!("charter {version} is malformed: {error}"))?;
    if row.content_hash != charter.content_sha256.to_string() {
        return Err(format!("the text of charter {version} does not have the SHA-256 that its row says"));
    }
    let stored: Option<CharterSections> = serde_json::from_str(&row.sections_json).ok();
    // Both are stored, and a reader of the database may look at the sections alone. They must say
    // what the text says.
    match stored.as_ref() == Some(&charter.sections) {
        true => Ok(charter),
        false => Err(format!("the stored sections of charter {version} are not those of its text")),
    }
}

#[cfg(test)]
#[path = "charter_tests.rs"]
mod tests;
