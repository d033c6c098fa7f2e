//! What is trusted: a view of the ledger, and the one way to a component that may run.
//!
//! Guarantees: a [`TrustedSkill`] exists only when the ledger calls its proposal TRUSTED and the bytes it holds have the
//! digest that was promoted; `registry.yaml` is written from the ledger and never read.
//!
//! Deliberately never: decides trust, compiles, or runs.

use serde::Serialize;

use crate::artifacts::{ArtifactError, Kind, Store};
use crate::ledger::{Ledger, LedgerError, Proposal, TrustedRevision};
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
    #[error("there is no skill `{0}`")]
    Unknown(SkillName),
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
pub fn load(ledger: &Ledger, store: &Store, name: &SkillName) -> Result<TrustedSkill, TrustError> {
    let Some(proposal) = ledger.trusted(name)? else {
        let proposals = ledger.proposals_named(name)?;
        // Once there was trust, what became of it is the answer, not what is being built meanwhile.
        let was_trusted = proposals.iter().filter(|proposal| proposal.trust.is_some());
        let newest = was_trusted.max_by_key(|proposal| proposal.trust.map(|trust| trust.revision)).or(proposals.last());
        return Err(match newest {
            Some(newest) => TrustError::NotTrusted { name: name.clone(), id: newest.id, status: newest.status },
            None => TrustError::Unknown(name.clone()),
        });
    };
    let Some(trust) = proposal.trust else {
        return Err(LedgerError::Damaged(format!("trusted proposal {} has no component", proposal.id)).into());
    };
    match store.get(Kind::Component, trust.component_sha256) {
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

/// One line of the registry.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: &'a SkillName,
    module: String,
    description: &'a str,
    input_model: &'a serde_json::Value,
    output_model: &'a serde_json::Value,
    side_effect_class: &'a str,
    paths: Vec<&'a str>,
    required_secrets: &'a [String],
    version: u32,
    hash: String,
    proposal_id: String,
}

/// The registry could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("the registry cannot be written as YAML: {0}")]
pub struct RenderError(String);

/// `registry.yaml`: the same trusted skills give the same bytes.
///
/// # Errors
/// [`RenderError`] when a value has no YAML form.
pub fn render(trusted: &[Proposal]) -> Result<String, RenderError> {
    let entries: Vec<Entry<'_>> = trusted.iter().filter_map(entry).collect();
    let yaml = serde_saphyr::to_string(&serde_json::json!({ "v": 1, "skills": entries }))
        .map_err(|error| RenderError(error.to_string()))?;
    Ok(format!(
        "# Derived from the ledger by kavi. Never read: an edit here changes nothing. `kavi rebuild` writes it again.\n{yaml}"
    ))
}

fn entry(proposal: &Proposal) -> Option<Entry<'_>> {
    let trust = proposal.trust?;
    let spec = &proposal.spec;
    Some(Entry {
        name: &spec.name,
        module: format!("sha256:{}", trust.component_sha256),
        description: &spec.description,
        input_model: spec.io.input_schema(),
        output_model: spec.io.output_schema(),
        side_effect_class: spec.side_effect_class.as_str(),
        paths: spec.paths.iter().map(|path| path.as_str()).collect(),
        required_secrets: &spec.required_secrets,
        version: trust.revision,
        hash: trust.component_sha256.to_string(),
        proposal_id: proposal.id.to_string(),
    })
}
