//! Public keys of OpenSSH, and the signatures that they make.
//!
//! Ed25519, ECDSA on P-256 and P-384, RSA from 2048 bits, and the two kinds of key on hardware (`sk-`). A signature of hardware
//! also says whether the person touched it and gave a PIN.
//!
//! Guarantees: [`SshPublicKey::verify`] says yes only for a signature over exactly these bytes by exactly this key, in the one form that
//! OpenSSH writes. Deliberately never: reads certificates, DSA keys, or RSA signatures over SHA-1.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::sha256;

/// Longest key that is read, in bytes.
const MAX_KEY: usize = 4 << 10;

/// The flag of a touch, in a signature of hardware.
const TOUCHED: u8 = 0x01;
/// The flag of a PIN.
const VERIFIED: u8 = 0x04;

/// Why a text or some bytes are no key, or no signature by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SshKeyError {
    /// No public key.
    #[error("it is no public key of OpenSSH: {0}")]
    Malformed(&'static str),
    /// A kind of key that is not accepted.
    #[error("this kind of SSH key is not accepted: use ed25519, ecdsa (P-256, P-384), rsa or sk-")]
    OtherKind,
    /// A signature in another form.
    #[error("the signature is malformed: {0}")]
    MalformedSignature(&'static str),
    /// A signature that does not fit.
    #[error("the signature does not fit the text and the key")]
    Forged,
}

/// Reads the fields of SSH's binary form.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireReader<'a>(pub(super) &'a [u8]);

impl<'a> WireReader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A string: its length, and its bytes.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// A positive number in its one form, without the zero byte that keeps it positive.
    fn positive(&mut self) -> Option<&'a [u8]> {
        let bytes = self.string()?;
        match bytes {
            // A second spelling of the same number would make a second signature over the same
            // text, with another digest.
            [0, second, ..] if *second >= 0x80 => Some(&bytes[1..]),
            [first, ..] if *first != 0 && *first < 0x80 => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a string in SSH's binary form.
pub(super) fn put_string(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(value);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    P256,
    P384,
    Rsa,
    SkEd25519,
    SkP256,
}

const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("ssh-ed25519", Algorithm::Ed25519),
    ("ecdsa-sha2-nistp256", Algorithm::P256),
    ("ecdsa-sha2-nistp384", Algorithm::P384),
    ("ssh-rsa", Algorithm::Rsa),
    ("sk-ssh-ed25519@openssh.com", Algorithm::SkEd25519),
    ("sk-ecdsa-sha2-nistp256@openssh.com", Algorithm::SkP256),
];

/// What a signature says about the moment it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Nothing: a program can have made it.
    Unknown,
    /// The person touched the hardware.
    Touched,
    /// The person touched it and gave a PIN.
    TouchedWithPin,
}

/// A public key of OpenSSH.
#[derive(Clone, PartialEq, Eq)]
pub struct SshPublicKey {
    algorithm: Algorithm,
    blob: Vec<u8>,
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The parts of a key that a verification needs.
struct KeyParts<'a> {
    /// The key, the point, or the modulus.
    main: &'a [u8],
    /// The exponent of an RSA key.
    exponent: &'a [u8],
    /// The application of a key on hardware.
    application: &'a [u8],
}

