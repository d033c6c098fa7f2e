//! The library from outside: its parts with loopback servers, stand-ins, child processes, and programs that are killed.

#[path = "../support/mod.rs"]
mod support;

mod brokers;
mod builder_claude;
mod cage;
mod code_cache;
mod commit_recovery;
mod commits;
mod egress;
mod gateway;
mod gateway_provider;
mod hostile_sources;
mod llm;
mod other_store;
mod promotions;
mod real_claude;
mod recorder;
mod scaffold;
