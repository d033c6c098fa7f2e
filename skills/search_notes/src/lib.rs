//! Finds the notes that fit a query best.

use kavi_sdk::note;
use kavi_sdk::prelude::*;
use kavi_sdk::vault::LeftOut;

mod engine;
mod operators;
#[cfg(test)]
mod tests;

use engine::{Hit, Place, Query, Search};
use operators::Operators;

/// Things that were not read and are named.
const MAX_UNREAD: usize = 20;

#[derive(Deserialize)]
struct Input {
    /// The words to look for.
    query: String,
    /// Only below this folder.
    #[serde(default)]
    folder: String,
    /// How many notes at most.
    #[serde(default = "ten")]
    top_k: usize,
    /// How many of the best to leave out, to see the next ones.
    #[serde(default)]
    offset: usize,
}

fn ten() -> usize {
    10
}

#[derive(Serialize)]
struct Output {
    /// The best notes first.
    hits: Vec<Found>,
    /// How many notes match.
    total: usize,
    /// The offset of the next ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
    /// How many notes were searched.
    notes: u32,
    /// How many links, folders and notes could not be read.
    skipped: usize,
    /// The first of them, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<LeftOut>,
}

#[derive(Serialize)]
struct Found {
    path: String,
    title: String,
    score: f64,
    snippet: Piece,
    /// Where words of the query stand in the snippet, in bytes of the file.
    matches: Vec<Span>,
}

#[derive(Serialize)]
struct Piece {
    text: String,
    /// In bytes of the file.
    start: usize,
    end: usize,
}

#[derive(Serialize)]
struct Span {
    start: usize,
    end: usize,
}

impl From<Place> for Span {
    fn from(place: Place) -> Self {
        Self {
            start: place.start,
            end: place.end,
        }
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let operators = Operators::parse(&input.query);
    let query = Query::parse(&operators.words);
    if query.is_none() && !operators.has_rules() {
        return Err(SkillError::invalid_input("`query` has no word to look for"));
    }
    let walk = vault::walk(&input.folder)?;
    let mut unread = walk.left_out;
    let mut search = query.map(Search::new);
    // Without a word, all that the operators leave are hits.
    let mut others = Vec::new();
    let mut notes = 0;
    for path in walk.files.iter().filter(|path| note::is_note(path)) {
        match note::read(path) {
            Ok(text) => {
                notes += 1;
                if operators.accepts(path, &text) {
                    match &mut search {
                        Some(search) => search.add(path, &text),
                        None => others.push(without_words(path)),
                    }
                }
            }
            Err(error) => unread.push(LeftOut::new(path, &error)),
        }
    }
    let all = search.map_or(others, |search| search.best(usize::MAX));
    let total = all.len();
    let page = all.into_iter().skip(input.offset).take(input.top_k);
    let hits = page.map(show).collect::<Result<Vec<_>, _>>()?;
    let next = input.offset.saturating_add(hits.len());
    let skipped = unread.len();
    unread.truncate(MAX_UNREAD);
    Ok(Output {
        next_offset: (next < total).then_some(next),
        hits,
        total,
        notes,
        skipped,
        unread,
    })
}

/// A hit of operators alone.
fn without_words(path: &str) -> Hit {
    Hit {
        path: path.to_owned(),
        score: 0.0,
        places: Vec::new(),
    }
}

fn show(hit: Hit) -> Result<Found, SkillError> {
    // Read again: to keep every text would take more memory than a run has.
    let text = note::read(&hit.path)?;
    let piece = engine::snippet(&text, &hit.places);
    Ok(Found {
        title: note::name(&hit.path).to_owned(),
        path: hit.path,
        score: hit.score,
        snippet: Piece {
            text: text[piece.start..piece.end].to_owned(),
            start: piece.start,
            end: piece.end,
        },
        matches: piece.places.into_iter().map(Span::from).collect(),
    })
}

kavi_sdk::export_skill!(run);
