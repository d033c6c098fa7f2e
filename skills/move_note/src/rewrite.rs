//! Which links change when a note moves, and what is written in their place.

use kavi_sdk::note::edit::Change;
use kavi_sdk::note::{self, Link, Links, Note};
use kavi_sdk::prelude::*;

/// A move, and what links lead to before and after it.
pub struct Move<'m> {
    from: &'m str,
    to: &'m str,
    before: Links,
    after: Links,
}

impl<'m> Move<'m> {
    pub fn new(from: &'m str, to: &'m str, files: &[String]) -> Self {
        let moved = |path: &String| {
            if path == from {
                to.to_owned()
            } else {
                path.clone()
            }
        };
        let after: Vec<String> = files.iter().map(moved).collect();
        Self {
            from,
            to,
            before: Links::new(files),
            after: Links::new(&after),
        }
    }

    /// Where a file is after the move.
    pub fn new_path<'p>(&'p self, path: &'p str) -> &'p str {
        if path == self.from { self.to } else { path }
    }

    /// The changes of one note, in the order of their places: each link leads to the same file as before.
    pub fn changes(&self, path: &str, text: &str) -> Result<Vec<Change>, SkillError> {
        if !text.contains(']') {
            return Ok(Vec::new());
        }
        let note = Note::parse(text);
        let mut changes: Vec<Change> = Vec::new();
        for link in &note.links {
            if let Some(change) = self.change(path, text, &note, link)? {
                changes.push(change);
            }
        }
        changes.sort_by_key(|change| change.range.start);
        // Two links can name one definition.
        changes.dedup();
        Ok(changes)
    }

    fn change(
        &self,
        path: &str,
        text: &str,
        note: &Note,
        link: &Link,
    ) -> Result<Option<Change>, SkillError> {
        if note::is_external(link) {
            return Ok(None);
        }
        let Some(before) = self.before.resolve(link, path) else {
            return Ok(None);
        };
        let (wanted, new_path) = (self.new_path(before), self.new_path(path));
        // A path that every program follows must be one afterwards, also where Obsidian would find the file by its name.
        let is_path = !link.wiki && self.before.resolve_path(link, path) == Some(before);
        let leads = |link: &Link| {
            self.after.resolve(link, new_path) == Some(wanted)
                && (!is_path || self.after.resolve_path(link, new_path) == Some(wanted))
        };
        if leads(link) {
            return Ok(None);
        }
        let leads_there = |target: &String| {
            let change = note.retarget(text, link, target)?;
            // The links of markdown are read with escapes, `[[links]]` as they are.
            let seen = if link.wiki { target } else { &change.text };
            let new = Link {
                target: seen.clone(),
                ..link.clone()
            };
            leads(&new).then_some(change)
        };
        let targets = targets(link, is_path, wanted, new_path);
        let change = targets.iter().find_map(leads_there);
        let why = || {
            SkillError::failed(format!(
                "the link `{}` in `{path}` cannot lead to `{wanted}`: change it first, or set `update_links` to false",
                &text[link.range.clone()]
            ))
        };
        change.map(Some).ok_or_else(why)
    }
}

/// What could be written in a link, in the manner of the old target first.
fn targets(link: &Link, is_path: bool, wanted: &str, new_path: &str) -> Vec<String> {
    let ending = note::is_note(&link.target) || !note::is_note(wanted);
    let short = |path: &str| {
        if ending {
            path.to_owned()
        } else {
            path[..path.len() - ".md".len()].to_owned()
        }
    };
    let name = short(wanted.rsplit('/').next().unwrap_or(wanted));
    let whole = short(wanted);
    let relative = short(&relative(new_path, wanted));
    if link.target.starts_with('/') {
        vec![format!("/{whole}")]
    } else if is_path || link.target.starts_with('.') {
        vec![relative, whole]
    } else if link.target.contains('/') {
        vec![whole, relative]
    } else {
        vec![name, whole, relative]
    }
}

/// The path of a file from the folder of a note.
fn relative(note: &str, file: &str) -> String {
    let mut from: Vec<&str> = note.split('/').collect();
    from.pop();
    let to: Vec<&str> = file.split('/').collect();
    let folders = to.len() - 1;
    let common = from
        .iter()
        .zip(&to[..folders])
        .take_while(|(a, b)| a == b)
        .count();
    let up = std::iter::repeat_n("..", from.len() - common);
    up.chain(to[common..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}
