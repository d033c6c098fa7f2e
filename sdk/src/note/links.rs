//! Links: what they lead to, where their target is written, and how another one is written in its place.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edit::Change;
use super::front::FrontMatter;
use super::letters::folded;
use super::{Link, Note};

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
        if let Some(path) = self.beside(&target, from) {
            return Some(path);
        }
        let target = target.trim_start_matches('/');
        if let Some(path) = self.at(target) {
            return Some(path);
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

    /// The file that a link leads to by its path from the folder of the note `from` alone. So every program reads a link of
    /// markdown, also one that knows no vault.
    pub fn resolve_path(&self, link: &Link, from: &str) -> Option<&str> {
        let target = if link.wiki { link.target.clone() } else { decoded(&link.target) };
        if target.is_empty() { None } else { self.beside(&target, from) }
    }

    /// The file at a path from the folder of a note. A path with `/` at its start is one of the vault.
    fn beside(&self, target: &str, from: &str) -> Option<&str> {
        if target.starts_with('/') {
            return None;
        }
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.at(&joined(folder, target)?)
    }

    /// The file of this path, with or without the ending of a note.
    fn at(&self, path: &str) -> Option<&str> {
        let keys = [folded(path), folded(&format!("{path}.md"))];
        keys.iter().find_map(|key| self.paths.get(key)).map(String::as_str)
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

impl Note {
    /// The change after which a link of this note leads to another target. `None` where the place of its target is not known.
    ///
    /// The target is a path or a name, as it is: it is escaped as the kind of the link needs it.
    pub fn retarget(&self, text: &str, link: &Link, target: &str) -> Option<Change> {
        let range = link.place.clone()?;
        let front = self.front.range.clone().filter(|front| front.start <= range.start && range.end <= front.end);
        let written = match front {
            Some(front) => quoted(Quotes::new(&text[front.clone()]).at(range.start - front.start), target),
            None if link.wiki => target.to_owned(),
            None if text[..range.start].ends_with('<') => bracketed(target),
            None => encoded(target),
        };
        Some(Change { range, text: written })
    }
}

/// The links in the front matter: `[[Note]]` in any text.
pub(super) fn in_front(text: &str, front: &FrontMatter) -> Vec<Link> {
    let Some(range) = front.range.clone() else { return Vec::new() };
    let content = &text[range.clone()];
    let mut links = Vec::new();
    let (mut at, mut end) = (0, 0);
    let mut quotes = Quotes::new(content);
    while let Some(start) = content[at..].find("[[").map(|start| at + start) {
        at = start + 2;
        // Looked for once for all links before it: a line can have thousands of `[[`.
        if end < at {
            let Some(found) = content[at..].find("]]") else { break };
            end = at + found;
        }
        // `[[a], [b]]` is a list of lists, and no link goes over a line.
        if content[at..end].contains(['[', ']', '\n']) {
            continue;
        }
        let place = trimmed(content, at..wiki_end(content, at..end));
        let (target, rest) = (&content[place.clone()], &content[place.end..end]);
        let heading = rest.trim_start().strip_prefix('#').and_then(|rest| rest.split('|').next());
        let shift = |place: Range<usize>| range.start + place.start..range.start + place.end;
        links.push(Link {
            target: unquoted(quotes.at(start), target),
            heading: heading.map(|heading| heading.trim().to_owned()),
            wiki: true,
            embed: false,
            range: shift(start..end + 2),
            place: Some(shift(place)),
        });
        at = end + 2;
    }
    links
}

/// How texts of the front matter are quoted, from its start to its end.
struct Quotes<'t> {
    letters: std::iter::Peekable<std::str::CharIndices<'t>>,
    quote: Option<char>,
    last: char,
    is_escaped: bool,
}

impl<'t> Quotes<'t> {
    fn new(content: &'t str) -> Self {
        Self { letters: content.char_indices().peekable(), quote: None, last: ' ', is_escaped: false }
    }

    /// The quote that is open at a place, which must not be before the one that was asked for last.
    fn at(&mut self, place: usize) -> Option<char> {
        while let Some((_, letter)) = self.letters.next_if(|(at, _)| *at < place) {
            self.take(letter);
        }
        self.quote
    }

    fn take(&mut self, letter: char) {
        match (self.quote, letter) {
            // Each line starts anew, so that a quote that nobody closed is one of its line only.
            (_, '\n') => (self.quote, self.is_escaped) = (None, false),
            _ if self.is_escaped => self.is_escaped = false,
            (Some('"'), '\\') => self.is_escaped = true,
            (Some(open), letter) if open == letter => self.quote = None,
            // An apostrophe within a word opens nothing.
            (None, '"' | '\'') if self.last.is_whitespace() || "[{,:-".contains(self.last) => self.quote = Some(letter),
            _ => {}
        }
        self.last = letter;
    }
}

/// A target as a text of the front matter has it.
fn quoted(quote: Option<char>, target: &str) -> String {
    match quote {
        Some('"') => target.replace('\\', "\\\\").replace('"', "\\\""),
        Some(_) => target.replace('\'', "''"),
        None => target.to_owned(),
    }
}

fn unquoted(quote: Option<char>, text: &str) -> String {
    match quote {
        Some('"') => text.replace("\\\"", "\"").replace("\\\\", "\\"),
        Some(_) => text.replace("''", "'"),
        None => text.to_owned(),
    }
}

/// Where the target in `[[…]]` ends: before a heading, or before the words that are shown.
fn wiki_end(text: &str, inside: Range<usize>) -> usize {
    let raw = &text[inside.clone()];
    let end = raw.find(['#', '|']).unwrap_or(raw.len());
    // In a table, the bar has a backslash.
    let escaped = raw[end..].starts_with('|') && raw[..end].ends_with('\\');
    inside.start + end - usize::from(escaped)
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let raw = &text[range.clone()];
    let start = range.start + raw.len() - raw.trim_start().len();
    start..start + raw.trim().len()
}

/// The place of the target in a link `[[…]]`.
pub(super) fn wiki_place(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let raw = &text[range.clone()];
    let start = range.start + raw.find("[[")? + 2;
    let end = range.start + raw.rfind("]]")?;
    (start <= end).then(|| trimmed(text, start..wiki_end(text, start..end)))
}

/// The place of the target in a link `[text](target "title")`.
pub(super) fn inline_place(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let raw = &text[range.clone()];
    let label = label_end(raw, raw.find('[')?)?;
    raw[label..].starts_with("](").then(|| destination(text, range.start + label + 2..range.end))?
}

/// The place of the target in a definition `[name]: target "title"`.
pub(super) fn definition_place(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let raw = &text[range.clone()];
    let label = label_end(raw, raw.find('[')?)?;
    raw[label..].starts_with("]:").then(|| destination(text, range.start + label + 2..range.end))?
}

/// Where the `]` of a label is whose `[` is at `open`.
fn label_end(raw: &str, open: usize) -> Option<usize> {
    let bytes = raw.as_bytes();
    let (mut at, mut depth) = (open, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'[' => depth += 1,
            b']' if depth == 1 => return Some(at),
            b']' => depth -= 1,
            b'`' => {
                let ticks = bytes[at..].iter().take_while(|byte| **byte == b'`').count();
                // A span of code ends with as many ticks. Without them, these are letters.
                at = code_end(bytes, at + ticks, ticks).unwrap_or(at + ticks) - 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn code_end(bytes: &[u8], from: usize, ticks: usize) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|byte| **byte == b'`').count();
        if run == ticks {
            return Some(at + run);
        }
        at += run.max(1);
    }
    None
}

/// The target at the start of a range, without its heading.
fn destination(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let raw = &text[range.clone()];
    let start = raw.len() - raw.trim_start().len();
    let (start, end) = match raw[start..].strip_prefix('<') {
        Some(rest) => (start + 1, start + 1 + unescaped(rest, |c, _| c == '>')?),
        None => {
            let mut depth = 0_i32;
            let ends = |c: char, _: usize| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                c.is_whitespace() || depth < 0
            };
            let rest = &raw[start..];
            (start, start + unescaped(rest, ends).unwrap_or(rest.len()))
        }
    };
    let path = raw[start..end].find('#').unwrap_or(end - start);
    Some(range.start + start..range.start + start + path)
}

/// The first place without a backslash before it at which a condition holds.
fn unescaped(text: &str, mut ends: impl FnMut(char, usize) -> bool) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if ends(letter, at) {
            return Some(at);
        }
    }
    None
}

/// A target as `<…>` has it. `%` is read there as well.
fn bracketed(target: &str) -> String {
    percent(target, |c| matches!(c, '<' | '>' | '\\' | '#' | '%'))
}

/// A target as `(…)` has it.
fn encoded(target: &str) -> String {
    percent(target, |c| c.is_whitespace() || matches!(c, '<' | '>' | '\\' | '#' | '%' | '(' | ')' | '"' | '\'' | '?'))
}

fn percent(target: &str, must: impl Fn(char) -> bool) -> String {
    let mut text = String::with_capacity(target.len());
    for letter in target.chars() {
        match must(letter) {
            true => {
                let mut bytes = [0; 4];
                letter.encode_utf8(&mut bytes).bytes().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
            }
            false => text.push(letter),
        }
    }
    text
}
