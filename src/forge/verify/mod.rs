//! Verify: every gate over one snapshot and the component that it compiles to.
//!
//! Guarantees: all gates run and report, not only up to the first failure. Sources are read from the snapshot by its digest,
//! never from a workspace. The component whose examples ran is the one whose digest is recorded. A gate that could not do its
//! work gives an error or fails; it never passes. An earlier result is reused only for exactly the same inputs.
//!
//! Deliberately never: runs anything of the snapshot outside wasm, believes a summary that a guest printed, or
//! promotes.
//!
//! `docs/GATES.md` says of each gate what it checks and within which limits. [`verification`] runs them, in the order that
//! `scheduler` decides. Each gate has a file of its own: `policy`, `limits`, `invariants`, `test`, `examples`, `conformance`,
//! `replay`, `coverage`, `mutation`. The gates `lint`, `compile` and `reproducible` are the tools of
//! [`compile`](super::compile), called by the scheduler.

mod conformance;
mod context;
mod coverage;
mod draw;
mod drawn_input;
pub mod error;
mod examples;
mod exchanges;
mod gate;
mod input_counts;
mod instrument;
mod invariants;
mod limits;
mod mined;
mod mutation;
mod neighbours;
mod policy;
mod replay;
mod report;
mod reuse;
mod reverify;
mod scheduler;
mod shadow;
mod source_analysis;
mod test;
mod test_calls;
mod test_files;
mod test_harness;
mod test_program;
mod told_answers;
mod trial;
mod twin;
mod unused_texts;
mod values;
mod vaults;
mod vectors;
pub mod verification;

pub use error::VerifyError;
pub use gate::{ASKED_RULE, GATES, GATES_VERSION, VERSIONS};
pub use policy::child_entry;
pub use replay::{REPLAY_FLIPS_RULE, REPLAY_SUMMARY_RULE, flips};
pub use reuse::Reuse;
pub use reverify::reverify;
pub use shadow::{ShadowRequest, shadow};
pub use verification::{Verified, check_invariants, run};
