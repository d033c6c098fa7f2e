//! Questions to a person, through the client that made the call.
//!
//! Guarantees: a yes says so twice; what is not clear decides nothing; a question whose answer comes with another request is
//! answered once, by the client that was asked, about the tool that it was about, and only by whoever was told its secret; one
//! client's questions do not push out another's while that has few.
//!
//! Deliberately never: decides what happens to the files.

use std::collections::VecDeque;
use std::sync::Mutex;

use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
    InputRequiredResult, ProtocolVersion,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

use super::call::Answer;
use super::tools::Own;
use crate::app::{FileDiff, Word};
use crate::model::id::{CommitId, IdSource as _, RandomIds};
use crate::model::share::{Places, make_room};
use crate::model::{lock::lock, text};

/// Most questions that wait for a request that brings their answer, and most of them that one client was asked.
const PLACES: Places = Places { all: 256, of_one: 16 };
/// Longest difference that is put into a question, in characters.
const MOST_SHOWN: usize = 8_000;
/// What the answer to a question is called.
pub(super) const ANSWER: &str = "write";

/// How a client lets its person be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    NotAtAll,
    /// By a request of the server's, while its own is under way.
    ByRequest,
    /// By the result of its request, which it then sends once more with the answer.
    ByReturning,
}

/// How the client of a request lets its person be asked.
pub(super) fn asks(context: &RequestContext<RoleServer>) -> Asks {
    let offered = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
    // One that says nothing of forms has them, unless it says something else.
    let forms = offered.is_some_and(|offered| offered.form.is_some() || offered.url.is_none());
    match context.protocol_version() {
        Some(revision) if forms && revision >= ProtocolVersion::NO_INITIALIZE => Asks::ByReturning,
        Some(revision) if forms && revision >= ProtocolVersion::V_2025_06_18 => Asks::ByRequest,
        _ => Asks::NotAtAll,
    }
}

/// What a person is asked.
pub(super) fn question(name: &str, diffs: &[FileDiff]) -> ElicitRequestParams {
    let paths = diffs.iter().map(|diff| {
        format!("  {} (+{} -{})\n", text::line(diff.change.path.as_str(), 1_100), diff.added, diff.removed)
    });
    let mut message = format!("The skill `{name}` would write to your vault:\n{}\n", paths.collect::<String>());
    let shown: String = diffs.iter().map(|diff| diff.text.as_str()).collect();
    message.push_str("What would change (written by the skill; nobody checked it):\n");
    message.push_str(&text::block(&shown, MOST_SHOWN));
    let schema = ElicitationSchema::builder().required_bool(ANSWER).build_unchecked();
    ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: schema }
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Yes or no.
    Word(Word),
    /// The person closed the question: the files stay held.
    NotNow,
    /// Nothing that can be understood.
    Unclear,
}

/// Understands an answer, if it is clear: a yes says so twice.
pub(super) fn heard(answer: Option<&ElicitResult>) -> Heard {
    let Some(answer) = answer else { return Heard::Unclear };
    let yes = answer.content.as_ref().and_then(|content| content.get(ANSWER)).and_then(Value::as_bool);
    match (&answer.action, yes) {
        (ElicitationAction::Accept, Some(true)) => Heard::Word(Word::Yes),
        (ElicitationAction::Accept, Some(false)) | (ElicitationAction::Decline, _) => Heard::Word(Word::No),
        (ElicitationAction::Cancel, _) => Heard::NotNow,
        _ => Heard::Unclear,
    }
}

/// A question whose answer comes with another request.
#[derive(Debug)]
pub(super) struct Question {
    /// What the client calls itself.
    pub(super) client: String,
    /// The skill.
    pub(super) tool: String,
    /// What was asked.
    pub(super) asked: ElicitRequestParams,
    /// The files that it is about.
    pub(super) commit: CommitId,
    /// What there is to say of the run.
    pub(super) ran: Answer,
}

impl Question {
    fn fits(&self, tool: &str, client: &str) -> bool {
        self.client == client && (self.tool == tool || Own::named(tool) == Some(Own::Call))
    }

