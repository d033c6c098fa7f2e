//! The search itself, over notes that are handed in one by one: BM25 over weighted fields, and snippets. Reads nothing.

use kavi_sdk::note;
use kavi_sdk::note::words::{Id, Kind, Reader};

/// Where a text stands. The number is its place in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The file's name, and `title` in the front matter.
    Title = 0,
    /// A heading.
    Heading = 1,
    /// Everything else.
    Body = 2,
}

/// How many fields there are.
pub const FIELDS: usize = 3;

/// Most words of a query that count.
const MAX_TERMS: usize = 32;
/// How much a word is worth in a title, a heading, the body.
const WEIGHTS: [f64; FIELDS] = [4.0, 2.0, 1.0];
/// How much the length of each of them tells against it.
const LENGTH: [f64; FIELDS] = [0.5, 0.5, 0.75];
/// How soon more of the same word stops to count.
const SATURATION: f64 = 1.2;
/// Places that are remembered of a note, the first ones.
const MAX_PLACES: usize = 64;
/// Bytes in which the places of a snippet lie.
const WINDOW: usize = 160;
/// Bytes before the first of them.
const LEAD: usize = 60;
/// Bytes of a snippet.
const SNIPPET: usize = 260;

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Query {
    reader: Reader,
    terms: Vec<Id>,
    /// One bit for the last bits of each term, to tell most other words at a glance.
    sieve: u64,
}

impl Query {
    /// The words of a text; `None` where it has none.
    pub fn parse(text: &str) -> Option<Self> {
        let reader = Reader::new();
        let mut found = Vec::new();
        reader.each(text, |word| found.push(word));
        let paired = |at: usize| {
            found
                .iter()
                .any(|w| w.kind == Kind::Pair && w.start <= at && at < w.end)
        };
        let mut terms: Vec<Id> = Vec::new();
        for word in &found {
            let counts = word.kind != Kind::Letter || !paired(word.start);
            if counts && !terms.contains(&word.id) && terms.len() < MAX_TERMS {
                terms.push(word.id);
            }
        }
        let sieve = terms.iter().fold(0, |sieve, id| sieve | bit(*id));
        (!terms.is_empty()).then_some(Self {
            reader,
            terms,
            sieve,
        })
    }

    fn term(&self, id: Id) -> Option<usize> {
        if self.sieve & bit(id) == 0 {
            return None;
        }
        self.terms.iter().position(|term| *term == id)
    }
}

fn bit(id: Id) -> u64 {
    1 << (id % 64)
}

/// Where a term stands in a note, in bytes of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its first byte.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
    term: usize,
}

/// A note in which something was found.
#[derive(Debug, Clone)]
struct Found {
    path: String,
    counts: Vec<[u32; FIELDS]>,
    lengths: [u32; FIELDS],
    places: Vec<Place>,
}

/// A note and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its path.
    pub path: String,
    /// How well it fits, to four decimals.
    pub score: f64,
    /// The first places where terms stand in its text.
    pub places: Vec<Place>,
}

/// All notes of a search.
#[derive(Debug, Clone)]
pub struct Search {
    query: Query,
    found: Vec<Found>,
    notes: u32,
    lengths: [f64; FIELDS],
}

impl Search {
    /// A search without a note so far.
    pub fn new(query: Query) -> Self {
        Self {
            query,
            found: Vec::new(),
            notes: 0,
            lengths: [0.0; FIELDS],
        }
    }

    /// Looks into one more note.
    pub fn add(&mut self, path: &str, text: &str) {
        let query = &self.query;
        let mut counts = vec![[0; FIELDS]; query.terms.len()];
        let mut lengths = [0; FIELDS];
        let mut places = Vec::new();
        let mut hits = 0;
        let mut look = |field: Field, at: usize, line: &str, in_text: bool| {
            query.reader.each(line, |word| {
                if word.kind != Kind::Pair {
                    lengths[field as usize] += 1;
                }
                let Some(term) = query.term(word.id) else {
                    return;
                };
                hits += 1;
                counts[term][field as usize] += 1;
                if in_text && places.len() < MAX_PLACES {
                    places.push(Place {
                        start: at + word.start,
                        end: at + word.end,
                        term,
                    });
                }
            });
        };
        look(Field::Title, 0, note::name(path), false);
        each_part(text, |field, at, part| look(field, at, part, true));
        self.notes += 1;
        for (sum, length) in self.lengths.iter_mut().zip(lengths) {
            *sum += f64::from(length);
        }
        if hits > 0 {
            self.found.push(Found {
                path: path.to_owned(),
                counts,
                lengths,
                places,
            });
        }
    }

