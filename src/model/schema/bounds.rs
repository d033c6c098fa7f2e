//! How large a schema may be, and how much work it may make.

/// Largest schema, in bytes of text, as written and in normal form.
pub const MAX_TEXT_BYTES: usize = 64 << 10;
/// Most steps that matching patterns against one value may take: bytes of its text times the size of the
/// patterns. One or two seconds at worst; a megabyte of text against patterns of 128 characters just fits.
pub const MAX_PATTERN_WORK: u64 = 1 << 27;
