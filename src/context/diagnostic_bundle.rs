//! The diagnostic bundle: a zip of named entries, and the guard against credentials in it.
//!
//! Guarantees: the same entries give the same bytes: stored without compression, in their order, with a fixed time. An entry with
//! something that looks like a credential is refused. The error names entry and pattern, and never the value.
//!
//! Deliberately never: collects anything, or sends it anywhere. A zip of stored entries needs no library.

use super::credential_guard;

/// One file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleEntry {
    /// Its name, from a list of names.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why there is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiagnosticBundleError {
    /// An entry looks as if it held a credential.
    #[error("no bundle was written: `{entry}` seems to contain {pattern}")]
    Credential {
        /// The entry.
        entry: &'static str,
        /// What it looks like.
        pattern: &'static str,
    },
    /// It is larger than a zip of this form can be.
    #[error("no bundle was written: it would be larger than {0} bytes")]
    TooLarge(usize),
}

/// Most bytes of a bundle.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// 1980-01-01 00:00, the first time that a zip can have.
const TIME: u16 = 0;
const DATE: u16 = 0x21;

/// The zip of these entries.
///
/// # Errors
/// [`DiagnosticBundleError`]; nothing is to be written then.
pub fn zip(entries: &[BundleEntry]) -> Result<Vec<u8>, DiagnosticBundleError> {
    if entries.iter().map(|entry| entry.bytes.len()).sum::<usize>() > MOST_BYTES {
        return Err(DiagnosticBundleError::TooLarge(MOST_BYTES));
    }
    for entry in entries {
        // All entries before the first byte of the zip. One that is refused refuses the bundle: a
        // person who sends it on does not look into it.
        if let Some(pattern) = credential_guard::find(&String::from_utf8_lossy(&entry.bytes)) {
            return Err(DiagnosticBundleError::Credential { entry: entry.name, pattern });
        }
    }
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = length(out.len());
        let common = header(entry);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(entry.name.as_bytes());
        out.extend_from_slice(&entry.bytes);
        directory.extend_from_slice(b"PK\x01\x02");
        // Version 2.0 of the format, which every unpacker knows.
        directory.extend_from_slice(&20_u16.to_le_bytes());
        directory.extend_from_slice(&common);
        // No extra field, no comment, the first disk, no attributes.
        directory.extend_from_slice(&[0; 12]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(entry.name.as_bytes());
    }
    let (start, size) = (length(out.len()), length(directory.len()));
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06");
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    Ok(out)
}

/// What both headers of an entry have: version, flags, no compression, time, checksum, sizes, length of the name.
fn header(entry: &BundleEntry) -> Vec<u8> {
    let size = length(entry.bytes.len());
    let mut header = Vec::new();
    // Names are UTF-8.
    for word in [20_u16, 0x0800, 0, TIME, DATE] {
        header.extend_from_slice(&word.to_le_bytes());
    }
    for word in [crc32(&entry.bytes), size, size] {
        header.extend_from_slice(&word.to_le_bytes());
    }
    header.extend_from_slice(&u16::try_from(entry.name.len()).unwrap_or(u16::MAX).to_le_bytes());
    header
}

/// Below the cap, so it always fits.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> BundleEntry {
        BundleEntry { name: "a.txt", bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn the_same_entries_give_the_same_bytes_with_the_checksum_of_the_format() -> Result<(), DiagnosticBundleError> {
        // The check value of CRC-32.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let made = zip(&[entry("text\n"), BundleEntry { name: "b.txt", bytes: Vec::new() }])?;
        assert_eq!(made, zip(&[entry("text\n"), BundleEntry { name: "b.txt", bytes: Vec::new() }])?);
        assert!(made.starts_with(b"PK\x03\x04") && made.len() == 2 * (30 + 46 + 2 * 5) + 5 + 22);
        Ok(())
    }

    #[test]
    fn a_credential_refuses_the_bundle_and_is_not_repeated() {
        let key = "sk-".to_owned() + &"a1B2".repeat(8);
        let refused = zip(&[entry(&format!("before {key} after"))]).map_err(|error| error.to_string());
        let error = refused.err().unwrap_or_default();
        assert!(error.contains("`a.txt` seems to contain a key") && !error.contains(&key), "{error}");
    }
}
