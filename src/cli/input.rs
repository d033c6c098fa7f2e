//! The input of a run, as the command line gives it.
//!
//! Guarantees: an input is read whole or refused by name. Deliberately never: parses it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::app::{SizeCheck, read_at_most};
use crate::error::Error;

/// Longest input that is read.
const MAX_INPUT: u64 = 16 << 20;

/// What `--json` says: the text itself, a file, or standard input.
pub fn read_input(cwd: &Path, text: &str) -> Result<Vec<u8>, Error> {
    if text == "-" {
        let broke = |source| Error::Io { what: "standard input".to_owned(), source };
        return read_all(std::io::stdin().lock(), "standard input", broke);
    }
    let Some(file) = text.strip_prefix('@') else { return Ok(text.as_bytes().to_vec()) };
    let path = cwd.join(file);
    let name = path.display().to_string();
    let unreadable = |source| Error::Usage(format!("{name}: {source}"));
    read_all(File::open(&path).map_err(unreadable)?, &name, unreadable)
}

/// Reads an input to its end. One that is too long is refused by name: what is left of it would be other JSON, or none.
fn read_all(from: impl Read, name: &str, broke: impl Fn(io::Error) -> Error) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match read_at_most(from, MAX_INPUT, &mut bytes).map_err(broke)? {
        SizeCheck::Whole => Ok(bytes),
        SizeCheck::TooLarge => Err(Error::Usage(format!("{name}: the input has more than {MAX_INPUT} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_is_too_long_is_refused_by_name_and_not_cut() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = File::create(folder.path().join("input.json"))?;
        file.set_len(MAX_INPUT)?;
        assert_eq!(read_input(folder.path(), "@input.json")?.len() as u64, MAX_INPUT);
        file.set_len(MAX_INPUT + 1)?;
        let refused = read_input(folder.path(), "@input.json");
        assert!(
            matches!(&refused, Err(Error::Usage(why)) if why.contains("input.json") && why.contains("16777216")),
            "{:?}",
            refused.err()
        );
        Ok(())
    }
}
