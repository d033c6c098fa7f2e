//! Calls of the built-in tools: propose a skill, query its state, search skills.
//!
//! Guarantees: an agent can propose and nothing more. The model sees what is wrong with its request, so that it can correct it.

use rmcp::model::{CallToolResult, ErrorData, JsonObject};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use super::builtin_tools::BuiltinTool;
use super::service::{McpService, ask, client_name};
use super::tool_result::{error_result, failed_result, structured_result};
use super::tools;
use crate::app::{AgentOpinion, Proposal, Submission, Submitted};
use crate::model::{guidance::UseVerdict, id::ExecutionId, lifecycle::ProposalStatus};

/// What an agent is told after it proposed something that is in this state.
fn next(status: ProposalStatus) -> &'static str {
    match status {
        ProposalStatus::Trusted => "it is trusted already and can be called",
        ProposalStatus::Rejected => {
            "a person rejected exactly this: `rejected` says why; propose something that meets the reason, or do without"
        }
        _ => "a person reviews it and decides; skill_status reports its state",
    }
}

impl McpService {
    /// Calls a built-in tool.
    pub(super) async fn call_builtin(
        &self,
        tool: BuiltinTool,
        arguments: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(match tool {
            BuiltinTool::Propose => self.propose(arguments, context).await,
            BuiltinTool::Status | BuiltinTool::Explain => {
                let Some(key) = text("key") else { return Ok(failed_result("give `key`: a skill name or an id")) };
                match tool {
                    BuiltinTool::Status => ask(|reply| self.api.skill_status(key, reply)).await,
                    _ => ask(|reply| self.api.failure(key, reply)).await.map(|text| json!({ "text": text })),
                }
                .map_or_else(|error| error_result(&error), structured_result)
            }
            BuiltinTool::Proposals => {
                // Corrected and not refused: a model that asks for too many still gets a useful
                // answer.
                let most = arguments.get("most").and_then(Value::as_u64).map_or(20, |most| most.clamp(1, 100));
                let most = u32::try_from(most).unwrap_or(20);
                let listed = ask(|reply| self.api.proposals(most, reply)).await;
                listed.map_or_else(
                    |error| error_result(&error),
                    |proposals| {
                        let summary = |proposal: &Proposal| {
                            json!({
                                "proposal": proposal.id.to_string(),
                                "name": proposal.spec.name.as_str(),
                                "class": proposal.spec.side_effect_class.as_str(),
                                "status": proposal.status.as_str(),
                                "proposed_at": proposal.created_at.to_string(),
                            })
                        };
                        structured_result(json!({ "proposals": proposals.iter().map(summary).collect::<Vec<_>>() }))
                    },
                )
            }
            BuiltinTool::Report => self.report_outcome(&arguments, context).await,
            BuiltinTool::Find => {
                let Some(query) = text("query") else {
                    return Ok(failed_result("give `query`: words, or an empty text for all skills"));
                };
                let skills = self.skills().await?;
                let (found, more) = tools::find(&skills, &query);
                structured_result(json!({ "skills": found, "more": more }))
            }
            BuiltinTool::Call => failed_result("give the skill's `name` and its `input`, an object"),
        })
    }

    async fn report_outcome(&self, arguments: &JsonObject, context: &RequestContext<RoleServer>) -> CallToolResult {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let verdict = match text("verdict") {
            "ok" => UseVerdict::Ok,
            "bad" => UseVerdict::Bad,
            _ => return failed_result("give `verdict`: `ok` or `bad`"),
        };
        let Ok(run) = ExecutionId::parse(text("run")) else {
            return failed_result("give `run`: the `kavi/execution` of a result");
        };
        let opinion = AgentOpinion { run, verdict, why: text("why").to_owned(), by: client_name(context) };
        match ask(|reply| self.api.report_outcome(opinion, reply)).await {
            // A second opinion about the same run is not kept, and that is no failure of the caller.
            Ok(kept) => structured_result(json!({ "kept": kept })),
            Err(error) => error_result(&error),
        }
    }

    async fn propose(&self, mut arguments: JsonObject, context: &RequestContext<RoleServer>) -> CallToolResult {
        // Removed, because it is no member of a spec and the strict parser would refuse it there.
        let Some(Value::String(why)) = arguments.remove("why") else {
            return failed_result("give `why`: what you could not do without this skill");
        };
        let spec = Value::Object(arguments).to_string().into_bytes();
        let submission = Submission { spec, why, by: client_name(context) };
        match ask(|reply| self.api.submit(submission, reply)).await {
            Ok(Submitted { proposal, times, rejected }) => {
                let mut answer = json!({
                    "proposal": proposal.id.to_string(),
                    "name": proposal.spec.name.as_str(),
                    "status": proposal.status.as_str(),
                    "proposed_times": times,
                    "next": next(proposal.status),
                });
                if let Some(why) = rejected {
                    answer["rejected"] = json!(why);
                }
                structured_result(answer)
            }
            Err(error) => error_result(&error),
        }
    }
}
