//! Skills as one file, for other workspaces: written with their proof, and read back as proposals.
//!
//! Guarantees: what is imported was checked first, becomes a proposal, and nothing more. Its sources lie in a new folder, and
//! replace no file. Deliberately never: builds, verifies or promotes what came from elsewhere.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::history::{HistoryService, not_promoted};
use super::open_workspace::OpenWorkspace;
use crate::artifacts::{self, StoredKind};
use crate::dir::{SizeCheck, read_at_most};
use crate::error::Error;
use crate::forge::propose;
use crate::history::bundle::{self, Bundle, CheckedBundle, MAX_BUNDLE};
use crate::history::event::{Event, RowImage};
use crate::history::note::NoteKey;
use crate::history::source_files::SourceFiles;
use crate::ledger::{Proposal, ProposalOrigin};
use crate::model::{channel::Channel, digest::Digest, json, spec::SkillSpec, text, time::Timestamp};
use crate::policy::actor_capability::ActorCapability;
use crate::sync::uninterrupted;

/// What goes from one workspace to another.
#[derive(Debug, Clone, Copy)]
pub struct SharingService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

/// A skill that is imported.
#[derive(Debug)]
pub struct Imported {
    /// The proposal that was made.
    pub proposal: Proposal,
    /// Where it came from.
    pub origin: ProposalOrigin,
    /// What the proof shows, for people.
    pub evidence: Vec<String>,
    /// The folder of its sources.
    pub sources: PathBuf,
}

/// What is imported, and where its sources go.
#[derive(Debug)]
pub struct ImportRequest<'a> {
    /// The bundle.
    pub file: &'a Path,
    /// The key that must have signed it.
    pub key: Option<&'a str>,
    /// The folder for the sources; it must not exist. Else `skills/NAME`.
    pub to: Option<&'a Path>,
}

impl SharingService<'_> {
    /// A revision as one file: specification, component, source, statements and proof.
    ///
    /// # Errors
    /// When it was never promoted or is revoked, a file of it is missing, or the ledger does not fit its head.
    pub fn export_bundle(&self, proposal: &Proposal) -> Result<String, Error> {
        let workspace = self.workspace;
        let trust = proposal.trust.ok_or_else(|| not_promoted(proposal))?;
        let proof = HistoryService { workspace }.proof_with_source(proposal)?;
        let bundle = Bundle {
            specification: workspace.ledger.specification_text(proposal.id)?.into_bytes(),
            component: workspace.store.get(StoredKind::Component, trust.component_sha256)?,
            proof,
        };
        let text = bundle.text();
        // What others would refuse is not handed out.
        bundle::check(&text, None).map_err(|error| Error::Refused(format!("it cannot be exported: {error}")))?;
        Ok(text)
    }

    /// Makes a proposal of a bundle, after it was checked.
    ///
    /// # Errors
    /// When the bundle is not accepted, its folder exists, or the proposal cannot be written. Nothing is left then.
    pub fn import_bundle(&self, wanted: &ImportRequest<'_>) -> Result<Imported, Error> {
        let workspace = self.workspace;
        workspace.allow(&workspace.caller(Channel::Cli), ActorCapability::ProposeSkill)?;
        let key = wanted.key.map(NoteKey::parse).transpose();
        let key = key.map_err(|error| Error::Usage(format!("--key: {error}")))?;
        let text = read_bundle(wanted.file)?;
        let refused = |error: &dyn std::fmt::Display| Error::Refused(format!("the bundle is not accepted: {error}"));
        let checked = bundle::check(&text, key.as_ref()).map_err(|error| refused(&error))?;
        let spec = specification(&checked)?;
        let origin = origin(&checked, Digest::of(text.as_bytes())).ok_or_else(|| refused(&"it names no promotion"))?;
        let usual = workspace.config.layout.root.join("skills").join(spec.name.as_str());
        let folder = wanted.to.map_or(usual, |to| workspace.host.cwd.join(to));
        write_sources(&folder, &checked.source)?;
        let written = propose::write_imported(&workspace.forge(), &spec, &origin);
        if written.is_err() {
            // It was made here, a moment ago.
            let _ = uninterrupted(|| fs::remove_dir_all(&folder));
        }
        let evidence = checked.proven.lines().iter().map(|line| text::line(line, 2_000)).collect();
        Ok(Imported { proposal: written?, origin, evidence, sources: folder })
    }
}

