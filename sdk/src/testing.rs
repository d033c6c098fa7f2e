//! For the tests of a skill, and for nothing else: a skill that uses this outside of its tests is refused.
//!
//! Kavi runs each test in a fresh instance with an empty vault of its own, so tests never see each other's files.
//! Under a plain `cargo test` every test thread has a temporary vault (with `--test-threads=1` they share one).
//!
//! ```
//! use kavi_sdk::prelude::*;
//! use kavi_sdk::testing;
//!
//! #[derive(Deserialize)]
//! struct Input {
//!     path: String,
//! }
//! fn run(input: Input) -> Result<usize, SkillError> {
//!     let text = vault::read(&input.path)?;
//!     vault::write("copy.md", &text)?;
//!     Ok(text.len())
//! }
//!
//! testing::seed("notes/a.md", "hello");
//! let output = testing::call(run, json!({ "path": "notes/a.md" }));
//! assert_eq!(output, Ok(json!(5)));
//! assert_eq!(testing::written("copy.md").as_deref(), Some("hello"));
//! assert_eq!(testing::written_paths(), ["copy.md"]);
//! assert!(matches!(testing::call(run, json!({})), Err(SkillError::InvalidInput(_))));
//! ```

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::removals;
use crate::roots::roots;
use crate::{SkillError, call as call_text};

/// Puts a file into the test's vault, as if it had been there before the run. What a call before it wrote or removed at that
/// path is gone.
///
/// # Panics
/// Fails the test if the path is none inside the vault or the file cannot be made.
pub fn seed(path: impl AsRef<str>, contents: impl AsRef<str>) {
    let (path, made) = (path.as_ref(), put(path.as_ref(), contents.as_ref()));
    assert!(made.is_ok(), "cannot seed `{path}`: {}", made.err().unwrap_or_default());
    removals::forget(path);
}

#[cfg(target_family = "wasm")]
use crate::bindings::skill_test::kavi::skill::testing::seed as put;

#[cfg(not(target_family = "wasm"))]
fn put(path: &str, contents: &str) -> Result<(), String> {
    // Hidden files may lie in a vault even though no skill can name them.
    let named = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    crate::path::check(named.strip_prefix('.').unwrap_or(named))?;
    let place = roots().vault.join(path);
    let made = place.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&place, contents)).map_err(|error| error.to_string())?;
    // In a verification the host does this: a skill that only reads may not ask for it.
    let _ = fs::remove_file(roots().out.join(path));
    removals::take_back(&roots().out, path).map_err(|error| error.to_string())
}

/// Sets what [`clock::now`](crate::clock::now) says for the rest of this test, in seconds since 1970.
pub fn set_clock(seconds: i64) {
    crate::clock::set(seconds);
}

/// Says what a URL answers to one request of the next [`call`]: this status and body. Answers to equal URLs are given in their
/// order.
pub fn respond(url: impl AsRef<str>, status: u16, body: impl AsRef<[u8]>) {
    crate::http::respond(url.as_ref(), status, body.as_ref());
}

/// Says that one request of the next [`call`] for a URL gets no response, for this reason.
pub fn fail(url: impl AsRef<str>, kind: crate::http::ErrorKind) {
    crate::http::fail(url.as_ref(), kind);
}

/// Says what one signature with a secret is, in the next [`call`].
pub fn sign_with(secret: impl AsRef<str>, signature: impl AsRef<[u8]>) {
    crate::sign::answer(secret.as_ref(), signature.as_ref());
}

/// Says that one signature with a secret is not made in the next [`call`], for this reason.
pub fn fail_to_sign(secret: impl AsRef<str>, kind: crate::sign::ErrorKind) {
    crate::sign::fail(secret.as_ref(), kind);
}

/// What the skill wrote to a file of this path, if it did. A seeded file is no written one.
///
/// # Panics
/// Fails the test if the bytes are not UTF-8.
pub fn written(path: impl AsRef<str>) -> Option<String> {
    let path = path.as_ref();
    let bytes = fs::read(roots().out.join(path)).ok()?;
    let text = String::from_utf8(bytes);
    assert!(text.is_ok(), "`{path}` was written and is not UTF-8 text");
    text.ok()
}

