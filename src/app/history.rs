//! The history of a workspace: its check, its anchor, and what a person does when the two do not fit.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::open_workspace::{OpenWorkspace, UnreadLedger};
use crate::error::Error;
use crate::forge::snapshot_store;
use crate::history::anchor::{AnchorError, HistoryAnchor as _};
use crate::history::bundle::{self, MAX_BUNDLE};
use crate::history::checkpoint::Checkpoint;
use crate::history::event::EventKind;
use crate::history::note::NoteKey;
use crate::history::proof::{self, Proof, Proven};
use crate::history::source_files::SourceFiles;
use crate::ledger::{Adoption, Decided, HistoryAudit, Ledger, LedgerError, Proposal};
use crate::model::{approver::Approver, id::IdPrefix, text};
use crate::policy::actor_capability::ActorCapability;
use crate::trust::{self, CosignedHead, FileAnchor};

/// The history of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct HistoryService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

/// Whether a proof has the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithSource {
    /// It has.
    Yes,
    /// It names its digest alone.
    No,
}

/// How the history of a workspace is anchored.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryStatus {
    /// Events in the ledger.
    pub events: u64,
    /// Events that the newest checkpoint of the ledger covers.
    pub signed: u64,
    /// Events that the head outside of the ledger covers; none when it has no head.
    pub head: Option<u64>,
    /// Where key and head are.
    pub anchor: String,
    /// The public key that signs checkpoints.
    pub key: Option<String>,
    /// Why nothing may run; none when nothing is wrong.
    pub refused: Option<String>,
    /// When a ledger from before the history was taken over as it was found.
    pub taken_over: Option<String>,
    /// What its witness over HTTP cosigned last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<CosignedHead>,
    /// When the last audit found nothing wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audited: Option<String>,
}

impl HistoryService<'_> {
    /// Checks the whole history and every row against it. When nothing is wrong, the events that no checkpoint covers yet get one.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub fn audit(&self) -> Result<HistoryAudit, Error> {
        let ledger = &self.workspace.ledger;
        let audit = ledger.audit_history()?;
        if !audit.problems.is_empty() {
            return Ok(audit);
        }
        // Only what was checked is signed. With the order turned round, the audit would sign an
        // edited row.
        let audit = if ledger.sign_tail()? { ledger.audit_history()? } else { audit };
        // What a witness saw is a part of the check. One that is not there is named, and is nothing wrong with the history.
        if let Err(error) = ledger.ask_witness() {
            ledger.check_all_trust()?;
            tracing::warn!("{error}");
        }
        self.workspace.anchor.note_audit(&self.workspace.clock.now().to_string());
        Ok(audit)
    }

    /// How the history is anchored.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn status(&self) -> Result<HistoryStatus, Error> {
        read_status(&self.workspace.ledger, &self.workspace.anchor)
    }

    /// The newest signed checkpoint, for whoever is to keep it: a note in a repository, a mail, paper.
    ///
    /// # Errors
    /// When the ledger does not fit its head, or nothing is signed.
    pub fn signed_head(&self) -> Result<String, Error> {
        self.workspace.allow_person(ActorCapability::ProveHistory)?;
        self.sign_what_is_checked()?;
        let head = self.workspace.ledger.newest_checkpoint()?;
        head.ok_or_else(|| Error::Refused("nothing is signed here yet".to_owned()))
    }

    /// Checks that what somebody kept is a part of this history: lines of a witness, or a signed checkpoint.
    ///
    /// # Errors
    /// When it is neither, or of another history.
    pub fn check_witnessed(&self, text: &str) -> Result<(), Error> {
        let note = trust::newest_in(text)
            .ok_or_else(|| Error::Usage("this is neither a witness file nor a signed checkpoint".to_owned()))?;
        Ok(self.workspace.ledger.check_witnessed(&note)?)
    }

    /// A proof file of everything that the trust in a proposal rests on, as of now.
    ///
    /// # Errors
    /// When the ledger does not fit its head, or cannot sign. With the source: when it was never promoted.
    pub fn prove_trust(&self, proposal: &Proposal, source: WithSource) -> Result<String, Error> {
        self.workspace.allow_person(ActorCapability::ProveHistory)?;
        if source == WithSource::Yes {
            return Ok(self.proof_with_source(proposal)?.text());
        }
        self.sign_what_is_checked()?;
        Ok(self.workspace.ledger.prove_trust(proposal.id)?.text())
    }

    /// The proof of a promoted revision, with its source.
    pub(super) fn proof_with_source(&self, proposal: &Proposal) -> Result<Proof, Error> {
        self.sign_what_is_checked()?;
        let source = source_of(self.workspace, proposal)?;
        Ok(Proof { source: Some(source), ..self.workspace.ledger.prove_trust(proposal.id)? })
    }

    /// A proof file of the newest decision of a kind, as of now.
    ///
    /// # Errors
    /// When there is none, or as [`HistoryService::prove_trust`].
    pub fn prove_decision(&self, kind: EventKind) -> Result<String, Error> {
        self.workspace.allow_person(ActorCapability::ProveHistory)?;
        self.sign_what_is_checked()?;
        Ok(self.workspace.ledger.prove_decision(kind)?.text())
    }

    /// A proof file of a run, by the beginning of its id, as of now.
    ///
    /// # Errors
    /// When there is no such run or its event was pruned, or as [`HistoryService::prove_trust`].
    pub fn prove_run(&self, id: &str) -> Result<String, Error> {
        self.workspace.allow_person(ActorCapability::ProveHistory)?;
        let prefix = IdPrefix::parse(id).map_err(|error| Error::Usage(error.to_string()))?;
        // Before anything is signed: an id with a typing error must not leave a checkpoint behind.
        let run = self.workspace.ledger.execution_by_prefix(&prefix)?.record.execution_id;
        self.sign_what_is_checked()?;
        Ok(self.workspace.ledger.prove_run(run)?.text())
    }

    /// A proof covers the newest events as well. Nothing is signed on a ledger that was changed outside of Kavi.
    fn sign_what_is_checked(&self) -> Result<(), Error> {
        self.workspace.ledger.check_all_trust()?;
        self.workspace.ledger.sign_tail()?;
        Ok(())
    }

    /// Writes a proof file. Replaces none.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn write_proof(&self, path: &Path, text: &str) -> Result<(), Error> {
        self.workspace.allow_person(ActorCapability::ProveHistory)?;
        let path = self.workspace.host.cwd.join(path);
        // `create_new` also refuses a link, so a proof cannot be written through one into another
        // file.
        let written = File::options().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|source| Error::Io { what: path.display().to_string(), source })
    }

    /// Has the history signed with a new key, if nothing about it is wrong. It is an adoption of what is there.
    ///
    /// # Errors
    /// When the ledger does not fit its head, or as [`HistoryService::adopt`].
    pub fn rotate_key(&self, by: &Approver, why: &str) -> Result<HistoryStatus, Error> {
        self.workspace.allow_person(ActorCapability::AdoptHistory)?;
        self.sign_what_is_checked()?;
        self.adopt(by, why)
    }

    /// Accepts the ledger as it is, though its anchor does not fit it, by this person's word. It gets another id and an anchor
    /// of its own, so that another copy, which the old anchor fits, stays what it is.
    ///
    /// # Errors
    /// When no reason is given, or key or head cannot be written.
    pub fn adopt(&self, by: &Approver, why: &str) -> Result<HistoryStatus, Error> {
        // It mends a ledger that nothing can be read from.
        self.workspace.allow_person_as_decided(ActorCapability::AdoptHistory, UnreadLedger::Proceeds)?;
        let why = text::block(why.trim(), 2_000);
        if why.is_empty() {
            return Err(Error::Usage("an adoption needs a reason: give --why TEXT".to_owned()));
        }
        // A new id, so the copy that fits the old head stays usable, and no approval of the one
        // fits the other.
        let workspace = self.workspace.ids.next().simple().to_string();
        let unusable = |error: AnchorError| Error::Ledger(LedgerError::UnusableAnchor(error.to_string()));
        let anchor = Arc::new(trust::new_anchor(&self.workspace.anchor, &workspace).map_err(unusable)?);
        let decided = Decided { by: by.as_str(), at: self.workspace.clock.now() };
        let adoption = Adoption { workspace: &workspace, anchor: anchor.as_ref(), why: &why };
        let note = self.workspace.ledger.adopt(&adoption, decided)?;
        // After the commit. A crash in between leaves a ledger without its head, which a second
        // adoption mends.
        anchor.advance(&note).map_err(unusable)?;
        // Last: from here on only the adopted ledger may lie in this folder.
        self.workspace.anchor.place().move_to(&workspace).map_err(unusable)?;
        read_status(&self.workspace.ledger.reopen()?.with_anchor(anchor.clone()), &anchor)
    }
}

