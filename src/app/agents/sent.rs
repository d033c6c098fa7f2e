//! What agents send in, and the answers of persons that clients bring.

use super::super::App;
use super::{Sent, Word};
use crate::error::Error;
use crate::forge::{propose, rebuild};
use crate::invoke::pending_approval;
use crate::ledger::{Proposal, ProposalSource};
use crate::model::{
    channel::Channel,
    id::{CommitId, IdPrefix},
    text,
};

/// Largest specification, in bytes of JSON.
const MOST_SPEC: usize = 64 * 1024;
/// Longest reason, in bytes.
const MOST_WHY: usize = 2_000;

impl App {
    /// Writes a proposal of an agent's. What it says it is for is kept as it was said, for a person to read as nobody's word.
    pub(super) fn take_in(&self, sent: &Sent) -> Result<Proposal, Error> {
        let why = sent.why.trim();
        if why.is_empty() {
            return Err(Error::Usage("say why: what you could not do without this skill".to_owned()));
        }
        if why.len() > MOST_WHY {
            return Err(Error::Usage(format!("the reason is longer than {MOST_WHY} bytes")));
        }
        if sent.spec.len() > MOST_SPEC {
            return Err(Error::Usage(format!("the proposal is larger than {MOST_SPEC} bytes")));
        }
        let spec = propose::parse_file(&sent.spec)?;
        let source = ProposalSource { channel: Channel::Mcp, by: sent.by.clone(), why: text::block(why, MOST_WHY) };
        let proposal = propose::write(&self.forge(), &spec, Some(&source))?;
        rebuild::after_step(&self.forge(), &proposal.spec.name)?;
        Ok(proposal)
    }

    /// Does what a person answered about a held effect.
    pub(super) fn settle_asked(&self, id: CommitId, word: Word, by: &str) -> Result<(), Error> {
        let prefix = IdPrefix::parse(&id.to_string()).map_err(|error| Error::Usage(error.to_string()))?;
        let context = self.run_context();
        match word {
            Word::Yes => {
                let review = pending_approval::review(&context, &prefix)?;
                pending_approval::approve(&context, review, by)?;
            }
            Word::No => {
                pending_approval::reject(&context, id, by, None)?;
            }
        }
        Ok(())
    }
}
