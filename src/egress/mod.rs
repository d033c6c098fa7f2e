//! Requests of skills: the rules, the addresses, and the broker that makes them outside of the run.
//!
//! Guarantees: a request is authorized before anything is looked up, and connects to addresses that were checked and to
//! nothing else. One broker serves one run: a process of its own, without the vault and the ledger, that ends with the run.
//!
//! Where to look:
//! - what is decided: `target.rs` reads a URL, `authorize.rs` finds its rule, `address.rs` judges addresses;
//! - what is done: `resolve.rs` looks a name up once, `exchanger.rs` makes a call with its redirects;
//! - who does it: `broker.rs` is the process, `session.rs` and `keeper.rs` its host, `wire.rs` what they say to each other;
//! - signatures: `signing.rs` says whether a run may have one, the broker makes it;
//! - without a network: `recorded.rs` answers from the record of an earlier run.
//!
//! Deliberately never: runs a guest, or decides whether a run is allowed.

pub mod address;
pub mod authorize;
mod broker;
mod exchanger;
mod keeper;
mod recorded;
mod resolve;
mod session;
pub mod signing;
pub mod target;
mod wire;

pub use broker::child_entry;
pub use exchanger::{Exchanger, MAX_HOPS};
pub use keeper::{KeptCalls, KeptExchange, LeakVerdict};
pub use recorded::RecordedExchanges;
pub use resolve::{MAX_ADDRESSES, NameLookup};
pub use session::{BrokerLaunch, EgressError, LeakCheck, serve};
