//! What `kavi run-skill search_notes` finds, as a program that somebody would write by hand: the skill's own search, compiled
//! for this machine, over files that are read with `std::fs`.
//!
//! `kavi-native-search VAULT JSON` takes the same input and prints the same output. It contains nothing, checks no schema and
//! keeps no record: that is what the comparison is about.

#[rustfmt::skip]
#[path = "../../../skills/search_notes/src/engine.rs"]
mod engine;

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use engine::{Hit, Query, Search};

#[derive(Deserialize)]
struct Input {
    query: String,
    top_k: usize,
}

#[derive(Serialize)]
struct Output {
    hits: Vec<Found>,
    total: usize,
    notes: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct Found {
    path: String,
    title: String,
    score: f64,
    snippet: Piece,
    matches: Vec<Span>,
}

#[derive(Serialize)]
struct Piece {
    text: String,
    start: usize,
    end: usize,
}

#[derive(Serialize)]
struct Span {
    start: usize,
    end: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, vault, text] = arguments.as_slice() else {
        return Err("usage: kavi-native-search VAULT JSON".into());
    };
    let vault = Path::new(vault);
    let input: Input = serde_json::from_str(text)?;
    let query = Query::parse(&input.query).ok_or("`query` has no word to look for")?;
    let (mut files, mut skipped) = (Vec::new(), 0);
    walk(vault, "", &mut files, &mut skipped)?;
    files.sort_unstable();
    let mut search = Search::new(query);
    for path in &files {
        search.add(path, &read(&vault.join(path))?);
    }
    let notes = files.len();
    let all = search.best(usize::MAX);
    let total = all.len();
    let hits = all.into_iter().take(input.top_k).map(|hit| show(vault, hit)).collect::<io::Result<_>>()?;
    println!("{}", serde_json::to_string(&Output { hits, total, notes, skipped })?);
    Ok(())
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>, skipped: &mut usize) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let (kind, path) = (entry.file_type()?, format!("{prefix}{name}"));
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files, skipped)?;
        } else if !kind.is_file() {
            *skipped += 1;
        } else if path.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("md")) {
            files.push(path);
        }
    }
    Ok(())
}

fn read(place: &Path) -> io::Result<String> {
    Ok(String::from_utf8(fs::read(place)?).unwrap_or_else(|error| {
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| '?'));
        }
        text
    }))
}

fn show(vault: &Path, hit: Hit) -> io::Result<Found> {
    let text = read(&vault.join(&hit.path))?;
    let piece = engine::snippet(&text, &hit.places);
    Ok(Found {
        title: kavi_sdk::note::name(&hit.path).to_owned(),
        path: hit.path,
        score: hit.score,
        snippet: Piece { text: text[piece.start..piece.end].to_owned(), start: piece.start, end: piece.end },
        matches: piece.places.into_iter().map(|place| Span { start: place.start, end: place.end }).collect(),
    })
}
