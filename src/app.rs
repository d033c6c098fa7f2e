//! The composition root: opens a workspace, and hands out one service per subject.
//!
//! `open_workspace` wires the parts together. Each service is a file of its own and works on that one open workspace; a
//! service does not know this file.
//!
//! Guarantees: one [`App`] is one workspace with its ledger open. Everything that a front end can do is a method of a
//! service. Deliberately never: prints, asks, reads the environment, or names a front end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::Error;
use crate::forge::toolchain::Toolchain;
use crate::model::{layout, layout::Layout, name::SkillName, switch::SwitchEvent, time::Timestamp};
use crate::policy::actor_capability::ActorCapability;
use crate::workspace::Config;

mod agents;
mod attempts;
mod backup;
mod bundled_skills;
mod cache;
mod clock;
mod coding_agent;
mod context;
mod diagnostic_bundle;
mod doctor;
mod effects;
mod guidance;
mod history;
mod host;
mod improve;
mod inbox;
mod new_file;
mod notify;
mod open_workspace;
mod policy;
mod proposals;
mod recording;
mod records;
mod retry;
mod runs;
mod secrets;
mod setup;
mod sharing;
mod status;
mod subject;
mod switch;
mod trust;
mod witness;

pub use crate::app::new_file::new_file;
pub use crate::artifacts::{SizeCheck, read_at_most};
pub use crate::cage::CageReport;
pub use crate::context::identity_block::NOT_SEEDED;
pub use crate::dir::NewFile;
pub use crate::forge::build::{BuildAttempt, Builder};
pub use crate::forge::bundled_skills::HostChoice;
pub use crate::forge::promote::{PromotionReport, Remark};
pub use crate::forge::propose::{ExampleText, ProposalRequest};
pub use crate::forge::rebuild::Rebuilt;
pub use crate::forge::source_review::{SourceDiff, SourceFile, SourceReview};
pub use crate::forge::verify::{Reuse, Verified};
pub use crate::history::approval::signed_kind;
pub use crate::history::event::EventKind;
pub use crate::history::signers::Signer;
pub use crate::history::trust_policy::{Requirement, TrustPolicy};
pub use crate::improve::assessment::{Assessment, EnvironmentOutcomes, FailedUse, SubjectOutcomes};
pub use crate::improve::candidates::{Candidate, CandidateReport, UnreadableSkill};
pub use crate::improve::code_attempt::{ReplayEvidence, replay_evidence};
pub use crate::improve::episodes::PairSummary;
pub use crate::improve::evidence::EvidenceDraft;
pub use crate::improve::pass::PassReport;
pub use crate::improve::pass_context::SkippedCandidate;
pub use crate::improve::shadow::ShadowReview;
pub use crate::improve::step_back::SteppedBack;
pub use crate::invoke::batch::Batch;
pub use crate::invoke::chain::{ChainFiles, ChainResult, CommitMode, StepResult};
pub use crate::invoke::diff::FileDiff;
pub use crate::invoke::pending_approval::CommitReview;
pub use crate::invoke::replay::{Difference, Replayed};
pub use crate::invoke::undo::UndoPlan;
pub use crate::invoke::{Consent, Disposition, RunFiles, RunResult};
pub use crate::ledger::{
    Acknowledgement, ArtifactRow, Build, CodeAttempt, ExecutionRow, GateRow, GuidanceDecision, GuidanceRevision,
    HistoryAudit, Improvement, OpenProposal, OutcomeFilter, Promotion, Proposal, ProposalOrigin, ProposalSource,
    Pruned, RecordFilter, RecordTail, Research, Reverification, ShadowOrder, ShadowRun, StepBackOrder, Verification,
};
pub use crate::model::approver::Approver;
pub use crate::model::governance::CharterRow;
pub use crate::model::notice::NoticeKind;
pub use crate::policy::access::LayerAnswer;
pub use crate::policy::channels::ChannelRule;
pub use crate::policy::charter::RoleCharter;
pub use crate::runtime::{CacheStatus, Cleared, CodeOrigin, LinkedFolders};
pub use crate::secrets::ValueLength;
pub use crate::workspace::{Setting, SettingOrigin};
pub use agents::{
    AgentApi, AgentCall, AgentFiles, AgentIdentity, AgentOpinion, AgentProgram, AgentRun, AgentServer,
    AgentServerError, AgentService, AgentSkill, CallFailure, CallReply, ClientEntry, FairQueue, HttpAddress,
    HttpAgentServer, HttpEndpoint, HttpOptions, HttpServing, Installed, OwnedEntry, PersonAnswer, QueueFull,
    QueueLimits, ReplyFn, Settlement, SkillsChanged, Submission, Submitted, TlsFiles, TlsPem, ToolListing,
};
pub use attempts::{Advise, AttemptService, DiagnosisOptions};
pub use backup::{Backup, RestoreRequest};
pub use bundled_skills::{BundledService, BundledStatus};
pub use cache::CacheService;
pub use context::{
    CapabilityEntry, CharterState, ContextService, IdentityBlock, PolicyDifference, PolicyEntry, PolicyTable,
    store_schema,
};
pub use doctor::{Check, CheckDepth, Health};
pub use effects::{EffectService, HeldChange};
pub use guidance::{GuidanceChange, GuidanceHistory, GuidanceService, PersonsWord};
pub use history::{HistoryService, HistoryStatus, WithSource, check_proof, read_proof};
pub use host::{Host, Walls};
pub use improve::{ImproveService, ImprovementReview, ImprovementStatus, OrderExpiry};
pub use inbox::Inbox;
pub use notify::{NotifyService, NotifyStatus};
pub use policy::{ApprovedDecision, ExportedApproval, KeySource, NewSigner, PolicyService};
pub use proposals::{Dossier, ProposalService};
pub use recording::RecordedCase;
pub use records::{Following, Large, RecordService, RunDossier, SessionSelector};
pub use retry::{RetryEnd, RetryOptions, RetryReport, RetryStep};
pub use runs::{BatchRequest, BatchTogether, Consumed, RunService};
pub use secrets::{SecretListing, SecretService};
pub use setup::{InitReport, InitRequest};
pub use sharing::{ImportRequest, Imported, SharingService};
pub use status::Status;
pub use subject::Subject;
pub use switch::SwitchService;
pub use trust::TrustService;
pub use witness::{ListeningWitness, WitnessOptions};