/// The source of a promoted revision.
fn source_of(workspace: &OpenWorkspace, proposal: &Proposal) -> Result<SourceFiles, Error> {
    let trust = proposal.trust.ok_or_else(|| not_promoted(proposal))?;
    let snapshot = snapshot_store::load(&workspace.store, trust.snapshot_sha256)?;
    Ok(snapshot.files().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect())
}

pub(super) fn not_promoted(proposal: &Proposal) -> Error {
    let what = "promoted revision of proposal";
    LedgerError::NotFound { what, key: proposal.id.short() }.into()
}

fn read_status(ledger: &Ledger, anchor: &FileAnchor) -> Result<HistoryStatus, Error> {
    let size = |note: Option<String>| {
        let checkpoint = note.and_then(|note| Checkpoint::read_unverified(&note).ok());
        checkpoint.map(|checkpoint| checkpoint.head.size)
    };
    let counts = ledger.count_events()?;
    Ok(HistoryStatus {
        events: counts.events,
        signed: counts.signed,
        head: anchor.head().ok().and_then(size),
        anchor: anchor.folder().map_or_else(|| "none".to_owned(), |folder| folder.display().to_string()),
        key: anchor.key().ok().map(|key| key.text()),
        refused: ledger.check_all_trust().err().map(|error| error.to_string()),
        // What is wrong with the first event is in the field above.
        taken_over: ledger.taken_over().ok().flatten().map(|at| at.to_string()),
        cosigned: anchor.cosigned(),
        audited: anchor.audited(),
    })
}

/// Reads a proof file or a bundle.
///
/// # Errors
/// When it cannot be read or is too long.
pub fn read_proof(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Io { what: path.display().to_string(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more than a bundle may have, so that a longer one is refused and not cut.
    file.take(MAX_BUNDLE as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Checks the text of a proof file or a bundle. With a key, only a proof that it signed is valid.
///
/// # Errors
/// [`Error::Refused`] with the reason why it is not valid.
pub fn check_proof(text: &str, key: Option<&str>) -> Result<Proven, Error> {
    let key = key.map(NoteKey::parse).transpose().map_err(|error| Error::Usage(format!("--key: {error}")))?;
    let refused = |error: &dyn std::fmt::Display| Error::Refused(format!("the proof is not valid: {error}"));
    if bundle::is_bundle(text) {
        return bundle::check(text, key.as_ref()).map(|bundle| bundle.proven).map_err(|error| refused(&error));
    }
    proof::check(text, key.as_ref()).map_err(|error| refused(&error))
}
