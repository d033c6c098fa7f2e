//! Who the agent is and what it may do: the three reads, their cache, and what is made from them.
//!
//! - `reader.rs`: reads charter, policy and capabilities for one request, and the kill switch anew each time.
//! - `cache.rs`: keeps the three reads of a workspace for a minute, as long as nothing changed.
//! - `store.rs`: what a store beside the ledger answers, and how it fails.
//! - `postgres/`: PostgreSQL as such a store.
//! - `diagnostic_bundle.rs`: the zip of a diagnostic bundle. `credential_guard.rs`: what in it looks like a credential.
//! - `identity_block.rs`: the text that tells an agent who it is.
//!
//! Guarantees: the kill switch is never kept. What is kept is used only while the store's change counter is the same, and for
//! no longer than [`cache::TIME_TO_LIVE`].
//!
//! Deliberately never: decides; that is `policy::access`.

pub mod cache;
mod credential_guard;
pub mod diagnostic_bundle;
pub mod identity_block;
pub mod postgres;
pub mod reader;
pub mod store;
