//! The server for agents, driven as a client does: over standard input and output, over HTTP, and by official clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::print_stdout, reason = "a person who runs these with --nocapture wants to see what a client said")]

mod bundled;
mod http;
mod http_sessions;
mod official_clients;
mod refusals;
mod stdio;
mod stdio_calls;
mod stdio_workspace;