impl SshPublicKey {
    /// The key of its binary form.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, SshKeyError> {
        if blob.len() > MAX_KEY {
            return Err(SshKeyError::Malformed("it is too long"));
        }
        // The kind is taken from the bytes. The word before the base64 is only compared, because
        // anybody can edit it.
        let name = WireReader(blob).string().ok_or(SshKeyError::Malformed("it names no kind"))?;
        let known = ALGORITHMS.iter().find(|(known, _)| known.as_bytes() == name);
        let (_, algorithm) = known.ok_or(SshKeyError::OtherKind)?;
        let key = Self { algorithm: *algorithm, blob: blob.to_vec() };
        key.parts().ok_or(SshKeyError::Malformed("its fields are not those of its kind"))?;
        Ok(key)
    }

    /// Reads a line of a `.pub` file: kind, base64, and perhaps a comment, which is ignored.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn parse(line: &str) -> Result<Self, SshKeyError> {
        let mut words = line.trim_end().split(' ');
        let (Some(kind), Some(encoded)) = (words.next(), words.next()) else {
            return Err(SshKeyError::Malformed("it is not `KIND BASE64`"));
        };
        if encoded.len() > 2 * MAX_KEY || line.contains('\n') && line.trim_end().contains('\n') {
            return Err(SshKeyError::Malformed("it is not one line"));
        }
        let blob = STANDARD.decode(encoded).map_err(|_| SshKeyError::Malformed("it is not base64"))?;
        let key = Self::from_blob(&blob)?;
        // A line that says `sk-` over a key of software would look like hardware to the person who
        // reads it.
        match key.kind() == kind {
            true => Ok(key),
            false => Err(SshKeyError::Malformed("it names another kind than it has")),
        }
    }

    /// `KIND BASE64`, without a comment.
    pub fn text(&self) -> String {
        format!("{} {}", self.kind(), STANDARD.encode(&self.blob))
    }

    /// Its kind, in the words of OpenSSH.
    pub fn kind(&self) -> &'static str {
        ALGORITHMS.iter().find(|(_, algorithm)| *algorithm == self.algorithm).map_or("", |(name, _)| name)
    }

    /// Its binary form.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Whether it lies on hardware that a person touches.
    pub fn is_hardware(&self) -> bool {
        matches!(self.algorithm, Algorithm::SkEd25519 | Algorithm::SkP256)
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD.encode(sha256(&[&self.blob])).trim_end_matches('='))
    }

    fn parts(&self) -> Option<KeyParts<'_>> {
        let mut reader = WireReader(&self.blob);
        reader.string()?;
        let mut parts = KeyParts { main: &[], exponent: &[], application: &[] };
        let point = |reader: &mut WireReader<'_>, curve: &[u8], length| {
            (reader.string()? == curve).then_some(())?;
            // A copy, because the caller reads the point itself.
            let mut look = *reader;
            let point = look.string()?;
            // Only the uncompressed form: ring takes no other, and a second form would be a second
            // name of one key.
            (point.len() == length && point[0] == 4).then_some(())
        };
        match self.algorithm {
            Algorithm::Ed25519 | Algorithm::SkEd25519 => {
                parts.main = reader.string().filter(|key| key.len() == 32)?;
            }
            Algorithm::P256 | Algorithm::SkP256 => {
                point(&mut reader, b"nistp256", 65)?;
                parts.main = reader.string()?;
            }
            Algorithm::P384 => {
                point(&mut reader, b"nistp384", 97)?;
                parts.main = reader.string()?;
            }
            Algorithm::Rsa => {
                parts.exponent = reader.positive()?;
                // From 2048 to 8192 bits, which is what the check below takes. A larger one only
                // costs time.
                parts.main = reader.positive().filter(|modulus| (256..=1024).contains(&modulus.len()))?;
            }
        }
        if self.is_hardware() {
            parts.application = reader.string().filter(|application| !application.is_empty())?;
        }
        // Bytes after the fields would make two blobs, and so two fingerprints, of one key.
        reader.is_empty().then_some(parts)
    }

    /// Checks a signature in SSH's binary form over these bytes.
    ///
    /// # Errors
    /// [`SshKeyError`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<Presence, SshKeyError> {
        let malformed = SshKeyError::MalformedSignature("its fields are not those of its kind");
        let parts = self.parts().ok_or(malformed)?;
        let mut reader = WireReader(signature);
        let name = reader.string().ok_or(malformed)?;
        let body = reader.string().ok_or(malformed)?;
        let hashed = match (self.algorithm, name) {
            (Algorithm::Rsa, b"rsa-sha2-512") => Some(true),
            (Algorithm::Rsa, b"rsa-sha2-256") => Some(false),
            // `ssh-rsa` here means SHA-1, for which collisions are made.
            (Algorithm::Rsa, _) => None,
            (_, name) => (name == self.kind().as_bytes()).then_some(true),
        };
        let sha512 = hashed.ok_or(SshKeyError::MalformedSignature("it is of another kind than the key"))?;
        let mut presence = Presence::Unknown;
        let signed = if self.is_hardware() {
            let (flags, counter) = (reader.byte().ok_or(malformed)?, reader.number().ok_or(malformed)?);
            presence = match (flags & TOUCHED != 0, flags & VERIFIED != 0) {
                (true, true) => Presence::TouchedWithPin,
                (true, false) => Presence::Touched,
                (false, _) => Presence::Unknown,
            };
            // What the hardware signs: it gets digests, and puts its own flags and counter between
            // them.
            let (application, text) = (sha256(&[parts.application]), sha256(&[message]));
            [&application[..], &[flags], &counter.to_be_bytes(), &text].concat()
        } else {
            message.to_vec()
        };
        if !reader.is_empty() {
            return Err(malformed);
        }
        let fits = match self.algorithm {
            Algorithm::Ed25519 | Algorithm::SkEd25519 => {
                UnparsedPublicKey::new(&ED25519, parts.main).verify(&signed, body).is_ok()
            }
            Algorithm::P256 | Algorithm::SkP256 => {
                let fixed = fixed_ecdsa(body, 32).ok_or(malformed)?;
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, parts.main).verify(&signed, &fixed).is_ok()
            }
            Algorithm::P384 => {
                let fixed = fixed_ecdsa(body, 48).ok_or(malformed)?;
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, parts.main).verify(&signed, &fixed).is_ok()
            }
            Algorithm::Rsa => {
                let key = RsaPublicKeyComponents { n: parts.main, e: parts.exponent };
                let scheme = if sha512 { &RSA_PKCS1_2048_8192_SHA512 } else { &RSA_PKCS1_2048_8192_SHA256 };
                key.verify(scheme, &signed, body).is_ok()
            }
        };
        if fits { Ok(presence) } else { Err(SshKeyError::Forged) }
    }
}

/// Two numbers of SSH as ring takes them: side by side, each with this many bytes.
fn fixed_ecdsa(body: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut reader = WireReader(body);
    let mut fixed = Vec::with_capacity(2 * length);
    for _ in 0..2 {
        let number = reader.positive()?;
        fixed.resize(fixed.len() + length.checked_sub(number.len())?, 0);
        fixed.extend_from_slice(number);
    }
    reader.is_empty().then_some(fixed)
}
