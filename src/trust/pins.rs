//! Pins of signers: what a person wrote down outside of the ledger about who may sign.
//!
//! - The machine's pin, `/etc/kavi/signers`, in the form of `allowed_signers`. Another user owns it, so no process of this user
//!   changes it. What it does not list does not count.
//! - The pin of a place: which workspace with which signers was in a folder. Another ledger there is refused until one of them
//!   signs its adoption.
//!
//! Guarantees: a pin that exists and cannot be read allows nobody. Deliberately never: writes the machine's pin.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::artifacts::{self, ReadError};
use crate::history::anchor::AnchorError;
use crate::history::signers::{Signer, parse_signers};
use crate::history::{hex, sha256};

/// Where another user of the machine pins signers.
pub const MACHINE_PIN: &str = "/etc/kavi/signers";

/// The signers that the machine's pin lists; none without a pin. One that cannot be used lists nobody.
pub fn machine_pin(path: &Path) -> Option<Vec<Signer>> {
    let text = match artifacts::read_once(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| error.to_string()),
        // Only a file that is not there means no pin. One that cannot be read could name others
        // than those who are asked.
        Err(ReadError::Missing) => return None,
        Err(_) => Err("it cannot be read".to_owned()),
    };
    let signers = text.and_then(|text| parse_signers(&text).map_err(|error| error.to_string()));
    Some(signers.unwrap_or_else(|error| {
        tracing::warn!("nobody may sign: {}: {error}", path.display());
        Vec::new()
    }))
}

/// Whether a file and its folder belong to another user than the one who runs this, and only that user can change them.
pub fn is_of_another_user(path: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    let foreign =
        // The folder as well: whoever may write it can put another file in the place of the pin.
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() != me && meta.mode() & 0o022 == 0);
    foreign(path) && path.parent().is_some_and(foreign)
}

/// Which workspace with which signers was in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacePin {
    /// The id of the workspace.
    pub workspace: String,
    /// Its signers.
    pub signers: Vec<Signer>,
}

/// The file of a place below the folder for key and head of all workspaces.
fn file(trust: &Path, root: &Path) -> PathBuf {
    // A digest, because a path may be longer than a name, and holds slashes.
    let name = hex(&sha256(&[root.as_os_str().as_encoded_bytes()]));
    trust.join("places").join(name)
}

impl PlacePin {
    /// The pin of a folder, if there is one.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be used.
    pub fn read(trust: &Path, root: &Path) -> Result<Option<Self>, AnchorError> {
        let path = file(trust, root);
        let unusable = || AnchorError::Unusable(format!("the pin {} cannot be used", path.display()));
        let bytes = match artifacts::read_once(&path) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) => return Ok(None),
            Err(_) => return Err(unusable()),
        };
        let text = String::from_utf8(bytes).map_err(|_| unusable())?;
        let (workspace, signers) =
            text.strip_prefix("workspace ").and_then(|rest| rest.split_once('\n')).ok_or_else(unusable)?;
        let signers = parse_signers(signers).map_err(|_| unusable())?;
        Ok(Some(Self { workspace: workspace.to_owned(), signers }))
    }

    /// Writes the pin of a folder.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be written.
    pub fn write(&self, trust: &Path, root: &Path) -> Result<(), AnchorError> {
        let path = file(trust, root);
        let lines: String = self.signers.iter().map(Signer::line).collect();
        let text = format!("workspace {}\n{lines}", self.workspace);
        artifacts::write_durably(trust, &path, text.as_bytes())
            .map_err(|error| AnchorError::Unusable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_of_a_place_comes_back_and_a_damaged_one_is_an_error() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (trust, root) = (folder.path(), Path::new("/a/workspace"));
        assert_eq!(PlacePin::read(trust, root)?, None);
        let pin = PlacePin { workspace: "ab".to_owned(), signers: Vec::new() };
        pin.write(trust, root)?;
        assert_eq!(PlacePin::read(trust, root)?, Some(pin));
        assert_eq!(PlacePin::read(trust, Path::new("/another"))?, None);
        for text in ["", "workspace", "workspace ab\nada\n"] {
            fs::write(file(trust, root), text)?;
            assert!(PlacePin::read(trust, root).is_err(), "{text:?}");
        }
        Ok(())
    }

    #[test]
    fn a_machine_pin_that_cannot_be_read_lists_nobody() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("signers");
        assert_eq!(machine_pin(&path), None);
        for text in ["", "ada ssh-dss AAAA\n"] {
            fs::write(&path, text)?;
            assert_eq!(machine_pin(&path), Some(Vec::new()), "{text:?}");
        }
        fs::remove_file(&path)?;
        fs::create_dir(&path)?;
        assert_eq!(machine_pin(&path), Some(Vec::new()));
        assert!(!is_of_another_user(&path));
        Ok(())
    }
}
