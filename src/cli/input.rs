//! The input of a run, as the command line gives it.

use std::io::Read as _;
use std::path::Path;

use crate::error::Error;

/// Longest input that is read; the limit of a run is smaller.
const MAX_INPUT: u64 = 16 << 20;

/// What `--json` says: the text itself, a file, or standard input.
pub fn read_input(cwd: &Path, text: &str) -> Result<Vec<u8>, Error> {
    let stdin_broke = |source| Error::Io { what: "standard input".to_owned(), source };
    let mut bytes = Vec::new();
    if text == "-" {
        let stdin = std::io::stdin().lock();
        stdin.take(MAX_INPUT).read_to_end(&mut bytes).map_err(stdin_broke)?;
    } else if let Some(file) = text.strip_prefix('@') {
        let path = cwd.join(file);
        let name = path.display().to_string();
        let unreadable = |source| Error::Usage(format!("{name}: {source}"));
        let file = std::fs::File::open(&path).map_err(unreadable)?;
        file.take(MAX_INPUT).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        bytes = text.as_bytes().to_vec();
    }
    Ok(bytes)
}