/// Reads a bundle: a regular file, of at most the length that one can have.
fn read_bundle(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Io { what: path.display().to_string(), source };
    // Asked before it is opened: a pipe would wait for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::Usage(format!("{} is not a regular file", path.display())));
    }
    let mut bytes = Vec::new();
    let size = read_at_most(File::open(path).map_err(failed)?, MAX_BUNDLE as u64, &mut bytes).map_err(failed)?;
    let not = |why: &str| Error::Refused(format!("the bundle is not accepted: {why}"));
    if size == SizeCheck::TooLarge {
        return Err(not("it is too long"));
    }
    String::from_utf8(bytes).map_err(|_| not("it is not text"))
}

/// The specification, if it is what this Kavi would write.
fn specification(checked: &CheckedBundle) -> Result<SkillSpec, Error> {
    let spec = propose::parse_file(&checked.specification)?;
    let written = serde_json::to_value(&spec).map(|value| json::canonical(&value));
    match written.is_ok_and(|text| text.as_bytes() == checked.specification) {
        true => Ok(spec),
        false => {
            Err(Error::Refused("the bundle is not accepted: this Kavi writes its specification otherwise".to_owned()))
        }
    }
}

/// What the proof says about the newest promotion.
fn origin(checked: &CheckedBundle, bundle_sha256: Digest) -> Option<ProposalOrigin> {
    let proven = &checked.proven;
    let decides = |event: &Event| event.kind == "promotion" || event.kind == "rollback";
    let index = proven.events.iter().rposition(decides)?;
    let event = &proven.events[index];
    let by = event.rows.iter().find(|(name, _)| name.starts_with("promotions/")).and_then(|(_, image)| match image {
        RowImage::Columns(rows) => rows.first()?.get("approved_by")?.as_str(),
        RowImage::Digest(_) => None,
    });
    let approved = proven.approvals.get(index)?.as_ref();
    let words = |approved: &crate::history::approval::Approved| {
        format!("signed by {} with {}, level {}", approved.principal, approved.fingerprint, approved.level.as_str())
    };
    Some(ProposalOrigin {
        workspace: proven.origin.clone(),
        signed_by: checked.key.text(),
        events: proven.size,
        promoted_at: Timestamp::parse(&event.at).ok()?,
        promoted_by: by.filter(|by| !by.is_empty())?.to_owned(),
        approval: approved.map(words),
        bundle_sha256,
        source_sha256: Digest::parse(proven.source.as_deref()?).ok()?,
        component_sha256: Digest::of(&checked.component),
    })
}

/// Writes the sources into a new folder. No link below it is followed, because nothing is there but what this wrote.
fn write_sources(folder: &Path, source: &SourceFiles) -> Result<(), Error> {
    let failed = |source| Error::Io { what: folder.display().to_string(), source };
    let above = folder.parent().unwrap_or(Path::new("."));
    uninterrupted(|| fs::create_dir_all(above)).map_err(failed)?;
    match uninterrupted(|| fs::create_dir(folder)) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let todo = "name another folder with --to DIR";
            return Err(Error::Usage(format!("{} exists, and nothing is replaced: {todo}", folder.display())));
        }
        made => made.map_err(failed)?,
    }
    let written =
        source.iter().try_for_each(|(path, bytes)| artifacts::write_durably(folder, &folder.join(path), bytes));
    if written.is_err() {
        let _ = uninterrupted(|| fs::remove_dir_all(folder));
    }
    Ok(written?)
}
