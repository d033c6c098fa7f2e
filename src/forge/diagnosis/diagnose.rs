//! One diagnosis: classifies the newest failure, asks a model for advice if wanted, and records both with a note.

use super::advice::{self, AdviceQuestion};
use super::classify::AttemptOutcome;
use super::error::DiagnosisError;
use super::escalate::{self, EscalationFacts};
use super::history::{AttemptHistory, attempt_history};
use super::note;
use crate::forge::attempt;
use crate::forge::context::{ForgeContext, NewArtifact};
use crate::forge::record::{AffectedViews, record};
use crate::forge::snapshot_store;
use crate::ledger::{Build, Proposal, Research};
use crate::llm;
use crate::model::{
    artifact::ArtifactKind,
    id::ResearchId,
    research::{AdviceOutcome, Classified, MAX_HINT},
    text,
};

/// What a diagnosis is asked to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiagnosisRequest<'a> {
    /// What a person wants the next attempt to know.
    pub hint: Option<&'a str>,
    /// The model to ask for advice; `None` asks nobody.
    pub advisor: Option<&'a llm::AdviceClient>,
}

/// Classifies the failure of `build`, asks for advice if wanted, and records both.
///
/// # Errors
/// [`DiagnosisError`] when `build` is not the newest attempt, is running, or did not fail. A model that cannot be reached is
/// not an error.
pub fn diagnose(
    forge: &ForgeContext<'_>,
    build: &Build,
    request: DiagnosisRequest<'_>,
) -> Result<Research, DiagnosisError> {
    let proposal = forge.ledger.proposal(build.proposal_id)?;
    // Held to the end: an attempt that starts meanwhile would make this diagnosis one of the past.
    let _lock = attempt::lock(forge, &proposal)?;
    // Read under the lock, so that the newest attempt is still the newest when the note is written.
    let history = attempt_history(forge, &proposal)?;
    let not_failed = || DiagnosisError::NotFailed { attempt: build.attempt_number, proposal: proposal.id.short() };
    let Some(newest) = history.newest().filter(|newest| newest.build.id == build.id) else {
        let newest = history.newest_build().map(|build| build.id.short()).unwrap_or_default();
        return Err(match build.was_not_invoked() {
            true => not_failed(),
            false => DiagnosisError::NotNewest { id: build.id.short(), newest },
        });
    };
    let failure = history.failure().cloned().ok_or_else(not_failed)?;
    let hint = request.hint.map(|hint| text::block(hint.trim(), MAX_HINT)).filter(|hint| !hint.is_empty());
    let sources = build.snapshot_sha256.map(|digest| snapshot_store::load(forge.store, digest)).transpose()?;
    let advice = match request.advisor {
        None => AdviceOutcome::NotAsked,
        Some(model) => {
            let (failure, hint) = (&failure, hint.as_deref());
            ask_model(model, &AdviceQuestion { proposal: &proposal, failure, hint, sources: sources.as_ref() })
        }
    };
    write(forge, &proposal, &history, newest, Diagnosis { failure, hint, advice })
}

/// Asks the model. A failure of that is an outcome like any other.
fn ask_model(model: &llm::AdviceClient, question: &AdviceQuestion<'_>) -> AdviceOutcome {
    let prompt = advice::prompt(question, model.prompt_chars());
    match model.ask(advice::SYSTEM, &prompt) {
        Ok(reply) => advice::read(&reply.model, &reply.text),
        Err(unavailable) => AdviceOutcome::Unreachable { why: text::line(&unavailable.to_string(), 300) },
    }
}

/// The findings of one diagnosis.
struct Diagnosis {
    failure: Classified,
    hint: Option<String>,
    advice: AdviceOutcome,
}

/// Writes the note, then the row that refers to it.
fn write(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    history: &AttemptHistory,
    newest: AttemptOutcome<'_>,
    diagnosis: Diagnosis,
) -> Result<Research, DiagnosisError> {
    let id = ResearchId::new(forge.ids);
    let mut research = Research {
        id,
        build_id: newest.build.id,
        verification_id: newest.verification.map(|found| found.id),
        classified: diagnosis.failure,
        hint: diagnosis.hint,
        advice: diagnosis.advice,
        escalations: Vec::new(),
        note_path: String::new(),
        created_at: forge.clock.now(),
    };
    // This diagnosis counts as well: the advice that it got may be the reason to ask a person.
    let diagnoses: Vec<&Research> = history.diagnoses_of_newest().chain([&research]).collect();
    let escalations = escalate::escalations(&EscalationFacts {
        failure: Some(&research.classified),
        consecutive_failures: history.consecutive_failures(),
        widened_permissions: Vec::new(),
        change: history.change(),
        advice: escalate::advice(diagnoses.into_iter()),
    });
    research.escalations = escalations;
    let folder = attempt::folder(proposal, newest.build.attempt_number);
    let write = |name: &str, bytes: &[u8]| {
        forge.write_artifact(NewArtifact {
            kind: ArtifactKind::ResearchNote,
            path: &folder.join(name),
            bytes,
            related_id: newest.build.id.to_string(),
        })
    };
    let markdown = note::render(proposal, newest.build, &research);
    let document = format!("{:#}\n", note::document(proposal, newest.build, &research));
    // Files first, row second: a crash in between leaves a file that nobody refers to, never a row
    // without its file.
    let notes = [
        write(&format!("RESEARCH_NOTE-{id}.md"), markdown.as_bytes())?,
        write(&format!("RESEARCH_NOTE-{id}.json"), document.as_bytes())?,
    ];
    research.note_path = notes[0].path.to_string();
    record(forge, &proposal.spec.name, AffectedViews::Index, |ledger| ledger.insert_research(&research, &notes))?;
    Ok(research)
}
