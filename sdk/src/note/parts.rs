//! Parts of a note: what is below a heading, a block with an id, and links that lead to files of the vault.

use std::collections::BTreeMap;
use std::ops::Range;

use super::letters::folded;
use super::{Heading, Link, Note};

/// A heading and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// From the first byte of the heading to the end of the last line below it.
    pub whole: Range<usize>,
    /// What is below the heading, with subheadings.
    pub body: Range<usize>,
}

impl Note {
    /// The sections whose heading is called `name`, with or without `#`. `A#B` is a heading `B` below `A`.
    pub fn sections(&self, text: &str, name: &str) -> Vec<Section> {
        let path: Vec<String> = name.split('#').map(str::trim).filter(|part| !part.is_empty()).map(folded).collect();
        let Some((last, above)) = path.split_last() else { return Vec::new() };
        let fits = |at: &usize| {
            let Some(heading) = self.headings.get(*at) else { return false };
            let mut above = above.iter().rev();
            let mut level = heading.level;
            let mut wanted = above.next();
            for parent in self.headings[..*at].iter().rev().filter(|_| folded(&heading.text) == *last) {
                let Some(name) = wanted else { break };
                if parent.level < level {
                    level = parent.level;
                    if folded(&parent.text) == *name {
                        wanted = above.next();
                    }
                }
            }
            folded(&heading.text) == *last && wanted.is_none()
        };
        (0..self.headings.len()).filter(fits).map(|at| self.section(text, at)).collect()
    }

    fn section(&self, text: &str, at: usize) -> Section {
        let Some((heading, rest)) = self.headings.get(at..).and_then(<[Heading]>::split_first) else {
            return Section { whole: 0..0, body: 0..0 };
        };
        let next = rest.iter().find(|other| other.level <= heading.level);
        let start = line_start(text, heading.range.start);
        let end = next.map_or(text.len(), |next| line_start(text, next.range.start));
        Section { whole: start..end, body: line_end(text, heading.range.end).min(end)..end }
    }

    /// The lines of the block with an id: `^id` at the end of its last line, or alone on the line below.
    pub fn block_with_id(&self, text: &str, id: &str) -> Option<Range<usize>> {
        let id = format!("^{}", id.trim_start_matches('^'));
        let has = |at: &usize| {
            let last = self.blocks.get(*at).and_then(|block| block.lines.last());
            last.is_some_and(|line| line == &id || line.ends_with(&format!(" {id}")))
        };
        let at = (0..self.blocks.len()).find(has)?;
        let block = self.blocks.get(at)?;
        // An id in a paragraph by itself names the block before it.
        let is_alone = block.lines.len() == 1 && block.lines.first() == Some(&id);
        let first = if is_alone { self.blocks.get(at.checked_sub(1)?)? } else { block };
        Some(line_start(text, first.range.start)..line_end(text, block.range.end))
    }
}

/// Where the line of a byte starts.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Where the line of a byte ends, with its line end.
pub fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

/// The files of a vault, to tell what links lead to.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// The paths of each name, in lower case, the shortest first.
    names: BTreeMap<String, Vec<String>>,
    paths: BTreeMap<String, String>,
}

impl Links {
    /// The files that links may lead to.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p String>) -> Self {
        let mut links = Self::default();
        for path in paths {
            let key = folded(path);
            let name = key.rsplit('/').next().unwrap_or(&key).to_owned();
            links.names.entry(name).or_default().push(path.clone());
            links.paths.insert(key, path.clone());
        }
        for paths in links.names.values_mut() {
            paths.sort_by(|a, b| a.matches('/').count().cmp(&b.matches('/').count()).then_with(|| a.cmp(b)));
        }
        links
    }

    /// The file that a link in the note `from` leads to. `None` where there is none.
    pub fn resolve(&self, link: &Link, from: &str) -> Option<&str> {
        let target = if link.wiki { link.target.clone() } else { decoded(&link.target) };
        if target.is_empty() {
            return self.paths.get(&folded(from)).map(String::as_str);
        }
        let target = target.trim_start_matches('/');
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        let relative = joined(folder, target);
        let places = relative.into_iter().chain([target.to_owned()]);
        for place in places {
            for key in [folded(&place), folded(&format!("{place}.md"))] {
                if let Some(path) = self.paths.get(&key) {
                    return Some(path);
                }
            }
        }
        let key = folded(target);
        let name = key.rsplit('/').next().unwrap_or(&key);
        let fits = |path: &&String| {
            let path = folded(path);
            let path = path.strip_suffix(".md").unwrap_or(&path);
            let key = key.strip_suffix(".md").unwrap_or(&key);
            path == key || path.ends_with(&format!("/{key}"))
        };
        let named = [name.to_owned(), format!("{name}.md")];
        named.iter().filter_map(|name| self.names.get(name)).flatten().find(fits).map(String::as_str)
    }
}

/// Whether a link leads out of the vault: it has a scheme, as `https:`.
pub fn is_external(link: &Link) -> bool {
    let scheme = link.target.split_once(':').map_or("", |(scheme, _)| scheme);
    !link.wiki && scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A path from a folder; `None` where it leads out of the vault.
fn joined(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A target of a markdown link without `%20` and the like.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = (*first == b'%').then(|| behind.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
