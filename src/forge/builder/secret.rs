//! Keeps the API key out of everything that is kept or shown.
//!
//! Guarantees: a [`Redactor`] prints nothing of what it knows, and what passed through it does not hold the
//! secret's bytes.
//! Never: finds a secret that was encoded, split or otherwise disguised. This is the second wall; the first is
//! that the agent's tools reach nothing but the workspace, where no key lies.

use std::{borrow::Cow, fmt};

use secrecy::{ExposeSecret as _, SecretString};

/// What stands where a secret stood.
const BLOT: &[u8] = b"[redacted]";

/// Shorter secrets are not looked for: they would match by chance and tell more than they hide.
const SHORTEST: usize = 8;

/// Blots one secret out of bytes.
pub struct Redactor(SecretString);

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

impl Redactor {
    /// Blots out `secret`.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// `bytes` without the secret.
    pub fn redact<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let secret = self.0.expose_secret().as_bytes();
        if secret.len() < SHORTEST {
            return Cow::Borrowed(bytes);
        }
        let mut rest = bytes;
        let mut out = Vec::new();
        while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(BLOT);
            rest = &rest[at + secret.len()..];
        }
        if out.is_empty() {
            return Cow::Borrowed(bytes);
        }
        out.extend_from_slice(rest);
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_blotted_out_and_nothing_else() {
        let redactor = Redactor::new(SecretString::from("sk-ant-made-up"));
        assert_eq!(
            &*redactor.redact(b"a sk-ant-made-up b sk-ant-made-upsk-ant-made-up"),
            b"a [redacted] b [redacted][redacted]"
        );
        assert!(matches!(redactor.redact(b"sk-ant-made-u"), Cow::Borrowed(b"sk-ant-made-u")));
        assert!(!format!("{redactor:?}").contains("made"));
    }

    #[test]
    fn a_secret_too_short_to_hide_blots_out_nothing() {
        assert!(matches!(Redactor::new(SecretString::from("")).redact(b"text"), Cow::Borrowed(b"text")));
        assert!(matches!(Redactor::new(SecretString::from("e")).redact(b"text"), Cow::Borrowed(b"text")));
    }
}
