//! What the tree still has of what it must not have. The lists may only shrink: an entry that is mended must be deleted,
//! and nothing may be added. A name stands here as often as it is found.

/// Names that more than one public type has.
#[rustfmt::skip]
pub const DOUBLE_TYPE_NAMES: &[&str] = &[
];

/// Functions with a tuple as a parameter.
#[rustfmt::skip]
pub const TUPLE_PARAMETERS: &[&str] = &[
];

/// Folders with files that need each other in a circle. Every other module is free of circles and stays so.
#[rustfmt::skip]
pub const CIRCLES: &[&str] = &[
    "src/ledger/",
    // The generated bindings name the types of the host, and the host implements what is generated.
    "src/runtime/wall/",
];
