//! What the integration tests share: workspaces, stand-ins, loopback servers, and things that are made once.

#![allow(dead_code, reason = "each target uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

pub mod canary;
pub mod guests;
pub mod messages_api;
pub mod once;
pub mod openai_api;
pub mod shipped;
pub mod standin;
pub mod vault;
mod workspace;

pub use workspace::*;

/// A test's name as the harness of its program knows it. `module` is the `module_path!()` of the test.
pub fn full_name(module: &str, test: &str) -> String {
    module.split_once("::").map_or_else(|| test.to_owned(), |(_, inside)| format!("{inside}::{test}"))
}

/// This program again with one test alone: for a test that is killed, or that must not share its process.
pub fn alone(module: &str, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--exact", &full_name(module, test), "--nocapture"]);
    command
}
