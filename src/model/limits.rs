//! The limits of one run: the defaults for what `kavi.toml` does not set, and what a promotion narrows.
//!
//! Every limit carries its unit in its name, and the name is the one that an error reports. A limit is a
//! number of its own: none is derived from another, and none can be switched off.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One list of all limits, so that none is forgotten where they are named, shown or narrowed.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr;)*) => {
        /// What one run of a guest may use at most. The `[limits]` table of `kavi.toml`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// The name of every limit.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// Every limit and its value, in the order of [`Limits::NAMES`].
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            fn entry(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

limits! {
    /// Real time from before instantiation until after the guest's clean-up.
    wall_ms = 10_000;
    /// Processor time of the thread that runs the guest, host calls included.
    cpu_ms = 5_000;
    /// Size of a component.
    component_bytes = 16 << 20;
    /// An estimate, from its code alone, of the microseconds that a component takes to compile at worst.
    compile_effort = 10_000_000;
    /// All linear memories together.
    memory_bytes = 128 << 20;
    /// Elements of all tables together.
    table_elements = 100_000;
    /// Core instances.
    instances = 64;
    /// Linear memories.
    memories = 8;
    /// Tables.
    tables = 16;
    /// Native stack of the guest. Set when the engine is made, at most [`Limits::MAX_STACK_BYTES`].
    stack_bytes = 512 << 10;
    /// Handles (streams, files, pollables, the guest's own resources) at one time.
    resource_handles = 1_024;
    /// Files and folders open at one time, the two preopened ones not counted.
    descriptors = 128;
    /// Folder entries that the host holds for the guest: open listings and numbered files.
    directory_entries = 250_000;
    /// Bytes that cross from the guest to the host in one call or one result. At least `output_bytes` may cross.
    hostcall_bytes = 1 << 20;
    /// Random bytes in one call.
    random_bytes = 1 << 20;
    /// The input text.
    input_bytes = 1 << 20;
    /// The output text.
    output_bytes = 1 << 20;
    /// The message of an error that the guest returns.
    error_bytes = 16 << 10;
    /// Standard output.
    stdout_bytes = 256 << 10;
    /// Standard error.
    stderr_bytes = 256 << 10;
    /// All log messages together. What is beyond it is dropped, which does not end the run.
    log_bytes = 256 << 10;
    /// Log lines. What is beyond it is dropped, which does not end the run.
    log_lines = 1_000;
    /// One log message. What is beyond it is cut off, which does not end the run.
    log_line_bytes = 8 << 10;
    /// Growth of files in `/out`, in bytes of apparent size. Deleting or truncating gives nothing back.
    staged_bytes = 64 << 20;
    /// Files and folders made in `/out`. Deleting gives nothing back.
    staged_files = 1_000;
    /// Levels of folders and files in `/out`.
    staged_depth = 16;
}

impl Limits {
    /// The largest native stack that leaves a host thread of two mebibytes room for its own frames.
    pub const MAX_STACK_BYTES: u64 = 1 << 20;
    /// The smallest native stack that anything can be started with.
    pub const MIN_STACK_BYTES: u64 = 64 << 10;

    /// These limits, or where a promotion fixed less, that.
    #[must_use]
    pub fn narrowed(&self, narrower: &Narrowed) -> Self {
        let mut limits = self.clone();
        for (name, value) in &narrower.0 {
            if let Some(entry) = limits.entry(name) {
                // The smaller one: kavi.toml may have been lowered since the promotion.
                *entry = (*entry).min(*value);
            }
        }
        limits
    }
}

/// A limit as a count of things in memory.
pub fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Limits that a promotion fixed for one revision. They hold where they are below those of `kavi.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>")]
pub struct Narrowed(BTreeMap<String, u64>);

/// What cannot be fixed for a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNarrowing {
    /// Not of the form that is asked for.
    #[error("`{0}` is not NAME=VALUE with a whole number as the value")]
    Form(String),
    /// No limit has this name.
    #[error("there is no limit `{name}`; the limits are {known}", name = .0, known = Limits::NAMES.join(", "))]
    Unknown(String),
    /// The same limit, given again.
    #[error("the limit `{0}` is given twice")]
    Twice(String),
    /// Less than any skill needs.
    #[error("the limit `{name}` must be at least {least}, but {asked} is less")]
    TooLittle {
        /// The limit.
        name: String,
        /// What was asked for.
        asked: u64,
        /// The least.
        least: u64,
    },
    /// More than kavi.toml allows.
    #[error("the limit `{name}` is {most} in kavi.toml: a promotion can only narrow it, but {asked} is more")]
    Wider {
        /// The limit.
        name: String,
        /// What was asked for.
        asked: u64,
        /// What kavi.toml says.
        most: u64,
    },
}

impl Narrowed {
    /// Parses what a person asks for, `NAME=VALUE` each, below `limits`.
    ///
    /// # Errors
    /// [`InvalidNarrowing`] for what is no limit or would widen one.
    pub fn parse<'a>(asked: impl IntoIterator<Item = &'a str>, limits: &Limits) -> Result<Self, InvalidNarrowing> {
        let mut narrowed = BTreeMap::new();
        for text in asked {
            let form = || InvalidNarrowing::Form(super::text::line(text, 100));
            let (name, value) = text.split_once('=').ok_or_else(form)?;
            let value: u64 = value.parse().map_err(|_| form())?;
            let known = limits.entries().find(|(known, _)| *known == name);
            let (_, most) = known.ok_or_else(|| InvalidNarrowing::Unknown(super::text::line(name, 100)))?;
            let name = name.to_owned();
            // Without a stack nothing can be started, and what cannot run need not be trusted.
            if name == "stack_bytes" && value < Limits::MIN_STACK_BYTES {
                return Err(InvalidNarrowing::TooLittle { name, asked: value, least: Limits::MIN_STACK_BYTES });
            }
            // Only down. A promotion must not give a skill more than the person allowed all skills.
            if value > most {
                return Err(InvalidNarrowing::Wider { name, asked: value, most });
            }
            if narrowed.insert(name.clone(), value).is_some() {
                return Err(InvalidNarrowing::Twice(name));
            }
        }
        Ok(Self(narrowed))
    }

    /// Whether nothing was fixed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was fixed, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl TryFrom<BTreeMap<String, u64>> for Narrowed {
    type Error = InvalidNarrowing;

    fn try_from(fixed: BTreeMap<String, u64>) -> Result<Self, InvalidNarrowing> {
        // A limit that this version does not know would not be kept.
        // Read from the ledger. An unknown name was written by a later version, or by hand.
        match fixed.keys().find(|name| !Limits::NAMES.contains(&name.as_str())) {
            Some(unknown) => Err(InvalidNarrowing::Unknown(unknown.clone())),
            None => Ok(Self(fixed)),
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

    #[test]
    fn a_promotion_narrows_and_never_widens() -> Result<(), InvalidNarrowing> {
        let kavi_toml = Limits { wall_ms: 1_000, ..Limits::default() };
        let parse = |asked: &[&str]| Narrowed::parse(asked.iter().copied(), &kavi_toml);
        assert!(matches!(parse(&["stack_bytes=0"]), Err(InvalidNarrowing::TooLittle { .. })));
        let narrowed = parse(&["wall_ms=1000", "staged_files=0"])?;
        let expected = Limits { staged_files: 0, ..kavi_toml.clone() };
        assert_eq!(kavi_toml.narrowed(&narrowed), expected);
        // kavi.toml was narrowed afterwards: the smaller one holds, of each.
        let later = Limits { wall_ms: 500, staged_files: 7, ..Limits::default() };
        assert_eq!(later.narrowed(&narrowed), Limits { staged_files: 0, ..later.clone() });
        assert!(matches!(parse(&["wall_ms=1001"]), Err(InvalidNarrowing::Wider { most: 1_000, .. })));
        assert!(parse(&["wall=1"]).is_err_and(|error| error.to_string().contains("wall_ms, cpu_ms")));
        assert!(matches!(parse(&["wall_ms=1", "wall_ms=1"]), Err(InvalidNarrowing::Twice(_))));
        for odd in ["wall_ms", "wall_ms=", "wall_ms=-1", "wall_ms=1s", "=", ""] {
            assert!(parse(&[odd]).is_err(), "{odd}");
        }
        Ok(())
    }

    #[test]
    fn every_limit_has_a_name_that_finds_it() {
        let mut limits = Limits::default();
        for name in Limits::NAMES {
            assert_eq!(limits.entry(name).map(|value| *value = 7), Some(()), "{name}");
        }
        assert!(limits.entries().all(|(_, value)| value == 7));
        assert_eq!(limits.entries().count(), Limits::NAMES.len());
    }

    #[test]
    fn what_is_not_a_limit_any_more_is_not_read_as_none() {
        assert!(serde_json::from_str::<Narrowed>(r#"{"wall_ms":5}"#).is_ok());
        assert!(serde_json::from_str::<Narrowed>(r#"{"walls":5}"#).is_err());
        assert!(serde_json::from_str::<Narrowed>("[]").is_err());
    }
}
