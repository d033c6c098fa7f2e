//! A witness that is a file: every checkpoint of a workspace, one a line, at a place that its user cannot rewrite.
//!
//! A line is the size, the root, and the signed note in base64. The person makes the file, on another machine's disk, or one that
//! only takes appends (`chattr +a`).
//!
//! Guarantees: a line is on the disk when [`WitnessFile::append`] returns. A file that is missing or cannot be read is an error, not
//! an empty one. Deliberately never: makes, shortens or replaces the file.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::history::anchor::AnchorError;
use crate::history::checkpoint::Checkpoint;
use crate::history::note::MAX_NOTE;

/// A file to which checkpoints are appended.
#[derive(Debug, Clone)]
pub struct WitnessFile(PathBuf);

impl WitnessFile {
    /// The witness in this file.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn failed(&self, why: &str) -> AnchorError {
        AnchorError::Unusable(format!("its witness {}: {why}; the person makes it, and never Kavi", self.0.display()))
    }

    /// The newest checkpoint that it saw, as a signed note.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be read.
    pub fn newest(&self) -> Result<Option<String>, AnchorError> {
        let failed = |error: std::io::Error| self.failed(&error.to_string());
        let mut file = File::open(&self.0).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        // The last line is no longer than this.
        let most = 2 * MAX_NOTE as u64;
        file.seek(SeekFrom::Start(length.saturating_sub(most))).map_err(failed)?;
        let mut end = Vec::new();
        file.take(most).read_to_end(&mut end).map_err(failed)?;
        let text = String::from_utf8_lossy(&end);
        // From the end: the file grows for ever, and is read at each start.
        let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty()) else { return Ok(None) };
        parse_line(line).map(Some).ok_or_else(|| self.failed("its last line is no checkpoint"))
    }

    /// Appends a checkpoint, unless it is the newest one already.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be written.
    pub fn append(&self, note: &str) -> Result<(), AnchorError> {
        if self.newest()?.as_deref() == Some(note) {
            return Ok(());
        }
        let checkpoint = Checkpoint::read_unverified(note).map_err(|error| self.failed(&error.to_string()))?;
        let root = STANDARD.encode(checkpoint.head.root);
        let line = format!("{} {root} {}\n", checkpoint.head.size, STANDARD.encode(note));
        // Only to append, and never made here: a file that Kavi may make or rewrite is no witness
        // against it.
        let file = File::options().append(true).open(&self.0);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_data()));
        written.map_err(|error| self.failed(&error.to_string()))
    }
}

/// The note of a line.
fn parse_line(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (size, root, note) = (words.next()?, words.next()?, words.next()?);
    let note = String::from_utf8(STANDARD.decode(note).ok()?).ok()?;
    let checkpoint = Checkpoint::read_unverified(&note).ok()?;
    // Size and root are there for a person who reads the file. Where they differ from the note,
    // somebody edited one of the two.
    let fits = checkpoint.head.size.to_string() == size && STANDARD.encode(checkpoint.head.root) == root;
    (fits && words.next().is_none()).then_some(note)
}

/// The newest checkpoint in what a witness kept: its lines, or signed notes one after the other, as git keeps them.
pub fn newest_in(text: &str) -> Option<String> {
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).and_then(parse_line);
    let note = || {
        let (rest, signatures) = text.trim_end().rsplit_once("\n\n")?;
        let body = rest.rsplit_once("\n\n").map_or(rest, |(_, body)| body);
        let note = format!("{body}\n\n{signatures}\n");
        Checkpoint::read_unverified(&note).is_ok().then_some(note)
    };
    last.or_else(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::merkle::TreeHead;
    use crate::history::note::NoteKey;
    use proptest::prelude::*;

    fn note(size: u64) -> Option<String> {
        let key = NoteKey::new("kavi/a", [1; 32])?;
        let checkpoint = Checkpoint { origin: "kavi/a".to_owned(), head: TreeHead { size, root: [2; 32] } };
        Some(checkpoint.note(&key, &[3; 64]))
    }

    #[test]
    fn a_witness_keeps_each_checkpoint_and_is_never_made() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("witness");
        let witness = WitnessFile::new(&path);
        let (one, two) = (note(1).ok_or("no note")?, note(2).ok_or("no note")?);
        assert!(witness.newest().is_err() && witness.append(&one).is_err() && !path.exists());
        std::fs::write(&path, "")?;
        assert_eq!(witness.newest()?, None);
        for note in [&one, &one, &two] {
            witness.append(note)?;
            assert_eq!(witness.newest()?.as_ref(), Some(note));
        }
        let text = std::fs::read_to_string(&path)?;
        assert_eq!(text.lines().count(), 2);
        assert_eq!(newest_in(&format!("{one}\n{two}")).as_ref(), Some(&two), "two notes of git");
        assert_eq!((newest_in(&text), newest_in(&one)), (Some(two), Some(one)));
        for bad in ["x\n", "1 2 3\n", &text.replace("2 ", "3 ")] {
            std::fs::write(&path, bad)?;
            assert!(witness.newest().is_err() && newest_in(bad).is_none(), "{bad}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "([0-9] )?(.|\n)*") {
            prop_assert!(newest_in(&text).is_none());
        }
    }
}
