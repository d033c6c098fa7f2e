//! The real program, driven from outside: its verbs, what they print, what they change, and the server for agents.

#[path = "../support/mod.rs"]
mod support;

// The parts of a skill that need no vault, to compare the program's answers with. They name each other from the crate.
#[rustfmt::skip]
#[path = "../../skills/search_notes/src/engine.rs"]
#[allow(dead_code, reason = "the skill uses all of it")]
mod engine;
#[rustfmt::skip]
#[path = "../../skills/search_notes/src/note.rs"]
mod note;
#[rustfmt::skip]
#[path = "../../skills/search_notes/src/words.rs"]
mod words;

mod batch;
mod canon;
mod chain;
mod command_line;
mod deep_gates;
mod effects;
mod first_use;
mod gates;
mod held;
mod help;
mod hostile_workspaces;
mod judged;
mod lifecycle;
mod limits;
mod log;
mod mcp;
mod output;
mod pipeline;
mod records;
mod replay;
mod reverify;
mod second_wall;
mod secrets;
mod stop;
mod tamper;
mod vault_skills;
mod workspace;
