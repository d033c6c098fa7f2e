//! The vaults of the drawn inputs. Pure.
//!
//! There is a small one, with the files that tests and examples name, one of many notes, and one with notes that are no UTF-8.
//! Their texts are drawn for every verification: a constant text would tell a guest that it is being checked.
//!
//! Guarantees: the same spec, hints and draws give the same files. Deliberately never: writes a file.

use std::collections::BTreeMap;

use super::draw::Draw;
use super::source_analysis::InputHints;
use super::vectors::{self, ChangedText};
use crate::model::{spec::SkillSpec, vault_path::VaultPath};

/// Fewest notes of the large vault. Skills often cut a list at a round number below this.
const MANY: u64 = 70;
/// Most of them: each costs time in every run.
const MOST: u64 = 400;
/// A text that is longer than any buffer of 64 KiB.
const LONG_BYTES: usize = 70_000;
/// The first unit of a text in UTF-16.
const BYTE_ORDER_MARK: u16 = 0xFEFF;

/// The files that tests and examples name: with their own text where there is one, else with a drawn one.
pub(super) fn named(spec: &SkillSpec, hints: &InputHints, draw: &Draw) -> BTreeMap<VaultPath, String> {
    let mut files = BTreeMap::new();
    let named = vectors::words(spec, hints).into_iter().filter(|word| word.contains('.'));
    for (number, path) in named.filter_map(|word| VaultPath::parse(&word).ok()).enumerate() {
        let drawn = Texts { draw, purpose: "file", number: number as u64, hints };
        let text = if path.as_str().ends_with(".json") { drawn.json() } else { drawn.note() };
        files.insert(path, text);
    }
    let seeded = hints.files.iter().filter_map(|(path, text)| Some((VaultPath::parse(path).ok()?, text.clone())));
    files.extend(seeded);
    for example in &spec.examples {
        files.extend(example.vault.iter().map(|(path, text)| (path.clone(), text.clone())));
    }
    consistent(files)
}

/// The same files among many notes, more than any number that the source compares with.
pub(super) fn many(spec: &SkillSpec, hints: &InputHints, draw: &Draw) -> BTreeMap<VaultPath, String> {
    let mut files = named(spec, hints, draw);
    let folders: Vec<String> = folders(spec, &files, draw);
    let numbers = hints.literals.numbers.iter().chain(&hints.literals.products);
    let mined = numbers.filter_map(|number| u64::try_from(*number).ok()).filter(|number| *number < MOST);
    let count = mined.max().unwrap_or(0).saturating_add(2).max(MANY);
    for number in 0..count {
        let drawn = Texts { draw, purpose: "note", number, hints };
        let folder = usize::try_from(drawn.roll(0)).ok().and_then(|roll| folders.get(roll % folders.len().max(1)));
        let path = format!("{}{}.md", folder.map_or("", String::as_str), drawn.name());
        if let Ok(path) = VaultPath::parse(&path) {
            // One of them is longer than a buffer.
            let text = if number == 1 { drawn.long() } else { drawn.note() };
            files.entry(path).or_insert(text);
        }
    }
    consistent(files)
}

/// The same files, and in each folder a note in UTF-16, which the SDK does not read as text. They are not in the vault of many
/// notes, because a skill that gives up at the first of them would then never see the others.
pub(super) fn unreadable(spec: &SkillSpec, hints: &InputHints, draw: &Draw) -> BTreeMap<VaultPath, Vec<u8>> {
    let named = named(spec, hints, draw);
    let folders = folders(spec, &named, draw);
    let mut files: BTreeMap<VaultPath, Vec<u8>> =
        named.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
    for (number, folder) in (0..).zip(folders) {
        let drawn = Texts { draw, purpose: "utf-16", number, hints };
        if let Ok(path) = VaultPath::parse(&format!("{folder}{}.md", drawn.word(1))) {
            let units = std::iter::once(BYTE_ORDER_MARK).chain(drawn.note().encode_utf16().collect::<Vec<_>>());
            files.insert(path, units.flat_map(u16::to_le_bytes).collect());
        }
    }
    consistent(files)
}

/// The same files with another text wherever one was, in their paths and contents.
pub(super) fn renamed(files: BTreeMap<VaultPath, Vec<u8>>, changed: &ChangedText) -> BTreeMap<VaultPath, Vec<u8>> {
    let instead = |text: &str| text.replace(&changed.before, &changed.after);
    let rename = |(path, contents): (VaultPath, Vec<u8>)| {
        let path = VaultPath::parse(&instead(path.as_str())).unwrap_or(path);
        let contents = match String::from_utf8(contents) {
            Ok(text) => instead(&text).into_bytes(),
            Err(no_text) => no_text.into_bytes(),
        };
        (path, contents)
    };
    consistent(files.into_iter().map(rename).collect())
}

