//! Clients of the server for agents, and the programs that official clients are made of.

pub mod client;
pub mod http_client;
pub mod install;
