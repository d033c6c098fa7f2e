//! The tools with which agents ask for skills, and look what became of that.
//!
//! Guarantees: what comes in is a proposal and nothing more; what is wrong with it is told to the model, so that it can mend it.

use rmcp::model::{CallToolResult, ErrorData, JsonObject};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use super::call::{failed, structured, told};
use super::server::{Server, ask, client_name};
use super::tools::{self, Own};
use crate::app::Sent;

/// How a proposal is written.
pub(super) fn schema() -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    let texts = |what: &str| json!({ "type": "array", "items": { "type": "string" }, "description": what });
    json!({
        "type": "object",
        "properties": {
            "name": text("Lower-case letters, digits and `_`, starting with a letter, at most 64."),
            "description": text("What it does, for people and agents; at most 2,000 bytes."),
            "why": text("What you could not do without it; a person reads this. At most 2,000 bytes."),
            "side_effect_class": {
                "type": "string",
                "enum": ["READ_ONLY", "FILE_WRITE"],
                "description": "READ_ONLY reads the vault and changes nothing. FILE_WRITE also writes below `paths`. Ask for the least that does.",
            },
            "paths": texts("For FILE_WRITE: the folders of the vault that it may write below, like Inbox/AI."),
            "io": {
                "type": "object",
                "description": "`input` and `output`: each a JSON Schema of an object, or a shorthand like {\"title\":\"str\",\"tags\":[\"str\"],\"limit\":\"int\"}.",
                "properties": { "input": { "type": "object" }, "output": { "type": "object" } },
                "required": ["input", "output"],
            },
            "examples": {
                "type": "array",
                "items": { "type": "object" },
                "description": "Cases that must hold: {\"name\":…, \"input\":…, \"vault\":{path: text}, \"expect\":{\"ok\":output}, \"files\":{path: text}}.",
            },
            "required_tests": texts("Names of tests that it must have."),
            "reads_clock": { "type": "boolean", "description": "Whether it must know what time it is." },
        },
        "required": ["name", "description", "why", "side_effect_class", "io"],
        "additionalProperties": false,
    })
}

impl Server {
    /// Calls a tool of the server's own.
    pub(super) async fn call_own(
        &self,
        own: Own,
        arguments: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let word = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(match own {
            Own::Propose => self.propose(arguments, context).await,
            Own::Status | Own::Explain => {
                let Some(key) = word("key") else { return Ok(failed("give a `key`: a name or an id")) };
                match own {
                    Own::Status => ask(|reply| self.door.standing(key, reply)).await,
                    _ => ask(|reply| self.door.failure(key, reply)).await.map(|text| json!({ "text": text })),
                }
                .map_or_else(|error| told(&error), structured)
            }
            Own::Proposals => {
                let most = arguments.get("most").and_then(Value::as_u64).map_or(20, |most| most.clamp(1, 100));
                let most = u32::try_from(most).unwrap_or(20);
                let listed = ask(|reply| self.door.proposals(most, reply)).await;
                listed.map_or_else(
                    |error| told(&error),
                    |proposals| {
                        let one = |proposal: &crate::app::Proposal| {
                            json!({
                                "proposal": proposal.id.to_string(),
                                "name": proposal.spec.name.as_str(),
                                "class": proposal.spec.side_effect_class.as_str(),
                                "status": proposal.status.as_str(),
                                "proposed_at": proposal.created_at.to_string(),
                            })
                        };
                        structured(json!({ "proposals": proposals.iter().map(one).collect::<Vec<_>>() }))
                    },
                )
            }
            Own::Find => {
                let Some(query) = word("query") else { return Ok(failed("give a `query`: words, or nothing for all")) };
                let skills = self.skills().await?;
                let (found, more) = tools::find(&skills, &query);
                structured(json!({ "skills": found, "more": more }))
            }
            Own::Call => failed("give the skill's `name` and its `input`, an object"),
        })
    }

    async fn propose(&self, mut arguments: JsonObject, context: &RequestContext<RoleServer>) -> CallToolResult {
        let Some(Value::String(why)) = arguments.remove("why") else {
            return failed("say `why`: what you could not do without this skill");
        };
        let spec = Value::Object(arguments).to_string().into_bytes();
        let sent = Sent { spec, why, by: client_name(context) };
        match ask(|reply| self.door.send(sent, reply)).await {
            Ok(proposal) => structured(json!({
                "proposal": proposal.id.to_string(),
                "name": proposal.spec.name.as_str(),
                "status": proposal.status.as_str(),
                "next": "a person reads it and decides; ask skill_status how it stands",
            })),
            Err(error) => told(&error),
        }
    }
}
