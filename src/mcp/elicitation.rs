//! Elicitation: a question to a person, through the client that made the call.
//!
//! A client of an earlier revision receives it as a request. A client of a later revision receives it as the result of its
//! call, and sends the call again with the answer. Such a question stays open here until then.
//!
//! Guarantees: only an accepted form with an explicit yes is a yes; an unclear answer decides nothing. An open question is
//! answered once, by the client that was asked, for the tool that it is about, with the secret of the question. A client
//! gives itself its name, so no question displaces another one that is still waited for, under no name.
//!
//! Deliberately never: decides what happens to the files.

use std::sync::Mutex;
use std::time::Duration;

use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, EnumSchema, InputRequest,
    InputRequiredResult, ProtocolVersion,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

use super::builtin_tools::BuiltinTool;
use super::tool_result::SkillResult;
use crate::app::{FairQueue, FileDiff, OwnedEntry, PersonAnswer, QueueLimits};
use crate::model::{
    id::{CommitId, IdSource as _, RandomIds},
    text,
    time::{Clock as _, SystemClock},
};
use crate::sync::lock;

/// Most open questions, and how long each keeps its place.
const MOST_OPEN: QueueLimits = QueueLimits { total: 256, per_owner: 16, kept: Duration::from_secs(30 * 60) };
/// Longest difference in a question, in characters.
const MOST_SHOWN: usize = 8_000;
/// The field of the answer.
pub(super) const ANSWER_FIELD: &str = "decision";
/// The answer that writes the files.
const WRITE: &str = "write";
/// The answer that leaves the files held.
const KEEP_HELD: &str = "keep held";
/// The answer that discards the files.
const DISCARD: &str = "discard";

/// How a client can ask its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElicitationMode {
    /// It cannot.
    Unsupported,
    /// The server sends a request while the call is active.
    ByRequest,
    /// The result of the call is the question. The client sends the call again with the answer.
    ByResult,
}

/// How the client of a request can ask its person.
pub(super) fn elicitation_mode(context: &RequestContext<RoleServer>) -> ElicitationMode {
    let offered = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
    // A client that declares no mode supports forms, as the specification says.
    let forms = offered.is_some_and(|offered| offered.form.is_some() || offered.url.is_none());
    match context.protocol_version() {
        Some(revision) if forms && revision >= ProtocolVersion::NO_INITIALIZE => ElicitationMode::ByResult,
        Some(revision) if forms && revision >= ProtocolVersion::V_2025_06_18 => ElicitationMode::ByRequest,
        _ => ElicitationMode::Unsupported,
    }
}

/// The question about the files of a run.
pub(super) fn request_params(name: &str, diffs: &[FileDiff]) -> ElicitRequestParams {
    let paths = diffs.iter().map(|diff| {
        format!("  {} (+{} -{})\n", text::line(diff.change.path.as_str(), 1_100), diff.added, diff.removed)
    });
    // The paths come first and whole. A long difference could otherwise push them out of sight.
    let mut message = format!("The skill `{name}` would write to your vault:\n{}\n", paths.collect::<String>());
    let shown: String = diffs.iter().map(|diff| diff.text.as_str()).collect();
    // The text below can imitate anything, also this question. So it is announced as what it is.
    message.push_str("The difference (written by the skill, not verified):\n");
    message.push_str(&text::block(&shown, MOST_SHOWN));
    let words = [WRITE, KEEP_HELD, DISCARD].map(str::to_owned).to_vec();
    let words = EnumSchema::builder(words).description("`keep held` leaves the decision to the command line.").build();
    let schema = ElicitationSchema::builder().required_enum_schema(ANSWER_FIELD, words).build_unchecked();
    ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: schema }
}

/// The answer of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElicitationAnswer {
    /// Yes or no.
    Decided(PersonAnswer),
    /// The person closed the question. The files stay held.
    Dismissed,
    /// Neither. It decides nothing.
    Unclear,
}

