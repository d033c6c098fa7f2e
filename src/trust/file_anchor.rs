//! Key and head of one workspace as files of the user's.
//!
//! `key` holds an Ed25519 seed and its public key in hexadecimal, readable by its owner alone. `head` holds the newest checkpoint
//! as its signed note.
//!
//! Guarantees: [`FileAnchor::advance`] replaces the head only by a larger checkpoint, under a lock that other processes
//! respect. A head is on the disk whole, or the one before it is. Deliberately never: replaces a key.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use secrecy::{ExposeSecret as _, SecretString};

use crate::artifacts::{self, ReadError};
use crate::history::anchor::{AnchorError, HistoryAnchor};
use crate::history::checkpoint::Checkpoint;
use crate::history::note::NoteKey;
use crate::history::rules::{DecisionRules, NO_RULES};
use crate::history::witness::AddCheckpoint;
use crate::history::{Hash, hex, parse_hex};
use crate::sync::uninterrupted;

use super::pins::PinnedPlace;
use super::witness_client::{WitnessAddress, WitnessAnswer};
use super::witness_file::WitnessFile;

/// Longest key file, in bytes.
const MAX_KEY: u64 = 1_024;

/// Key and head of one workspace.
#[derive(Debug)]
pub struct FileAnchor {
    folder: Option<PathBuf>,
    origin: String,
    key: OnceLock<WorkspaceKey>,
    rules: DecisionRules,
    /// Which workspace was in its folder.
    place: PinnedPlace,
    witness: Option<Witness>,
}

/// Somebody else who keeps checkpoints.
#[derive(Debug, Clone)]
pub enum Witness {
    /// A file that the user cannot rewrite.
    File(WitnessFile),
    /// A witness over HTTP, or why the settings name none.
    Asked(Result<WitnessAddress, String>),
}

/// What a witness over HTTP cosigned last.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CosignedHead {
    /// Its address and key.
    pub witness: String,
    /// The events that it cosigned; none when it never did.
    pub events: Option<u64>,
    /// When, in seconds since 1970.
    pub at: Option<u64>,
}

/// The key pair, as it is in its file.
struct WorkspaceKey {
    seed: SecretString,
    public: NoteKey,
}

impl std::fmt::Debug for WorkspaceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.public.fmt(f)
    }
}

fn unusable(text: impl Into<String>) -> AnchorError {
    AnchorError::Unusable(text.into())
}

impl FileAnchor {
    /// The anchor of the workspace with this id, in this folder. Without a folder it refuses whatever needs one.
    pub fn new(folder: Option<PathBuf>, workspace: &str) -> Self {
        let origin = format!("kavi/{workspace}");
        let place = PinnedPlace::nowhere();
        Self { folder, origin, key: OnceLock::new(), rules: NO_RULES.clone(), place, witness: None }
    }

    /// The same with what else comes from outside of the ledger.
    pub fn with_rules(mut self, rules: DecisionRules, place: PinnedPlace) -> Self {
        (self.rules, self.place) = (rules, place);
        self
    }

    /// The same with a witness.
    pub fn with_witness(mut self, witness: Option<Witness>) -> Self {
        self.witness = witness;
        self
    }

    /// What its witness over HTTP cosigned last; none without such a witness.
    pub fn cosigned(&self) -> Option<CosignedHead> {
        let Some(Witness::Asked(address)) = &self.witness else { return None };
        let note = self.file("cosigned").ok().and_then(|path| artifacts::read_once(&path).ok());
        let note = note.and_then(|bytes| String::from_utf8(bytes).ok());
        let at = address.as_ref().ok().zip(note.as_ref()).and_then(|(address, note)| address.cosigned_at(note));
        // Only a size to begin with. What the witness really saw it says itself, and its signature
        // is checked.
        let size = note.and_then(|note| Checkpoint::read_unverified(&note).ok()).map(|checkpoint| checkpoint.head.size);
        let witness = address.as_ref().map_or_else(String::clone, ToString::to_string);
        Some(CosignedHead { witness, events: size.filter(|_| at.is_some()), at })
    }

    /// Notes when an audit found nothing wrong. It is for people, and decides nothing.
    pub fn note_audit(&self, at: &str) {
        let _ = self.write("audited", at);
    }

    /// When an audit found nothing wrong.
    pub fn audited(&self) -> Option<String> {
        let bytes = artifacts::read_once(&self.file("audited").ok()?).ok()?;
        String::from_utf8(bytes).ok().filter(|at| at.len() < 64)
    }

    /// A witness that saw another history is remembered: no later answer takes that back.
    fn check_conflict(&self) -> Result<(), AnchorError> {
        let path = self.file("witness-conflict")?;
        match artifacts::read_once(&path) {
            Err(ReadError::Missing) => Ok(()),
            Ok(why) => Err(unusable(String::from_utf8_lossy(&why).trim().to_owned())),
            Err(_) => Err(unusable(format!("{} cannot be read", path.display()))),
        }
    }

