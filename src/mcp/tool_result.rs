//! Results of `tools/call`: of a skill that ran, of a built-in tool, and of a failure.
//!
//! Guarantees: a failure is an error result, which the model sees, and not a protocol error, which only the client sees.
//! A held result says so in its structured content too: some clients hand their model nothing else.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject};
use serde_json::{Value, json};

use crate::app::AgentRun;
use crate::error::Error;
use crate::model::{capabilities::SkillCapabilities, id::CommitId, spec::SkillSpec, text};

/// The schema of what a tool answers: the output of its skill, or the held state of a skill that writes files.
pub(super) fn output_schema(spec: &SkillSpec) -> Value {
    let output = spec.io.output_schema();
    if SkillCapabilities::of(spec).writes.is_empty() {
        return output.clone();
    }
    // The root of an output schema must be `type: object`, so the alternatives stand below it.
    json!({ "type": "object", "anyOf": [output, held_schema(output)] })
}

fn held_schema(output: &Value) -> Value {
    json!({
        "type": "object",
        "description": "The files of this call are held until a person decides: nothing is written yet.",
        "properties": {
            "held": { "type": "boolean", "const": true },
            "id": { "type": "string", "description": "The id of the held change." },
            "how": { "type": "string", "description": "What happens next." },
            "output": output,
        },
        "required": ["held", "id", "how", "output"],
        "additionalProperties": false,
    })
}

/// The output of a run that succeeded, and the metadata of its result.
#[derive(Debug, Default)]
pub(super) struct SkillResult {
    output: Value,
    meta: MetaObject,
}

impl SkillResult {
    /// Takes the output of a run.
    pub(super) fn new(run: &mut AgentRun) -> Self {
        let mut meta = JsonObject::new();
        meta.insert("kavi/execution".to_owned(), json!(run.id.to_string()));
        if let Some((revision, component)) = run.revision {
            meta.insert("kavi/revision".to_owned(), json!(revision));
            meta.insert("kavi/component".to_owned(), json!(format!("sha256:{component}")));
        }
        Self { output: run.output.take(), meta: meta.into() }
    }

    /// The result of the call, with a remark before the output of the skill.
    pub(super) fn into_result(self, remark: Option<String>) -> CallToolResult {
        let mut content: Vec<ContentBlock> = remark.into_iter().map(ContentBlock::text).collect();
        // Twice, as text and structured: clients of earlier revisions read the text only.
        content.push(ContentBlock::text(text::json(&self.output.to_string())));
        let mut result = CallToolResult::success(content);
        result.structured_content = Some(self.output);
        result.meta = Some(self.meta);
        result
    }

    /// The result of a call whose files wait for a person at the command line.
    pub(super) fn into_held_result(self, commit: CommitId) -> CallToolResult {
        let short = commit.short();
        let how = format!(
            "NOT WRITTEN YET: the files of this call are held until a person decides. The person reviews them with \
             `kavi effects show {short}` and writes them to the vault with `kavi effects approve {short}`. Calling again does \
             not help."
        );
        let held = json!({ "held": true, "id": commit.to_string(), "how": how, "output": self.output });
        let mut result = self.into_result(Some(format!("{how} The output of the skill follows.")));
        result.structured_content = Some(held);
        if let Some(meta) = &mut result.meta {
            meta.insert("kavi/held".to_owned(), json!(commit.to_string()));
        }
        result
    }
}

/// A result that the model sees as an error.
pub(super) fn failed_result(message: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text::block(message, 8_000))])
}

/// An error of Kavi as a result that the model sees.
pub(super) fn error_result(error: &Error) -> CallToolResult {
    failed_result(&match error.hint() {
        Some(hint) => format!("{error}\nFor a person: {hint}"),
        None => error.to_string(),
    })
}

/// The result of a built-in tool.
pub(super) fn structured_result(value: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text::json(&value.to_string()))]);
    result.structured_content = Some(value);
    result
}