use open_workspace::{OpenWorkspace, UnreadLedger};

/// Does the work of a child process, when Kavi started this process as one.
///
/// `None` means that a person started it.
pub fn child_entry(
    args: impl IntoIterator<Item = OsString>,
    input: impl std::io::Read,
    output: impl std::io::Write,
    errors: impl std::io::Write,
) -> Option<ExitCode> {
    // The cage's stages come first: they must run before anything else opens a descriptor or starts
    // a thread.
    let args: Vec<OsString> = args.into_iter().collect();
    let (mut input, mut output) = (input, output);
    crate::cage::child_entry(args.clone())
        .or_else(|| crate::egress::child_entry(args.clone()))
        .or_else(|| crate::runtime::child_entry(args.clone(), &mut input, &mut output))
        .or_else(|| crate::forge::verify::child_entry(args.clone(), &mut input, &mut output))
        .or_else(|| crate::secrets::child_entry(args, &mut input, &mut output, errors))
}

/// One workspace, open.
#[derive(Debug)]
pub struct App {
    workspace: OpenWorkspace,
}

impl App {
    /// Opens the workspace that `explicit`, KAVI_WORKSPACE or the current folder names. A workspace that was never used,
    /// as in a fresh clone, gets its `.kavi` folder with an empty ledger.
    ///
    /// # Errors
    /// When there is none, its configuration has an unknown setting, or its ledger is damaged.
    pub fn open(host: Host, explicit: Option<&Path>, walls: Walls) -> Result<Self, Error> {
        let config = Config::find(explicit, &host.environment, &host.cwd)?;
        setup::create_state_at_first_use(&config.layout)?;
        Ok(Self { workspace: OpenWorkspace::open(host, config, walls)? })
    }

    /// The same to look at it, also where nothing can be written.
    ///
    /// # Errors
    /// As for [`App::open`].
    pub fn open_to_look(host: Host, explicit: Option<&Path>, walls: Walls) -> Result<Self, Error> {
        let config = Config::find(explicit, &host.environment, &host.cwd)?;
        setup::create_state_at_first_use(&config.layout)?;
        Ok(Self { workspace: OpenWorkspace::open_to_look(host, config, walls)? })
    }

