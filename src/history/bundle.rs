//! Bundles: a skill as one file, for people who have another workspace: specification, component, source, statements and proof.
//!
//! ```text
//! kavi-bundle@v1
//! specification BASE64
//! component BASE64
//!
//! A PROOF FILE WITH THE SOURCE, to the end of the file
//! ```
//!
//! Guarantees: a bundle is accepted only when its proof is valid, and when specification, component and source are exactly what
//! the newest promotion in the proof names. Everything is read into memory, and no name in a bundle is a place.
//!
//! Deliberately never: says that a skill is good. A promotion of others is evidence, and decides nothing here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::note::NoteKey;
use super::proof::{MAX_PROOF, Proof, ProofError, Proven};
use super::source_files::SourceFiles;
use super::{hex, sha256};

/// Longest component, in bytes.
pub const MAX_COMPONENT: usize = 16 << 20;
/// Longest specification, in bytes.
const MAX_SPECIFICATION: usize = 1 << 20;
/// Longest bundle that is read, in bytes: base64 has four characters for three bytes.
pub const MAX_BUNDLE: usize = MAX_PROOF + (MAX_COMPONENT + MAX_SPECIFICATION) / 3 * 4 + 1_024;

const FIRST_LINE: &str = "kavi-bundle@v1";

/// A bundle, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The specification, as its digest names it.
    pub specification: Vec<u8>,
    /// The component.
    pub component: Vec<u8>,
    /// The proof, with the source.
    pub proof: Proof,
}

/// Why a bundle is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Its form.
    #[error("the bundle is malformed: {0}")]
    Malformed(&'static str),
    /// Its proof.
    #[error("{0}")]
    Proof(#[from] ProofError),
    /// A part that is not the promoted one.
    #[error("its {0} is not the one that was promoted")]
    Other(&'static str),
    /// The revision was revoked.
    #[error("this revision was revoked where it comes from")]
    Revoked,
}

/// A bundle that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBundle {
    /// The specification.
    pub specification: Vec<u8>,
    /// The component.
    pub component: Vec<u8>,
    /// The source.
    pub source: SourceFiles,
    /// What its proof shows.
    pub proven: Proven,
    /// The key that signed it.
    pub key: NoteKey,
}

/// Whether a text begins as a bundle does.
pub fn is_bundle(text: &str) -> bool {
    text.starts_with(FIRST_LINE)
}

impl Bundle {
    /// The text of the file.
    pub fn text(&self) -> String {
        let (specification, component) = (STANDARD.encode(&self.specification), STANDARD.encode(&self.component));
        format!("{FIRST_LINE}\nspecification {specification}\ncomponent {component}\n\n{}", self.proof.text())
    }

    /// Takes a file apart.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        let malformed = BundleError::Malformed;
        if text.len() > MAX_BUNDLE {
            return Err(malformed("it is too long"));
        }
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix("\nspecification "));
        let (specification, rest) =
            rest.and_then(|rest| rest.split_once('\n')).ok_or(malformed("it has no specification"))?;
        let rest = rest.strip_prefix("component ").and_then(|rest| rest.split_once("\n\n"));
        let (component, proof) = rest.ok_or(malformed("it has no component"))?;
        let part = |text: &str, most: usize| {
            let bytes = STANDARD.decode(text).map_err(|_| malformed("a part is not base64"))?;
            // After the decoding, whose result is at most three quarters of a text that is bounded
            // already.
            if bytes.len() > most { Err(malformed("a part is too long")) } else { Ok(bytes) }
        };
        Ok(Self {
            specification: part(specification, MAX_SPECIFICATION)?,
            component: part(component, MAX_COMPONENT)?,
            proof: Proof::parse(proof)?,
        })
    }

    /// Checks everything. With `expected`, only that key counts.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn check(self, expected: Option<&NoteKey>) -> Result<CheckedBundle, BundleError> {
        // First, because it says which digests count. A bundle that brings its own digests proves
        // nothing.
        let proven = self.proof.check(expected)?;
        let Some(source) = self.proof.source else { return Err(BundleError::Malformed("it has no source")) };
        let Some(promoted) = &proven.promoted else { return Err(BundleError::Malformed("it has no promotion")) };
        let digest = |bytes: &[u8]| hex(&sha256(&[bytes]));
        if digest(&self.specification) != promoted.specification {
            return Err(BundleError::Other("specification"));
        }
        if digest(&self.component) != promoted.component {
            return Err(BundleError::Other("component"));
        }
        // The one who exports decides which events are in the file, so this finds a revocation only
        // where they left it in.
        if proven.events.iter().any(|event| event.kind == "revocation") {
            return Err(BundleError::Revoked);
        }
        Ok(CheckedBundle {
            specification: self.specification,
            component: self.component,
            source,
            proven,
            key: self.proof.key,
        })
    }
}

/// Takes a bundle apart and checks it.
///
/// # Errors
/// [`BundleError`].
pub fn check(text: &str, expected: Option<&NoteKey>) -> Result<CheckedBundle, BundleError> {
    Bundle::parse(text)?.check(expected)
}
