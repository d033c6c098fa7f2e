//! Lines for the record of a run, for whoever reads it later. They never change what a run does.
//!
//! The host cuts long lines and drops what comes after too many. Natively they go to standard error, where
//! `cargo test` captures them.
//!
//! ```
//! use kavi_sdk::prelude::*;
//! log::info(format!("read {} notes", 3));
//! ```

/// A detail for the author of the skill.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// What happened.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Something odd that did not stop the work.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Something that did.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}

#[cfg(target_family = "wasm")]
use crate::bindings::skill::kavi::skill::log::{Level, write};

#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[cfg(not(target_family = "wasm"))]
#[expect(clippy::print_stderr, reason = "outside of a run there is no record, and a test's output is captured")]
fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}
