//! The policy in force and its signers: what decisions need, and who may sign them.
//!
//! Guarantees: nothing of kavi.toml is in force before a person put it there, with the signature of a signer once there is one.
//! Deliberately never: removes the last signer, so that nobody gets out of signing by it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::open_workspace::{OpenWorkspace, UnreadLedger};
use crate::artifacts;
use crate::error::Error;
use crate::history::anchor::HistoryAnchor as _;
use crate::history::approval::{Approved, NoSignature, SignedStatement, of_event, verify_event};
use crate::history::event::EventKind;
use crate::history::rules::weaker_channel;
use crate::history::signers::{Signer, is_principal};
use crate::history::ssh_key::SshPublicKey;
use crate::history::trust_policy::{Requirement, RequirementTable, TrustPolicy};
use crate::ledger::{Decided, PolicyChange, Proposal};
use crate::model::approver::Approver;
use crate::policy::actor_capability::ActorCapability;
use crate::sync::uninterrupted;
use crate::trust::{self, MACHINE_PIN, PersonSigner, SshTools};

/// The policy of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct PolicyService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

/// Where a key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A public key file that exists.
    Public(PathBuf),
    /// `ssh-keygen` makes a key there, with this passphrase; without one it asks.
    New {
        /// The file of the private key.
        path: PathBuf,
        /// The passphrase. An empty one lets every program of the user sign.
        passphrase: Option<String>,
    },
}

/// A signer who is to be added.
#[derive(Debug, Clone)]
pub struct NewSigner {
    /// Their name.
    pub principal: String,
    /// Their key.
    pub key: KeySource,
    /// From when it counts.
    pub valid_after: Option<String>,
    /// Until when it counts.
    pub valid_before: Option<String>,
    /// Whether its owner says that an agent asks before each use.
    pub confirms: bool,
}

/// A decision whose approval is exported.
#[derive(Debug, Clone, Copy)]
pub enum ApprovedDecision<'a> {
    /// The newest promotion or rollback of a proposal.
    Trust(&'a Proposal),
    /// The newest decision of a kind.
    Newest(EventKind),
}

/// The approval of a decision, as files that `ssh-keygen -Y verify` checks.
#[derive(Debug)]
pub struct ExportedApproval {
    /// Who approved.
    pub approved: Approved,
    /// What the signature was made for.
    pub namespace: String,
    /// The files: the statement, its signature, the signers.
    pub files: Vec<PathBuf>,
}

/// An event. One that is no JSON has no approval that counts.
fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

fn refused(error: NoSignature) -> Error {
    Error::Refused(error.0)
}