/// The folders of files that are there, those of the spec, the root, and drawn ones. Each ends with a slash.
fn folders(spec: &SkillSpec, files: &BTreeMap<VaultPath, String>, draw: &Draw) -> Vec<String> {
    let of_files = files.keys().filter_map(|path| path.as_str().rsplit_once('/')).map(|(folder, _)| folder.to_owned());
    let of_spec = spec.paths.iter().map(ToString::to_string);
    let drawn = (0..3).map(|number| match number {
        0 => format!("{} & Co", capital(&letters(draw, "folder", number))),
        _ => letters(draw, "folder", number),
    });
    let mut folders: Vec<String> = of_files.chain(of_spec).chain(drawn).map(|folder| format!("{folder}/")).collect();
    folders.push(String::new());
    folders.sort();
    folders.dedup();
    folders
}

/// A path cannot be a file and a folder at once. The deeper file wins.
fn consistent<T>(mut files: BTreeMap<VaultPath, T>) -> BTreeMap<VaultPath, T> {
    let all: Vec<VaultPath> = files.keys().cloned().collect();
    files.retain(|path, _| !all.iter().any(|other| other != path && other.is_within(path)));
    files
}

/// The drawn texts of one file.
struct Texts<'a> {
    draw: &'a Draw,
    purpose: &'a str,
    number: u64,
    hints: &'a InputHints,
}

impl Texts<'_> {
    fn roll(&self, salt: u64) -> u64 {
        // The salts of one file stay below 2^32.
        self.draw.roll(self.purpose, self.number << 32 | salt)
    }

    fn word(&self, salt: u64) -> String {
        letters(self.draw, self.purpose, self.number << 32 | salt << 8)
    }

    /// The name of a note, as people write it. A name of small letters only would tell a check from a run.
    fn name(&self) -> String {
        let (one, other) = (self.word(1), self.word(9));
        match self.roll(10) % 8 {
            0 => capital(&one),
            1 => format!("{} {other}", capital(&one)),
            2 => format!("20{:02}-{:02}-{:02}", self.roll(11) % 60, 1 + self.roll(12) % 12, 1 + self.roll(13) % 28),
            3 => format!("Über {one}, {other} ({})", self.roll(11) % 100),
            4 => format!("{one}-{other}_v{}", self.roll(11) % 10),
            _ => one,
        }
    }

    /// A word, or a text of the skill's tests: a search must find something.
    fn phrase(&self, salt: u64) -> String {
        let known = self.hints.strings.iter().chain(&self.hints.own).filter(|text| text.len() < 60);
        let known: Vec<&String> = known.collect();
        let roll = self.roll(salt);
        let at = usize::try_from(roll >> 2).ok().and_then(|at| known.get(at % known.len().max(1)));
        match at {
            Some(text) if roll.is_multiple_of(4) => (*text).clone(),
            _ => self.word(salt),
        }
    }

    fn note(&self) -> String {
        let line = |at: u64| {
            let words: Vec<String> =
                (0..3 + self.roll(at) % 6).map(|word| self.phrase(1_000 + at * 16 + word)).collect();
            words.join(" ")
        };
        let mut text = String::new();
        if self.roll(2).is_multiple_of(3) {
            text.push_str(&format!("---\ntags: [{}, {}]\ntitle: {}\n---\n", self.word(3), self.phrase(4), line(5)));
        }
        text.push_str(&format!("# {}\n\n", line(6)));
        for at in 0..self.roll(7) % 6 {
            text.push_str(&match self.roll(8 + at) % 6 {
                0 => format!("- [ ] {}\n", line(20 + at)),
                1 => format!("- [x] {} #{}\n", line(20 + at), self.word(40 + at)),
                2 => format!("\n## {}\n\n", line(20 + at)),
                3 => format!("[[{}]] und für {}\n", self.word(40 + at), line(20 + at)),
                _ => format!("{}.\n", line(20 + at)),
            });
        }
        text
    }

    fn json(&self) -> String {
        format!("{{\"{}\": [{}, \"{}\"]}}\n", self.word(1), self.roll(2) % 1_000, self.word(3))
    }

    /// A text whose characters of two bytes lie across every even boundary.
    fn long(&self) -> String {
        let mut text = format!("# {}\n", self.word(1));
        if text.len().is_multiple_of(2) {
            text.push('x');
        }
        while text.len() < LONG_BYTES {
            text.push('é');
        }
        text
    }
}

