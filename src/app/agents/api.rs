//! What an agent can do, and nothing else: the interface between Kavi and a server for agents.
//!
//! An agent can list trusted skills, run one under the policy of its channel, submit a proposal, and query the state of a
//! proposal or a run. Each method takes a callback and returns at once, so that a server needs no thread per request.
//!
//! Guarantees: a server that has only an [`AgentApi`] cannot promote, revoke, roll back, resume, undo, change policy, or
//! decide about files that another channel held. Deliberately never: names a protocol.

use serde_json::Value;

use crate::error::Error;
use crate::invoke::InvokeError;
use crate::invoke::diff::FileDiff;
use crate::ledger::Proposal;
use crate::model::{
    digest::Digest,
    guidance::{GuidanceText, UseVerdict},
    id::{CommitId, ExecutionId},
    name::SkillName,
    spec::SkillSpec,
    switch::Cancel,
    vault_path::VaultPath,
};
use crate::registry::TrustError;
use crate::runtime::RunError;

/// Receives the answer to one request, on any thread.
pub type ReplyFn<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;
/// Receives the result of one call, on any thread.
pub type CallReply = Box<dyn FnOnce(Result<AgentRun, CallFailure>) + Send>;
/// Called after the set of trusted skills has changed.
pub type SkillsChanged = Box<dyn Fn() + Send>;

/// A trusted skill, as it was promoted.
#[derive(Debug, Clone)]
pub struct AgentSkill {
    /// The promoted spec.
    pub spec: SkillSpec,
    /// The digest of the spec.
    pub spec_sha256: Digest,
    /// The revision of the name.
    pub revision: u32,
    /// The digest of the promoted component.
    pub component_sha256: Digest,
    /// The published guidance.
    pub guidance: GuidanceText,
    /// Most bytes of an output that agents are sent.
    pub output_cap: Option<u64>,
}

/// One call of a skill.
#[derive(Debug)]
pub struct AgentCall {
    /// The skill.
    pub name: SkillName,
    /// Its input, as JSON text.
    pub input: Vec<u8>,
    /// The name that the client gives itself.
    pub by: String,
    /// With this the client can cancel the call.
    pub cancel: Cancel,
}

/// The result of a call.
#[derive(Debug)]
pub struct AgentRun {
    /// The id of its record.
    pub id: ExecutionId,
    /// The revision that ran, and the digest of its component.
    pub revision: Option<(u32, Digest)>,
    /// The output of the skill.
    pub output: Value,
    /// What happened to its files.
    pub files: AgentFiles,
    /// Most bytes of the output that the agent is sent.
    pub output_cap: Option<u64>,
}

/// What an agent is told about itself.
#[derive(Debug)]
pub struct AgentIdentity {
    /// The identity block.
    pub block: String,
    /// The digest of charter, policy and capabilities that it was made from.
    pub context_sha256: Digest,
}

/// Why a call has no result.
#[derive(Debug)]
pub enum CallFailure {
    /// There is no trusted skill of that name.
    NoSuchSkill(String),
    /// The client cancelled it.
    Cancelled,
    /// Every other reason.
    Failed {
        /// The kind of the error, one word.
        kind: &'static str,
        /// What went wrong.
        message: String,
        /// What a person can do about it.
        hint: Option<String>,
    },
}

impl From<Error> for CallFailure {
    fn from(error: Error) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        match error {
            Error::Invoke(InvokeError::Trust(TrustError::Unknown { .. } | TrustError::NotTrusted { .. })) => {
                Self::NoSuchSkill(message)
            }
            Error::Invoke(InvokeError::Run(RunError::Cancelled(_))) => Self::Cancelled,
            Error::Invoke(error) => Self::Failed { kind: error.kind(), message, hint },
            error => Self::Failed { kind: error.kind().as_str(), message, hint },
        }
    }
}

/// What happened to the files of a call.
#[derive(Debug)]
pub enum AgentFiles {
    /// They are in the vault, if there were any.
    Written(Vec<VaultPath>),
    /// They are held until a person decides.
    Held(CommitId, Vec<FileDiff>),
    /// They are held, and only a person at the command line can decide: too many others wait for an answer.
    Unasked(CommitId),
}

/// A person's answer to the question whether held files may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonAnswer {
    /// Write them to the vault.
    Yes,
    /// Discard them.
    No,
}

/// A person's answer about the held files of one call.
#[derive(Debug)]
pub struct Settlement {
    /// The held files.
    pub commit: CommitId,
    /// The answer.
    pub answer: PersonAnswer,
    /// Who answered, as the client reports it.
    pub by: String,
}

/// What became of a proposal that an agent submitted.
#[derive(Debug)]
pub struct Submitted {
    /// The proposal. It is an earlier one where the same specification was proposed before.
    pub proposal: Proposal,
    /// How often this specification was proposed.
    pub times: u32,
    /// The reason of the person who rejected it, if one did.
    pub rejected: Option<String>,
}

/// A proposal that an agent submits.
#[derive(Debug)]
pub struct Submission {
    /// The specification, as JSON text.
    pub spec: Vec<u8>,
    /// What the agent could not do without the skill.
    pub why: String,
    /// The name that the client gives itself.
    pub by: String,
}

/// What an agent says about a run of its own. It is kept, and decides nothing.
#[derive(Debug)]
pub struct AgentOpinion {
    /// The run.
    pub run: ExecutionId,
    /// How it went.
    pub verdict: UseVerdict,
    /// Why.
    pub why: String,
    /// The name that the client gives itself.
    pub by: String,
}

/// What a server for agents may ask of Kavi.
pub trait AgentApi: Send + Sync {
    /// Runs a skill. Calls run in the order in which they came.
    fn call(&self, call: AgentCall, reply: CallReply);
    /// Every trusted skill, by name.
    fn skills(&self, reply: ReplyFn<Vec<AgentSkill>>);
    /// What an agent of this name is told about itself; none where no person ever set anything about agents.
    fn identity(&self, by: String, reply: ReplyFn<Option<AgentIdentity>>);
    /// Sets the one listener for changes of the trusted skills.
    fn on_skills_changed(&self, listener: SkillsChanged);
    /// Writes or discards files that a call through this API left held.
    fn settle(&self, settlement: Settlement, reply: ReplyFn<()>);
    /// Records a proposal.
    fn submit(&self, submission: Submission, reply: ReplyFn<Submitted>);
    /// The newest proposals, newest first.
    fn proposals(&self, most: u32, reply: ReplyFn<Vec<Proposal>>);
    /// The state of a proposal or skill, and the next step.
    fn skill_status(&self, key: String, reply: ReplyFn<Value>);
    /// Why the newest attempt at a proposal, or a run, failed.
    fn failure(&self, key: String, reply: ReplyFn<String>);
    /// The record of a run, without its input and output.
    fn record(&self, id: ExecutionId, reply: ReplyFn<Value>);
    /// The newest records, newest first, without inputs and outputs.
    fn newest_records(&self, reply: ReplyFn<Value>);
    /// Keeps an opinion about a run. Gives whether it is the first about that run.
    fn report_outcome(&self, opinion: AgentOpinion, reply: ReplyFn<bool>);
    /// The text of an artifact, by its digest.
    fn artifact(&self, digest: Digest, reply: ReplyFn<String>);
}