    fn conflict(&self, why: &str) -> AnchorError {
        // When it cannot be written, the witness says it again at the next checkpoint.
        let _ = self.write("witness-conflict", why);
        unusable(why)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), AnchorError> {
        let path = self.file(name)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        artifacts::write_durably(folder, &path, text.as_bytes()).map_err(|error| unusable(error.to_string()))
    }

    /// Where the pin of its workspace is.
    pub fn place(&self) -> &PinnedPlace {
        &self.place
    }

    /// Where its files are.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn file(&self, name: &str) -> Result<PathBuf, AnchorError> {
        self.folder.as_ref().map(|folder| folder.join(name)).ok_or(AnchorError::NoPlace)
    }

    /// Whether it has no head yet.
    pub fn is_unused(&self) -> bool {
        matches!(self.head(), Ok(None))
    }

    /// Makes the key, if there is none. Of several processes that make one, the first prevails.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be written, or the one that is there cannot be used.
    pub fn make_key(&self) -> Result<(), AnchorError> {
        let path = self.file("key")?;
        if path.symlink_metadata().is_err() {
            let mut seed = [0; 32];
            SystemRandom::new().fill(&mut seed).map_err(|_| unusable("the system gives no random numbers"))?;
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| unusable("the key cannot be made"))?;
            let public = pair.public_key().as_ref().try_into().map_err(|_| unusable("the key cannot be made"))?;
            // Both halves, so that a file that was cut or edited is noticed before it signs
            // anything.
            let text = SecretString::from(format!("{} {}\n", hex(&seed), hex(&public)));
            let folder = path.parent().unwrap_or(Path::new("."));
            // The user's own folders may be links, such as `~/.local`. What is made below them is not.
            let base = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
            artifacts::create_folders_durably(base, folder).map_err(|error| unusable(error.to_string()))?;
            let made = artifacts::create_private(folder, &path, &text);
            // It may exist by now: another process was faster, and its key is as good.
            if let Err(error) = made
                && path.symlink_metadata().is_err()
            {
                return Err(unusable(format!("its key cannot be made: {error}")));
            }
        }
        self.pair().map(drop)
    }

    fn pair(&self) -> Result<&WorkspaceKey, AnchorError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let path = self.file("key")?;
        let failed = |why: &str| unusable(format!("its key {} cannot be used: {why}", path.display()));
        // Refused when another user can read it: whoever has the key can sign any history.
        let text = artifacts::read_private(&path, MAX_KEY).map_err(|error| failed(&error.to_string()))?;
        let words = text.expose_secret().trim_end().split_once(' ');
        let (seed, public) = words.ok_or_else(|| failed("it is no key"))?;
        let public = parse_hex(public).and_then(|public| NoteKey::new(&self.origin, public));
        let public = public.filter(|_| parse_hex(seed).is_some()).ok_or_else(|| failed("it is no key"))?;
        Ok(self.key.get_or_init(|| WorkspaceKey { seed: SecretString::from(seed.to_owned()), public }))
    }

    fn lock(&self) -> Result<File, AnchorError> {
        let path = self.file("lock")?;
        // A file of its own: the head is replaced by a rename, and a lock on it would be one on the
        // old file.
        let file =
            artifacts::open_lock(path.parent().unwrap_or(&path), &path).map_err(|error| unusable(error.to_string()))?;
        uninterrupted(|| file.lock()).map_err(|error| unusable(format!("{}: {error}", path.display())))?;
        Ok(file)
    }
}

fn older_than_witness(witness: u64, ours: u64) -> String {
    format!("its witness cosigned {witness} events, and this ledger has {ours}: it is an older copy or another history")
}

impl HistoryAnchor for FileAnchor {
    fn key(&self) -> Result<NoteKey, AnchorError> {
        self.pair().map(|key| key.public.clone())
    }

