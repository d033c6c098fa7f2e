//! The limits of one run, with the defaults that hold when `kavi.toml` says nothing.
//!
//! Every limit carries its unit in its name, and the name is the one that an error reports. A limit is a
//! number of its own: none is derived from another, and none can be switched off.

use serde::{Deserialize, Serialize};

/// What one run of a guest may use at most. The `[limits]` table of `kavi.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Real time from before instantiation until after the guest's clean-up.
    pub wall_ms: u64,
    /// Processor time of the thread that runs the guest, host calls included.
    pub cpu_ms: u64,
    /// Size of a component.
    pub component_bytes: u64,
    /// An estimate, from its code alone, of the microseconds that a component takes to compile at worst.
    pub compile_effort: u64,
    /// All linear memories together.
    pub memory_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Core instances.
    pub instances: u64,
    /// Linear memories.
    pub memories: u64,
    /// Tables.
    pub tables: u64,
    /// Native stack of the guest. Set when the engine is made, at most [`Limits::MAX_STACK_BYTES`].
    pub stack_bytes: u64,
    /// Handles (streams, files, pollables, the guest's own resources) at one time.
    pub resource_handles: u64,
    /// Files and folders open at one time, the two preopened ones not counted.
    pub descriptors: u64,
    /// Folder entries that the host holds for the guest: open listings and numbered files.
    pub directory_entries: u64,
    /// Bytes that cross from the guest to the host in one call or one result.
    pub hostcall_bytes: u64,
    /// Random bytes in one call.
    pub random_bytes: u64,
    /// The input text.
    pub input_bytes: u64,
    /// The output text.
    pub output_bytes: u64,
    /// The message of an error that the guest returns.
    pub error_bytes: u64,
    /// Standard output.
    pub stdout_bytes: u64,
    /// Standard error.
    pub stderr_bytes: u64,
    /// All log messages together. What is beyond it is dropped, which does not end the run.
    pub log_bytes: u64,
    /// Log lines. What is beyond it is dropped, which does not end the run.
    pub log_lines: u64,
    /// One log message. What is beyond it is cut off, which does not end the run.
    pub log_line_bytes: u64,
    /// Growth of files in `/out`, in bytes of apparent size. Deleting or truncating gives nothing back.
    pub staged_bytes: u64,
    /// Files and folders made in `/out`. Deleting gives nothing back.
    pub staged_files: u64,
    /// Levels of folders and files in `/out`.
    pub staged_depth: u64,
}

impl Limits {
    /// The largest native stack that leaves a host thread of two mebibytes room for its own frames.
    pub const MAX_STACK_BYTES: u64 = 1 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 10_000,
            cpu_ms: 5_000,
            component_bytes: 16 << 20,
            compile_effort: 10_000_000,
            memory_bytes: 128 << 20,
            table_elements: 100_000,
            instances: 64,
            memories: 8,
            tables: 16,
            stack_bytes: 512 << 10,
            resource_handles: 1_024,
            descriptors: 128,
            directory_entries: 250_000,
            hostcall_bytes: 1 << 20,
            random_bytes: 1 << 20,
            input_bytes: 1 << 20,
            output_bytes: 1 << 20,
            error_bytes: 16 << 10,
            stdout_bytes: 256 << 10,
            stderr_bytes: 256 << 10,
            log_bytes: 256 << 10,
            log_lines: 1_000,
            log_line_bytes: 8 << 10,
            staged_bytes: 64 << 20,
            staged_files: 1_000,
            staged_depth: 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_may_name_some_limits_and_no_unknown_ones() {
        let some: Result<Limits, _> = toml::from_str("wall_ms = 5");
        assert_eq!(some, Ok(Limits { wall_ms: 5, ..Limits::default() }));
        let unknown: Result<Limits, _> = toml::from_str("wall_s = 5");
        assert!(unknown.is_err_and(|error| error.to_string().contains("wall_s")));
        let negative: Result<Limits, _> = toml::from_str("wall_ms = -1");
        assert!(negative.is_err());
    }
}
