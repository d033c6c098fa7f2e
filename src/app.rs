//! The composition root: the only place that wires the parts together, and what the command line and other fronts get.
//!
//! Guarantees: one [`App`] is one workspace with its ledger open; everything a front can do is a method here.
//! Deliberately never: prints, asks, or reads the environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::artifacts::{self, Store};
use crate::cage::{Cage, Confinement};
use crate::config::{self, Config, ConfinementSetting, Environment};
use crate::error::Error;
use crate::forge::builder::command::{ClaudeConfig, ModelName, Network, UsdCents};
use crate::forge::toolchain::{self, HostTools, Toolchain};
use crate::forge::{Forge, build, promote, propose, rebuild, scaffold, sdk_sources, verify};
use crate::invoke::{effects, run};
use crate::ledger::{Build, Create, ExecutionRow, Ledger, LedgerError, Promotion, Proposal, Verification};
use crate::model::{
    finding::Finding,
    id::{IdPrefix, IdSource, RandomIds},
    layout::Layout,
    name::SkillName,
    spec::SkillSpec,
    time::{Clock, SystemClock},
};

pub use crate::cage::CageReport;
pub use crate::forge::build::{Attempt, Builder, Progress};
pub use crate::forge::promote::{Approver, Report};
pub use crate::forge::propose::{ExampleText, Request};
pub use crate::forge::rebuild::Rebuilt;
pub use crate::forge::verify::{Reuse, Verified};
pub use crate::invoke::run::Ran;

/// What every process of Kavi has before it knows a workspace.
#[derive(Debug, Clone)]
pub struct Host {
    /// This binary.
    pub exe: PathBuf,
    /// The environment, read once.
    pub environment: Environment,
    /// The folder that relative paths are taken from.
    pub cwd: PathBuf,
}