    fn sign(&self, text: &str) -> Result<[u8; 64], AnchorError> {
        let key = self.pair()?;
        let seed = parse_hex(key.seed.expose_secret()).ok_or_else(|| unusable("its key is no key"))?;
        // Compared with the public half: a pair that does not fit would sign what nobody can check.
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, key.public.public())
            .map_err(|_| unusable("the two halves of its key do not fit"))?;
        pair.sign(text.as_bytes()).as_ref().try_into().map_err(|_| unusable("its key makes no signature"))
    }

    fn head(&self) -> Result<Option<String>, AnchorError> {
        // Before the head is read: it may fit the ledger, and both may be in the wrong place.
        self.place.check(&self.origin)?;
        self.check_conflict()?;
        let path = self.file("head")?;
        match artifacts::read_once(&path) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| unusable("its head is no text")),
            Err(ReadError::Missing) => Ok(None),
            Err(_) => Err(unusable(format!("its head {} cannot be read", path.display()))),
        }
    }

    fn advance(&self, note: &str) -> Result<(), AnchorError> {
        let _lock = self.lock()?;
        let size = |note: &str| Checkpoint::read_unverified(note).map(|checkpoint| checkpoint.head.size);
        let new = size(note).map_err(|error| unusable(error.to_string()))?;
        // A process that was slower brings a smaller one, which the head has passed already.
        if let Some(kept) = self.head()?
            && size(&kept).is_ok_and(|kept| kept >= new)
        {
            return Ok(());
        }
        self.write("head", note)?;
        // After the head: a witness lags like it, and never leads the ledger.
        match &self.witness {
            Some(Witness::File(witness)) => witness.append(note),
            _ => Ok(()),
        }
    }

    fn witnessed(&self) -> Result<Option<String>, AnchorError> {
        match &self.witness {
            Some(Witness::File(witness)) => witness.newest(),
            _ => Ok(None),
        }
    }

    fn ask_witness(&self, note: &str, path: &dyn Fn(u64) -> Option<Vec<Hash>>) -> Result<(), AnchorError> {
        let Some(Witness::Asked(address)) = &self.witness else { return Ok(()) };
        let address = address.as_ref().map_err(|error| unusable(error.as_str()))?;
        let size = Checkpoint::read_unverified(note).map_err(|error| unusable(error.to_string()))?.head.size;
        // What is remembered may be old, such as after a backup. The witness then says how far it
        // is.
        let mut old = self.cosigned().and_then(|cosigned| cosigned.events).unwrap_or(0);
        // Twice: the first answer may say how far the witness is.
        for _ in 0..2 {
            let proof = match old {
                0 => Vec::new(),
                _ if old > size => return Err(self.conflict(&older_than_witness(old, size))),
                old => path(old).ok_or_else(|| unusable("the proof for the witness cannot be made"))?,
            };
            let request = AddCheckpoint { old, proof, note: note.to_owned() };
            match address.submit(&request).map_err(|error| unusable(error.to_string()))? {
                WitnessAnswer::Cosigned { note, .. } => return self.write("cosigned", &note),
                WitnessAnswer::HasSize(has) if has > size => return Err(self.conflict(&older_than_witness(has, size))),
                // It has the size that was named and still refuses: its root is another one.
                WitnessAnswer::HasSize(has) if has == old => break,
                WitnessAnswer::HasSize(has) => old = has,
                WitnessAnswer::Inconsistent => break,
            }
        }
        Err(self.conflict("its witness cosigned another history: this ledger is a fork of what the witness saw"))
    }

    fn rules(&self) -> &DecisionRules {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::merkle::TreeHead;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn note(anchor: &FileAnchor, size: u64) -> Result<String, AnchorError> {
        let origin = anchor.key()?.name().to_owned();
        let checkpoint = Checkpoint { origin, head: TreeHead { size, root: [1; 32] } };
        Ok(checkpoint.note(&anchor.key()?, &anchor.sign(&checkpoint.text())?))
    }

    #[test]
    fn a_head_only_grows_and_is_signed_with_the_key_that_was_made_once() -> Tested {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a/b");
        let anchor = FileAnchor::new(Some(path.clone()), "w");
        assert!(anchor.key().is_err() && anchor.is_unused(), "nothing is made by a look");
        anchor.make_key()?;
        let key = anchor.key()?;
        anchor.make_key()?;
        assert_eq!(FileAnchor::new(Some(path), "w").key()?, key);
        let (small, large) = (note(&anchor, 3)?, note(&anchor, 5)?);
        for (given, kept) in [(&small, &small), (&large, &large), (&small, &large)] {
            anchor.advance(given)?;
            assert_eq!(anchor.head()?.as_ref(), Some(kept));
        }
        assert_eq!(Checkpoint::open(&large, &key)?.head.size, 5);
        Ok(())
    }

    #[test]
    fn a_key_that_others_can_read_or_that_does_not_fit_signs_nothing() -> Tested {
        let folder = tempfile::tempdir()?;
        let anchor = || FileAnchor::new(Some(folder.path().to_owned()), "w");
        anchor().make_key()?;
        let path = folder.path().join("key");
        let honest = std::fs::read_to_string(&path)?;
        let mode = |mode| std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode));
        mode(0o644)?;
        assert!(anchor().key().is_err());
        mode(0o600)?;
        std::fs::write(&path, honest.replace(&honest[..2], if honest.starts_with("00") { "11" } else { "00" }))?;
        assert!(anchor().sign("a").is_err());
        for text in ["", "a b", "a", &honest[..40]] {
            std::fs::write(&path, text)?;
            assert!(anchor().key().is_err(), "{text}");
        }
        let nowhere = FileAnchor::new(None, "w");
        assert_eq!(nowhere.head(), Err(AnchorError::NoPlace));
        assert!(nowhere.make_key().is_err() && nowhere.advance("").is_err());
        Ok(())
    }
}
