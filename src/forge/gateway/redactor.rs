//! Removes the provider's key from bytes that pass.
//!
//! Guarantees: the key is replaced however the bytes are cut into pieces, and no more than the beginning of a key is held
//! back. Never: recognises a key that was encoded.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// Shorter keys are not searched for: they would match by chance.
const SHORTEST_REDACTED: usize = 8;

/// What replaces the key.
const REPLACEMENT: &[u8] = b"[redacted]";

/// Removes a key from one stream of bytes.
pub(in crate::forge) struct Redactor {
    key: SecretString,
    held: Vec<u8>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

impl Redactor {
    /// Removes this key.
    pub(super) fn new(key: SecretString) -> Self {
        Self { key, held: Vec::new() }
    }

    /// Takes the next bytes and returns those that may pass.
    pub(in crate::forge) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let key = self.key.expose_secret().as_bytes();
        self.held.extend_from_slice(bytes);
        if key.len() < SHORTEST_REDACTED {
            return std::mem::take(&mut self.held);
        }
        let mut out = Vec::with_capacity(self.held.len());
        let mut rest = &self.held[..];
        while let Some(at) = rest.windows(key.len()).position(|window| window == key) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(REPLACEMENT);
            rest = &rest[at + key.len()..];
        }
        // The end may be the beginning of a key whose rest comes with the next bytes.
        let longest = rest.len().min(key.len() - 1);
        // The longest match is held. A shorter one could let the beginning of a key pass.
        let begun = (1..=longest).rev().find(|length| rest.ends_with(&key[..*length])).unwrap_or(0);
        let (free, held) = rest.split_at(rest.len() - begun);
        out.extend_from_slice(free);
        self.held = held.to_vec();
        out
    }

    /// Returns what was held back and is not the key after all.
    pub(in crate::forge) fn finish(self) -> Vec<u8> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ProviderKey, ProviderKeyError};

    const KEY: &str = "sk-ant-made-up-0000";

    #[test]
    fn a_stream_loses_the_key_however_it_is_cut() -> Result<(), ProviderKeyError> {
        let key = ProviderKey::parse(KEY)?;
        let text = format!("a {KEY} b {KEY}{KEY} sk-ant-made-up-000 sk-ant-sk-ant-made-up-0000 sk-ant-");
        let clean = "a [redacted] b [redacted][redacted] sk-ant-made-up-000 sk-ant-[redacted] sk-ant-";
        for piece in 1..text.len() {
            let mut redactor = key.redactor();
            let mut out: Vec<u8> = text.as_bytes().chunks(piece).flat_map(|bytes| redactor.push(bytes)).collect();
            out.extend(redactor.finish());
            assert_eq!(String::from_utf8_lossy(&out), clean, "{piece}");
        }
        Ok(())
    }

    #[test]
    fn nothing_is_held_back_but_the_beginning_of_a_key() -> Result<(), ProviderKeyError> {
        let key = ProviderKey::parse(KEY)?;
        let mut redactor = key.redactor();
        assert_eq!(redactor.push(b"data: {}\n\n"), b"data: {}\n\n");
        assert_eq!(redactor.push(b"x sk-"), b"x ");
        assert_eq!(redactor.push(b"y"), b"sk-y");
        Ok(())
    }
}
