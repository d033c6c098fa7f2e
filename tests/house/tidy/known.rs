//! What the tree still has of what it must not have. Both lists may only shrink: an entry that is mended must be deleted,
//! and nothing may be added. A name stands here as often as it is found.

/// Names that more than one public type has.
#[rustfmt::skip]
pub const DOUBLE_TYPE_NAMES: &[&str] = &[
];

/// Functions with a tuple as a parameter.
#[rustfmt::skip]
pub const TUPLE_PARAMETERS: &[&str] = &[
];
