//! What the integration tests share: workspaces, stand-ins, loopback servers, and things that are made once.

#![allow(dead_code, reason = "each target uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

pub mod canary;
pub mod guests;
pub mod http_request;
pub mod log_events;
pub mod loopback;
pub mod mcp;
pub mod messages_api;
pub mod once;
pub mod openai_api;
pub mod output_schemas;
pub mod postgres;
pub mod process_look;
pub mod shipped;
pub mod small_disk;
pub mod standin;
pub mod tls_server;
pub mod vault;
pub mod watch;
mod workspace;

pub use workspace::*;

/// A folder that goes away with its value and lies in no workspace. Kavi looks for `kavi.toml` upwards, and the
/// repository has one: a folder below it would be found to be in that workspace.
pub fn folder() -> TempDir {
    let in_a_workspace = |place: &Path| place.ancestors().any(|folder| folder.join("kavi.toml").exists());
    let places = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
    let place = places.iter().filter_map(|place| place.canonicalize().ok()).find(|place| !in_a_workspace(place));
    let place = place.expect("a folder for temporary files outside of every workspace: set TMPDIR to one");
    tempfile::tempdir_in(place).expect("a temporary folder")
}

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
