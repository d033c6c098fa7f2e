//! What the tree still has of what it must not have. Both lists may only shrink: an entry that is mended must be deleted,
//! and nothing may be added. A name stands here as often as it is found.

/// Names that more than one public type has.
#[rustfmt::skip]
pub const DOUBLE_TYPE_NAMES: &[&str] = &[
    "Accepted",
    "Access",
    "Answer",
    "Audience",
    "BaseUrl",
    "Before",
    "Budget",
    "Client",
    "Clock",
    "Compiled",
    "Ended",
    "Hints",
    "Key",
    "Kind",
    "Limits",
    "Memory",
    "Mismatch",
    "Objection",
    "Place",
    "Plan",
    "Private",
    "Progress",
    "Report",
    "Request",
    "Said",
    "Side",
    "Usage",
];

/// Functions with a tuple as a parameter.
#[rustfmt::skip]
pub const TUPLE_PARAMETERS: &[&str] = &[
    "Cage::run_by",
    "Runner::with",
    "compare",
    "compile",
    "counts",
    "end",
    "follow",
    "judge",
    "key",
    "map",
    "on_its_thread",
    "on_subject",
    "record",
    "run",
    "run",
    "run",
];
