//! Changes a note in one place and leaves the rest as it is, byte for byte.

use kavi_sdk::note::edit::{self, Change, PropertyChange};
use kavi_sdk::note::{self, Note};
use kavi_sdk::prelude::*;

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
struct Input {
    /// The note.
    path: String,
    action: Action,
    /// The text that is put in.
    #[serde(default)]
    text: String,
    /// What is below this heading changes.
    heading: Option<String>,
    /// The block with this id changes.
    block: Option<String>,
    /// A text that occurs exactly once, for `replace_text`.
    #[serde(default)]
    find: String,
    /// The property, for those actions that are about one.
    #[serde(default)]
    key: String,
    /// Its value, or what is added to its list or removed from it.
    value: Option<Value>,
    /// Only if the file has this SHA-256.
    expect_sha256: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Action {
    /// At the end of the note, of the section or of the block.
    Append,
    /// At the start of the text, below the heading or before the block.
    Prepend,
    /// In the place of the text, of what is below the heading, or of the block.
    Replace,
    /// In the place of a text that occurs exactly once.
    ReplaceText,
    /// Gives a property a value.
    SetProperty,
    /// Adds to the list of a property.
    AddToProperty,
    /// Removes from the list of a property.
    RemoveFromProperty,
    /// Removes a property.
    RemoveProperty,
}

#[derive(Serialize)]
struct Output {
    path: String,
    /// Whether anything is different now.
    changed: bool,
    /// The SHA-256 of the file as it is now.
    sha256: String,
    /// Bytes of the file as it is now.
    size: usize,
}

fn run(input: Input) -> Result<Output, SkillError> {
    if !note::is_note(&input.path) {
        let why = format!("`{}` is no note: it does not end with `.md`", input.path);
        return Err(SkillError::invalid_input(why));
    }
    let bytes = vault::read_bytes(&input.path)?;
    let now = sha256(&bytes);
    let expected = input.expect_sha256.as_ref();
    if expected.is_some_and(|expected| !expected.eq_ignore_ascii_case(&now)) {
        let why = format!("`{}` has changed: its SHA-256 is {now}", input.path);
        return Err(SkillError::failed(why));
    }
    // Places in this text are places in the file, whatever its bytes are.
    let text = note::read(&input.path)?;
    let new = match change(&text, &input)? {
        Some(change) => change.apply(&bytes),
        None => bytes.clone(),
    };
    let changed = new != bytes;
    if changed {
        vault::write(&input.path, &new)?;
    }
    Ok(Output {
        path: input.path,
        changed,
        sha256: sha256(&new),
        size: new.len(),
    })
}

fn change(text: &str, input: &Input) -> Result<Option<Change>, SkillError> {
    match input.action {
        Action::ReplaceText => replace_text(text, input).map(Some),
        Action::Append | Action::Prepend | Action::Replace => lines(text, input).map(Some),
        _ => property(text, input),
    }
}

fn replace_text(text: &str, input: &Input) -> Result<Change, SkillError> {
    let end = edit::line_end_of(text);
    let find = edit::with_line_ends(&input.find, end);
    if find.is_empty() {
        return Err(SkillError::invalid_input("`find` is empty"));
    }
    let count = text.matches(&find).count();
    match text.find(&find) {
        Some(start) if count == 1 => Ok(Change {
            range: start..start + find.len(),
            text: edit::with_line_ends(&input.text, end),
        }),
        Some(_) => Err(SkillError::failed(format!(
            "`find` occurs {count} times in `{}`: give more of the text around it",
            input.path
        ))),
        None => Err(SkillError::not_found(format!(
            "`find` does not occur in `{}`",
            input.path
        ))),
    }
}

fn lines(text: &str, input: &Input) -> Result<Change, SkillError> {
    let part = part(text, input)?;
    let at = match input.action {
        Action::Append => end_of_text(text, part.start, part.end),
        _ => part.start,
    };
    let mut change = edit::insert_lines(text, at, &input.text);
    if input.action == Action::Replace {
        change.range.end = part.end;
    }
    Ok(change)
}

/// Behind the last line that is not empty.
fn end_of_text(text: &str, start: usize, end: usize) -> usize {
    let last = start + text[start..end].trim_end().len();
    if last == start {
        start
    } else {
        note::line_end(text, last).min(end)
    }
}

/// The lines that an action is about.
fn part(text: &str, input: &Input) -> Result<std::ops::Range<usize>, SkillError> {
    let note = Note::parse(text);
    match (&input.heading, &input.block) {
        (Some(_), Some(_)) => {
            let why = "only one of `heading` and `block` can be given";
            Err(SkillError::invalid_input(why))
        }
        (Some(heading), None) => {
            let sections = note.sections(text, heading);
            match sections.as_slice() {
                [one] => Ok(one.body.clone()),
                [] => Err(SkillError::not_found(format!(
                    "`{}` has no heading `{heading}`",
                    input.path
                ))),
                several => Err(SkillError::failed(format!(
                    "`{}` has {} headings `{heading}`: name the one above as well, like `Above#{heading}`",
                    input.path,
                    several.len()
                ))),
            }
        }
        (None, Some(block)) => note.block_with_id(text, block).ok_or_else(|| {
            SkillError::not_found(format!("`{}` has no block `^{block}`", input.path))
        }),
        (None, None) => Ok(note.body..text.len()),
    }
}

fn property(text: &str, input: &Input) -> Result<Option<Change>, SkillError> {
    let key = input.key.trim();
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err(SkillError::invalid_input("`key` is no name of a property"));
    }
    let value = || {
        let missing = || SkillError::invalid_input("`value` is missing");
        input.value.clone().ok_or_else(missing)
    };
    let values = || {
        value().map(|value| match value {
            Value::Array(values) => values,
            one => vec![one],
        })
    };
    let to = match input.action {
        Action::SetProperty => PropertyChange::Set(value()?),
        Action::AddToProperty => PropertyChange::Add(values()?),
        Action::RemoveFromProperty => PropertyChange::Without(values()?),
        _ => PropertyChange::Remove,
    };
    edit::property(text, &Note::parse(text), key, to)
        .map_err(|why| SkillError::failed(format!("`{}`: {why}", input.path)))
}

kavi_sdk::export_skill!(run);
