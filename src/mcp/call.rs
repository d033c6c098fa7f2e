//! Calling a tool: the run, what a client may hear of it meanwhile, and the question to a person where policy wants one.
//!
//! Guarantees: whatever the skill says of an error is an error to the model; a call that the client cancels, or whose client is
//! gone, is ended, and what it would have changed is thrown away; files that policy holds are let into the vault only when
//! a person said yes to the paths and the difference, in a client that offers to ask.
//!
//! Deliberately never: lets an answer decide about anything but the files of the call that was asked about.

use std::time::Duration;

use futures_util::future::OptionFuture;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, ContentBlock, ElicitRequest, ElicitResult,
    ErrorData, JsonObject, MetaObject, ProgressNotificationParam, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::question::{ANSWER, Asks, Heard, Question, asks, heard, question};
use super::server::{Server, ask, client_name};
use super::session::over;
use super::tools::Own;
use crate::app::{AgentCall, AgentFailure, AgentFiles, AgentRan, Word};
use crate::error::Error;
use crate::model::{id::CommitId, name::SkillName, switch::Cancel, text};

/// How often a client that wants to know hears that a call is still at work.
const PROGRESS: Duration = Duration::from_secs(1);
/// How long a call may go on once its client is gone: what was sent by a script that is over is still answered.
const GRACE: Duration = Duration::from_millis(250);
/// How long a question waits for its person. Then the files stay held.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What there is to say of a run that succeeded.
#[derive(Debug, Default)]
pub(super) struct Answer {
    output: Value,
    meta: MetaObject,
}

impl Answer {
    fn new(ran: &mut AgentRan) -> Self {
        let mut meta = JsonObject::new();
        meta.insert("kavi/execution".to_owned(), json!(ran.id.to_string()));
        if let Some((revision, component)) = ran.ran {
            meta.insert("kavi/revision".to_owned(), json!(revision));
            meta.insert("kavi/component".to_owned(), json!(format!("sha256:{component}")));
        }
        Self { output: ran.output.take(), meta: meta.into() }
    }

    /// The result, with a remark before what the skill gave.
    fn result(self, remark: Option<String>) -> CallToolResult {
        let mut content: Vec<ContentBlock> = remark.into_iter().map(ContentBlock::text).collect();
        content.push(ContentBlock::text(self.output.to_string()));
        let mut result = CallToolResult::success(content);
        result.structured_content = Some(self.output);
        result.meta = Some(self.meta);
        result
    }
}

/// A result that the model sees as an error.
pub(super) fn failed(message: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text::block(message, 8_000))])
}

/// What an error of the door's is to a model.
pub(super) fn told(error: &Error) -> CallToolResult {
    failed(&match error.hint() {
        Some(hint) => format!("{error}\nFor a person: {hint}"),
        None => error.to_string(),
    })
}

/// A result with these members.
pub(super) fn structured(value: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(value.to_string())]);
    result.structured_content = Some(value);
    result
}

fn unknown(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown tool: {}", text::line(name, 100)), None)
}

