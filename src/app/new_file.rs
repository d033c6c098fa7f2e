//! A new file for a person, in any folder.
//!
//! Guarantees: what an earlier one left unfinished in that folder is removed. Deliberately never: replaces a file.

use std::io;
use std::path::PathBuf;

use crate::artifacts::leftovers;
use crate::dir::NewFile;
use crate::model::time::{Clock as _, SystemClock};

/// Begins a file that is to have this path.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when something has that name; else the operating system's.
pub fn new_file(path: PathBuf) -> io::Result<NewFile> {
    leftovers::remove_beside(&path, SystemClock.now());
    NewFile::make(path)
}
