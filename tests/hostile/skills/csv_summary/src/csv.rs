//! A reader of comma-separated values.

use kavi_sdk::prelude::*;

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    Quoted,
    /// Behind a quote inside of a quoted cell.
    MaybeClosed,
}

/// The records of a text. Empty lines are none.
///
/// # Errors
/// Invalid input when a quote is never closed.
pub fn parse(text: &str, separator: char) -> Result<Vec<Vec<String>>, SkillError> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut cell = String::new();
    let mut state = State::Plain;
    for c in text.chars() {
        match (state, c) {
            (State::Quoted, '"') => state = State::MaybeClosed,
            (State::Quoted, _) => cell.push(c),
            (State::MaybeClosed, '"') => {
                cell.push('"');
                state = State::Quoted;
            }
            (State::Plain, '"') if cell.is_empty() => state = State::Quoted,
            (_, '\r') => {}
            (_, '\n') => {
                record.push(std::mem::take(&mut cell));
                push_record(&mut records, std::mem::take(&mut record));
                state = State::Plain;
            }
            (_, c) if c == separator => {
                record.push(std::mem::take(&mut cell));
                state = State::Plain;
            }
            (_, c) => {
                cell.push(c);
                state = State::Plain;
            }
        }
    }
    if state == State::Quoted {
        return Err(SkillError::invalid_input("a quote is never closed"));
    }
    record.push(cell);
    push_record(&mut records, record);
    Ok(records)
}

fn push_record(records: &mut Vec<Vec<String>>, record: Vec<String>) {
    let is_blank = record.len() == 1 && record.iter().all(String::is_empty);
    if !is_blank {
        records.push(record);
    }
}
