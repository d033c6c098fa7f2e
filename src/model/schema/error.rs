//! Why a schema is refused.

use super::super::json::{JsonError, shown};

/// The dialect of the normal form.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// `pointer` with one more name.
pub(super) fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Which of the two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaSide {
    /// What a skill is given.
    Input,
    /// What it gives back.
    Output,
}

impl SchemaSide {
    /// Its key in the JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// Why a schema is refused. `at` is a JSON pointer into the document as it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not valid JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Too large, as given or after `$ref`s have been put in place.
    #[error("the schema has more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// What is allowed.
        limit: usize,
    },
    /// Not `{"input": …, "output": …}`.
    #[error("an I/O schema must be {{\"input\": {{…}}, \"output\": {{…}}}}: {0}")]
    NotIo(String),
    /// A type name that the shorthand does not have.
    #[error(
        "{}: `{}` is not a type: use str, int, float, bool, list[T], dict[str,T], a nested object or JSON Schema; `?` \
         after a type makes it optional",
        shown(at),
        shown(name)
    )]
    UnknownType {
        /// Where.
        at: String,
        /// What was given.
        name: String,
    },
    /// The shorthand is used wrongly.
    #[error("{}: {why}", shown(at))]
    Shorthand {
        /// Where.
        at: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A keyword outside the subset.
    #[error("{}: `{}` is not supported: {hint}", shown(at), shown(keyword))]
    UnknownKeyword {
        /// Where.
        at: String,
        /// The keyword.
        keyword: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// A keyword with a value that it cannot have.
    #[error("{}: {why}", shown(at))]
    Malformed {
        /// Where.
        at: String,
        /// What it must be.
        why: &'static str,
    },
    /// A keyword that does not apply to the type beside it.
    #[error("{}: `{keyword}` has no effect here: {why}", shown(at))]
    Inapplicable {
        /// Where.
        at: String,
        /// The keyword.
        keyword: String,
        /// Why.
        why: &'static str,
    },
    /// It accepts everything, or nothing.
    #[error("{}: {why}", shown(at))]
    Vacuous {
        /// Where.
        at: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Two keywords that no value can satisfy together.
    #[error("{}: {why}", shown(at))]
    Contradiction {
        /// Where.
        at: String,
        /// Which.
        why: &'static str,
    },
    /// `additionalProperties: true`.
    #[error("{}: objects are closed: use false, or a schema for additional properties", shown(at))]
    Open {
        /// Where.
        at: String,
    },
    /// `required` names what `properties` does not.
    #[error("{}: `{}` is required, but no property has that name", shown(at), shown(name))]
    UnknownRequired {
        /// Where.
        at: String,
        /// The name.
        name: String,
    },
    /// A pattern that cannot be used.
    #[error("{}: {why}", shown(at))]
    BadPattern {
        /// Where.
        at: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A reference that does not lead to `$defs` of the same schema.
    #[error(
        "{}: `{}` cannot be resolved: a reference must be `#/$defs/NAME`, with NAME in `$defs` of this schema",
        shown(at),
        shown(reference)
    )]
    BadRef {
        /// Where.
        at: String,
        /// The reference.
        reference: String,
    },
    /// A reference that leads to itself.
    #[error("{}: `{}` refers to itself: a schema must not be recursive", shown(at), shown(reference))]
    CyclicRef {
        /// Where.
        at: String,
        /// The reference.
        reference: String,
    },
    /// Another dialect.
    #[error("{}: the dialect must be `{}`, or that of 2019-09, draft 7 or draft 6", shown(at), DIALECT)]
    Dialect {
        /// Where.
        at: String,
    },
    /// A value in the schema (`enum`, `const`, `default`, `examples`) that the schema itself refuses.
    #[error("{}: the value does not match its own schema: {why}", shown(at))]
    BadValue {
        /// Where.
        at: String,
        /// The mismatch.
        why: String,
    },
    /// Text with control or invisible characters.
    #[error("{}: control and invisible characters are not allowed in a schema", shown(at))]
    HiddenText {
        /// Where.
        at: String,
    },
    /// No matching value of up to 64 KiB was found.
    #[error("/{}: found no matching value of up to 64 KiB: loosen the bounds or simplify the patterns", side.as_str())]
    Unsatisfiable {
        /// Which schema.
        side: SchemaSide,
    },
    /// The validator refuses a schema that passed all other rules.
    #[error("/{}: the schema cannot be compiled: {why}", side.as_str())]
    NotCompiled {
        /// Which schema.
        side: SchemaSide,
        /// What it says.
        why: String,
    },
}
