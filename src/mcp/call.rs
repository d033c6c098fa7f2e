//! `tools/call`: runs a skill, reports progress, and asks a person where policy wants one.
//!
//! Guarantees: an error of the skill is an error result for the model. A call is ended when its client cancels it or
//! disconnects, and its changes are discarded. Held files are written only after a person saw the paths and the difference
//! and said yes, in a client that supports elicitation.
//!
//! Deliberately never: applies an answer to anything but the files of the call that was asked about.

use std::time::Duration;

use futures_util::future::OptionFuture;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, ElicitRequest, ElicitResult, ErrorData,
    JsonObject, ProgressNotificationParam, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::Instrument as _;

use super::builtin_tools::BuiltinTool;
use super::elicitation::{
    ANSWER_FIELD, AnswerKey, ElicitationAnswer, ElicitationMode, PendingElicitation, elicitation_mode, parse_answer,
    request_params,
};
use super::service::{McpService, ask, client_name};
use super::session::{closed, input_ended};
use super::tool_result::{SkillResult, error_result, failed_result};
use super::tools;
use crate::app::{AgentCall, AgentFiles, AgentRun, CallFailure, PersonAnswer, Settlement};
use crate::model::{id::CommitId, name::SkillName, switch::Cancel, text};

/// How often a client that wants progress receives it.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long a call may continue after its client has disconnected. A script that closes its output early still gets answers.
const DISCONNECT_GRACE: Duration = Duration::from_millis(250);
/// How long a question waits for its person. After that the files stay held.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10 * 60);

fn unknown_tool(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown tool: {}", text::line(name, 100)), None)
}

