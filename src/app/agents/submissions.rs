//! What agents send: proposals, and the answers of persons that clients report.

use super::super::open_workspace::OpenWorkspace;
use super::api::{AgentOpinion, PersonAnswer, Settlement, Submission, Submitted};
use crate::error::Error;
use crate::forge::propose;
use crate::invoke::pending_approval;
use crate::ledger::{Decided, LedgerError, ProposalSource};
use crate::model::{
    channel::{Caller, Channel},
    id::IdPrefix,
    text,
};
use crate::policy::actor_capability::ActorCapability;

/// Largest specification, in bytes of JSON.
const MOST_SPEC: usize = 64 * 1024;
/// Longest reason, in bytes.
const MOST_WHY: usize = 2_000;

/// Records a proposal of an agent, or counts it where the same one is there already. Its reason is stored as the agent wrote it, and shown to persons as unverified.
pub(super) fn submit(workspace: &OpenWorkspace, submission: &Submission) -> Result<Submitted, Error> {
    // First: whoever may not propose learns nothing about specifications.
    workspace.allow(&agent(&submission.by), ActorCapability::ProposeSkill)?;
    let why = submission.why.trim();
    if why.is_empty() {
        return Err(Error::Usage("say why: what you could not do without this skill".to_owned()));
    }
    if why.len() > MOST_WHY {
        return Err(Error::Usage(format!("the reason is longer than {MOST_WHY} bytes")));
    }
    if submission.spec.len() > MOST_SPEC {
        return Err(Error::Usage(format!("the proposal is larger than {MOST_SPEC} bytes")));
    }
    // The same checks as for a file that a person gives. An agent has no way around them.
    let spec = propose::parse_file(&submission.spec)?;
    let source = ProposalSource { channel: Channel::Mcp, by: submission.by.clone(), why: text::block(why, MOST_WHY) };
    let proposal = propose::write_once(&workspace.forge(), &spec, &source)?;
    let times = workspace.ledger.times_proposed(proposal.id)?;
    let rejected = workspace.ledger.rejection(proposal.id)?.map(|rejection| rejection.why);
    Ok(Submitted { proposal, times, rejected })
}

/// Keeps an agent's opinion about a run. A run of another channel is none of its business.
pub(super) fn report_outcome(workspace: &OpenWorkspace, opinion: &AgentOpinion) -> Result<bool, Error> {
    workspace.allow(&agent(&opinion.by), ActorCapability::ExplainFailure)?;
    let why = opinion.why.trim();
    if why.is_empty() || why.len() > MOST_WHY {
        return Err(Error::Usage(format!("say why, in {MOST_WHY} bytes at most")));
    }
    let record = workspace.ledger.execution(opinion.run)?.record;
    if record.channel != Channel::Mcp {
        return Err(LedgerError::NotFound { what: "execution", key: opinion.run.to_string() }.into());
    }
    let told = Decided { by: &text::line(&opinion.by, 100), at: workspace.clock.now() };
    let why = text::block(why, MOST_WHY);
    Ok(workspace.ledger.keep_opinion(&record.skill_name, opinion.run, opinion.verdict, &why, told)?)
}

/// An agent, by the name that its client gives itself.
fn agent(name: &str) -> Caller {
    Caller { channel: Channel::Mcp, name: name.to_owned() }
}

/// Writes or discards held files as a person answered.
pub(super) fn settle(workspace: &OpenWorkspace, settlement: &Settlement) -> Result<(), Error> {
    // Its name is that of the person as the client reports it, so what is stored for every agent counts.
    workspace.allow_every_agent(ActorCapability::RelayAnswer)?;
    let (id, by, context) = (settlement.commit, settlement.by.as_str(), workspace.run_context());
    match settlement.answer {
        PersonAnswer::Yes => {
            let prefix = IdPrefix::parse(&id.to_string()).map_err(|error| Error::Usage(error.to_string()))?;
            // Read again now: files that changed since the question was asked must not be written
            // by its answer.
            let review = pending_approval::review(&context, &prefix)?;
            pending_approval::approve(&context, review, by)?;
        }
        PersonAnswer::No => {
            pending_approval::reject(&context, id, by, None)?;
        }
    }
    Ok(())
}
