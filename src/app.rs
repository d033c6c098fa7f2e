//! The composition root: the only place that wires the parts together, and what the command line and other fronts get.
//!
//! Guarantees: one [`App`] is one workspace with its ledger open; everything a front can do is a method here.
//! Deliberately never: prints, asks, or reads the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::artifacts::{self, Store};
use crate::cage::{Cage, Confinement};
use crate::config::{Config, ConfinementSetting, Environment};
use crate::error::Error;
use crate::forge::toolchain::{self, HostTools, Toolchain};
use crate::forge::{Forge, promote, propose, rebuild, verify};
use crate::invoke::{InvokeError, effects, pending_approval};
use crate::ledger::{Create, Ledger, LedgerError};
use crate::model::{
    commit::Commit,
    execution::SecondWall,
    finding::Finding,
    id::{BuildId, IdPrefix, IdSource, RandomIds},
    layout::Layout,
    limits::{Limits, Narrowed},
    name::SkillName,
    spec::SkillSpec,
    switch::{Switch, SwitchEvent},
    text,
    time::{Clock, SystemClock},
    warnings::Warnings,
};
use crate::runtime::{CodeCache, second_wall};

mod agent;
mod agents;
mod batch;
mod cache;
mod doctor;
mod effect;
mod install;
mod records;
mod retry;
mod runs;
mod workspace;

pub use crate::cage::CageReport;
pub use crate::forge::build::{Attempt, Builder, Progress};
pub use crate::forge::promote::{Approver, Report};
pub use crate::forge::propose::{ExampleText, Request};
pub use crate::forge::rebuild::Rebuilt;
pub use crate::forge::verify::{Reuse, Verified};
pub use crate::invoke::batch::Batch;
pub use crate::invoke::chain::{ChainFiles, ChainResult, CommitMode, StepResult};
pub use crate::invoke::diff::FileDiff;
pub use crate::invoke::pending_approval::CommitReview;
pub use crate::invoke::replay::{Difference, Replayed};
pub use crate::invoke::undo::UndoPlan;
pub use crate::invoke::{Consent, Disposition, RunFiles, RunResult};
pub use crate::ledger::{
    Acknowledgement, ArtifactRow, Build, ExecutionRow, GateRow, OutcomeFilter, Promotion, Proposal, ProposalSource,
    Pruned, RecordFilter, RecordTail, Research, Verification,
};
pub use crate::mcp::Offer;
pub use crate::runtime::{CacheStatus, Cleared, Origin};
pub use agents::{
    AgentApi, AgentCall, AgentFailure, AgentFiles, AgentRan, AgentSkill, Listen, Reply, Sent, Served, Word,
};
pub use doctor::{Check, Health};
pub use install::{AgentProgram, Installed};
pub use records::{Consumed, Following, Large, Session};
pub use retry::{Advise, End, Forged, Look, Plan, Step};
pub use workspace::Made;

/// Performs what this process was started for, when Kavi started it as a child of its own.
///
/// `None` means that a person started it.
pub fn child_entry(
    args: impl IntoIterator<Item = OsString>,
    input: impl std::io::Read,
    output: impl std::io::Write,
) -> Option<ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    let (mut input, mut output) = (input, output);
    crate::cage::child_entry(args.clone())
        .or_else(|| crate::runtime::child_entry(args.clone(), &mut input, &mut output))
        .or_else(|| verify::child_entry(args, &mut input, &mut output))
}

/// What every process of Kavi has before it knows a workspace.
#[derive(Debug, Clone)]
pub struct Host {
    /// This binary.
    pub exe: PathBuf,
    /// The environment, read once.
    pub environment: Environment,
    /// The folder that relative paths are taken from.
    pub cwd: PathBuf,
    /// Where the library says what went wrong without stopping the work.
    pub warnings: Warnings,
}

impl Host {
    /// What Kavi's own tools get of the person's environment.
    fn tools(&self) -> Result<HostTools, Error> {
        let wanted =
            ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "HTTPS_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];
        let vars = wanted.iter().filter_map(|name| self.environment.get(name).map(|v| ((*name).to_owned(), v.clone())));
        Ok(HostTools {
            rustc: self.environment.program(Path::new("rustc")),
            cargo: self.environment.program(Path::new("cargo")),
            rustup: self.environment.program(Path::new("rustup")),
            path: self.environment.get("PATH").cloned().unwrap_or_default(),
            vars: vars.collect(),
            cache: self.environment.cache_folder()?,
        })
    }
}