/// Parses an answer. A yes needs both: an accepted form, and the word for it.
pub(super) fn parse_answer(answer: Option<&ElicitResult>) -> ElicitationAnswer {
    let Some(answer) = answer else { return ElicitationAnswer::Unclear };
    let word = answer.content.as_ref().and_then(|content| content.get(ANSWER_FIELD)).and_then(Value::as_str);
    match (&answer.action, word) {
        (ElicitationAction::Accept, Some(WRITE)) => ElicitationAnswer::Decided(PersonAnswer::Yes),
        (ElicitationAction::Accept, Some(DISCARD)) | (ElicitationAction::Decline, _) => {
            ElicitationAnswer::Decided(PersonAnswer::No)
        }
        // Closing a window is no decision, so nothing is discarded.
        (ElicitationAction::Accept, Some(KEEP_HELD)) | (ElicitationAction::Cancel, _) => ElicitationAnswer::Dismissed,
        _ => ElicitationAnswer::Unclear,
    }
}

/// A question whose answer comes with another request.
#[derive(Debug)]
pub(super) struct PendingElicitation {
    /// The skill.
    pub(super) tool: String,
    /// The question.
    pub(super) params: ElicitRequestParams,
    /// The files that it is about.
    pub(super) commit: CommitId,
    /// The result of the run.
    pub(super) result: SkillResult,
}

impl PendingElicitation {
    fn is_about(&self, tool: &str) -> bool {
        // The repeated call has the name that the client called, which may be `call_skill`.
        self.tool == tool || BuiltinTool::named(tool) == Some(BuiltinTool::Call)
    }

    fn as_result(&self, secret: &str) -> InputRequiredResult {
        let request = InputRequest::Elicitation(ElicitRequest::new(self.params.clone()));
        InputRequiredResult::new(Some([(ANSWER_FIELD.to_owned(), request)].into()), Some(secret.to_owned()))
    }
}

/// The open elicitations, by client.
#[derive(Debug)]
pub(super) struct Elicitations(Mutex<FairQueue<OpenElicitation>>);

/// A question, and the secret that its answer must bring.
#[derive(Debug)]
struct OpenElicitation {
    secret: String,
    question: PendingElicitation,
}

/// What a request must bring to answer a question.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerKey<'a> {
    /// The secret of the question.
    pub(super) secret: &'a str,
    /// The tool that the request calls.
    pub(super) tool: &'a str,
    /// The name that the client gives itself.
    pub(super) client: &'a str,
}

impl AnswerKey<'_> {
    fn opens(self, entry: &OwnedEntry<OpenElicitation>) -> bool {
        // All three: a secret that leaked to another client or another tool answers nothing.
        entry.owner == self.client && entry.value.secret == self.secret && entry.value.question.is_about(self.tool)
    }
}

impl Default for Elicitations {
    fn default() -> Self {
        Self(Mutex::new(FairQueue::new(MOST_OPEN)))
    }
}

impl Elicitations {
    /// Stores a question for a client, and returns the result that asks it.
    ///
    /// # Errors
    /// The question, when too many others are open. Its files stay held.
    pub(super) fn ask(
        &self,
        client: String,
        question: PendingElicitation,
    ) -> Result<InputRequiredResult, Box<PendingElicitation>> {
        // Random, because a number that can be guessed would let a client answer the question of
        // another.
        let secret = RandomIds.next().simple().to_string();
        let result = question.as_result(&secret);
        let entry = OwnedEntry { owner: client, value: OpenElicitation { secret, question } };
        // A question that is displaced when it is old decides nothing: its files stay held.
        lock(&self.0).push(entry, SystemClock.now()).map_err(|full| Box::new(full.0.value.question))?;
        Ok(result)
    }

    /// Asks a question again.
    pub(super) fn repeat(&self, key: AnswerKey<'_>) -> Option<InputRequiredResult> {
        let open = lock(&self.0);
        open.find(|entry| key.opens(entry)).map(|entry| entry.value.question.as_result(&entry.value.secret))
    }

