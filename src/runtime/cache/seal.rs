//! The form of an entry: `KAVICODE`, a version, a seal, and below the seal a header and the machine code.
//!
//! Guarantees: nothing below the seal is looked at before the seal was found to be right, and the seal covers every
//! other byte of the file.

use serde::{Deserialize, Serialize};

use super::key::SealKey;
use crate::model::digest::Digest;
use crate::runtime::{
    code::MachineCode,
    engine_id::{EngineId, WASMTIME_VERSION},
    inspect::Interface,
};

/// What every entry of this form begins with.
const MAGIC: &[u8] = b"KAVICODE\x01\0\0\0";
const SEAL_END: usize = MAGIC.len() + blake3::OUT_LEN;
/// The length of the header, in four bytes.
const LENGTH_END: usize = SEAL_END + 4;

/// Which code it is: of what, for what, under which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CodeIdentity {
    pub(super) component: Digest,
    pub(super) engine: EngineId,
    pub(super) wasmtime: String,
    pub(super) policy: Digest,
}

impl CodeIdentity {
    pub(super) fn new(component: Digest, engine: EngineId, policy: Digest) -> Self {
        Self { component, engine, wasmtime: WASMTIME_VERSION.to_owned(), policy }
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    identity: CodeIdentity,
    interface: Interface,
}

/// Why an entry gives no code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SealError {
    /// Not sealed with this key, or changed since.
    Foreign,
    /// Ours, for another component, engine, wasmtime or policy.
    Stale,
}

/// Puts an entry together.
pub(super) fn seal(key: &SealKey, identity: &CodeIdentity, code: &MachineCode) -> Option<Vec<u8>> {
    let header = Header { identity: identity.clone(), interface: code.interface().clone() };
    let header = serde_json::to_vec(&header).ok()?;
    let length = u32::try_from(header.len()).ok()?.to_le_bytes();
    // The form's version is in MAGIC and so under the seal. An old entry cannot be read by the
    // rules of a new form.
    let seal = key.seal(&[MAGIC, &length, &header, code.bytes()]);
    Some([MAGIC, seal.as_bytes(), &length, &header, code.bytes()].concat())
}

/// Takes an entry apart, if it is sealed with this key and is the wanted one.
pub(super) fn open(key: &SealKey, wanted: &CodeIdentity, buffer: Vec<u8>) -> Result<MachineCode, SealError> {
    // A length that is too short is Foreign as well: before the seal nothing is known about the
    // bytes.
    let (magic, rest) = buffer.split_at_checked(MAGIC.len()).ok_or(SealError::Foreign)?;
    let (seal, below) = rest.split_at_checked(blake3::OUT_LEN).ok_or(SealError::Foreign)?;
    let seal = blake3::Hash::from_slice(seal).map_err(|_| SealError::Foreign)?;
    // The comparison of hashes takes the same time wherever they differ.
    if magic != MAGIC || key.seal(&[magic, below]) != seal {
        return Err(SealError::Foreign);
    }
    // From here on it is what Kavi wrote; what cannot be read is of another version of this form.
    let (length, rest) = below.split_first_chunk::<4>().ok_or(SealError::Stale)?;
    let length = u32::from_le_bytes(*length) as usize;
    let header = rest.get(..length).ok_or(SealError::Stale)?;
    let header: Header = serde_json::from_slice(header).map_err(|_| SealError::Stale)?;
    // The file's name is not sealed. Without this, an entry that was renamed would run for another
    // component.
    if header.identity != *wanted {
        return Err(SealError::Stale);
    }
    // The same buffer goes on: reading the file again would load bytes that nobody checked.
    Ok(MachineCode::trusted(buffer, LENGTH_END + length, header.interface, wanted.engine))
}
