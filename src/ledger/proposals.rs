//! Proposals and what became of them.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::codec::IdColumn;
use super::events::{self, NewEvent};
use super::write_transaction::WriteTransaction;
use super::{
    ArtifactRow, Ledger, LedgerError, OpenProposal, ProposalOrigin, ProposalSource, artifacts, codec, proposal_origins,
    proposal_sources,
};
use crate::history::event::EventKind;
use crate::model::{
    digest::Digest,
    id::{IdPrefix, ProposalId},
    lifecycle::ProposalStatus,
    limits::Narrowed,
    name::SkillName,
    spec::SkillSpec,
    time::Timestamp,
};

/// One proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// What the skill is to be.
    pub spec: SkillSpec,
    /// Digest of the spec's text, which a person promotes.
    pub spec_sha256: Digest,
    /// The trusted revision it sets out to follow.
    pub parent: Option<ProposalId>,
    /// Where it stands.
    pub status: ProposalStatus,
    /// What was promoted, once it was.
    pub trust: Option<Trust>,
    /// What its promotion narrowed; nothing before it.
    pub limits: Narrowed,
    /// When it was proposed.
    pub created_at: Timestamp,
}

/// What a promotion fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// The revision of the name, from 1.
    pub revision: u32,
    /// The component that was promoted.
    pub component_sha256: Digest,
    /// The sources it was compiled from.
    pub snapshot_sha256: Digest,
}

/// A proposal to be written.
#[derive(Debug)]
pub struct NewProposal<'a> {
    /// Its id.
    pub id: ProposalId,
    /// What the skill is to be.
    pub spec: &'a SkillSpec,
    /// The spec's text, as it lies in the artifact.
    pub spec_json: &'a str,
    /// The artifact that holds it.
    pub artifact: &'a ArtifactRow,
    /// Who sent it; none when it was typed at the command line.
    pub source: Option<&'a ProposalSource>,
    /// Where it came from; none when it came in no bundle.
    pub origin: Option<&'a ProposalOrigin>,
    /// The digest of charter, policy and capabilities that it is recorded under.
    pub context_sha256: Option<Digest>,
}

const COLUMNS: &str = "id, spec_json, spec_sha256, parent_proposal_id, status, revision, component_sha256, snapshot_sha256, limits_json, created_at";

const TRUSTED: &str = "WHERE name = ?1 AND status = 'TRUSTED'";
const NAMED: &str = "WHERE name = ?1 ORDER BY rowid";
const OPEN: &str = "WHERE status IN ('PROPOSED', 'BUILT', 'VERIFIED') ORDER BY rowid";
const OPEN_NAMED: &str = "WHERE name = ?1 AND status IN ('PROPOSED', 'BUILT', 'VERIFIED') ORDER BY rowid";
const ALL_TRUSTED: &str = "WHERE status = 'TRUSTED' ORDER BY name";

const TRUSTED_IDS: &str = "SELECT id FROM skill_proposals WHERE status = 'TRUSTED' ORDER BY name";
const NEWEST: &str = "ORDER BY rowid DESC LIMIT ?1";

fn query(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM skill_proposals {rest}")
}