/// One workspace, open.
#[derive(Debug)]
pub struct App {
    host: Host,
    config: Config,
    ledger: Ledger,
    store: Store,
    cage: Cage,
    code: CodeCache,
    clock: Box<dyn Clock>,
    ids: Box<dyn IdSource>,
}

/// Whether this call asks to run tools without a cage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walls {
    /// As kavi.toml says.
    AsConfigured,
    /// `--unconfined`: without; recorded.
    Unconfined,
}

/// Everything that is known of one proposal.
#[derive(Debug)]
pub struct Dossier {
    /// The proposal.
    pub proposal: Proposal,
    /// Who sent it; none when it was typed at the command line.
    pub source: Option<ProposalSource>,
    /// Its attempts.
    pub builds: Vec<Build>,
    /// Its verifications.
    pub verifications: Vec<Verification>,
    /// The looks into its failures.
    pub research: Vec<Research>,
    /// The attempts that a person let go ahead.
    pub acknowledgements: Vec<(BuildId, Acknowledgement)>,
    /// The decisions about it.
    pub promotions: Vec<Promotion>,
    /// Every proposal of the same name.
    pub lineage: Vec<Proposal>,
    /// Its artifacts: path and digest.
    pub artifacts: Vec<ArtifactRow>,
    /// The limits that a run of it has here and now.
    pub limits: Limits,
    /// What stands behind the first wall when it is run here and now, or why nothing can be run.
    pub second_wall: Result<SecondWall, String>,
}

/// A workspace at a glance.
#[derive(Debug)]
pub struct Status {
    /// Where things lie.
    pub layout: Layout,
    /// What SQLite says of the ledger.
    pub integrity: Result<(), LedgerError>,
    /// Every proposal.
    pub proposals: Vec<Proposal>,
    /// Runs, and failed runs.
    pub executions: (u64, u64),
    /// Effects that a crash had left half done, and what became of them just now.
    pub recovered: Vec<Commit>,
    /// Effects that wait for a person.
    pub held: Vec<Commit>,
    /// The cage of this machine.
    pub cage: CageReport,
    /// Whether anything may run.
    pub switch: Switch,
    /// Every turn of the switch; empty when they cannot be read.
    pub turns: Vec<SwitchEvent>,
}

impl App {
    /// Opens the workspace that `explicit`, KAVI_WORKSPACE or the current folder names.
    ///
    /// # Errors
    /// When there is none, its configuration says something unknown, or its ledger cannot be believed.
    pub fn open(host: Host, explicit: Option<&Path>, walls: Walls) -> Result<Self, Error> {
        let config = Config::find(explicit, &host.environment, &host.cwd)?;
        Self::with_config(host, config, walls)
    }

    fn with_config(host: Host, config: Config, walls: Walls) -> Result<Self, Error> {
        let ledger = Ledger::open(&config.layout.ledger(), Create::Never)?;
        let confinement = match (walls, config.confinement) {
            (Walls::AsConfigured, ConfinementSetting::Required) => Confinement::Required,
            (Walls::Unconfined, _) | (_, ConfinementSetting::Unconfined) => Confinement::Unconfined,
        };
        let cage = Cage::new(host.exe.clone(), confinement);
        let cage = match ledger.authorize() {
            Ok(authorized) => cage.watched(Arc::new(ledger.watch(authorized))),
            // Every step that would start a job is refused before it does.
            Err(_) => cage,
        };
        Ok(Self {
            store: Store::new(config.layout.store()),
            code: cache::of(&host, &config.layout),
            cage,
            clock: Box::new(SystemClock),
            ids: Box::new(RandomIds),
            host,
            config,
            ledger,
        })
    }

    /// The toolchain, set up if need be, without a workspace.
    ///
    /// # Errors
    /// When a part is missing and cannot be had.
    pub fn set_up(host: &Host, say: &mut dyn FnMut(&str)) -> Result<Toolchain, Error> {
        Ok(toolchain::ensure(&Cage::new(host.exe.clone(), Confinement::Required), &host.tools()?, say)?)
    }

