//! The source tree and the documents against the rules of the house. It does not link the library.

mod capabilities;
mod invariants;
mod tidy;