impl Host {
    /// What Kavi's own tools get of the person's environment.
    fn tools(&self) -> Result<HostTools, Error> {
        let wanted =
            ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "HTTPS_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];
        let vars = wanted.iter().filter_map(|name| self.environment.get(name).map(|v| ((*name).to_owned(), v.clone())));
        Ok(HostTools {
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

/// What `kavi init` made.
#[derive(Debug)]
pub struct Made {
    /// The workspace.
    pub root: PathBuf,
    /// Files that were written.
    pub written: Vec<PathBuf>,
}

/// Everything that is known of one proposal.
#[derive(Debug)]
pub struct Dossier {
    /// The proposal.
    pub proposal: Proposal,
    /// Its attempts.
    pub builds: Vec<Build>,
    /// Its verifications.
    pub verifications: Vec<Verification>,
    /// The decisions about it.
    pub promotions: Vec<Promotion>,
    /// Every proposal of the same name.
    pub lineage: Vec<Proposal>,
    /// Its artifacts: path and digest.
    pub artifacts: Vec<crate::ledger::ArtifactRow>,
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
    /// Runs whose files were brought into the vault just now.
    pub recovered: Vec<ExecutionRow>,
    /// The cage of this machine.
    pub cage: CageReport,
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
        Ok(Self {
            store: Store::new(config.layout.store()),
            cage: Cage::new(host.exe.clone(), confinement),
            clock: Box::new(SystemClock),
            ids: Box::new(RandomIds),
            host,
            config,
            ledger,
        })
    }

    /// Makes a workspace in `folder`, or completes one. Never replaces a file.
    ///
    /// # Errors
    /// When a file cannot be written, or what is there is no workspace of Kavi's.
    pub fn init(host: &Host, folder: &Path) -> Result<Made, Error> {
        let root = host.cwd.join(folder);
        let mut written = Vec::new();
        let mut put = |path: &str, bytes: &[u8]| -> Result<(), Error> {
            let path = root.join(path);
            if !path.exists() {
                artifacts::write_durably(&path, bytes)?;
                written.push(path);
            }
            Ok(())
        };
        put(crate::model::layout::MARKER, config::TEMPLATE.as_bytes())?;
        let config = Config::load(&root)?;
        for (path, text) in scaffold::shared_files() {
            put(path, text.as_bytes())?;
        }
        put(".kavi/.gitignore", b"*\n")?;
        artifacts::create_folders_durably(&config.layout.vault.join("Inbox/AI"))?;
        artifacts::create_folders_durably(&config.layout.artifacts())?;
        write_sdk(&config.layout)?;
        let fresh = !config.layout.ledger().exists();
        Ledger::open(&config.layout.ledger(), Create::IfMissing)?;
        if fresh {
            written.push(config.layout.ledger());
        }
        let root = config.layout.root.clone();
        let app = Self::with_config(host.clone(), config, Walls::AsConfigured)?;
        written.extend(app.rebuild()?.written);
        Ok(Made { root, written })
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
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
        }
    }

    fn invoker(&self) -> run::Invoker<'_> {
        run::Invoker {
            layout: &self.config.layout,
            ledger: &self.ledger,
            store: &self.store,
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
        let recovered = effects::recover(&self.ledger, &self.config.layout).map_err(run::InvokeError::from)?;
        Ok(Status {
            layout: self.config.layout.clone(),
            integrity: self.ledger.check_integrity(),
            proposals: self.ledger.proposals()?,
            executions: self.ledger.count_executions()?,
            recovered,
            cage: self.cage.probe(),
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

    /// Writes a proposal.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn propose(&self, spec: &SkillSpec) -> Result<Proposal, Error> {
        let proposal = propose::write(&self.forge(), spec)?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(proposal)
    }

    /// The Claude Code builder as configured, with this wall clock or the configured one.
    ///
    /// # Errors
    /// When the program, the key or the model's name is missing or odd.
    pub fn claude(&self, timeout: Option<Duration>) -> Result<Builder, Error> {
        let settings = &self.config.builder;
        let program = &settings.claude;
        let executable = if program.components().count() > 1 {
            Some(self.config.layout.root.join(program))
        } else {
            let path = self.host.environment.get("PATH").cloned().unwrap_or_default();
            std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
        };
        let missing =
            |program: String, hint: &str| toolchain::ToolchainError::Missing { program, hint: hint.to_owned() };
        let executable = executable.ok_or_else(|| {
            missing(program.display().to_string(), "install Claude Code, or name its program in [builder] of kavi.toml")
        })?;
        let api_key = self.host.environment.text("ANTHROPIC_API_KEY").ok_or_else(|| {
            missing(
                "ANTHROPIC_API_KEY".to_owned(),
                "set it in the environment of kavi; or write the skill yourself and use `--builder import --from DIR`",
            )
        })?;
        let model: ModelName = settings.model.parse().map_err(|error| Error::Usage(format!("kavi.toml: {error}")))?;
        Ok(Builder::Claude(ClaudeConfig {
            executable,
            model,
            max_turns: settings.max_turns,
            max_budget: UsdCents((settings.max_budget_usd * 100.0).round() as u32),
            wall: timeout.unwrap_or(settings.timeout()),
            idle: Duration::from_secs(settings.idle_s),
            base_url: self.host.environment.text("ANTHROPIC_BASE_URL"),
            api_key: api_key.into(),
            network: Network::Host,
        }))
    }

    /// Makes one attempt to build.
    ///
    /// # Errors
    /// When no attempt could be made or recorded; a failed attempt is an [`Attempt`].
    pub fn build(
        &self,
        proposal: &Proposal,
        builder: &Builder,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Attempt, Error> {
        let attempt = build::run(&self.forge(), proposal, builder, progress)?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(attempt)
    }

    /// Writes packet and workspace and stops.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn prepare_build(&self, proposal: &Proposal, builder: &Builder) -> Result<Attempt, Error> {
        let attempt = build::prepare_only(&self.forge(), proposal, builder)?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(attempt)
    }

    /// The toolchain, set up if need be.
    ///
    /// # Errors
    /// When a part is missing and cannot be had.
    pub fn toolchain(&self, say: &mut dyn FnMut(&str)) -> Result<Toolchain, Error> {
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
    pub fn promote(&self, report: &Report, approver: &Approver) -> Result<Proposal, Error> {
        Ok(promote::apply(&self.forge(), report, approver)?)
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

    /// Runs a trusted skill.
    ///
    /// # Errors
    /// When it is not trusted, its input is off, it failed, or its files could not be moved into the vault.
    pub fn run(&self, name: &SkillName, input: &[u8]) -> Result<Ran, Error> {
        Ok(run::run(&self.invoker(), name, input)?)
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
            promotions: self.ledger.promotions_of(proposal.id)?,
            lineage: self.ledger.proposals_named(&proposal.spec.name)?,
            artifacts: artifacts.concat(),
            builds,
            verifications,
            proposal,
        })
    }

    /// Where the component of a trusted proposal lies.
    pub fn component_path(&self, proposal: &Proposal) -> Option<PathBuf> {
        proposal.trust.map(|trust| self.store.path(artifacts::Kind::Component, trust.component_sha256))
    }

    /// Writes the source of the skill that comes with Kavi into a new folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_bundled_skill(folder: &Path) -> Result<(), Error> {
        Ok(artifacts::write_durably(&folder.join("src/lib.rs"), include_bytes!("../skills/write_note/src/lib.rs"))?)
    }

    /// Writes a new skill crate. Never replaces a file.
    ///
    /// # Errors
    /// When a file of that name exists or cannot be written.
    pub fn new_skill(&self, name: &SkillName) -> Result<Vec<PathBuf>, Error> {
        let root = &self.config.layout.root;
        let folder = self.config.layout.skills().join(name.as_str());
        if folder.exists() {
            return Err(Error::Refused(format!("{} exists already", folder.display())));
        }
        write_sdk(&self.config.layout)?;
        for (path, text) in scaffold::shared_files() {
            if !root.join(path).exists() {
                artifacts::write_durably(&root.join(path), text.as_bytes())?;
            }
        }
        let mut written = Vec::new();
        for (path, text) in scaffold::files(name) {
            artifacts::write_durably(&root.join(&path), text.as_bytes())?;
            written.push(root.join(path));
        }
        Ok(written)
    }
}

/// `NAME` or `NAME@REVISION`.
fn parse_skill_key(key: &str) -> (&str, Option<u32>) {
    match key.split_once('@') {
        Some((name, revision)) => (name, revision.parse().ok()),
        None => (key, None),
    }
}

/// Puts the SDK's sources where editors and plain cargo find them. These are Kavi's own files: they are replaced.
fn write_sdk(layout: &Layout) -> Result<(), Error> {
    for (path, bytes) in sdk_sources::FILES {
        let path = layout.state().join(path);
        if !matches!(artifacts::read_once(&path), Ok(there) if there == *bytes) {
            artifacts::write_durably(&path, bytes)?;
        }
    }
    Ok(())
}