impl PolicyService<'_> {
    /// The policy in force; none when there never was one.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn in_force(&self) -> Result<Option<TrustPolicy>, Error> {
        Ok(self.workspace.ledger.trust_policy()?)
    }

    /// Whether another user of the machine pins signers, and where.
    pub fn machine_pin(&self) -> Option<(&'static str, bool)> {
        let path = Path::new(MACHINE_PIN);
        path.symlink_metadata().ok().map(|_| (MACHINE_PIN, trust::is_of_another_user(path)))
    }

    /// What kavi.toml proposes and the policy in force does not have, as keys: weaker ones, and stricter ones.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn weaker_keys(&self) -> Result<Vec<String>, Error> {
        let Some(policy) = self.in_force()? else { return Ok(Vec::new()) };
        let weaker = self.workspace.config.trust.require.and_then(|file| file.weaker_than(&policy.require));
        let require = weaker.map(|kind| format!("trust.require.{kind}"));
        Ok(require.into_iter().chain(weaker_channel(&self.channels(), &policy.channels)).collect())
    }

    fn channels(&self) -> Value {
        serde_json::to_value(self.workspace.config.channels.rules()).unwrap_or_default()
    }

    fn of_file(&self, signers: Vec<Signer>, otherwise: RequirementTable) -> TrustPolicy {
        let require = self.workspace.config.trust.require.unwrap_or(otherwise);
        TrustPolicy {
            v: 1,
            require,
            signers,
            channels: self.channels(),
            anchor: self.workspace.anchor.rules().proposed.anchor.clone(),
            witness: self.workspace.anchor.rules().proposed.witness.clone(),
        }
    }

    /// Enrols the first signer. From then on the file's policy is in force, and decisions need what it asks for, or `require`.
    ///
    /// # Errors
    /// When there is a signer already, the key cannot be used, or its owner does not sign.
    pub fn enroll(&self, new: &NewSigner, require: Requirement, by: &Approver) -> Result<TrustPolicy, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::SetPolicy, UnreadLedger::Proceeds)?;
        let before = self.in_force()?;
        // Whoever enrols first signs for themselves. A second such step would let anybody with the
        // command line become a signer.
        if before.as_ref().is_some_and(TrustPolicy::has_signers) {
            return Err(Error::Refused(
                "somebody is enrolled already: add others with `kavi trust signers add`".to_owned(),
            ));
        }
        let signer = self.signer(new)?;
        let policy = self.of_file(vec![signer], RequirementTable::all(require));
        self.change(before.as_ref(), &policy, by)?;
        Ok(policy)
    }

    /// Adds a signer. A signer signs it.
    ///
    /// # Errors
    /// When nobody is enrolled yet, the key is there already, or nobody signs.
    pub fn add_signer(&self, new: &NewSigner, by: &Approver) -> Result<TrustPolicy, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::SetPolicy, UnreadLedger::Proceeds)?;
        let before = self.enrolled()?;
        let signer = self.signer(new)?;
        // One key under two names: a signature could not say who gave it.
        if before.signers.iter().any(|other| other.key == signer.key) {
            return Err(Error::Refused(format!("the key of {} is a signer's already", signer.principal)));
        }
        let mut policy = before.clone();
        policy.signers.push(signer);
        self.change(Some(&before), &policy, by)?;
        Ok(policy)
    }

    /// Removes the keys of a signer, or the one with this fingerprint. What they signed stays signed.
    ///
    /// # Errors
    /// When there is no such signer, nobody would be left, or nobody signs.
    pub fn remove_signer(&self, who: &str, by: &Approver) -> Result<TrustPolicy, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::SetPolicy, UnreadLedger::Proceeds)?;
        let before = self.enrolled()?;
        let is_meant =
            |signer: &Signer| signer.principal == who || signer.public_key().is_ok_and(|key| key.fingerprint() == who);
        let mut policy = before.clone();
        policy.signers.retain(|signer| !is_meant(signer));
        if policy.signers.len() == before.signers.len() {
            return Err(Error::Usage(format!("there is no signer `{who}`: see `kavi trust signers list`")));
        }
        // Without a signer nothing that needs a signature could ever be decided again, and the next
        // to enrol would be anybody.
        if !policy.has_signers() {
            return Err(Error::Refused("the last signer cannot be removed: add another one first".to_owned()));
        }
        self.change(Some(&before), &policy, by)?;
        Ok(policy)
    }

    /// Puts into force what kavi.toml proposes. A signer signs it once there is one.
    ///
    /// # Errors
    /// When nobody signs.
    pub fn apply_file(&self, by: &Approver) -> Result<TrustPolicy, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::SetPolicy, UnreadLedger::Proceeds)?;
        let before = self.in_force()?;
        let old = before.clone().unwrap_or_default();
        let policy = self.of_file(old.signers, old.require);
        if before.as_ref() != Some(&policy) {
            self.change(before.as_ref(), &policy, by)?;
        }
        Ok(policy)
    }

    fn enrolled(&self) -> Result<TrustPolicy, Error> {
        let policy = self.in_force()?.filter(TrustPolicy::has_signers);
        policy.ok_or_else(|| Error::Refused("nobody is enrolled yet: `kavi trust enroll`".to_owned()))
    }

    fn change(&self, from: Option<&TrustPolicy>, to: &TrustPolicy, by: &Approver) -> Result<(), Error> {
        let decided = Decided { by: by.as_str(), at: self.workspace.clock.now() };
        self.workspace.ledger.change_policy(&PolicyChange { from, to }, decided)?;
        // After the ledger has the change: a pin that leads would refuse the ledger that it belongs
        // to.
        self.pin_place(to)
    }

    /// Notes outside of the ledger who may have another one take its place.
    fn pin_place(&self, policy: &TrustPolicy) -> Result<(), Error> {
        let workspace = self.workspace.ledger.workspace_id()?;
        let place = self.workspace.anchor.place();
        place.pin(&workspace, policy.signers.clone()).map_err(|error| Error::Refused(error.to_string()))
    }

    /// The signer, with a key that was read or made.
    fn signer(&self, new: &NewSigner) -> Result<Signer, Error> {
        if !is_principal(&new.principal) {
            let why = "a signer has a plain name without spaces, quotes, commas and wildcards: give --as NAME";
            return Err(Error::Usage(format!("`{}`: {why}", new.principal)));
        }
        let path = match &new.key {
            KeySource::Public(path) => self.workspace.host.cwd.join(path),
            KeySource::New { path, passphrase } => {
                let path = self.workspace.host.cwd.join(path);
                self.tools().make_key(&path, passphrase.as_deref()).map_err(refused)?;
                let mut public = path.into_os_string();
                public.push(".pub");
                PathBuf::from(public)
            }
        };
        let bytes = artifacts::read_once(&path)
            .map_err(|_| Error::Usage(format!("{} is no public key file that can be read", path.display())))?;
        let key = SshPublicKey::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
        let folder = self.workspace.anchor.folder();
        // Beside the head, outside of the ledger. Which file has a person's key is a fact of this
        // machine.
        PersonSigner::new(self.tools(), folder).remember(&path).map_err(refused)?;
        Ok(Signer {
            principal: new.principal.clone(),
            key: key.text(),
            valid_after: new.valid_after.clone(),
            valid_before: new.valid_before.clone(),
            namespaces: Vec::new(),
            confirms: new.confirms,
        })
    }

    fn tools(&self) -> SshTools {
        self.workspace.host.ssh()
    }

    /// The signature over the newest promotion or rollback of a proposal.
    ///
    /// # Errors
    /// When there is none.
    pub fn approval_of(&self, proposal: &Proposal) -> Result<Option<(String, SignedStatement)>, Error> {
        let Some(body) = self.workspace.ledger.trust_event(proposal.id)? else { return Ok(None) };
        let event: Value = serde_json::from_str(&body).unwrap_or_default();
        let signed = of_event(&event).map_err(|error| Error::Refused(error.to_string()))?;
        Ok(signed.map(|signed| (body, signed)))
    }

    /// Who signed the newest decision to trust a proposal. A signature that does not count is none.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn signed_by(&self, proposal: &Proposal) -> Result<Option<Approved>, Error> {
        let Some((body, signed)) = self.approval_of(proposal).unwrap_or_default() else { return Ok(None) };
        let event: Value = serde_json::from_str(&body).unwrap_or_default();
        let (signers, ids) = (self.workspace.ledger.every_signer()?, self.workspace.ledger.workspace_ids()?);
        Ok(verify_event(&event, &signed, &signers, &ids).ok())
    }

    /// Writes the approval of a decision as files.
    ///
    /// # Errors
    /// When it was not signed, or a file exists.
    pub fn export_approval(&self, decision: ApprovedDecision<'_>, to: &Path) -> Result<ExportedApproval, Error> {
        self.workspace.allow_person(ActorCapability::ProveHistory)?;
        let (what, found) = match decision {
            ApprovedDecision::Trust(proposal) => {
                let found = self.approval_of(proposal)?.map(|(body, signed)| (parsed(&body), signed));
                (format!("the trust in {}", proposal.spec.name), found)
            }
            ApprovedDecision::Newest(kind) => {
                let event = parsed(&self.workspace.ledger.newest_decision(kind)?);
                let signed = of_event(&event).map_err(|error| Error::Refused(error.to_string()))?;
                (format!("the newest decision of the kind `{}`", kind.as_str()), signed.map(|signed| (event, signed)))
            }
        };
        let missing = || Error::Refused(format!("{what} was not signed by anybody"));
        let (event, signed) = found.ok_or_else(missing)?;
        // The signers who counted then may be others than those of today, so every one that ever was counts here.
        let signers = self.workspace.ledger.every_signer()?;
        let ids = self.workspace.ledger.workspace_ids()?;
        let approved =
            verify_event(&event, &signed, &signers, &ids).map_err(|error| Error::Refused(error.to_string()))?;
        let signature = crate::history::sshsig::SshSignature::parse(&signed.signature);
        let namespace = signature.map_err(|error| Error::Refused(error.to_string()))?.namespace;
        let folder = self.workspace.host.cwd.join(to);
        uninterrupted(|| std::fs::create_dir_all(&folder))
            .map_err(|source| Error::Io { what: folder.display().to_string(), source })?;
        let lines: String = signers.iter().map(Signer::line).collect();
        let mut files = Vec::new();
        for (name, text) in [
            ("statement.json", &signed.statement),
            ("statement.json.sig", &signed.signature),
            ("allowed_signers", &lines),
        ] {
            let path = folder.join(name);
            // Never over a file that is there: it may be the export of another decision.
            artifacts::write_new(&folder, &path, text.as_bytes())?;
            files.push(path);
        }
        Ok(ExportedApproval { approved, namespace, files })
    }
}
