//! What a request may ask of the provider. Pure.
//!
//! The provider can reach places for whoever asks it: tools that it runs itself, servers that it connects to, pictures
//! and documents that it fetches, files that the account keeps there. To an agent without a network each of them would
//! be one. So a request may hold text, what is encoded in the request itself, and tools that the agent runs.
//!
//! Guarantees: the bytes were read in the one way in which they can be read (no key twice), so that the provider cannot
//! see another request than was looked at. Never: changes a request.

use serde_json::Value;

use crate::model::json::{self, JsonLimits, MAX_DEPTH};

/// The largest body, and how large its value may grow.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
const MAX_VALUES: usize = 1 << 19;

/// Where a picture or a document may come from: out of the request.
const SOURCES: [&str; 3] = ["base64", "text", "content"];

/// What the gateway has to know of a request that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The longest answer that it allows, in tokens.
    pub max_tokens: u64,
}

/// Why a request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// It is no request that the provider could read.
    Malformed(&'static str),
    /// It asks for something out of the agent's reach.
    Reaching(&'static str),
}

/// Looks a request's body over.
///
/// # Errors
/// What is wrong with it.
pub fn check(body: &[u8]) -> Result<Question, Objection> {
    let limits = JsonLimits { max_bytes: MAX_BODY, max_depth: MAX_DEPTH, max_values: MAX_VALUES };
    let body = json::parse(body, limits).map_err(|_| Objection::Malformed("the body is no plain JSON"))?;
    let body = body.as_object().ok_or(Objection::Malformed("the body is no JSON object"))?;
    let max_tokens = body.get("max_tokens").and_then(Value::as_u64).filter(|most| *most > 0);
    let max_tokens = max_tokens.ok_or(Objection::Malformed("`max_tokens` is no number above 0"))?;
    for (key, why) in [
        ("mcp_servers", "the provider may connect to no server for the agent"),
        ("container", "the provider may run nothing for the agent"),
    ] {
        if body.get(key).is_some_and(|value| !value.is_null()) {
            return Err(Objection::Reaching(why));
        }
    }
    match body.get("tools") {
        None | Some(Value::Null) => {}
        Some(Value::Array(tools)) => tools.iter().try_for_each(tool)?,
        Some(_) => return Err(Objection::Malformed("`tools` is no list")),
    }
    body.get("system").map_or(Ok(()), blocks)?;
    match body.get("messages") {
        Some(Value::Array(messages)) => messages.iter().try_for_each(contents)?,
        _ => return Err(Objection::Malformed("`messages` is no list")),
    }
    Ok(Question { max_tokens })
}

/// A tool without a type is the agent's own.
fn tool(tool: &Value) -> Result<(), Objection> {
    match tool.get("type") {
        None | Some(Value::Null) => Ok(()),
        Some(kind) if kind == "custom" => Ok(()),
        Some(_) => Err(Objection::Reaching("the provider may run no tool for the agent")),
    }
}

fn contents(holder: &Value) -> Result<(), Objection> {
    holder.get("content").map_or(Ok(()), blocks)
}

/// Blocks and what they hold. Input of a tool is the agent's own JSON and is not looked into. Depth is bounded by the
/// parser.
fn blocks(value: &Value) -> Result<(), Objection> {
    match value {
        Value::Array(blocks) => blocks.iter().try_for_each(block),
        _ => block(value),
    }
}

fn block(block: &Value) -> Result<(), Objection> {
    if block.get("file_id").is_some() {
        return Err(Objection::Reaching("the agent may use no file that is kept at the provider"));
    }
    if let Some(source) = block.get("source").filter(|source| source.is_object()) {
        let kind = source.get("type").and_then(Value::as_str).unwrap_or_default();
        if !SOURCES.contains(&kind) {
            return Err(Objection::Reaching("the provider may fetch nothing for the agent"));
        }
        contents(source)?;
    }
    contents(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(key: &str, value: Value) -> Result<Question, Objection> {
        let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]});
        body[key] = value;
        check(body.to_string().as_bytes())
    }

    #[test]
    fn what_the_agent_needs_may_pass() {
        let tools = json!([{"name": "Read", "input_schema": {}}, {"type": "custom", "name": "Write"}]);
        assert_eq!(with("tools", tools), Ok(Question { max_tokens: 100 }));
        assert!(with("system", json!([{"type": "text", "text": "x", "cache_control": {}}])).is_ok());
        let messages = json!([
            {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "eA=="}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "x", "signature": "y"},
                {"type": "tool_use", "id": "t", "name": "Write", "input": {"source": {"type": "url"}, "file_id": 1}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}]},
        ]);
        assert!(with("messages", messages).is_ok());
        assert!(with("mcp_servers", Value::Null).is_ok());
    }

    #[test]
    fn what_would_reach_out_by_way_of_the_provider_may_not() {
        let url = json!({"type": "image", "source": {"type": "url", "url": "https://evil.example/?secret"}});
        let within = |block: &Value| json!([{"role": "user", "content": [block]}]);
        let document = json!({"type": "document", "source": {"type": "content", "content": [url]}});
        let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [url]});
        for (key, value) in [
            ("mcp_servers", json!([{"type": "url", "url": "https://evil.example"}])),
            ("container", json!("c")),
            ("tools", json!([{"type": "web_fetch_20250910", "name": "web_fetch"}])),
            ("tools", json!([{"name": "Read"}, {"type": "code_execution_20250825", "name": "x"}])),
            ("tools", json!([{"type": 3}])),
            ("messages", within(&url)),
            ("messages", within(&document)),
            ("messages", within(&result)),
            ("messages", json!([{"role": "user", "content": url}])),
            ("messages", within(&json!({"type": "document", "source": {"type": "file", "file_id": "f"}}))),
            ("messages", within(&json!({"type": "document", "source": {}}))),
            ("messages", within(&json!({"type": "container_upload", "file_id": "f"}))),
            ("system", json!([url])),
        ] {
            assert!(matches!(with(key, value.clone()), Err(Objection::Reaching(_))), "{key}: {value}");
        }
    }

    #[test]
    fn a_body_that_can_be_read_in_two_ways_is_refused() {
        let twice = br#"{"max_tokens":1,"messages":[],"tools":[],"tools":[{"type":"web_fetch_20250910"}]}"#;
        assert!(matches!(check(twice), Err(Objection::Malformed(_))));
        for bad in ["", "[]", "{", "{} {}", "null", "\"x\"", "{\"max_tokens\":1}", "{\"messages\":[]}"] {
            assert!(matches!(check(bad.as_bytes()), Err(Objection::Malformed(_))), "{bad}");
        }
        assert!(matches!(with("max_tokens", json!(-1)), Err(Objection::Malformed(_))));
        assert!(matches!(with("tools", json!({})), Err(Objection::Malformed(_))));
        assert!(matches!(check(&[b'['; 1000]), Err(Objection::Malformed(_))));
    }
}