    /// The best ones: by score, and by path where scores are equal.
    pub fn best(self, most: usize) -> Vec<Hit> {
        let rarity: Vec<f64> = (0..self.query.terms.len())
            .map(|term| self.rarity(term))
            .collect();
        let average = self
            .lengths
            .map(|sum| (sum / f64::from(self.notes)).max(1.0));
        let score = |found: &Found| {
            let terms = found.counts.iter().zip(&rarity);
            let sum: f64 = terms
                .map(|(counts, rarity)| rarity * worth(counts, &found.lengths, &average))
                .sum();
            (sum * 10_000.0).round() / 10_000.0
        };
        let mut hits: Vec<Hit> = Vec::with_capacity(self.found.len());
        for found in self.found {
            hits.push(Hit {
                score: score(&found),
                path: found.path,
                places: found.places,
            });
        }
        hits.sort_unstable_by(|a, b| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| a.path.cmp(&b.path))
        });
        hits.truncate(most);
        hits
    }

    /// What a term tells: the fewer notes have it, the more.
    fn rarity(&self, term: usize) -> f64 {
        let with = self
            .found
            .iter()
            .filter(|found| found.counts[term].iter().any(|count| *count > 0))
            .count();
        let with = with as f64;
        (1.0 + (f64::from(self.notes) - with + 0.5) / (with + 0.5)).ln()
    }
}

/// What the places of one term are worth together.
fn worth(counts: &[u32; FIELDS], lengths: &[u32; FIELDS], average: &[f64; FIELDS]) -> f64 {
    let mut sum = 0.0;
    for field in 0..FIELDS {
        let length = f64::from(lengths[field]) / average[field];
        sum += WEIGHTS[field] * f64::from(counts[field])
            / (1.0 - LENGTH[field] + LENGTH[field] * length);
    }
    sum / (SATURATION + sum)
}

/// Calls `found` with every part of a text, what it is, and the byte that it starts at.
fn each_part(text: &str, mut found: impl FnMut(Field, usize, &str)) {
    let note = note::outline(text);
    let title = note
        .front
        .property("title")
        .map(|title| title.lines.clone());
    let titles = title.into_iter().map(|range| (Field::Title, range));
    let headings = note
        .headings
        .iter()
        .map(|heading| (Field::Heading, heading.range.clone()));
    let mut at = 0;
    for (field, range) in titles.chain(headings) {
        // Words are never over two lines: what is between two parts is whole lines.
        found(Field::Body, at, &text[at..range.start.max(at)]);
        found(field, range.start, &text[range.clone()]);
        at = range.end;
    }
    found(Field::Body, at, &text[at..]);
}

/// A piece of a note, in bytes of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// Its first byte.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
    /// The places in it.
    pub places: Vec<Place>,
}

/// The piece of a note with the most different terms: the start of the note where there is no place.
pub fn snippet(text: &str, places: &[Place]) -> Snippet {
    let near = densest(places);
    let (Some(first), Some(last)) = (near.first(), near.last()) else {
        let body = note::outline(text).body;
        let start = text.len() - text[body..].trim_start().len();
        return Snippet {
            start,
            end: back_to_space(text, start, start + SNIPPET),
            places: Vec::new(),
        };
    };
    let early = text.floor_char_boundary(first.start.saturating_sub(LEAD));
    // From the next word on, unless the text begins here.
    let start = match text[early..first.start].find(char::is_whitespace) {
        Some(space) if early > 0 => {
            first.start - text[early + space..first.start].trim_start().len()
        }
        _ => early,
    };
    let end = back_to_space(text, last.end, (start + SNIPPET).max(last.end));
    let places = places
        .iter()
        .filter(|place| place.start >= start && place.end <= end)
        .copied()
        .collect();
    Snippet { start, end, places }
}

/// The end of the last word that ends before `end`; nothing before `least` is given up.
fn back_to_space(text: &str, least: usize, end: usize) -> usize {
    if end >= text.len() {
        return text.trim_end().len().max(least);
    }
    let end = text.floor_char_boundary(end);
    let rest = &text[least..end];
    rest.rfind(char::is_whitespace)
        .map_or(end, |space| least + rest[..space].trim_end().len())
}

/// The places within a window that has the most different terms, then the most places, then comes first.
fn densest(places: &[Place]) -> &[Place] {
    let mut best = (0, 0, 0..0);
    for (at, first) in places.iter().enumerate() {
        let near = places[at..]
            .iter()
            .take_while(|place| place.end <= first.start + WINDOW)
            .count()
            .max(1);
        let mask = places[at..at + near]
            .iter()
            .fold(0_u64, |mask, place| mask | 1 << place.term);
        if (mask.count_ones(), near) > (best.0, best.1) {
            best = (mask.count_ones(), near, at..at + near);
        }
    }
    &places[best.2]
}
