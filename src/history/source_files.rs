//! The source of a skill inside a proof: its files by path, and the digest that names all of them.
//!
//! Guarantees: the files have one order and each path once. A path is relative, and leads to no folder above. The digest is that
//! of Kavi's snapshots: SHA-256 over `kavi-snapshot 1` and one line `SHA256 BYTES PATH` for each file.
//!
//! Deliberately never: reads or writes a file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{hex, sha256};

/// Most files of a source.
const MAX_FILES: usize = 256;
/// Most bytes of all its files.
const MAX_BYTES: usize = 2 << 20;
/// Longest path, in bytes.
const MAX_PATH_BYTES: usize = 200;

/// The files of a source, by path.
pub type SourceFiles = BTreeMap<String, Vec<u8>>;

/// Whether a path may be written below a folder: relative, without empty parts, dots, backslashes and control characters.
fn is_plain_path(path: &str) -> bool {
    // Whoever unpacks a bundle writes these paths. One with `..` would write outside of their
    // folder.
    let part = |part: &str| !matches!(part, "" | "." | "..");
    path.len() <= MAX_PATH_BYTES && path.split('/').all(part) && !path.chars().any(|c| c.is_control() || c == '\\')
}

/// The digest that names all files, in hexadecimal.
pub fn digest(files: &SourceFiles) -> String {
    let mut manifest = "kavi-snapshot 1\n".to_owned();
    for (path, bytes) in files {
        manifest.push_str(&format!("{} {} {path}\n", hex(&sha256(&[bytes])), bytes.len()));
    }
    hex(&sha256(&[manifest.as_bytes()]))
}

/// The lines of a source in a proof: each path, and the base64 of its bytes.
pub fn lines(files: &SourceFiles) -> String {
    files.iter().map(|(path, bytes)| format!("{path}\n{}\n", STANDARD.encode(bytes))).collect()
}

/// Reads such lines, without the line feed of the last one.
///
/// # Errors
/// What is wrong with them.
pub fn parse(block: &str) -> Result<SourceFiles, &'static str> {
    let (mut files, mut total) = (SourceFiles::new(), 0);
    let mut lines = block.split('\n');
    while let Some(path) = lines.next() {
        let encoded = lines.next().ok_or("a file of the source has no bytes")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "a file of the source is not base64")?;
        total += bytes.len();
        if !is_plain_path(path) {
            return Err("a path of the source is not one below a folder");
        }
        // The digest is over the sorted files. Another order in the file, or a path twice, would
        // show a source that the digest is not of.
        if files.last_key_value().is_some_and(|(last, _)| last.as_str() >= path) {
            return Err("the files of the source are not in their order");
        }
        files.insert(path.to_owned(), bytes);
        if files.len() > MAX_FILES || total > MAX_BYTES {
            return Err("the source is too large");
        }
    }
    // A file whose name is also a folder of another file cannot be written.
    let below =
        |path: &String| files.keys().any(|other| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
    match files.keys().any(below) {
        true => Err("a file of the source is also a folder"),
        false => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn files(names: &[&str]) -> SourceFiles {
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect()
    }

    #[test]
    fn the_digest_is_that_of_kavis_snapshots() {
        use crate::history::source_files;
        let found = source_files::digest(&files(&["src/lib.rs"]));
        let manifest = format!("kavi-snapshot 1\n{} 10 src/lib.rs\n", hex(&sha256(&[b"src/lib.rs"])));
        assert_eq!(found, hex(&sha256(&[manifest.as_bytes()])));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        for path in ["/etc/passwd", "../x", "a/../b", "a//b", "a/", "", ".", "a\\b", "a\u{7}b", "./a"] {
            assert!(parse(&format!("{path}\nYQ==")).is_err(), "{path:?}");
        }
        assert!(parse("a\nYQ==\na\nYQ==").is_err(), "the same path twice");
        assert!(parse("b\nYQ==\na\nYQ==").is_err(), "not in order");
        assert!(parse("a\nYQ==\na/b\nYQ==").is_err(), "a file and a folder");
        assert!(parse("a\nYQ").is_err() && parse("a").is_err());
        assert!(parse(&format!("{}\nYQ==", "a".repeat(201))).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(names in proptest::collection::btree_set("[a-z]{1,8}(/[a-z]{1,8})?", 1..9)) {
            let files = files(&names.iter().map(String::as_str).collect::<Vec<_>>());
            let text = lines(&files);
            if let Ok(read) = parse(text.trim_end_matches('\n')) {
                prop_assert_eq!(read, files);
            } else {
                prop_assert!(names.iter().any(|name| !name.contains('/')));
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(.|\n)*") {
            let _ = parse(&text);
        }
    }
}
