//! Finds the notes that fit a query best.

use kavi_sdk::prelude::*;

mod engine;
mod note;
#[cfg(test)]
mod tests;
mod words;

use engine::{Hit, Place, Query, Search};

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
}

fn ten() -> usize {
    10
}

#[derive(Serialize)]
struct Output {
    /// The best notes first.
    hits: Vec<Found>,
    /// How many notes were searched.
    notes: u32,
    /// How many links, folders and notes could not be read.
    skipped: usize,
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
    let query = Query::parse(&input.query)
        .ok_or_else(|| SkillError::invalid_input("`query` has no word to look for"))?;
    let walk = vault::walk(&input.folder)?;
    let mut skipped = walk.skipped;
    let mut search = Search::new(query);
    for path in walk.files.iter().filter(|path| is_note(path)) {
        match vault::read_lossy(path) {
            Ok(text) => search.add(path, &text),
            Err(_) => skipped += 1,
        }
    }
    let notes = search.notes();
    let hits = search.best(input.top_k).into_iter().map(show);
    Ok(Output {
        hits: hits.collect::<Result<_, _>>()?,
        notes,
        skipped,
    })
}

fn is_note(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("md"))
}

fn show(hit: Hit) -> Result<Found, SkillError> {
    // Read again: to keep every text would take more memory than a run has.
    let text = vault::read_lossy(&hit.path)?;
    let piece = engine::snippet(&text, &hit.places);
    Ok(Found {
        title: note::name_of(&hit.path).to_owned(),
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
