//! What a query asks for besides words: phrases, words that must not be there, tags, paths and properties.

use kavi_sdk::note::words::{Id, Kind, Reader};
use kavi_sdk::note::{self, Note, letters, tags};

/// Most operators of a query that count.
const MAX_RULES: usize = 32;

/// A query, taken apart.
#[derive(Debug, Default)]
pub struct Operators {
    /// The words that hits are ranked by: those of phrases as well.
    pub words: String,
    rules: Vec<(bool, Rule)>,
}

#[derive(Debug)]
enum Rule {
    /// These words in this order.
    Phrase(Vec<Id>),
    Tag(String),
    Path(String),
    Property(String, Option<String>),
}

impl Operators {
    /// Reads a query.
    pub fn parse(query: &str) -> Self {
        let reader = Reader::new();
        let mut parsed = Self::default();
        let mut rest = query.trim_start();
        while !rest.is_empty() {
            let (is_wanted, piece) = match rest.strip_prefix('-') {
                Some(piece) if !piece.starts_with(char::is_whitespace) => (false, piece),
                _ => (true, rest),
            };
            let (text, length, is_quoted) = piece_of(piece);
            let rule = if is_quoted {
                None
            } else {
                rule_of(&piece[..length])
            };
            match rule {
                Some(rule) => parsed.add(is_wanted, rule),
                None => {
                    if is_wanted {
                        parsed.words.push_str(text);
                        parsed.words.push(' ');
                    }
                    if is_quoted || !is_wanted {
                        parsed.add(is_wanted, Rule::Phrase(ids(&reader, text)));
                    }
                }
            }
            rest = piece[length..].trim_start();
        }
        parsed
    }

    fn add(&mut self, is_wanted: bool, rule: Rule) {
        let is_empty = matches!(&rule, Rule::Phrase(ids) if ids.is_empty());
        if !is_empty && self.rules.len() < MAX_RULES {
            self.rules.push((is_wanted, rule));
        }
    }

    /// Whether there is anything besides words.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether a note has what it must have, and has not what it must not have.
    pub fn accepts(&self, path: &str, text: &str) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        let is_about_words = |(_, rule): &(bool, Rule)| matches!(rule, Rule::Phrase(_));
        let all = if self.rules.iter().any(is_about_words) {
            let reader = Reader::new();
            [ids(&reader, note::name(path)), ids(&reader, text)]
        } else {
            [Vec::new(), Vec::new()]
        };
        let note = Note {
            tags: note::tags_of(text),
            ..note::outline(text)
        };
        self.rules
            .iter()
            .all(|(is_wanted, rule)| rule.holds(path, &note, &all) == *is_wanted)
    }
}

impl Rule {
    fn holds(&self, path: &str, note: &Note, words: &[Vec<Id>]) -> bool {
        match self {
            Self::Phrase(phrase) => words
                .iter()
                .any(|words| words.windows(phrase.len()).any(|part| part == phrase)),
            Self::Tag(asked) => note
                .tags
                .iter()
                .any(|tag| tags::is_within(&tag.name, asked)),
            Self::Path(part) => letters::folded(path).contains(part),
            Self::Property(key, None) => note.front.property(key).is_some(),
            Self::Property(key, Some(value)) => note
                .front
                .texts(key)
                .iter()
                .any(|text| letters::folded(text) == *value),
        }
    }
}

/// The first piece of a query: its words, its length, and whether it is in quotes.
fn piece_of(text: &str) -> (&str, usize, bool) {
    if let Some((quoted, _)) = text.strip_prefix('"').and_then(|text| text.split_once('"')) {
        return (quoted, quoted.len() + 2, true);
    }
    if text.starts_with('[')
        && let Some(end) = text.find(']')
    {
        return (&text[..=end], end + 1, false);
    }
    // `path:"two words"` is one piece.
    let mut is_open = false;
    let ends = |c: char| {
        is_open ^= c == '"';
        c.is_whitespace() && !is_open
    };
    let end = text.find(ends).unwrap_or(text.len());
    (&text[..end], end, false)
}

/// The rule that a piece is; `None` for words.
fn rule_of(piece: &str) -> Option<Rule> {
    if let Some(inside) = piece
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let (key, value) = match inside.split_once(':') {
            Some((key, value)) => (key, Some(letters::folded(unquoted(value.trim())))),
            None => (inside, None),
        };
        let key = unquoted(key.trim()).to_owned();
        return (!key.is_empty()).then_some(Rule::Property(key, value));
    }
    let (name, value) = piece.split_once(':')?;
    let value = unquoted(value);
    match name {
        "tag" => tags::query(value).map(|tag| Rule::Tag(tag.to_owned())),
        "path" => (!value.is_empty()).then(|| Rule::Path(letters::folded(value))),
        _ => None,
    }
}

fn unquoted(text: &str) -> &str {
    let inside = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inside.unwrap_or(text)
}

/// The words of a text in their order.
fn ids(reader: &Reader, text: &str) -> Vec<Id> {
    let mut ids = Vec::new();
    reader.each(text, |word| {
        if word.kind != Kind::Pair {
            ids.push(word.id);
        }
    });
    ids
}
