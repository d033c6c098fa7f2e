//! The real program, driven from outside: its verbs, what they print, what they change, and the server for agents.

#[path = "../support/mod.rs"]
mod support;

// The part of a skill that needs no vault, to compare the program's answers with.
#[rustfmt::skip]
#[path = "../../skills/search_notes/src/engine.rs"]
#[allow(dead_code, reason = "the skill uses all of it")]
mod engine;

mod add;
mod approvals;
mod attacks;
mod backup;
mod batch;
mod batch_together;
mod build_script;
mod bundle;
mod bundles;
mod canon;
mod chain;
mod check_crate;
mod command_line;
mod completions;
mod deciding;
mod deep_gates;
mod each_verb;
mod effects;
mod find_workspace;
mod first_use;
mod forged;
mod full_disk;
mod gates;
mod governance;
mod guidance;
mod held;
mod help;
mod hints;
mod hostile_agent;
mod hostile_input;
mod hostile_workspaces;
mod improve;
mod improve_code;
mod improve_hostile;
mod improve_mends;
mod improve_orders;
mod inbox;
mod interrupted;
mod judged;
mod kills;
mod large_ledger;
mod lifecycle;
mod limits;
mod linked_folders;
mod links;
mod locked;
mod log;
mod mcp;
mod network;
mod network_names;
mod network_phases;
mod note_cases;
mod notify;
mod odd_files;
mod one_run;
mod output;
mod pipeline;
mod power_loss;
mod propose;
mod readme;
mod record_case;
mod records;
mod removals;
mod replay;
mod reverify;
mod schemas;
mod screen;
mod screens;
mod second_wall;
mod secret_soak;
mod secret_stores;
mod secret_use;
mod secrets;
mod sequence;
mod signed_decisions;
mod signing;
mod small_and_wrong;
mod statements;
mod stop;
mod strict_json;
mod tamper;
mod tamper_table;
mod trust;
mod vault_cases;
mod vault_skills;
mod witness;
mod workspace;
