//! What the rules of one kind of schema need of the whole: its parts in normal form, and the counts of the side.
//!
//! A trait, so that the files with the rules do not know the file that calls them.

use serde_json::Value;

use super::error::SchemaError;

/// What an object is that names no property and does not say whether there may be others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    /// Nothing but `{}`: an input that a skill does not need.
    Closed,
    /// Any names, with scalars as values: what the shorthand calls `dict`.
    Free,
}

/// The state of normalising one side.
pub(super) trait Normalise<'a> {
    /// Normalises one JSON Schema.
    fn schema(&mut self, node: &'a Value, at: &str, depth: usize) -> Result<Value, SchemaError>;

    /// Copies a value of the schema that is not itself a schema.
    fn literal(&mut self, value: &Value, at: &str) -> Result<Value, SchemaError>;

    /// Takes the name of a property.
    fn property(&mut self, name: &str, at: &str) -> Result<(), SchemaError>;

    /// Takes one pattern.
    fn count_pattern(&mut self) -> Result<(), SchemaError>;

    /// Takes one schema at `depth`.
    fn count_node(&mut self, depth: usize) -> Result<(), SchemaError>;
}