    /// Stops a workspace, also one whose ledger cannot be read or written.
    ///
    /// # Errors
    /// When there is none, no reason is given, or the ledger could not take it.
    pub fn stop(host: &Host, explicit: Option<&Path>, by: &Approver, why: &str) -> Result<SwitchEvent, Error> {
        let config = Config::find(explicit, &host.environment, &host.cwd)?;
        setup::create_state_at_first_use(&config.layout)?;
        switch::stop(host, &config, by, why)
    }

    /// Makes a workspace in a folder, or adds what is missing in one. Never replaces a file, and makes nothing in a vault that
    /// exists.
    ///
    /// # Errors
    /// When a file cannot be written, or an existing one does not belong to a workspace.
    pub fn init(host: &Host, wanted: &InitRequest<'_>) -> Result<InitReport, Error> {
        setup::init(host, wanted)
    }

    /// Copies the workspace into a new folder, with its signed head.
    ///
    /// # Errors
    /// When the ledger does not fit its head, a signer does not sign, or a file cannot be written.
    pub fn backup(&self, to: &Path) -> Result<Backup, Error> {
        self.workspace.allow_person(ActorCapability::ManageWorkspace)?;
        backup::make(&self.workspace, to)
    }

    /// Makes a workspace from a backup.
    ///
    /// # Errors
    /// When it is not whole, older than what this machine knows, or not signed as it had to be.
    pub fn restore(host: &Host, wanted: &RestoreRequest<'_>, by: &Approver) -> Result<HistoryStatus, Error> {
        let root = backup::restore_files(host, wanted)?;
        // Opened like any other: what a restore left that cannot be opened must show now, and not at the first run.
        let app = Self::open(host.clone(), Some(&root), Walls::AsConfigured)?;
        setup::make_own_vault(app.layout())?;
        // Its head is that of another folder. The person's word gives this copy a key and an id of its
        // own.
        let status = HistoryService { workspace: &app.workspace }.adopt(by, wanted.why)?;
        app.rebuild()?;
        Ok(status)
    }

    /// Installs the toolchain where it is missing. Needs no workspace.
    ///
    /// # Errors
    /// When a part is missing and cannot be installed.
    pub fn set_up(host: &Host) -> Result<Toolchain, Error> {
        setup::install_toolchain(host)
    }

