//! The leak scan: known secrets in what leaves a run.
//!
//! Guarantees: a secret of at least [`SHORTEST_RECOGNISABLE`] bytes is found in every [`Encoding`], also where it is split over
//! chunks, and within the rendered forms that are named with it. A hit names the secret and never shows it.
//!
//! Deliberately never: changes a text. A hit refuses what it was found in. What cannot be found: a secret that is compressed,
//! encrypted, split up, or sent in answers of one bit.

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};

use super::encodings::{Encoding, Needle, needles};
use super::value::SHORTEST_RECOGNISABLE;
use crate::model::secret::SecretName;

/// A secret that is looked for.
#[derive(Clone, Copy)]
pub struct KnownSecret<'a> {
    /// Its name.
    pub name: &'a SecretName,
    /// Its value.
    pub value: &'a [u8],
    /// What was put in its place: `Bearer x`, base64 of `user:x`.
    pub rendered: &'a [Vec<u8>],
}

impl std::fmt::Debug for KnownSecret<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownSecret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A secret that was found. It is described without its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("contains the secret {name} ({encoding})")]
pub struct Leak {
    /// Which secret.
    pub name: SecretName,
    /// How it was encoded.
    pub encoding: Encoding,
}

/// The scanner could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the leak scan cannot be made: {0}")]
pub struct LeakScanError(String);

/// Finds known secrets. It contains them, so it belongs only into a process that has them anyway.
pub struct LeakScanner {
    automaton: NFA,
    start: StateID,
    /// What each pattern of the automaton is.
    leaks: Vec<Leak>,
}

impl std::fmt::Debug for LeakScanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeakScanner").field("needles", &self.leaks.len()).finish_non_exhaustive()
    }
}

impl LeakScanner {
    /// A scanner for these secrets.
    ///
    /// # Errors
    /// [`LeakScanError`] when there are too many secrets for one automaton.
    pub fn new(secrets: &[KnownSecret<'_>]) -> Result<Self, LeakScanError> {
        let mut wanted: Vec<Needle> = Vec::new();
        let mut leaks = Vec::new();
        for secret in secrets {
            let forms = std::iter::once(secret.value).chain(secret.rendered.iter().map(Vec::as_slice));
            // A short one would be found in texts that have nothing to do with it.
            for needle in forms.filter(|form| form.len() >= SHORTEST_RECOGNISABLE).flat_map(needles) {
                leaks.push(Leak { name: secret.name.clone(), encoding: needle.encoding });
                wanted.push(needle);
            }
        }
        let failed = |error: &dyn std::fmt::Display| LeakScanError(error.to_string());
        let automaton = NFA::builder()
            // Overlapping needles must not hide each other, so the search reports the first end.
            .match_kind(MatchKind::Standard)
            .build(wanted.iter().map(|needle| needle.bytes.as_slice()))
            .map_err(|error| failed(&error))?;
        let start = automaton.start_state(Anchored::No).map_err(|error| failed(&error))?;
        Ok(Self { automaton, start, leaks })
    }

    /// The first secret in `bytes`.
    pub fn find(&self, bytes: &[u8]) -> Option<Leak> {
        self.stream().push(bytes)
    }

    /// A search in a text that arrives in chunks.
    pub fn stream(&self) -> LeakStream<'_> {
        LeakStream { scanner: self, state: self.start, found: None }
    }
}

/// A search in a text that arrives in chunks. It keeps a state of the automaton and none of the text.
#[derive(Debug)]
pub struct LeakStream<'a> {
    scanner: &'a LeakScanner,
    state: StateID,
    found: Option<Leak>,
}

impl LeakStream<'_> {
    /// Reads the next chunk. Once a secret was found, it is reported for every later chunk too.
    pub fn push(&mut self, chunk: &[u8]) -> Option<Leak> {
        let automaton = &self.scanner.automaton;
        for byte in chunk {
            if self.found.is_some() {
                break;
            }
            self.state = automaton.next_state(Anchored::No, self.state, *byte);
            if automaton.is_match(self.state) {
                let pattern = automaton.match_pattern(self.state, 0).as_usize();
                self.found = self.scanner.leaks.get(pattern).cloned();
            }
        }
        self.found.clone()
    }
}

#[cfg(test)]
#[path = "leak_scan_tests.rs"]
mod tests;
