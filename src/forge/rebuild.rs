//! Rebuild: writes the files that are derived from the ledger.
//!
//! Derived are `registry.yaml`, each skill's `artifacts_out/NAME/INDEX.md` and the files of the specs.
//!
//! Guarantees: the same ledger gives the same bytes. Deliberately never: reads a derived file to decide anything, or changes
//! the ledger.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::context::ForgeContext;
use crate::artifacts::{self, ArtifactError, ReadError};
use crate::dir;
use crate::ledger::LedgerError;
use crate::model::{artifact::ArtifactKind, digest::Digest, json, name::SkillName, text};
use crate::registry::{self, RenderError};

/// Why a derived file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file itself.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The registry's text.
    #[error(transparent)]
    Registry(#[from] RenderError),
}

/// What a rebuild found and did.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Files that were written, because they were missing or differed.
    pub written: Vec<PathBuf>,
    /// Files that were already right.
    pub unchanged: usize,
    /// Artifacts that cannot be derived and are missing or changed, each with what is wrong.
    pub damaged: Vec<(PathBuf, String)>,
}

/// Derives every file, and checks every artifact that cannot be derived against its digest.
///
/// # Errors
/// [`RebuildError`] when the ledger cannot be read or a file cannot be written.
pub fn all(forge: &ForgeContext<'_>) -> Result<Rebuilt, RebuildError> {
    let _lock = lock(forge)?;
    let mut rebuilt = Rebuilt::default();
    put(&mut rebuilt, &forge.layout.root, forge.layout.registry(), &registry::render(&forge.ledger.all_trusted()?)?)?;
    let proposals = forge.ledger.proposals()?;
    let names: BTreeSet<&SkillName> = proposals.iter().map(|proposal| &proposal.spec.name).collect();
    for name in names {
        put(&mut rebuilt, &forge.layout.root, index_path(forge, name), &index(forge, name)?)?;
    }
    for row in forge.ledger.artifacts()? {
        let path = forge.layout.root.join(row.path.as_str());
        let spec = (row.kind == ArtifactKind::SkillSpec)
            .then(|| proposals.iter().find(|proposal| proposal.id.to_string() == row.related_id))
            .flatten()
            .and_then(|proposal| serde_json::to_value(&proposal.spec).ok())
            .map(|value| json::canonical(&value))
            .filter(|text| Digest::of(text.as_bytes()) == row.sha256);
        match (spec, artifacts::read_once(&path)) {
            (Some(text), _) => put(&mut rebuilt, &forge.layout.root, path, &text)?,
            (None, Ok(bytes)) if Digest::of(&bytes) == row.sha256 => rebuilt.unchanged += 1,
            (None, Ok(_)) => rebuilt.damaged.push((path, "its bytes do not match its digest".to_owned())),
            (None, Err(ReadError::Missing)) => rebuilt.damaged.push((path, "it is missing".to_owned())),
            (None, Err(error)) => rebuilt.damaged.push((path, format!("it cannot be read: {error:?}"))),
        }
    }
    Ok(rebuilt)
}

/// Derives what a decision about trust changes: the registry, and the index of the skill `name`.
pub(super) fn registry_and_index_of(forge: &ForgeContext<'_>, name: &SkillName) -> Result<(), RebuildError> {
    let _lock = lock(forge)?;
    let mut rebuilt = Rebuilt::default();
    put(&mut rebuilt, &forge.layout.root, forge.layout.registry(), &registry::render(&forge.ledger.all_trusted()?)?)?;
    put(&mut rebuilt, &forge.layout.root, index_path(forge, name), &index(forge, name)?)
}

/// Derives what any other change of the skill `name` changes: its index.
pub(super) fn index_of(forge: &ForgeContext<'_>, name: &SkillName) -> Result<(), RebuildError> {
    let _lock = lock(forge)?;
    put(&mut Rebuilt::default(), &forge.layout.root, index_path(forge, name), &index(forge, name)?)
}

/// Takes the lock that is held from the reading of the ledger until the files are written. Without it a slow process could
/// replace a newer view with an older one.
fn lock(forge: &ForgeContext<'_>) -> Result<File, RebuildError> {
    let path = forge.layout.locks().join("views");
    let file = artifacts::open_lock(&forge.layout.root, &path)?;
    dir::lock(&file).map_err(|source| ArtifactError::Io { path, source })?;
    Ok(file)
}

fn put(rebuilt: &mut Rebuilt, root: &Path, path: PathBuf, text: &str) -> Result<(), RebuildError> {
    if matches!(artifacts::read_once(&path), Ok(bytes) if bytes == text.as_bytes()) {
        rebuilt.unchanged += 1;
    } else {
        artifacts::write_durably(root, &path, text.as_bytes())?;
        rebuilt.written.push(path);
    }
    Ok(())
}

fn index_path(forge: &ForgeContext<'_>, name: &SkillName) -> PathBuf {
    forge.layout.artifacts().join(name.as_str()).join("INDEX.md")
}

/// The index of a name: its proposals, decisions and artifacts, in the order of the ledger.
fn index(forge: &ForgeContext<'_>, name: &SkillName) -> Result<String, RebuildError> {
    let mut out = format!("# `{name}`\n\nDerived from the ledger; `kavi rebuild` writes it again.\n");
    for proposal in forge.ledger.proposals_named(name)? {
        let revision = proposal.trust.map(|trust| format!(", revision {}", trust.revision)).unwrap_or_default();
        out.push_str(&format!(
            "\n## Proposal `{}`: {}{revision}\n\n{}\n\n",
            proposal.id,
            proposal.status,
            text::fenced(&proposal.spec.description, 2_000)
                .lines()
                .map(|line| format!("> {line}\n"))
                .collect::<String>(),
        ));
        for decision in forge.ledger.promotions_of(proposal.id)? {
            let who = text::fenced(&decision.approved_by, 200);
            out.push_str(&format!("- {} {} by `{who}`\n", decision.created_at, decision.decision));
        }
        let mut related = vec![proposal.id.to_string()];
        related.extend(forge.ledger.builds_of(proposal.id)?.iter().map(|build| build.id.to_string()));
        related.extend(forge.ledger.verifications_of(proposal.id)?.iter().map(|found| found.id.to_string()));
        for id in related {
            for row in forge.ledger.artifacts_of(&id)? {
                out.push_str(&format!("- {} {} `{}` sha256 `{}`\n", row.created_at, row.kind, row.path, row.sha256));
            }
        }
    }
    Ok(out)
}
