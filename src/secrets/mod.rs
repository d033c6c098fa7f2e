//! Secrets that skills use without having them.
//!
//! [`SecretReader`] asks the store of a secret. It starts a short-lived child, `reader_child`, which reads the value and writes
//! it to a descriptor that the caller names. [`LeakScanner`] finds known secrets, in every usual
//! encoding, in what leaves a run.
//!
//! In the broker of a run, [`HeldSecrets`] puts values into requests that have passed every rule, and signs with them.
//!
//! Guarantees: the process that asks never holds a value. A child that holds one leaves no core dump, has nothing in its
//! arguments or environment, and ends at once. A value is complete and valid, or it is not given out at all. No error, report
//! or `Debug` form contains any part of a value.
//!
//! Deliberately never: asks a store before there is a use for the value, starts a shell, or lets a store ask at the
//! terminal. It shortens no value without being told to, and keeps none.

mod encodings;
mod error;
mod hand_over;
mod held;
mod injection;
mod json_strings;
mod leak_scan;
mod lookup;
mod reader_child;
mod signing;
mod stores;
mod value;

pub use encodings::Encoding;
pub use error::{InvalidValue, ReadRefusal, SecretError};
pub use hand_over::{read_value, write_no_value};
pub use held::{HeldSecrets, PlacementError, SecretSource};
pub use injection::{InjectionRefusal, OutgoingRequest};
pub use leak_scan::{KnownSecret, Leak, LeakScanError, LeakScanner, LeakStream};
pub use lookup::{SecretReader, ValueLength};
pub use reader_child::child_entry;
pub use value::{MAX_VALUE_BYTES, SHORTEST_RECOGNISABLE, SecretValue};
