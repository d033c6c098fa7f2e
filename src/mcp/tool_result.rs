//! Results of `tools/call`: of a skill that ran, of a built-in tool, and of a failure.
//!
//! Guarantees: a failure is an error result, which the model sees, and not a protocol error, which only the client sees.
//! A held result says so in its structured content too: some clients hand their model nothing else.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject};
use serde_json::{Value, json};

use crate::app::{AgentRun, AgentSkill};
use crate::error::Error;
use crate::model::{capabilities::SkillCapabilities, digest::Digest, id::CommitId, json::canonical, text};

/// The schema of what a tool answers. That is the output of its skill, what is sent in the place of a long one, or the held
/// state of a skill that writes files.
pub(super) fn output_schema(skill: &AgentSkill) -> Value {
    let mut sent = vec![skill.spec.io.output_schema().clone()];
    if skill.output_cap.is_some() {
        sent.push(cut_schema());
    }
    let held = !SkillCapabilities::of(&skill.spec).writes.is_empty();
    match (sent.as_slice(), held) {
        ([output], false) => output.clone(),
        // The root of an output schema must be `type: object`, so the alternatives stand below it.
        ([output], true) => json!({ "type": "object", "anyOf": [output, held_schema(output)] }),
        (_, false) => json!({ "type": "object", "anyOf": sent }),
        (_, true) => {
            let held = held_schema(&json!({ "anyOf": sent.clone() }));
            sent.push(held);
            json!({ "type": "object", "anyOf": sent })
        }
    }
}

fn cut_schema() -> Value {
    json!({
        "type": "object",
        "description": "The output is longer than policy lets an agent be sent; its beginning is in the text content.",
        "properties": {
            "truncated": { "type": "boolean", "const": true },
            "bytes": { "type": "integer", "description": "The size of the whole output, as JSON." },
            "sha256": { "type": "string", "description": "The SHA-256 of the whole output, as canonical JSON." },
            "resource": { "type": "string", "description": "The record of the run, which keeps all of it." },
        },
        "required": ["truncated", "bytes", "sha256", "resource"],
        "additionalProperties": false,
    })
}

/// The beginning of a text, of at most this many bytes.
fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
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
    /// The beginning of an output that is longer than an agent is sent. `output` then says that it was cut.
    head: Option<String>,
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
        let (output, meta) = (run.output.take(), meta.into());
        let text = canonical(&output);
        let cap = run.output_cap.and_then(|cap| usize::try_from(cap).ok()).filter(|cap| text.len() > *cap);
        let Some(cap) = cap else { return Self { output, head: None, meta } };
        // The record keeps all of it. Only what the agent is sent is cut, and it stays JSON.
        let cut = json!({
            "truncated": true,
            "bytes": text.len(),
            "sha256": Digest::of(text.as_bytes()),
            "resource": format!("kavi://record/{}", run.id),
        });
        Self { output: cut, head: Some(head(&text, cap).to_owned()), meta }
    }

    /// The result of the call, with a remark before the output of the skill.
    pub(super) fn into_result(self, remark: Option<String>) -> CallToolResult {
        let mut content: Vec<ContentBlock> = remark.into_iter().map(ContentBlock::text).collect();
        // Twice, as text and structured: clients of earlier revisions read the text only.
        content.push(ContentBlock::text(text::json(&self.output.to_string())));
        content.extend(self.head.map(|head| ContentBlock::text(text::json(&head))));
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
        Some(hint) => format!("{}\nFor a person: {hint}", error.message()),
        None => error.message(),
    })
}

/// The result of a built-in tool.
pub(super) fn structured_result(value: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text::json(&value.to_string()))]);
    result.structured_content = Some(value);
    result
}
