//! Snapshots in the store: each file by its digest, and the list of files by its own.
//!
//! Guarantees: what is loaded has the digest that was asked for, every file of it too. Deliberately never: repairs a snapshot.

use std::collections::BTreeMap;

use crate::artifacts::{ArtifactError, Store, StoredKind};
use crate::model::{
    digest::Digest,
    snapshot::{Manifest, Snapshot},
};

/// Stores every file of a snapshot, then the list that names them.
///
/// # Errors
/// [`ArtifactError`] when one cannot be written.
pub fn store(store: &Store, snapshot: &Snapshot) -> Result<Digest, ArtifactError> {
    for (_, bytes) in snapshot.files() {
        store.put(StoredKind::Source, bytes)?;
    }
    store.put(StoredKind::Snapshot, &snapshot.manifest().to_bytes())
}

/// Reads a snapshot and checks every file of it against its digest.
///
/// # Errors
/// [`ArtifactError`] when a part is missing or changed.
pub fn load(store: &Store, digest: Digest) -> Result<Snapshot, ArtifactError> {
    let bytes = store.get(StoredKind::Snapshot, digest)?;
    let changed = |found: &str| ArtifactError::Changed { what: "snapshot", expected: digest, found: found.to_owned() };
    let manifest = Manifest::parse(&bytes).ok_or_else(|| changed("it is not a list of files"))?;
    let mut files = BTreeMap::new();
    for entry in manifest.files {
        files.insert(entry.path, store.get(StoredKind::Source, entry.sha256)?);
    }
    let snapshot = Snapshot::new(files);
    if snapshot.digest() == digest { Ok(snapshot) } else { Err(changed("its files are not those of the list")) }
}
