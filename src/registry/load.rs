//! Loads a trusted skill, and checks the digest of its bytes again.
//!
//! Guarantees: the bytes that were hashed are the bytes that the caller gets: one open, one buffer.
//!
//! Deliberately never: reads `registry.yaml`, or believes anything but the ledger.

use crate::artifacts::{ArtifactError, Store, StoredKind};
use crate::ledger::{LedgerError, Proposal, TrustStore, TrustedRevision};
use crate::model::{
    digest::Digest, id::ProposalId, lifecycle::ProposalStatus, limits::Narrowed, name::SkillName, spec::SkillSpec,
};

/// A skill whose bytes were promoted and have been checked. Only [`load`] makes one.
#[derive(Debug)]
pub struct TrustedSkill {
    spec: SkillSpec,
    trusted_revision: TrustedRevision,
    component: Vec<u8>,
}

impl TrustedSkill {
    /// Its spec.
    pub fn spec(&self) -> &SkillSpec {
        &self.spec
    }

    /// Its proposal.
    pub fn proposal_id(&self) -> ProposalId {
        self.trusted_revision.id
    }

    /// Its revision.
    pub fn revision(&self) -> u32 {
        self.trusted_revision.revision
    }

    /// The digest that was promoted, which these bytes have.
    pub fn digest(&self) -> Digest {
        self.trusted_revision.component_sha256
    }

    /// The limits that its promotion narrowed.
    pub fn limits(&self) -> &Narrowed {
        &self.trusted_revision.limits
    }

    /// What the ledger said of it when its bytes were checked.
    pub fn trusted_revision(&self) -> &TrustedRevision {
        &self.trusted_revision
    }

    /// The bytes.
    pub fn component(&self) -> &[u8] {
        &self.component
    }
}

/// Why a name gives no skill that may run.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Nobody ever proposed it.
    #[error("there is no skill `{name}`")]
    Unknown {
        /// What was asked for.
        name: SkillName,
        /// The skill that was probably meant.
        closest: Option<SkillName>,
    },
    /// It exists, but nobody promoted it, or the trust was taken back.
    #[error("skill `{name}` is not trusted: proposal {} is {status}", id.short())]
    NotTrusted {
        /// The skill.
        name: SkillName,
        /// Its newest revision, or its newest proposal when there was never one.
        id: ProposalId,
        /// Where it stands.
        status: ProposalStatus,
    },
    /// The promoted bytes are missing or were changed.
    #[error("skill `{name}` is refused: {source}")]
    Bytes {
        /// The skill.
        name: SkillName,
        /// The trusted proposal, whose bytes they should be.
        proposal: Box<Proposal>,
        /// What is wrong with them.
        source: ArtifactError,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Loads a trusted skill: the ledger's word, then one open, one buffer, its digest.
///
/// # Errors
/// [`TrustError`] when the name is not trusted or its bytes are not the promoted ones.
pub fn load(ledger: &dyn TrustStore, store: &Store, name: &SkillName) -> Result<TrustedSkill, TrustError> {
    let Some(proposal) = ledger.trusted(name)? else {
        let proposals = ledger.proposals_named(name)?;
        // Once there was trust, what became of it is the answer, not what is being built meanwhile.
        let was_trusted = proposals.iter().filter(|proposal| proposal.trust.is_some());
        let newest = was_trusted.max_by_key(|proposal| proposal.trust.map(|trust| trust.revision)).or(proposals.last());
        return Err(match newest {
            Some(newest) => TrustError::NotTrusted { name: name.clone(), id: newest.id, status: newest.status },
            None => {
                let closest = name.closest(&ledger.skill_names()?).cloned();
                TrustError::Unknown { name: name.clone(), closest }
            }
        });
    };
    let Some(trust) = proposal.trust else {
        return Err(LedgerError::Damaged(format!("trusted proposal {} has no component", proposal.id)).into());
    };
    // The digest comes from the ledger, and the store hashes the buffer that it returns.
    match store.get(StoredKind::Component, trust.component_sha256) {
        Ok(component) => Ok(TrustedSkill {
            trusted_revision: TrustedRevision {
                id: proposal.id,
                revision: trust.revision,
                component_sha256: trust.component_sha256,
                spec_sha256: proposal.spec_sha256,
                limits: proposal.limits,
            },
            spec: proposal.spec,
            component,
        }),
        Err(source) => Err(TrustError::Bytes { name: name.clone(), proposal: Box::new(proposal), source }),
    }
}
