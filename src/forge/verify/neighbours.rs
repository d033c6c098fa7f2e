//! Inputs beside those that a skill accepted, for a skill that refused every other one.
//!
//! It is luck whether a drawn input of many members fits, and no verdict may rest on that. A neighbour differs from an accepted
//! input in one letter of one text. A skill that finds something by that text, as the folder of its notes or the month of its
//! entries, accepts the neighbour only where the vault has it too. So every second neighbour meets a vault in which the same
//! text is changed, in names and in contents. A skill that looks its answers up refuses both.
//!
//! Guarantees: the same accepted input, seed and number give the same neighbour. Deliberately never: changes the vault of the
//! accepted input.

use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::context::GateContext;
use super::error::VerifyError;
use super::trial::{self, TrialEnd};
use super::twin::RecordedTrial;
use super::{vaults, vectors};
use crate::model::json::{self, JsonLimits};

/// An input that the skill accepted, and the vault in which it did.
#[derive(Clone)]
pub(super) struct AcceptedInput {
    pub(super) input: Value,
    pub(super) vault: Arc<TempDir>,
}

/// An input beside an accepted one, and the vault that it meets.
pub(super) struct Neighbour {
    pub(super) input: Value,
    pub(super) vault: Arc<TempDir>,
}

impl AcceptedInput {
    /// The input of an example. `None` when the skill refused it.
    pub(super) fn of_example(recorded: &RecordedTrial) -> Option<Self> {
        let input = json::parse(recorded.input.as_bytes(), JsonLimits::default()).ok()?;
        let accepted = matches!(recorded.trial.end, TrialEnd::Output(_));
        accepted.then(|| Self { input, vault: Arc::clone(&recorded.vault) })
    }

    /// The neighbour with this number. `None` when the schema does not permit it.
    pub(super) fn neighbour(
        &self,
        context: &GateContext<'_>,
        seed: &[u8],
        number: u64,
    ) -> Result<Option<Neighbour>, VerifyError> {
        let (input, changed) = vectors::neighbour(&self.input, seed, number);
        if !context.proposal.spec.io.input().accepts(&input) {
            return Ok(None);
        }
        let vault = match changed.filter(|changed| number % 2 == 1 && !changed.before.is_empty()) {
            Some(changed) => {
                let files = trial::files_of(self.vault.path()).map_err(VerifyError::Folder)?;
                trial::vault(context, &vaults::renamed(files, &changed))?
            }
            None => Arc::clone(&self.vault),
        };
        Ok(Some(Neighbour { input, vault }))
    }
}

#[cfg(test)]
mod unit {
    use super::super::draw::Draw;
    use super::super::trial::{TimedOut, Trial};
    use super::super::twin::InputOrigin;
    use super::*;

    #[test]
    fn an_example_that_the_skill_accepts_counts_with_its_vault() -> Result<(), Box<dyn std::error::Error>> {
        let recorded = |end: TrialEnd| -> Result<RecordedTrial, Box<dyn std::error::Error>> {
            let id = crate::model::id::VerificationId::new(&crate::model::id::RandomIds);
            let draw = Draw::new(id, crate::model::time::Timestamp::parse("2026-11-20T08:30:00Z")?);
            let trial = Trial { end, staged: Ok(Vec::new()), logs: Vec::new(), stderr: Vec::new(), calls: 0 };
            Ok(RecordedTrial {
                name: "one".to_owned(),
                input: "{\"path\":\"a.md\"}".to_owned(),
                vault: Arc::new(tempfile::tempdir()?),
                determinism: draw.determinism("example", 0),
                exchanges: Vec::new(),
                signatures: Vec::new(),
                trial,
                origin: InputOrigin::Example,
            })
        };
        let known = recorded(TrialEnd::Output("{}".to_owned()))?;
        let accepted = AcceptedInput::of_example(&known).ok_or("it is accepted")?;
        assert_eq!(accepted.input, serde_json::json!({ "path": "a.md" }));
        assert_eq!(accepted.vault.path(), known.vault.path());
        let timed_out = TimedOut::No;
        let stopped = recorded(TrialEnd::Stopped { why: "it".to_owned(), timed_out })?;
        assert!(AcceptedInput::of_example(&stopped).is_none());
        Ok(())
    }
}