/// The paths of all files that the skill removed, sorted.
pub fn removed_paths() -> Vec<String> {
    removals::paths()
}

/// The paths of all files that the skill wrote, sorted.
pub fn written_paths() -> Vec<String> {
    let mut paths = Vec::new();
    collect(&roots().out, "", &mut paths);
    // That file says what is removed, and does not reach the vault.
    paths.retain(|path| path != removals::MANIFEST);
    paths.sort();
    paths
}

fn collect(folder: &Path, prefix: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{path}/"), paths);
        } else {
            paths.push(path);
        }
    }
}

/// Runs a skill as its host would: from JSON, to JSON.
///
/// While Kavi verifies a skill, a call of the exported function runs the component that is to be promoted, in an instance
/// of its own: `call(run, …)`. It sees the files and the clock of the test, and what it writes is there afterwards. A
/// closure or another function runs within the test, and so does every call of a plain `cargo test`.
///
/// # Errors
/// What the skill answers, and invalid input for an input that does not fit its type.
pub fn call<I, O>(run: impl FnOnce(I) -> Result<O, SkillError>, input: Value) -> Result<Value, SkillError>
where
    I: DeserializeOwned,
    O: Serialize,
{
    let input = input.to_string();
    let answer = by_host(std::any::type_name_of_val(&run), &input);
    let answer = answer.unwrap_or_else(|| call_text::call(run, &input));
    crate::http::forget();
    crate::sign::forget();
    let output = answer?;
    serde_json::from_str(&output).map_err(SkillError::from)
}

/// The answer of the component, if this is the function that it exports. A function has a type of its own, so the name of the
/// type tells.
#[cfg(target_family = "wasm")]
fn by_host(function: &str, input: &str) -> Option<Result<String, SkillError>> {
    // What the test says that hosts answer and sign is known in this instance alone, so it goes along.
    let mut answers = crate::http::told();
    answers.extend(crate::sign::told());
    let now = crate::clock::set_time();
    let answer = crate::bindings::skill_test::kavi::skill::testing::call(function, input, now, &answers);
    removals::load(&roots().out);
    answer.map(|answer| answer.map_err(SkillError::from))
}

#[cfg(not(target_family = "wasm"))]
fn by_host(_: &str, _: &str) -> Option<Result<String, SkillError>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, vault};

    #[test]
    fn seeded_files_are_not_written_ones() -> Result<(), SkillError> {
        seed("a/b.md", "x");
        assert_eq!(written("a/b.md"), None);
        vault::write("c.md", "y")?;
        vault::write("a/d.md", "z")?;
        assert_eq!(written_paths(), ["a/d.md", "c.md"]);
        assert_eq!(written("c.md").as_deref(), Some("y"));
        Ok(())
    }

    #[test]
    fn a_seeded_file_takes_the_place_of_what_was_written_or_removed() -> Result<(), SkillError> {
        vault::write("again.md", "written")?;
        seed("again.md", "seeded");
        assert_eq!((vault::read("again.md")?.as_str(), written("again.md")), ("seeded", None));
        vault::remove("again.md")?;
        seed("again.md", "back");
        assert_eq!((vault::read("again.md")?.as_str(), removed_paths().len()), ("back", 0));
        Ok(())
    }

    #[test]
    #[should_panic(expected = "cannot seed `../x`")]
    fn a_seed_stays_in_the_vault() {
        seed("../x", "");
    }

    #[test]
    fn a_call_speaks_json_on_both_sides() {
        fn double(input: i32) -> Result<i32, SkillError> {
            input.checked_mul(2).ok_or_else(|| SkillError::failed("too large"))
        }
        assert_eq!(call(double, json!(21)), Ok(json!(42)));
        assert_eq!(call(double, json!(i32::MAX)), Err(SkillError::failed("too large")));
        assert!(matches!(call(double, json!("x")), Err(SkillError::InvalidInput(_))));
    }
}
