//! The skills that come with Kavi, on their way to trust.
//!
//! Guarantees: each goes through proposal, import and every gate like any other skill. One that is trusted as it is, or
//! waits verified as it is, is not made again. Deliberately never: promotes.

use std::path::Path;

use super::open_workspace::OpenWorkspace;
use super::{AttemptService, ProposalService};
use crate::artifacts;
use crate::error::Error;
use crate::forge::build::Builder;
use crate::forge::bundled_skills::{self, BundledSkill, HostChoice, HostChoiceError};
use crate::forge::toolchain::Toolchain;
use crate::forge::verify::Reuse;
use crate::ledger::Proposal;
use crate::model::lifecycle::{ProposalStatus, Verdict};
use crate::model::spec::SkillSpec;
use crate::policy::actor_capability::ActorCapability;
use crate::sync::uninterrupted;

/// One bundled skill, as this workspace has it.
#[derive(Debug)]
pub struct BundledStatus {
    /// Its specification.
    pub spec: SkillSpec,
    /// Whether exactly these sources are trusted under its name.
    pub is_trusted: bool,
    /// Whether another revision of its name is trusted.
    pub is_other: bool,
    /// Whether a person must name its hosts.
    pub needs_hosts: bool,
}

/// The bundled skills, for one workspace.
#[derive(Debug, Clone, Copy)]
pub struct BundledService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl BundledService<'_> {
    /// Every bundled skill.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn all(&self) -> Result<Vec<BundledStatus>, Error> {
        bundled_skills::SKILLS.iter().map(|skill| self.status(skill, &HostChoice::default())).collect()
    }

    /// One by its name, with the hosts that the person names.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is none of this name, or it cannot be made for these hosts.
    pub fn find(&self, name: &str, hosts: &HostChoice) -> Result<BundledStatus, Error> {
        let skill = find(name)?;
        if skill.needs_hosts() && hosts.rules.is_empty() {
            let example = format!("kavi add {name} --host 'GET https://api.example.com/v1/**'");
            return Err(Error::Usage(format!("{name} reaches no host by itself: name one, as in `{example}`")));
        }
        self.status(skill, hosts)
    }

    fn status(&self, skill: &BundledSkill, hosts: &HostChoice) -> Result<BundledStatus, Error> {
        let spec = spec_for(skill, hosts)?;
        let trusted = self.workspace.ledger.trusted(&spec.name)?;
        let same = |proposal: &Proposal| {
            let sources = proposal.trust.map(|trust| trust.snapshot_sha256);
            // Without a choice, whatever hosts were chosen before are right.
            let chosen =
                HostChoice { rules: proposal.spec.hosts.clone(), private: proposal.spec.allow_private.clone() };
            let hosts = if hosts.rules.is_empty() && skill.needs_hosts() { &chosen } else { hosts };
            let same_spec = skill.spec_for(hosts).is_ok_and(|spec| proposal.spec == spec);
            same_spec && sources == Some(skill.snapshot())
        };
        let is_trusted = trusted.as_ref().is_some_and(same);
        Ok(BundledStatus {
            is_trusted,
            is_other: trusted.is_some() && !is_trusted,
            needs_hosts: skill.needs_hosts(),
            spec,
        })
    }

    /// Brings one up to the question whether it is to be trusted.
    ///
    /// # Errors
    /// When it cannot be built, or does not pass a gate.
    pub fn prepare(&self, name: &str, hosts: &HostChoice, toolchain: &Toolchain) -> Result<Proposal, Error> {
        self.workspace.allow_person(ActorCapability::AddBundled)?;
        let skill = find(name)?;
        let spec = spec_for(skill, hosts)?;
        let proposals = ProposalService { workspace: self.workspace };
        if let Some(waiting) = self.verified(skill, &spec)? {
            return Ok(waiting);
        }
        let attempts = AttemptService { workspace: self.workspace };
        let io = |source| Error::Io { what: "the sources of a bundled skill".to_owned(), source };
        let scratch = tempfile::Builder::new().prefix("kavi-add-").tempdir().map_err(io)?;
        write(skill, scratch.path())?;
        let proposal = proposals.propose(&spec)?;
        let built = attempts.build(&proposal, &Builder::Import(scratch.path().to_owned()), None)?;
        if built.build.snapshot_sha256.is_none() {
            return Err(Error::Refused(format!("{name}: {}", built.build.summary)));
        }
        let proposal = proposals.find(&proposal.id.to_string())?;
        let verified = attempts.verify(&proposal, toolchain, Reuse::Allowed)?;
        let gates = &verified.verification.gates;
        let failed: Vec<&str> =
            gates.iter().filter(|gate| gate.status == Verdict::Failed).map(|gate| gate.gate.as_str()).collect();
        if verified.verification.status != Verdict::Passed {
            return Err(Error::Verification {
                message: format!("the bundled skill {name} does not pass: {}", failed.join(", ")),
                hint: format!("see why with `kavi research-skill {name}`, and report it: this is an error of kavi's"),
            });
        }
        proposals.find(&proposal.id.to_string())
    }

    /// The newest proposal of a skill, if it is verified and exactly this one.
    fn verified(&self, skill: &BundledSkill, spec: &SkillSpec) -> Result<Option<Proposal>, Error> {
        let ledger = &self.workspace.ledger;
        let newest = ledger.proposals_named(&spec.name)?.pop();
        let Some(newest) = newest.filter(|p| p.status == ProposalStatus::Verified && p.spec == *spec) else {
            return Ok(None);
        };
        let verification = ledger.latest_verification(newest.id)?;
        let is_same = verification.is_some_and(|verification| verification.snapshot_sha256 == skill.snapshot());
        Ok(Some(newest).filter(|_| is_same))
    }
}

fn find(name: &str) -> Result<&'static BundledSkill, Error> {
    bundled_skills::find(name).ok_or_else(|| {
        let names: Vec<&str> = bundled_skills::SKILLS.iter().map(|skill| skill.name).collect();
        Error::Usage(format!("`{name}` does not come with kavi; these do: {}", names.join(", ")))
    })
}

fn spec_for(skill: &BundledSkill, hosts: &HostChoice) -> Result<SkillSpec, Error> {
    skill.spec_for(hosts).map_err(|error| match error {
        HostChoiceError::Spec(error) => error.into(),
        error => Error::Usage(error.to_string()),
    })
}

fn write(skill: &BundledSkill, folder: &Path) -> Result<(), Error> {
    uninterrupted(|| std::fs::create_dir_all(folder))
        .map_err(|source| Error::Io { what: folder.display().to_string(), source })?;
    for (path, bytes) in skill.sources {
        artifacts::write_durably(folder, &folder.join(path), bytes)?;
    }
    Ok(())
}
