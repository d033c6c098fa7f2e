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
    /// The digest of the place of key and head that kavi.toml named; none where it named none.
    pub anchor: Option<String>,
    /// Its signers.
    pub signers: Vec<Signer>,
}

/// Where the pin of one workspace is, and what it says.
#[derive(Debug, Clone)]
pub struct PinnedPlace {
    root: PathBuf,
    folders: Vec<PathBuf>,
    anchor: Option<String>,
    pin: Result<Option<PlacePin>, AnchorError>,
    /// Whether the pin was in the user's own folder.
    is_own: bool,
}

/// Folders in which pins of places are.
#[derive(Debug, Clone, Default)]
pub struct PinFolders {
    /// Below the user's state folder.
    pub own: Option<PathBuf>,
    /// Below the place for key and head.
    pub anchor: Option<PathBuf>,
}

impl PinnedPlace {
    /// A workspace without a place, which nothing is pinned for.
    pub fn nowhere() -> Self {
        Self { root: PathBuf::new(), folders: Vec::new(), anchor: None, pin: Ok(None), is_own: false }
    }

    /// Reads the pin of a workspace. The one in the user's own folder counts first, because whoever edits kavi.toml chooses
    /// the other folder. `anchor` is what kavi.toml names now.
    pub fn read(root: &Path, folders: PinFolders, anchor: Option<&str>) -> Self {
        let read = |trust: &Option<PathBuf>| trust.as_ref().map_or(Ok(None), |trust| PlacePin::read(trust, root));
        let own = read(&folders.own);
        let is_own = !matches!(own, Ok(None));
        let pin = if is_own { own } else { read(&folders.anchor) };
        let mut all: Vec<PathBuf> = folders.own.into_iter().chain(folders.anchor).collect();
        all.dedup();
        // A digest, because a path may hold a line break.
        let anchor = anchor.map(|path| hex(&sha256(&[path.as_bytes()])));
        Self { root: root.to_owned(), folders: all, anchor, pin, is_own }
    }

    /// The signers that are pinned.
    pub fn signers(&self) -> Option<Vec<Signer>> {
        self.pin.as_ref().ok().and_then(Option::as_ref).map(|pin| pin.signers.clone())
    }

    /// Whether kavi.toml names another place for key and head than the pin does. It is a file of the workspace, and whoever
    /// edits it could name a folder with an older head.
    pub fn has_other_anchor(&self) -> bool {
        let pinned = self.pin.as_ref().ok().and_then(Option::as_ref).filter(|_| self.is_own);
        pinned.is_some_and(|pin| pin.anchor != self.anchor)
    }

    /// Whether the workspace with this origin may be in the place.
    ///
    /// # Errors
    /// [`AnchorError`] when the pin cannot be used, or is of another workspace.
    pub fn check(&self, origin: &str) -> Result<(), AnchorError> {
        let Some(pin) = self.pin.as_ref().map_err(Clone::clone)? else { return Ok(()) };
        // Otherwise somebody could move a whole workspace of their own here, with its key and
        // head, and all of it would fit.
        match format!("kavi/{}", pin.workspace) == origin {
            true => Ok(()),
            false => {
                let why = format!("another ledger was put in the place of the workspace {}", pin.workspace);
                Err(AnchorError::Unusable(why))
            }
        }
    }

    /// Pins a workspace with these signers.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be written.
    pub fn pin(&self, workspace: &str, signers: Vec<Signer>) -> Result<(), AnchorError> {
        let pin = PlacePin { workspace: workspace.to_owned(), anchor: self.anchor.clone(), signers };
        self.folders.iter().try_for_each(|trust| pin.write(trust, &self.root))
    }

    /// Pins another workspace, where one is pinned.
    ///
    /// # Errors
    /// [`AnchorError`] when the pin cannot be used or written.
    pub fn move_to(&self, workspace: &str) -> Result<(), AnchorError> {
        match self.pin.clone()? {
            None => Ok(()),
            Some(pin) => self.pin(workspace, pin.signers),
        }
    }
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
        let (workspace, anchor) = match workspace.split_once(" anchor ") {
            None => (workspace, None),
            Some((workspace, anchor)) => (workspace, Some(anchor.to_owned())),
        };
        let signers = parse_signers(signers).map_err(|_| unusable())?;
        Ok(Some(Self { workspace: workspace.to_owned(), anchor, signers }))
    }

    /// Writes the pin of a folder.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be written.
    pub fn write(&self, trust: &Path, root: &Path) -> Result<(), AnchorError> {
        let path = file(trust, root);
        let failed = |error: artifacts::ArtifactError| AnchorError::Unusable(error.to_string());
        // The user's own folders may be links, such as `~/.local`. What is made below them is not.
        let base = trust.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        artifacts::create_folders_durably(base, trust).map_err(failed)?;
        let lines: String = self.signers.iter().map(Signer::line).collect();
        let anchor = self.anchor.as_ref().map(|digest| format!(" anchor {digest}")).unwrap_or_default();
        let text = format!("workspace {}{anchor}\n{lines}", self.workspace);
        artifacts::write_durably(trust, &path, text.as_bytes()).map_err(failed)
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
        for anchor in [None, Some("c0ffee".to_owned())] {
            let pin = PlacePin { workspace: "ab".to_owned(), anchor, signers: Vec::new() };
            pin.write(trust, root)?;
            assert_eq!(PlacePin::read(trust, root)?, Some(pin));
        }
        assert_eq!(PlacePin::read(trust, Path::new("/another"))?, None);
        for text in
            ["", "workspace", "workspace ab\nada\n", "workspace ab anchor c0ffee", "workspace ab anchor c\nada\n"]
        {
            fs::write(file(trust, root), text)?;
            assert!(PlacePin::read(trust, root).is_err(), "{text:?}");
            let folders = PinFolders { own: Some(trust.to_owned()), anchor: None };
            assert!(PinnedPlace::read(root, folders, None).check("kavi/ab").is_err(), "{text:?}");
        }
        Ok(())
    }

    #[test]
    fn the_pin_in_the_users_own_folder_counts_and_another_anchor_is_refused() -> Result<(), Box<dyn std::error::Error>>
    {
        let (own, named) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let root = Path::new("/a/workspace");
        let theirs = || Some(named.path().to_owned());
        let both = || PinFolders { own: Some(own.path().join("not/yet")), anchor: theirs() };
        let place = |anchor| PinnedPlace::read(root, both(), anchor);
        place(None).pin("ab", Vec::new())?;
        assert_eq!(PlacePin::read(named.path(), root)?, PlacePin::read(&own.path().join("not/yet"), root)?);
        assert!(place(None).check("kavi/ab").is_ok() && place(None).check("kavi/cd").is_err());
        // Somebody names a folder of their own in kavi.toml, with a pin that fits it.
        let anchor = named.path().display().to_string();
        PinnedPlace::read(root, PinFolders { own: None, anchor: theirs() }, Some(&anchor)).pin("cd", Vec::new())?;
        assert!(place(Some(&anchor)).check("kavi/cd").is_err() && place(Some(&anchor)).has_other_anchor());
        assert!(!place(None).has_other_anchor());
        // A person who adopts the ledger there accepts the place with it.
        place(Some(&anchor)).move_to("cd")?;
        assert!(place(Some(&anchor)).check("kavi/cd").is_ok() && !place(Some(&anchor)).has_other_anchor());
        assert!(place(None).has_other_anchor());
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