    /// Writes the source of the skill that comes with Kavi into a new folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_bundled_skill(folder: &Path) -> Result<(), Error> {
        setup::write_bundled_skill(folder)
    }

    /// Writes a new skill crate, with the types of the open proposal of this name if there is one. Never replaces a file.
    ///
    /// # Errors
    /// When several proposals of the name are open, the crate exists, or a file cannot be written.
    pub fn new_skill(&self, name: &SkillName) -> Result<Vec<PathBuf>, Error> {
        self.workspace.allow_person(ActorCapability::ManageWorkspace)?;
        let proposed = self.proposals().open_of(name)?.map(|proposal| proposal.spec);
        setup::new_skill(self.layout(), name, proposed.as_ref())
    }

    /// Where the files of the workspace are.
    pub fn layout(&self) -> &Layout {
        &self.workspace.config.layout
    }

    /// Where the links of the vault that skills follow led when this was opened.
    pub fn linked_folders(&self) -> &LinkedFolders {
        &self.workspace.linked
    }

    /// The workspace at a glance. Also finishes runs that a crash interrupted.
    ///
    /// # Errors
    /// When the ledger cannot be read or a recorded run cannot be finished.
    pub fn status(&self) -> Result<Status, Error> {
        status::read(&self.workspace)
    }

    /// What waits for a person: held changes, proposals, and runs that failed `since` then, or since the last look.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn inbox(&self, since: Option<Timestamp>) -> Result<Inbox, Error> {
        inbox::read(&self.workspace, since)
    }

    /// Notes that a person looked into the inbox.
    pub fn looked_into_inbox(&self) {
        inbox::looked(&self.workspace);
    }

    /// Every setting of the workspace, and where its value comes from.
    ///
    /// # Errors
    /// When kavi.toml cannot be read.
    pub fn settings(&self) -> Result<Vec<Setting>, Error> {
        let path = self.layout().root.join(layout::MARKER);
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| Error::Io { what: path.display().to_string(), source })?;
        Ok(crate::workspace::settings(&text))
    }

    /// Checks everything that the workspace depends on. Changes nothing, but notes when the ledger was checked in full.
    pub fn doctor(&self, depth: CheckDepth) -> Vec<Check> {
        doctor::check(&self.workspace, depth)
    }

    /// The diagnostic bundle, a zip. A workspace that cannot be opened has one that says why.
    ///
    /// # Errors
    /// When there is no workspace, or an entry looks as if it held a credential.
    pub fn diagnostic_bundle(host: Host, explicit: Option<&Path>, walls: Walls) -> Result<Vec<u8>, Error> {
        let config = Config::find(explicit, &host.environment, &host.cwd)?;
        let opened = OpenWorkspace::open_to_look(host, config, walls);
        if let Ok(workspace) = &opened {
            workspace.allow_person_as_decided(ActorCapability::ExportRecords, UnreadLedger::Proceeds)?;
        }
        diagnostic_bundle::make(opened.as_ref())
    }

    /// Derives registry and indexes again.
    ///
    /// # Errors
    /// When the ledger cannot be read or a file cannot be written.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        self.workspace.allow_person_as_decided(ActorCapability::RebuildDerived, UnreadLedger::Proceeds)?;
        Ok(crate::forge::rebuild::all(&self.workspace.forge())?)
    }

    /// The proposal, skill or run that somebody typed the id or name of.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, key: &str) -> Result<Subject, Error> {
        subject::find(&self.workspace, key)
    }

    /// The policy in force, and its signers.
    pub fn policy(&self) -> PolicyService<'_> {
        PolicyService { workspace: &self.workspace }
    }

    /// Proposals.
    pub fn proposals(&self) -> ProposalService<'_> {
        ProposalService { workspace: &self.workspace }
    }

    /// Attempts at proposals: build, verification, diagnosis.
    pub fn attempts(&self) -> AttemptService<'_> {
        AttemptService { workspace: &self.workspace }
    }

    /// The skills that come with Kavi.
    pub fn bundled(&self) -> BundledService<'_> {
        BundledService { workspace: &self.workspace }
    }

    /// Trust decisions.
    pub fn trust(&self) -> TrustService<'_> {
        TrustService { workspace: &self.workspace }
    }

    /// The history: its check and its anchor.
    pub fn history(&self) -> HistoryService<'_> {
        HistoryService { workspace: &self.workspace }
    }

    /// Skills as one file, for other workspaces.
    pub fn sharing(&self) -> SharingService<'_> {
        SharingService { workspace: &self.workspace }
    }

    /// Stop and resume.
    pub fn switch(&self) -> SwitchService<'_> {
        SwitchService { workspace: &self.workspace }
    }

    /// Runs of trusted skills.
    pub fn runs(&self) -> RunService<'_> {
        RunService { workspace: &self.workspace }
    }

    /// Held vault changes and undo.
    pub fn effects(&self) -> EffectService<'_> {
        EffectService { workspace: &self.workspace }
    }

    /// Guidance of trusted skills, and what their runs say.
    pub fn guidance(&self) -> GuidanceService<'_> {
        GuidanceService { workspace: &self.workspace }
    }

    /// Improvement of skills.
    pub fn improve(&self) -> ImproveService<'_> {
        ImproveService { workspace: &self.workspace }
    }

    /// Records of runs.
    pub fn records(&self) -> RecordService<'_> {
        RecordService { workspace: &self.workspace }
    }

    /// Agents.
    pub fn agents(&self) -> AgentService<'_> {
        AgentService { workspace: &self.workspace }
    }

    /// The command that tells a person who is not looking.
    pub fn notify(&self) -> NotifyService<'_> {
        NotifyService { workspace: &self.workspace }
    }

    /// The secrets that kavi.toml names.
    pub fn secrets(&self) -> SecretService<'_> {
        SecretService { workspace: &self.workspace }
    }

    /// Role charter, policy and capabilities.
    pub fn context(&self) -> ContextService<'_> {
        ContextService { workspace: &self.workspace }
    }

    /// The code cache.
    pub fn cache(&self) -> CacheService<'_> {
        CacheService { workspace: &self.workspace }
    }
}
