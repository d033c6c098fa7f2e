//! The one table that decides what a class is granted.

use crate::model::{digest::Digest, effect::EffectClass, grants::Grants};

/// What every skill has: the contract's own types, the log, and what Rust's standard library imports of itself. None of
/// it reaches outside the run: no environment, no arguments, closed standard input, captured output, a seeded
/// generator and a clock that the record dictates.
macro_rules! quiet {
    ($($more:literal),*) => {
        &[
            "kavi:skill/log",
            "kavi:skill/types",
            "wasi:cli/environment",
            "wasi:cli/exit",
            "wasi:cli/stderr",
            "wasi:cli/stdin",
            "wasi:cli/stdout",
            "wasi:cli/terminal-input",
            "wasi:cli/terminal-output",
            "wasi:cli/terminal-stderr",
            "wasi:cli/terminal-stdin",
            "wasi:cli/terminal-stdout",
            "wasi:clocks/monotonic-clock",
            "wasi:clocks/wall-clock",
            "wasi:io/error",
            "wasi:io/poll",
            "wasi:io/streams",
            "wasi:random/insecure-seed",
            "wasi:random/random",
            $($more),*
        ]
    };
}

const FILES: &[&str] = quiet!("wasi:filesystem/preopens", "wasi:filesystem/types");

/// Functions that no skill may import although their interface is granted: links, and times that the wall masks anyway.
macro_rules! never {
    ($($more:literal),*) => {
        &[
            "wasi:filesystem/types#[method]descriptor.link-at",
            "wasi:filesystem/types#[method]descriptor.readlink-at",
            "wasi:filesystem/types#[method]descriptor.set-times",
            "wasi:filesystem/types#[method]descriptor.set-times-at",
            "wasi:filesystem/types#[method]descriptor.symlink-at",
            $($more),*
        ]
    };
}

const NO_LINKS: &[&str] = never!();

/// What a skill that writes nothing has no reason to import. (Not the streams: std imports them for any file.)
const NO_CHANGES: &[&str] = never!(
    "wasi:filesystem/types#[method]descriptor.create-directory-at",
    "wasi:filesystem/types#[method]descriptor.remove-directory-at",
    "wasi:filesystem/types#[method]descriptor.rename-at",
    "wasi:filesystem/types#[method]descriptor.set-size",
    "wasi:filesystem/types#[method]descriptor.unlink-file-at"
);

/// What a class is granted.
pub fn of(class: EffectClass) -> Grants {
    match class {
        EffectClass::ReadOnly
        | EffectClass::Network
        | EffectClass::SecretRead
        | EffectClass::Messaging
        | EffectClass::Money => Grants { vault: true, out: false, imports: FILES, denied_functions: NO_CHANGES },
        EffectClass::FileWrite => Grants { vault: true, out: true, imports: FILES, denied_functions: NO_LINKS },
    }
}

/// The version of this table: another table has another one.
pub fn version() -> Digest {
    let table: String = EffectClass::ALL.iter().map(|class| format!("{class} {:?}\n", of(*class))).collect();
    Digest::of(table.as_bytes())
}

/// Whether skills of a class can be run by this version. The others' own capability is not built yet, and a skill
/// without it would only pretend to work.
pub fn is_runnable(class: EffectClass) -> bool {
    matches!(class, EffectClass::ReadOnly | EffectClass::FileWrite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_write_may_write_and_nobody_gets_a_socket() {
        for class in EffectClass::ALL {
            let grants = of(class);
            assert_eq!(grants.out, class == EffectClass::FileWrite, "{class}");
            let loud = |name: &&str| name.contains("sockets") || name.contains("http");
            assert!(!grants.imports.iter().any(loud), "{class}");
        }
    }
}