impl Server {
    /// One `tools/call`.
    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _busy = self.busy();
        if let Some(state) = &request.request_state {
            return self.answered(state, &request, &context).await;
        }
        let arguments = request.arguments.unwrap_or_default();
        match Own::named(&request.name) {
            Some(Own::Call) => {
                let (name, input) = match (arguments.get("name"), arguments.get("input")) {
                    (Some(Value::String(name)), Some(Value::Object(input))) => (name.clone(), input.clone()),
                    _ => return Ok(failed("give the skill's `name` and its `input`, an object").into()),
                };
                self.call_skill(&name, input, &context).await
            }
            Some(own) => self.call_own(own, arguments, &context).await.map(CallToolResponse::from),
            None => self.call_skill(&request.name, arguments, &context).await,
        }
    }

    async fn call_skill(
        &self,
        name: &str,
        input: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let skill = SkillName::parse(name).map_err(|_| unknown(name))?;
        let (tell, told) = oneshot::channel();
        let cancel = Cancel::default();
        let input = Value::Object(input).to_string().into_bytes();
        let call = AgentCall { name: skill, input, by: client_name(context), cancel: cancel.clone() };
        self.door.call(call, move |ran| {
            // Nobody waits for it when the server ends.
            let _ = tell.send(ran);
        });
        match self.attend(told, &cancel, context).await {
            Ok(ran) => self.succeeded(name, ran, context).await,
            Err(AgentFailure::NoSuchSkill(_)) => Err(unknown(name)),
            Err(AgentFailure::Cancelled) => Ok(failed("the call was cancelled").into()),
            Err(AgentFailure::Told { kind, message, hint }) => {
                let hint = hint.map(|hint| format!("\nFor a person: {hint}")).unwrap_or_default();
                Ok(failed(&format!("{kind}: {message}{hint}")).into())
            }
        }
    }

    /// Waits for a run, tells the client that it goes on, and ends it when nobody wants it any more.
    async fn attend(
        &self,
        mut told: oneshot::Receiver<Result<AgentRan, AgentFailure>>,
        cancel: &Cancel,
        context: &RequestContext<RoleServer>,
    ) -> Result<AgentRan, AgentFailure> {
        let token = context.meta.get_progress_token();
        let mut ticks = interval_at(Instant::now() + PROGRESS, PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = 0_u32;
        let gone = async {
            tokio::select! {
                () = context.ct.cancelled() => {}
                () = async { over(&context.extensions).await; sleep(GRACE).await } => {}
            }
        };
        tokio::pin!(gone);
        let mut wanted = true;
        // A client that does not take what it is told must not keep the call from ending.
        let mut telling = OptionFuture::default();
        loop {
            tokio::select! {
                ran = &mut told => return ran.unwrap_or(Err(AgentFailure::Cancelled)),
                () = &mut gone, if wanted => {
                    wanted = false;
                    cancel.cancel();
                }
                // A client that does not hear it is told nothing.
                Some(_) = &mut telling => telling = OptionFuture::default(),
                _ = ticks.tick(), if wanted && token.is_some() => {
                    seconds += 1;
                    if let Some(token) = token.clone() {
                        let progress = ProgressNotificationParam::new(token, f64::from(seconds));
                        let progress = progress.with_message(format!("at work for {seconds} s"));
                        telling = Some(Box::pin(context.peer.notify_progress(progress))).into();
                    }
                }
            }
        }
    }

    async fn succeeded(
        &self,
        name: &str,
        mut ran: AgentRan,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answer = Answer::new(&mut ran);
        let (commit, diffs) = match &ran.files {
            AgentFiles::Written(_) => return Ok(answer.result(None).into()),
            AgentFiles::Held(commit, diffs) => (*commit, diffs),
        };
        let asked = question(name, diffs);
        match asks(context) {
            Asks::NotAtAll => Ok(held(answer, commit).into()),
            Asks::ByReturning => {
                let (client, tool) = (client_name(context), name.to_owned());
                Ok(self.questions.ask(Question { client, tool, asked, commit, ran: answer }).into())
            }
            Asks::ByRequest => {
                let asked = context.peer.send_request(ServerRequest::ElicitRequest(ElicitRequest::new(asked)));
                let waits = self.waits();
                let answered = tokio::select! {
                    answered = timeout(PATIENCE, asked) => answered.ok().and_then(Result::ok),
                    () = context.ct.cancelled() => None,
                    () = over(&context.extensions) => None,
                };
                drop(waits);
                let heard = match answered {
                    Some(ClientResult::ElicitResult(answered)) => heard(Some(&answered)),
                    // What the client takes back is thrown away, as it is before its end; what nobody answered stays held.
                    _ if context.ct.is_cancelled() && !self.is_ending() => {
                        let by = format!("{}, which cancelled the call", client_name(context));
                        let thrown = ask(|reply| self.door.settle(commit, (Word::No, by), reply)).await;
                        return Ok(thrown
                            .map_or_else(|error| told(&error), |()| failed("the call was cancelled"))
                            .into());
                    }
                    _ => Heard::Unclear,
                };
                Ok(self.settled(answer, commit, heard, context).await.into())
            }
        }
    }

    /// A request that brings the answer to a question. One that is not clear has the question put once more.
    async fn answered(
        &self,
        state: &str,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let nothing =
            || ErrorData::invalid_params("nothing was asked with this `requestState`, or it was answered", None);
        if asks(context) != Asks::ByReturning {
            return Err(nothing());
        }
        let client = client_name(context);
        let of = (request.name.as_ref(), client.as_str());
        let answer = request.input_responses.as_ref().and_then(|answers| answers.get(ANSWER)).cloned();
        let answer: Option<ElicitResult> = answer.and_then(|answer| serde_json::from_value(answer).ok());
        let heard = heard(answer.as_ref());
        if heard == Heard::Unclear {
            return self.questions.repeat(state, of).map(CallToolResponse::from).ok_or_else(nothing);
        }
        let question = self.questions.take(state, of).ok_or_else(nothing)?;
        Ok(self.settled(question.ran, question.commit, heard, context).await.into())
    }

    /// Does what was answered; without a clear answer the files stay held.
    async fn settled(
        &self,
        answer: Answer,
        commit: CommitId,
        heard: Heard,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResult {
        let Heard::Word(word) = heard else { return held(answer, commit) };
        let by = format!("a person, asked by {}", client_name(context));
        match ask(|reply| self.door.settle(commit, (word, by), reply)).await {
            Ok(()) if word == Word::Yes => {
                answer.result(Some("A person allowed it: the files are in the vault.".to_owned()))
            }
            Ok(()) => failed("A person said no: nothing was written."),
            Err(error) => told(&error),
        }
    }
}

/// The answer about files that wait for a person at the command line.
fn held(answer: Answer, commit: CommitId) -> CallToolResult {
    let short = commit.short();
    let remark = format!(
        "NOT WRITTEN YET: the files of this call are held until a person decides. The person looks with `kavi effects show \
         {short}` and lets them into the vault with `kavi effects approve {short}`. Calling again does not help. Below is what \
         the skill answered."
    );
    let mut result = answer.result(Some(remark));
    if let Some(meta) = &mut result.meta {
        meta.insert("kavi/held".to_owned(), json!(commit.to_string()));
    }
    result
}
