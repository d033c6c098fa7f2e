//! Signs with a secret, where its value is: in the broker of a run.
//!
//! A key for Ed25519 is its seed of 32 bytes, in hexadecimal or base64, or PKCS#8 in base64 (the one line of text of a PEM file).
//!
//! Guarantees: the same key and bytes give the same signature. No error has any part of a value. A key for HMAC that could be
//! guessed from one of its codes signs nothing.
//!
//! Deliberately never: makes a key, or gives one out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{hmac, signature::Ed25519KeyPair};
use zeroize::Zeroizing;

use super::value::{SHORTEST_RECOGNISABLE, SecretValue};
use crate::model::signing::SignatureAlgorithm;

const SEED_BYTES: usize = 32;
/// What PKCS#8 has before the seed of an Ed25519 key.
const PKCS8_HEAD_BYTES: usize = 16;

/// Why a value signs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnusableKey {
    /// Whoever has a code and what it is of could try all such keys.
    #[error("is too short for a key: it needs {SHORTEST_RECOGNISABLE} bytes")]
    TooShort,
    /// It does not have the form of a key.
    #[error("is no key for {0}")]
    NoKey(SignatureAlgorithm),
}

/// The signature of some bytes.
pub(super) fn sign(algorithm: SignatureAlgorithm, value: &SecretValue, bytes: &[u8]) -> Result<Vec<u8>, UnusableKey> {
    match algorithm {
        SignatureAlgorithm::HmacSha256 if value.is_short() => Err(UnusableKey::TooShort),
        SignatureAlgorithm::HmacSha256 => Ok(hmac_sha256(value.expose(), bytes)),
        SignatureAlgorithm::Ed25519 => ed25519(value, bytes).ok_or(UnusableKey::NoKey(algorithm)),
    }
}

fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}

fn ed25519(value: &SecretValue, bytes: &[u8]) -> Option<Vec<u8>> {
    let key = decoded(value)?;
    let pair = match key.len() {
        SEED_BYTES => Ed25519KeyPair::from_seed_unchecked(&key),
        _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key),
    };
    Some(pair.ok()?.sign(bytes).as_ref().to_vec())
}

/// The bytes that the text of a key for Ed25519 stands for: all of them, and the seed alone. The leak scan looks for both.
pub(super) fn rendered(value: &SecretValue) -> Vec<Vec<u8>> {
    let Some(key) = decoded(value) else { return Vec::new() };
    let seed = key.get(PKCS8_HEAD_BYTES..PKCS8_HEAD_BYTES + SEED_BYTES);
    std::iter::once(key.as_slice()).chain(seed).map(<[u8]>::to_vec).collect()
}

/// The bytes that the text of a key stands for.
fn decoded(value: &SecretValue) -> Option<Zeroizing<Vec<u8>>> {
    let text = value.expose();
    // PKCS#8 in base64 has as many characters as a seed in hexadecimal, and starts with one that no hexadecimal has.
    let seed = hex::decode(text).ok().filter(|seed| seed.len() == SEED_BYTES);
    seed.or_else(|| STANDARD.decode(text).ok()).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::super::InvalidValue;
    use super::super::value::TrailingNewline;
    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn value(bytes: &[u8]) -> Result<SecretValue, InvalidValue> {
        SecretValue::check(Zeroizing::new(bytes.to_vec()), TrailingNewline::Kept)
    }

    /// RFC 4231, 4.2 to 4.4, 4.7 and 4.8: key, bytes, code.
    #[test]
    fn hmac_gives_the_codes_of_rfc_4231() {
        let long = [0xaa; 131];
        let cases: [(&[u8], &[u8], &str); 5] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                &long,
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &long,
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to \
                  be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, bytes, code) in cases {
            assert_eq!(hex::encode(hmac_sha256(key, bytes)), code);
        }
    }

    /// RFC 8032, 7.1: seed, bytes, signature.
    const ED25519: [(&str, &[u8], &str); 3] = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            b"",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            &[0x72],
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            &[0xaf, 0x82],
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];

    #[test]
    fn ed25519_gives_the_signatures_of_rfc_8032_for_each_form_of_a_key() -> Tested {
        let pkcs8 = hex::decode("302e020100300506032b657004220420")?;
        for (seed, bytes, signature) in ED25519 {
            let raw = hex::decode(seed)?;
            let whole = [pkcs8.as_slice(), &raw].concat();
            for key in [seed.to_owned(), STANDARD.encode(&raw), STANDARD.encode(&whole)] {
                let value = value(key.as_bytes())?;
                assert_eq!(sign(SignatureAlgorithm::Ed25519, &value, bytes).map(hex::encode).as_deref(), Ok(signature));
                assert!(rendered(&value).contains(&raw), "{key}");
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_no_key_signs_nothing() -> Tested {
        for bad in ["made-up", &"z".repeat(64), &"a".repeat(62), &STANDARD.encode([1; 31]), &STANDARD.encode([1; 48])] {
            let signed = sign(SignatureAlgorithm::Ed25519, &value(bad.as_bytes())?, b"a");
            assert_eq!(signed, Err(UnusableKey::NoKey(SignatureAlgorithm::Ed25519)), "{bad}");
        }
        // One that a guest could find by trying all of them on a code that it has.
        let signed = |key: &[u8]| Ok::<_, InvalidValue>(sign(SignatureAlgorithm::HmacSha256, &value(key)?, b"a"));
        assert_eq!(signed(&[b'k'; SHORTEST_RECOGNISABLE - 1])?, Err(UnusableKey::TooShort));
        assert!(signed(&[b'k'; SHORTEST_RECOGNISABLE])?.is_ok());
        Ok(())
    }
}
