//! A key of type `user` in a keyring of the kernel.
//!
//! Guarantees: only a key that exists is read. Deliberately never: asks the kernel to request a key, which would start a program
//! of the system.

use zeroize::Zeroizing;

use super::super::error::ReadRefusal;
use crate::model::secret::KernelKeyring;

fn refused(key: &str, why: &str) -> ReadRefusal {
    ReadRefusal::Keyring { key: key.to_owned(), why: why.to_owned() }
}

/// The payload of the key.
#[cfg(target_os = "linux")]
pub(super) fn read(key: &str, keyring: KernelKeyring) -> Result<Zeroizing<Vec<u8>>, ReadRefusal> {
    use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};

    use super::super::value::MAX_VALUE_BYTES;

    let explained = |error: KeyError| {
        let why = match error {
            KeyError::KeyDoesNotExist | KeyError::KeyringDoesNotExist => "there is no such key".to_owned(),
            KeyError::KeyExpired => "it has expired".to_owned(),
            KeyError::KeyRevoked => "it was revoked".to_owned(),
            KeyError::AccessDenied | KeyError::PermissionDenied => {
                "it may not be read from this session (`keyctl link @u @s` makes the keyring part of it)".to_owned()
            }
            other => format!("the kernel does not give it out ({other:?})"),
        };
        refused(key, &why)
    };
    let ring = match keyring {
        KernelKeyring::User => KeyRingIdentifier::User,
        KernelKeyring::Session => KeyRingIdentifier::Session,
    };
    let found = KeyRing::from_special_id(ring, false).and_then(|ring| ring.search(key)).map_err(explained)?;
    // Into a buffer of our own. The kernel gives the full length back even where the buffer is too small for it.
    let mut bytes = Zeroizing::new(vec![0; MAX_VALUE_BYTES + 1]);
    let length = found.read(&mut *bytes).map_err(explained)?;
    if length > bytes.len() {
        return Err(super::super::error::InvalidValue::TooLong.into());
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The payload of the key.
#[cfg(not(target_os = "linux"))]
pub(super) fn read(key: &str, _keyring: KernelKeyring) -> Result<Zeroizing<Vec<u8>>, ReadRefusal> {
    Err(refused(key, "this system has no kernel keyring"))
}
