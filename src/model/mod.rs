//! Pure values: what the rest of Kavi talks about.
//!
//! Everything here is parsed once, at the edge, into a type that cannot be wrong. Nothing here reads a
//! file, a clock or the environment, or knows a database or an engine.

pub mod approver;
pub mod artifact;
pub mod capabilities;
pub mod chain;
pub mod chain_check;
pub mod channel;
pub mod characters;
pub mod clock_doubt;
pub mod commit;
pub mod data_label;
pub mod digest;
pub mod effect;
pub mod evidence;
pub mod example;
pub mod exchange;
pub mod execution;
pub mod finding;
pub mod governance;
pub mod guidance;
pub mod host_grants;
pub mod host_rule;
pub mod id;
pub mod json;
pub mod layout;
pub mod lifecycle;
pub mod limits;
pub mod name;
pub mod notice;
pub mod program;
pub mod read_scope;
pub mod record_sync;
pub mod removals;
pub mod research;
pub mod run_flips;
pub mod schema;
pub mod secret;
pub mod secret_binding;
pub mod session;
pub mod signing;
pub mod skill_file;
pub mod snapshot;
pub mod spec;
pub mod switch;
pub mod text;
pub mod time;
mod timestamp;
pub mod tool_hints;
pub mod vault_path;
pub mod web_origin;
pub mod write_scope;