impl McpService {
    /// Handles one `tools/call`.
    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // Held until the answer is made, so that a shutdown waits for this call.
        let _active = self.count_call();
        // Before the tool's name is looked at: this is an answer to a question, and the skill must
        // not run again.
        if let Some(state) = &request.request_state {
            return self.resume_elicitation(state, &request, &context).await;
        }
        let arguments = request.arguments.unwrap_or_default();
        match BuiltinTool::named(&request.name) {
            Some(BuiltinTool::Call) => {
                let (name, input) = match (arguments.get("name"), arguments.get("input")) {
                    (Some(Value::String(name)), Some(Value::Object(input))) => (name.clone(), input.clone()),
                    _ => return Ok(failed_result("give `name`, a skill name, and `input`, an object").into()),
                };
                self.call_skill(&name, input, &context).await
            }
            Some(tool) => self.call_builtin(tool, arguments, &context).await.map(CallToolResponse::from),
            None => self.call_skill(&request.name, arguments, &context).await,
        }
    }

    async fn call_skill(
        &self,
        name: &str,
        input: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let skill = match SkillName::parse(name) {
            Ok(skill) => skill,
            // An alias is no skill name, so it is only searched for where nothing else has this name.
            Err(_) => tools::aliased(&self.skills().await?, name).cloned().ok_or_else(|| unknown_tool(name))?,
        };
        let span = tracing::info_span!("agent_call", %skill);
        let (answer, answered) = oneshot::channel();
        let cancel = Cancel::default();
        let input = Value::Object(input).to_string().into_bytes();
        let call = AgentCall { name: skill, input, by: client_name(context), cancel: cancel.clone() };
        let reply = move |result| {
            // The receiver is gone when the server ends.
            let _ = answer.send(result);
        };
        self.api.call(call, Box::new(reply));
        match self.await_run(answered, &cancel, context).instrument(span).await {
            Ok(run) => self.succeeded(name, run, context).await,
            // A protocol error, because the client's list of tools is out of date. Failures of a
            // skill go to the model.
            Err(CallFailure::NoSuchSkill(_)) => Err(unknown_tool(name)),
            Err(CallFailure::Cancelled) => Ok(failed_result("the call was cancelled").into()),
            Err(CallFailure::Failed { kind, message, hint }) => {
                let hint = hint.map(|hint| format!("\nFor a person: {hint}")).unwrap_or_default();
                Ok(failed_result(&format!("{kind}: {message}{hint}")).into())
            }
        }
    }

    /// Waits for a run and reports progress. Cancels the run when the client cancels the call or disconnects.
    async fn await_run(
        &self,
        mut answered: oneshot::Receiver<Result<AgentRun, CallFailure>>,
        cancel: &Cancel,
        context: &RequestContext<RoleServer>,
    ) -> Result<AgentRun, CallFailure> {
        let token = context.meta.get_progress_token();
        let mut ticks = interval_at(Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
        // After a pause the missed notifications would otherwise come in a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = 0_u32;
        let client_gone = async {
            tokio::select! {
                () = context.ct.cancelled() => {}
                () = async { closed(&context.extensions).await; sleep(DISCONNECT_GRACE).await } => {}
            }
        };
        tokio::pin!(client_gone);
        let mut is_wanted = true;
        // A future of its own: a client that does not read its notifications must not delay the end of the call.
        let mut notification = OptionFuture::default();
        loop {
            tokio::select! {
                run = &mut answered => return run.unwrap_or(Err(CallFailure::Cancelled)),
                // The loop goes on after this: the run reports its own end, and its record is written before that.
                () = &mut client_gone, if is_wanted => {
                    is_wanted = false;
                    cancel.cancel();
                }
                // A failed notification is ignored: the result of the call matters, not its progress.
                Some(_) = &mut notification => notification = OptionFuture::default(),
                _ = ticks.tick(), if is_wanted && token.is_some() => {
                    seconds += 1;
                    if let Some(token) = token.clone() {
                        let progress = ProgressNotificationParam::new(token, f64::from(seconds));
                        let progress = progress.with_message(format!("running for {seconds} s"));
                        notification = Some(Box::pin(context.peer.notify_progress(progress))).into();
                    }
                }
            }
        }
    }

    async fn succeeded(
        &self,
        name: &str,
        mut run: AgentRun,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let result = SkillResult::new(&mut run);
        let (commit, diffs) = match &run.files {
            AgentFiles::Written(_) => return Ok(result.into_result(None).into()),
            AgentFiles::Unasked(commit) => return Ok(result.into_held_result(*commit).into()),
            AgentFiles::Held(commit, diffs) => (*commit, diffs),
        };
        let params = request_params(name, diffs);
        match elicitation_mode(context) {
            ElicitationMode::Unsupported => Ok(result.into_held_result(commit).into()),
            ElicitationMode::ByResult => {
                let question = PendingElicitation { tool: name.to_owned(), params, commit, result };
                // Without a place the question is not asked. Its files stay held, like those of a client
                // that cannot ask.
                Ok(match self.elicitations.ask(client_name(context), question) {
                    Ok(asked) => asked.into(),
                    Err(question) => question.result.into_held_result(commit).into(),
                })
            }
            ElicitationMode::ByRequest => {
                let request = context.peer.send_request(ServerRequest::ElicitRequest(ElicitRequest::new(params)));
                // A server that is asked to end does not wait for persons.
                let paused = self.pause_count();
                let response = tokio::select! {
                    response = timeout(ANSWER_TIMEOUT, request) => response.ok().and_then(Result::ok),
                    () = context.ct.cancelled() => None,
                    // A client that sends nothing more cannot answer. Its files stay held for a person at the
                    // command line.
                    () = input_ended(&context.extensions) => None,
                };
                drop(paused);
                let answer = match response {
                    Some(ClientResult::ElicitResult(response)) => parse_answer(Some(&response)),
                    // A client that cancels the call discards its files, as before the end of the run. Without an answer
                    // they stay held.
                    _ if context.ct.is_cancelled() && !self.is_shutting_down() => {
                        return Ok(self.discard_cancelled(commit, context).await.into());
                    }
                    _ => ElicitationAnswer::Unclear,
                };
                Ok(self.settle(result, commit, answer, context).await.into())
            }
        }
    }

    async fn discard_cancelled(&self, commit: CommitId, context: &RequestContext<RoleServer>) -> CallToolResult {
        let by = format!("{}, which cancelled the call", client_name(context));
        // The record names the client, because no person said this no.
        let settlement = Settlement { commit, answer: PersonAnswer::No, by };
        match ask(|reply| self.api.settle(settlement, reply)).await {
            Ok(()) => failed_result("the call was cancelled"),
            Err(error) => error_result(&error),
        }
    }

    /// Handles a request that brings the answer to a question. An unclear answer repeats the question.
    async fn resume_elicitation(
        &self,
        secret: &str,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let not_open = || ErrorData::invalid_params("no open question has this `requestState`", None);
        // A client of another revision was never given a secret, so one that brings it got it
        // elsewhere.
        if elicitation_mode(context) != ElicitationMode::ByResult {
            return Err(not_open());
        }
        let client = client_name(context);
        let key = AnswerKey { secret, tool: request.name.as_ref(), client: client.as_str() };
        let response = request.input_responses.as_ref().and_then(|answers| answers.get(ANSWER_FIELD)).cloned();
        let response: Option<ElicitResult> = response.and_then(|response| serde_json::from_value(response).ok());
        let answer = parse_answer(response.as_ref());
        // Before the question is taken out: an answer that says nothing must leave it open.
        if answer == ElicitationAnswer::Unclear {
            return self.elicitations.repeat(key).map(CallToolResponse::from).ok_or_else(not_open);
        }
        // Taken out first and settled then, so that two answers at once cannot both be applied.
        let question = self.elicitations.take(key).ok_or_else(not_open)?;
        Ok(self.settle(question.result, question.commit, answer, context).await.into())
    }

    /// Applies an answer. Without a clear one the files stay held.
    async fn settle(
        &self,
        result: SkillResult,
        commit: CommitId,
        answer: ElicitationAnswer,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResult {
        let ElicitationAnswer::Decided(answer) = answer else { return result.into_held_result(commit) };
        let by = format!("a person, asked by {}", client_name(context));
        match ask(|reply| self.api.settle(Settlement { commit, answer, by }, reply)).await {
            Ok(()) if answer == PersonAnswer::Yes => {
                result.into_result(Some("A person allowed it: the files are in the vault.".to_owned()))
            }
            Ok(()) => failed_result("A person said no: nothing was written."),
            Err(error) => error_result(&error),
        }
    }
}