    fn forge(&self) -> Forge<'_> {
        Forge {
            layout: &self.config.layout,
            ledger: &self.ledger,
            store: &self.store,
            cage: &self.cage,
            loader: self.loader(),
            limits: &self.config.limits,
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
        }
    }

    /// Where things lie.
    pub fn layout(&self) -> &Layout {
        &self.config.layout
    }

    /// The workspace at a glance. Also finishes runs that a crash left half done.
    ///
    /// # Errors
    /// When the ledger cannot be read or a recorded run cannot be finished.
    pub fn status(&self) -> Result<Status, Error> {
        let recovered = effects::recover(&self.run_context()).map_err(InvokeError::from)?;
        Ok(Status {
            layout: self.config.layout.clone(),
            integrity: self.ledger.check_integrity(),
            proposals: self.ledger.proposals()?,
            executions: self.ledger.count_executions()?,
            recovered,
            held: pending_approval::list(&self.run_context())?,
            cage: self.cage.probe(),
            switch: self.ledger.switch(),
            // That they cannot be read is what the switch itself says.
            turns: self.ledger.switch_turns().unwrap_or_default(),
        })
    }

    /// Finds a proposal by id, unique prefix, `NAME` (its trusted revision, else its newest proposal) or `NAME@REVISION`.
    ///
    /// # Errors
    /// When nothing or more than one thing fits.
    pub fn find(&self, key: &str) -> Result<Proposal, Error> {
        let (name, revision) = parse_skill_key(key);
        if let Ok(name) = SkillName::parse(name) {
            let proposals = self.ledger.proposals_named(&name)?;
            let found = match revision {
                Some(revision) => proposals.into_iter().find(|p| p.trust.is_some_and(|t| t.revision == revision)),
                None => self.ledger.trusted(&name)?.or_else(|| proposals.into_iter().next_back()),
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        match IdPrefix::parse(key) {
            Ok(prefix) => Ok(self.ledger.proposal_by_prefix(&prefix)?),
            Err(_) => Err(LedgerError::NotFound { what: "proposal or skill", key: key.to_owned() }.into()),
        }
    }

    /// Finds the proposal that a forge step is about: by id or prefix, or the newest one of a name.
    ///
    /// # Errors
    /// When nothing or more than one thing fits.
    pub fn find_newest(&self, key: &str) -> Result<Proposal, Error> {
        if let Ok(name) = SkillName::parse(key)
            && let Some(newest) = self.ledger.proposals_named(&name)?.pop()
        {
            return Ok(newest);
        }
        self.find(key)
    }

    /// Turns what was typed into a spec. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Propose`] for what is refused.
    pub fn parse_spec(&self, request: &Request) -> Result<SkillSpec, Error> {
        Ok(propose::parse(request)?)
    }

    /// Reads a whole spec from the bytes of a file. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Propose`] for what is refused.
    pub fn parse_spec_file(&self, bytes: &[u8]) -> Result<SkillSpec, Error> {
        Ok(propose::parse_file(bytes)?)
    }

    /// Writes a proposal.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn propose(&self, spec: &SkillSpec) -> Result<Proposal, Error> {
        let proposal = propose::write(&self.forge(), spec, None)?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(proposal)
    }

    /// The toolchain for a step of the forge, set up if need be.
    ///
    /// # Errors
    /// When the workspace is stopped, or a part is missing and cannot be had.
    pub fn toolchain(&self, say: &mut dyn FnMut(&str)) -> Result<Toolchain, Error> {
        // Said again by the step itself; here it is so that no tool is started for a step that will be refused.
        self.ledger.authorize()?;
        Ok(toolchain::ensure(&self.cage, &self.host.tools()?, say)?)
    }

    /// Runs every gate over the newest build.
    ///
    /// # Errors
    /// When there is nothing to verify or a gate could not do its work; gates that failed are in the result.
    pub fn verify(
        &self,
        proposal: &Proposal,
        toolchain: &Toolchain,
        reuse: Reuse,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Verified, Error> {
        let verified = verify::run(&self.forge(), proposal, toolchain, &self.config.limits, reuse, progress)?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(verified)
    }

    /// The invariants gate alone. Records nothing.
    ///
    /// # Errors
    /// When there is nothing to check or a tool could not be run.
    pub fn check_invariants(&self, proposal: &Proposal, toolchain: &Toolchain) -> Result<Vec<Finding>, Error> {
        Ok(verify::check_invariants(&self.forge(), proposal, toolchain, &self.config.limits)?)
    }

    /// What a promotion would trust.
    ///
    /// # Errors
    /// When the proposal cannot be promoted.
    pub fn promotion(&self, proposal: Proposal) -> Result<Report, Error> {
        Ok(promote::report(&self.forge(), proposal)?)
    }

    /// Promotes exactly what the report shows.
    ///
    /// # Errors
    /// When anything moved in between; nothing has changed then.
    pub fn promote(&self, report: &Report, limits: &Narrowed, approver: &Approver) -> Result<Proposal, Error> {
        Ok(promote::apply(&self.forge(), report, limits, approver)?)
    }

    /// The limits that a promotion is asked to fix, `NAME=VALUE` each, below those of kavi.toml.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no limit or would widen one.
    pub fn narrow(&self, asked: &[String]) -> Result<Narrowed, Error> {
        let narrowed = Narrowed::parse(asked.iter().map(String::as_str), &self.config.limits);
        narrowed.map_err(|error| Error::Usage(error.to_string()))
    }

    /// Goes back to the trusted revision before the active one.
    ///
    /// # Errors
    /// When there is none.
    pub fn rollback(&self, name: &SkillName, approver: &Approver) -> Result<Proposal, Error> {
        Ok(promote::rollback(&self.forge(), name, approver)?)
    }

    /// Takes the trust in `NAME` or `NAME@REVISION` back for good.
    ///
    /// # Errors
    /// When there is no such revision.
    pub fn revoke(&self, key: &str, approver: &Approver, why: &str) -> Result<Proposal, Error> {
        let (name, revision) = parse_skill_key(key);
        let name = SkillName::parse(name).map_err(|error| Error::Usage(error.to_string()))?;
        if key.contains('@') && revision.is_none() {
            return Err(Error::Usage(format!("`{key}` is no NAME@REVISION: a revision is a number from 1")));
        }
        Ok(promote::revoke(&self.forge(), &name, revision, approver, why)?)
    }

    /// Stops the workspace: nothing starts, and what runs is ended.
    ///
    /// # Errors
    /// When no reason is given or the ledger cannot be written.
    pub fn stop(&self, by: &Approver, why: &str) -> Result<SwitchEvent, Error> {
        let why = text::block(why.trim(), 2_000);
        if why.is_empty() {
            return Err(Error::Usage("a stop needs a reason: give --why TEXT".to_owned()));
        }
        Ok(self.ledger.stop(by.as_str(), &why, self.clock.now())?)
    }

    /// Lets things run again.
    ///
    /// # Errors
    /// When nothing was stopped or the ledger cannot be written.
    pub fn resume(&self, by: &Approver) -> Result<SwitchEvent, Error> {
        Ok(self.ledger.resume(by.as_str(), self.clock.now())?)
    }

    /// Derives registry and indexes again.
    ///
    /// # Errors
    /// When the ledger cannot be read or a file cannot be written.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        Ok(rebuild::all(&self.forge())?)
    }

    /// Every trusted skill.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn trusted(&self) -> Result<Vec<Proposal>, Error> {
        Ok(self.ledger.all_trusted()?)
    }

    /// Every proposal.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn proposals(&self) -> Result<Vec<Proposal>, Error> {
        Ok(self.ledger.proposals()?)
    }

    /// Everything that is known of a proposal.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn dossier(&self, proposal: Proposal) -> Result<Dossier, Error> {
        let builds = self.ledger.builds_of(proposal.id)?;
        let verifications = self.ledger.verifications_of(proposal.id)?;
        let mut related = vec![proposal.id.to_string()];
        related.extend(builds.iter().map(|build| build.id.to_string()));
        related.extend(verifications.iter().map(|verification| verification.id.to_string()));
        let artifacts = related.iter().map(|id| self.ledger.artifacts_of(id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Dossier {
            source: self.ledger.proposal_source(proposal.id)?,
            research: self.ledger.research_of(proposal.id)?,
            acknowledgements: self.ledger.acknowledgements_of(proposal.id)?,
            promotions: self.ledger.promotions_of(proposal.id)?,
            lineage: self.ledger.proposals_named(&proposal.spec.name)?,
            artifacts: artifacts.concat(),
            limits: self.config.limits.narrowed(&proposal.limits),
            second_wall: second_wall::probe().map_err(|error| error.to_string()),
            builds,
            verifications,
            proposal,
        })
    }

    /// Where the component of a trusted proposal lies.
    pub fn component_path(&self, proposal: &Proposal) -> Option<PathBuf> {
        proposal.trust.map(|trust| self.store.path(artifacts::Kind::Component, trust.component_sha256))
    }
}

/// `NAME` or `NAME@REVISION`.
fn parse_skill_key(key: &str) -> (&str, Option<u32>) {
    match key.split_once('@') {
        Some((name, revision)) => (name, revision.parse().ok()),
        None => (key, None),
    }
}