/// A proposal, and the text of its spec as it is stored.
struct StoredProposal {
    proposal: Proposal,
    spec_json: String,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredProposal> {
    let spec_json: String = row.get("spec_json")?;
    let trust = match row.get::<_, Option<u32>>("revision")? {
        Some(revision) => Some(Trust {
            revision,
            component_sha256: row.get("component_sha256")?,
            snapshot_sha256: row.get("snapshot_sha256")?,
        }),
        None => None,
    };
    let proposal = Proposal {
        id: row.get("id")?,
        spec: codec::json_column(row, "spec_json")?,
        spec_sha256: row.get("spec_sha256")?,
        parent: row.get("parent_proposal_id")?,
        status: row.get("status")?,
        trust,
        limits: codec::json_column(row, "limits_json")?,
        created_at: row.get("created_at")?,
    };
    Ok(StoredProposal { proposal, spec_json })
}

/// A spec that no longer has its digest was edited behind Kavi's back.
fn checked(stored: StoredProposal) -> Result<Proposal, LedgerError> {
    // The digest is of the stored text, not of a new serialization: that could differ after an
    // upgrade.
    let StoredProposal { proposal, spec_json } = stored;
    if Digest::of(spec_json.as_bytes()) == proposal.spec_sha256 {
        Ok(proposal)
    } else {
        Err(LedgerError::Damaged(format!("the spec of proposal {} does not have its digest", proposal.id)))
    }
}

pub(super) fn get(conn: &Connection, id: ProposalId) -> Result<Proposal, LedgerError> {
    conn.query_row(&format!("SELECT {COLUMNS} FROM skill_proposals WHERE id = ?1"), [id], from_row)
        .optional()?
        .ok_or_else(|| LedgerError::NotFound { what: "proposal", key: id.to_string() })
        .and_then(checked)
}

/// Moves a proposal from one state to another, or says which state it is in.
pub(super) fn step(
    tx: &WriteTransaction<'_>,
    id: ProposalId,
    from: &[ProposalStatus],
    to: ProposalStatus,
    name_of_step: &'static str,
) -> Result<ProposalStatus, LedgerError> {
    // The transaction holds the write lock, so no other process can change the state before the
    // update.
    let found = get(tx, id)?.status;
    if !from.contains(&found) {
        return Err(LedgerError::WrongState {
            what: "proposal",
            id: id.to_string(),
            found: found.to_string(),
            step: name_of_step,
        });
    }
    tx.change("UPDATE skill_proposals SET status = ?2 WHERE id = ?1", params![id, to])?;
    Ok(found)
}

pub(super) fn trusted(conn: &Connection, name: &SkillName) -> Result<Option<Proposal>, LedgerError> {
    conn.query_row(&query(TRUSTED), [name], from_row).optional()?.map(checked).transpose()
}

const IDS: IdColumn = IdColumn { table: "skill_proposals", column: "id", what: "proposal" };

impl Ledger {
    /// Writes a proposal and its spec's artifact. The trusted revision of its name, if any, becomes its parent.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written.
    pub fn insert_proposal(&self, new: &NewProposal<'_>) -> Result<Proposal, LedgerError> {
        self.write(|tx| {
            let spec = new.spec;
            // Looked up in the transaction that writes, so that a promotion in between cannot leave
            // a stale parent.
            let parent = trusted(tx, &spec.name)?.map(|parent| parent.id);
            tx.insert(
                "skill_proposals",
                &[
                    ("id", &new.id),
                    ("name", &spec.name),
                    ("description", &spec.description),
                    ("io_schema_json", &codec::to_json(&spec.io)?),
                    ("side_effect_class", &spec.side_effect_class),
                    ("required_secrets_json", &codec::to_json(&spec.required_secrets)?),
                    ("spec_json", &new.spec_json),
                    ("spec_sha256", &Digest::of(new.spec_json.as_bytes())),
                    ("parent_proposal_id", &parent),
                    ("status", &"PROPOSED"),
                    ("created_at", &new.artifact.created_at),
                ],
            )?;
            artifacts::insert(tx, new.artifact)?;
            if let Some(source) = new.source {
                proposal_sources::insert(tx, new.id, source, new.artifact.created_at)?;
            }
            if let Some(origin) = new.origin {
                proposal_origins::insert(tx, new.id, origin)?;
            }
            let event = NewEvent::new(EventKind::Proposal, &new.id, new.artifact.created_at)
                .row("skill_proposals", &new.id)
                .row("artifacts", &new.artifact.id)
                .rows("proposal_origins", new.origin.map(|_| new.id));
            let event = match &new.context_sha256 {
                Some(context) => {
                    tx.insert("proposal_contexts", &[("proposal_id", &new.id), ("context_sha256", context)])?;
                    event.row("proposal_contexts", &new.id)
                }
                None => event,
            };
            events::append(tx, &if new.source.is_some() { event.row("proposal_askers", &new.id) } else { event })?;
            get(tx, new.id)
        })
    }

    /// One proposal.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn proposal(&self, id: ProposalId) -> Result<Proposal, LedgerError> {
        get(self.reader()?, id)
    }

    /// The one proposal whose id starts with `prefix`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] or [`LedgerError::Ambiguous`].
    pub fn proposal_by_prefix(&self, prefix: &IdPrefix) -> Result<Proposal, LedgerError> {
        get(self.reader()?, codec::by_prefix(self.reader()?, IDS, prefix)?)
    }

    /// Every proposal, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn proposals(&self) -> Result<Vec<Proposal>, LedgerError> {
        self.select("ORDER BY rowid", [])
    }

    /// Every proposal of a name, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn proposals_named(&self, name: &SkillName) -> Result<Vec<Proposal>, LedgerError> {
        self.select(NAMED, [name])
    }

    /// The name of every skill that was ever proposed.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn skill_names(&self) -> Result<Vec<SkillName>, LedgerError> {
        let mut query = self.reader()?.prepare("SELECT DISTINCT name FROM skill_proposals ORDER BY name")?;
        let names = query.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// The proposals that a person can still decide about, oldest first: all, or those of a name.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn open_proposals(&self, name: Option<&SkillName>) -> Result<Vec<OpenProposal>, LedgerError> {
        let proposals = match name {
            Some(name) => self.select(OPEN_NAMED, [name])?,
            None => self.select(OPEN, [])?,
        };
        let with_source = |proposal: Proposal| {
            let (source, times) = (self.proposal_source(proposal.id)?, self.times_proposed(proposal.id)?);
            Ok(OpenProposal { proposal, source, times })
        };
        proposals.into_iter().map(with_source).collect()
    }

    /// Every trusted skill, by name.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn all_trusted(&self) -> Result<Vec<Proposal>, LedgerError> {
        self.select(ALL_TRUSTED, [])
    }

    /// The ids of what is trusted, by name: enough to tell whether anything else is trusted than before.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn trusted_ids(&self) -> Result<Vec<ProposalId>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(TRUSTED_IDS)?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The newest proposals, newest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn newest_proposals(&self, most: u32) -> Result<Vec<Proposal>, LedgerError> {
        self.select(NEWEST, [most])
    }

    /// The trusted revision of a name.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn trusted(&self, name: &SkillName) -> Result<Option<Proposal>, LedgerError> {
        self.read_checked(Some(name), |conn| trusted(conn, name))
    }

    fn select<P: rusqlite::Params>(&self, rest: &str, params: P) -> Result<Vec<Proposal>, LedgerError> {
        let mut statement = self.reader()?.prepare(&query(rest))?;
        let rows = statement.query_map(params, from_row)?.collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(checked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_without_reading_every_proposal() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        for rest in [TRUSTED, NAMED, OPEN_NAMED, ALL_TRUSTED] {
            assert_eq!(codec::full_scans(&ledger.conn, &query(rest))?, [""; 0], "{rest}");
        }
        assert_eq!(codec::full_scans(&ledger.conn, TRUSTED_IDS)?, [""; 0]);
        Ok(())
    }
}