    /// Removes a question that has its answer.
    pub(super) fn take(&self, key: AnswerKey<'_>) -> Option<PendingElicitation> {
        lock(&self.0).take(|entry| key.opens(entry)).map(|entry| entry.value.question)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(action: ElicitationAction, content: Option<Value>) -> ElicitationAnswer {
        let mut answer = ElicitResult::new(action);
        answer.content = content;
        parse_answer(Some(&answer))
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        assert_eq!(
            said(ElicitationAction::Accept, Some(json!({ "decision": "write" }))),
            ElicitationAnswer::Decided(PersonAnswer::Yes)
        );
        assert_eq!(
            said(ElicitationAction::Accept, Some(json!({ "decision": "discard" }))),
            ElicitationAnswer::Decided(PersonAnswer::No)
        );
        assert_eq!(
            said(ElicitationAction::Decline, Some(json!({ "decision": "write" }))),
            ElicitationAnswer::Decided(PersonAnswer::No)
        );
        for unclear in [
            None,
            Some(json!({})),
            Some(json!({ "decision": true })),
            Some(json!({ "decision": "Write" })),
            Some(json!("write")),
            Some(json!({ "write": true })),
        ] {
            assert_eq!(said(ElicitationAction::Accept, unclear), ElicitationAnswer::Unclear);
        }
        for dismissed in [
            said(ElicitationAction::Cancel, Some(json!({ "decision": "write" }))),
            said(ElicitationAction::Accept, Some(json!({ "decision": "keep held" }))),
        ] {
            assert_eq!(dismissed, ElicitationAnswer::Dismissed);
        }
        assert_eq!(parse_answer(None), ElicitationAnswer::Unclear);
    }

    fn question_of_write_note() -> PendingElicitation {
        PendingElicitation {
            tool: "write_note".to_owned(),
            params: request_params("write_note", &[]),
            commit: CommitId::new(&RandomIds),
            result: SkillResult::default(),
        }
    }

    fn ask(elicitations: &Elicitations, client: &str) -> String {
        let asked = elicitations.ask(client.to_owned(), question_of_write_note());
        asked.ok().and_then(|asked| asked.request_state).unwrap_or_default()
    }

    #[test]
    fn a_question_is_answered_once_by_whoever_was_asked() {
        let elicitations = Elicitations::default();
        let ada = ask(&elicitations, "ada");
        for (secret, tool, client) in [
            ("", "write_note", "ada"),
            ("0", "write_note", "ada"),
            (ada.as_str(), "write_note", "bob"),
            (&ada, "peek", "ada"),
        ] {
            let key = AnswerKey { secret, tool, client };
            assert!(elicitations.take(key).is_none(), "{secret} {tool} {client}");
            assert!(elicitations.repeat(key).is_none(), "{secret} {tool} {client}");
        }
        let key = AnswerKey { secret: &ada, tool: "write_note", client: "ada" };
        assert_eq!(elicitations.repeat(key).and_then(|result| result.request_state), Some(ada.clone()));
        assert!(elicitations.take(AnswerKey { tool: "call_skill", ..key }).is_some());
        assert!(elicitations.take(key).is_none());
    }

    #[test]
    fn one_client_does_not_push_out_anothers_question() {
        let elicitations = Elicitations::default();
        let ada = ask(&elicitations, "ada");
        let bobs: Vec<String> = (0..1_000).map(|_| ask(&elicitations, "bob")).collect();
        let key = |secret, client| AnswerKey { secret, tool: "write_note", client };
        assert!(elicitations.take(key(&ada, "ada")).is_some());
        let left = bobs.iter().filter(|secret| elicitations.repeat(key(secret, "bob")).is_some()).count();
        assert_eq!(left, MOST_OPEN.per_owner);
    }

    #[test]
    fn a_client_with_many_names_does_not_push_out_anothers_question() {
        let elicitations = Elicitations::default();
        let ada = ask(&elicitations, "ada");
        let asked = (0..1_000).filter(|name| !ask(&elicitations, &format!("bob {name}")).is_empty()).count();
        assert_eq!(asked, MOST_OPEN.total - 1, "the others are not asked");
        let key = AnswerKey { secret: &ada, tool: "write_note", client: "ada" };
        assert!(elicitations.take(key).is_some());
        assert!(!ask(&elicitations, "ada").is_empty(), "an answer makes room");
    }
}