    fn put(&self, secret: &str) -> InputRequiredResult {
        let asked = InputRequest::Elicitation(ElicitRequest::new(self.asked.clone()));
        InputRequiredResult::new(Some([(ANSWER.to_owned(), asked)].into()), Some(secret.to_owned()))
    }
}

/// The questions that are open.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<VecDeque<(String, Question)>>);

impl Questions {
    /// Notes a question and gives the result that puts it.
    pub(super) fn ask(&self, question: Question) -> InputRequiredResult {
        let secret = RandomIds.next().simple().to_string();
        let put = question.put(&secret);
        let mut open = lock(&self.0);
        // What nobody ever answers stays held.
        make_room(&mut open, PLACES, |(_, other)| other.client == question.client);
        open.push_back((secret, question));
        put
    }

    /// Puts a question once more.
    pub(super) fn repeat(&self, secret: &str, (tool, client): (&str, &str)) -> Option<InputRequiredResult> {
        let open = lock(&self.0);
        let found = open.iter().find(|(own, question)| own == secret && question.fits(tool, client));
        found.map(|(own, question)| question.put(own))
    }

    /// Takes a question that has its answer.
    pub(super) fn take(&self, secret: &str, (tool, client): (&str, &str)) -> Option<Question> {
        let mut open = lock(&self.0);
        let at = open.iter().position(|(own, question)| own == secret && question.fits(tool, client))?;
        open.remove(at).map(|(_, question)| question)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(action: ElicitationAction, content: Option<Value>) -> Heard {
        let mut answer = ElicitResult::new(action);
        answer.content = content;
        heard(Some(&answer))
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        assert_eq!(said(ElicitationAction::Accept, Some(json!({ "write": true }))), Heard::Word(Word::Yes));
        assert_eq!(said(ElicitationAction::Accept, Some(json!({ "write": false }))), Heard::Word(Word::No));
        assert_eq!(said(ElicitationAction::Decline, Some(json!({ "write": true }))), Heard::Word(Word::No));
        for unclear in
            [None, Some(json!({})), Some(json!({ "write": "true" })), Some(json!(true)), Some(json!({ "w": true }))]
        {
            assert_eq!(said(ElicitationAction::Accept, unclear), Heard::Unclear);
        }
        assert_eq!(said(ElicitationAction::Cancel, Some(json!({ "write": true }))), Heard::NotNow);
        assert_eq!(heard(None), Heard::Unclear);
    }

    fn to(client: &str) -> Question {
        Question {
            client: client.to_owned(),
            tool: "write_note".to_owned(),
            asked: question("write_note", &[]),
            commit: CommitId::new(&RandomIds),
            ran: Answer::default(),
        }
    }

    fn secret(put: &InputRequiredResult) -> String {
        put.request_state.clone().unwrap_or_default()
    }

    #[test]
    fn a_question_is_answered_once_by_whoever_was_asked() {
        let questions = Questions::default();
        let ada = secret(&questions.ask(to("ada")));
        for (secret, tool, client) in [
            ("", "write_note", "ada"),
            ("0", "write_note", "ada"),
            (ada.as_str(), "write_note", "bob"),
            (&ada, "peek", "ada"),
        ] {
            assert!(questions.take(secret, (tool, client)).is_none(), "{secret} {tool} {client}");
            assert!(questions.repeat(secret, (tool, client)).is_none(), "{secret} {tool} {client}");
        }
        assert_eq!(questions.repeat(&ada, ("write_note", "ada")).map(|put| secret(&put)), Some(ada.clone()));
        assert!(questions.take(&ada, ("call_skill", "ada")).is_some());
        assert!(questions.take(&ada, ("write_note", "ada")).is_none());
    }

    #[test]
    fn one_client_does_not_push_out_anothers_question() {
        let questions = Questions::default();
        let ada = secret(&questions.ask(to("ada")));
        let bobs: Vec<String> = (0..1_000).map(|_| secret(&questions.ask(to("bob")))).collect();
        assert!(questions.take(&ada, ("write_note", "ada")).is_some());
        let left = bobs.iter().filter(|secret| questions.repeat(secret, ("write_note", "bob")).is_some()).count();
        assert_eq!(left, PLACES.of_one);
    }
}