/// A word with a capital letter at its start.
fn capital(word: &str) -> String {
    word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect()
}

/// A drawn word.
pub(super) fn letters(draw: &Draw, purpose: &str, number: u64) -> String {
    let mut roll = draw.roll(purpose, number);
    let length = 3 + roll % 7;
    roll /= 7;
    let letter = |roll: u64| char::from(b'a' + u8::try_from(roll % 26).unwrap_or(0));
    (0..length).map(|at| letter(roll / 26_u64.pow(u32::try_from(at).unwrap_or(0)))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::source_analysis::SkillLiterals;
    use super::*;
    use crate::model::{
        id::{RandomIds, VerificationId},
        schema::IoSchema,
        time::Timestamp,
    };

    fn spec() -> Result<SkillSpec, Box<dyn std::error::Error>> {
        let io = IoSchema::from_value(&json!({ "input": { "path": "str" }, "output": { "ok": "bool" } }))?;
        Ok(serde_json::from_value(json!({
            "v": 1, "name": "write_note", "description": "x", "side_effect_class": "FILE_WRITE", "paths": ["Inbox/AI"],
            "required_secrets": [], "examples": [], "io": io,
        }))?)
    }

    fn draw() -> Result<Draw, Box<dyn std::error::Error>> {
        Ok(Draw::new(VerificationId::new(&RandomIds), Timestamp::parse("2026-11-20T08:30:00Z")?))
    }

    #[test]
    fn the_vault_has_what_tests_name() -> Result<(), Box<dyn std::error::Error>> {
        let mut hints =
            InputHints { strings: vec!["a/b.md".to_owned(), "../x.md".to_owned()], ..InputHints::default() };
        hints.files.insert("c.md".to_owned(), "text".to_owned());
        hints.strings.push("a.b/c.md".to_owned());
        hints.strings.push("a.b".to_owned());
        let files = named(&spec()?, &hints, &draw()?);
        let names: Vec<String> = files.keys().map(ToString::to_string).collect();
        for name in ["a/b.md", "c.md", "a.b/c.md"] {
            assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|found| found == "a.b"));
        Ok(())
    }

    #[test]
    fn no_two_verifications_have_the_same_texts() -> Result<(), Box<dyn std::error::Error>> {
        let hints = InputHints { strings: vec!["a/b.md".to_owned()], ..InputHints::default() };
        let (one, other) = (draw()?, draw()?);
        assert_ne!(named(&spec()?, &hints, &one), named(&spec()?, &hints, &other));
        assert_eq!(many(&spec()?, &hints, &one), many(&spec()?, &hints, &one));
        Ok(())
    }

    #[test]
    fn each_folder_has_a_note_that_is_no_text() -> Result<(), Box<dyn std::error::Error>> {
        let hints = InputHints { strings: vec!["a/b.md".to_owned()], ..InputHints::default() };
        let files = unreadable(&spec()?, &hints, &draw()?);
        let no_text = |path: &VaultPath| files.get(path).is_some_and(|bytes| std::str::from_utf8(bytes).is_err());
        for folder in ["a", "Inbox/AI", ""] {
            let within = |path: &&VaultPath| path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
            assert!(files.keys().filter(within).any(no_text), "{folder}");
        }
        Ok(())
    }

    #[test]
    fn a_text_is_renamed_in_paths_and_contents() -> Result<(), Box<dyn std::error::Error>> {
        let file =
            |path: &str, text: &[u8]| Ok::<_, Box<dyn std::error::Error>>((VaultPath::parse(path)?, text.to_vec()));
        let files = [file("2026-05/a.md", b"- 2026-05-01 x")?, file("b.md", b"\xFF2026-05")?].into();
        let changed = ChangedText { before: "2026-05".to_owned(), after: "2027-05".to_owned() };
        let expected: BTreeMap<VaultPath, Vec<u8>> =
            [file("2027-05/a.md", b"- 2027-05-01 x")?, file("b.md", b"\xFF2026-05")?].into();
        assert_eq!(renamed(files, &changed), expected);
        Ok(())
    }

    #[test]
    fn there_are_more_notes_than_the_source_compares_with() -> Result<(), Box<dyn std::error::Error>> {
        let literals = SkillLiterals { numbers: vec![6, 120, 9_999], ..SkillLiterals::default() };
        let hints = InputHints { literals, ..InputHints::default() };
        let files = many(&spec()?, &hints, &draw()?);
        assert!(files.len() > 120 && files.len() < 1_000, "{}", files.len());
        assert!(files.values().any(|text| text.len() > 64 << 10 && !text.is_char_boundary(64 << 10)));
        Ok(())
    }
}
