//! Decides what a request may ask of the provider. Pure.
//!
//! A provider can reach places for its client: it runs tools itself, connects to servers, fetches pictures and documents,
//! and keeps files for the account. For an agent without a network, each of these would be a network. So a request may
//! hold text, content that is encoded in the request itself, and tools that the agent runs.
//!
//! Guarantees: the body has exactly one reading (no key twice), so that the provider cannot see another request than
//! the one that was checked. Never: changes a request.

use serde_json::Value;

use crate::model::json::{self, JsonLimits, MAX_DEPTH};

/// The largest body in bytes, and the most values in it.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
const MAX_VALUES: usize = 1 << 19;

/// The sources of a picture or a document that lie inside the request.
const INLINE_SOURCES: [&str; 3] = ["base64", "text", "content"];

/// What the gateway has to know about a request that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedRequest {
    /// The longest response that it allows, in tokens.
    pub max_tokens: u64,
}

/// Why a request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyViolation {
    /// It is not a valid request of the Messages API.
    Malformed(&'static str),
    /// It asks the provider to reach something for the agent.
    OutsideAccess(&'static str),
}

/// Checks the body of a request.
///
/// # Errors
/// The first rule that it violates.
pub fn check(body: &[u8]) -> Result<CheckedRequest, PolicyViolation> {
    let limits = JsonLimits { max_bytes: MAX_BODY, max_depth: MAX_DEPTH, max_values: MAX_VALUES };
    // Strict, because a key that occurs twice could be read as harmless here and as a tool there.
    let body = json::parse(body, limits).map_err(|_| PolicyViolation::Malformed("the body is not strict JSON"))?;
    let body = body.as_object().ok_or(PolicyViolation::Malformed("the body is not a JSON object"))?;
    let max_tokens = body.get("max_tokens").and_then(Value::as_u64).filter(|most| *most > 0);
    // Required: without it the price of a request has no upper end.
    let max_tokens = max_tokens.ok_or(PolicyViolation::Malformed("`max_tokens` is not a number above 0"))?;
    for (key, why) in [
        ("mcp_servers", "`mcp_servers` is not allowed: the provider may not connect to a server for the agent"),
        ("container", "`container` is not allowed: the provider may not run code for the agent"),
    ] {
        // Null is what libraries send for an option that is not set.
        if body.get(key).is_some_and(|value| !value.is_null()) {
            return Err(PolicyViolation::OutsideAccess(why));
        }
    }
    match body.get("tools") {
        None | Some(Value::Null) => {}
        Some(Value::Array(tools)) => tools.iter().try_for_each(tool)?,
        Some(_) => return Err(PolicyViolation::Malformed("`tools` is not a list")),
    }
    body.get("system").map_or(Ok(()), blocks)?;
    match body.get("messages") {
        Some(Value::Array(messages)) => messages.iter().try_for_each(contents)?,
        _ => return Err(PolicyViolation::Malformed("`messages` is not a list")),
    }
    Ok(CheckedRequest { max_tokens })
}

/// A tool without a type, or of type `custom`, runs at the agent. All other types run at the provider.
fn tool(tool: &Value) -> Result<(), PolicyViolation> {
    match tool.get("type") {
        None | Some(Value::Null) => Ok(()),
        // A list of what is allowed: the provider adds new tools of its own at any time.
        Some(kind) if kind == "custom" => Ok(()),
        Some(_) => Err(PolicyViolation::OutsideAccess("tools of the provider are not allowed")),
    }
}

fn contents(holder: &Value) -> Result<(), PolicyViolation> {
    holder.get("content").map_or(Ok(()), blocks)
}

/// Checks blocks and the blocks inside of them. The input of a tool is the agent's own JSON and is not checked. The
/// recursion ends, because the parser limits the depth.
fn blocks(value: &Value) -> Result<(), PolicyViolation> {
    match value {
        Value::Array(blocks) => blocks.iter().try_for_each(block),
        _ => block(value),
    }
}

fn block(block: &Value) -> Result<(), PolicyViolation> {
    // In any block, whatever its type, because new types of blocks can refer to files as well.
    if block.get("file_id").is_some() {
        return Err(PolicyViolation::OutsideAccess(
            "`file_id` is not allowed: the agent may not use files that the provider keeps",
        ));
    }
    if let Some(source) = block.get("source").filter(|source| source.is_object()) {
        let kind = source.get("type").and_then(Value::as_str).unwrap_or_default();
        if !INLINE_SOURCES.contains(&kind) {
            return Err(PolicyViolation::OutsideAccess(
                "this `source` is not allowed: the provider may not fetch content for the agent",
            ));
        }
        // A document can hold blocks, and each of them a source of its own.
        contents(source)?;
    }
    contents(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(key: &str, value: Value) -> Result<CheckedRequest, PolicyViolation> {
        let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]});
        body[key] = value;
        check(body.to_string().as_bytes())
    }

    #[test]
    fn what_the_agent_needs_may_pass() {
        let tools = json!([{"name": "Read", "input_schema": {}}, {"type": "custom", "name": "Write"}]);
        assert_eq!(with("tools", tools), Ok(CheckedRequest { max_tokens: 100 }));
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
            assert!(matches!(with(key, value.clone()), Err(PolicyViolation::OutsideAccess(_))), "{key}: {value}");
        }
    }

    #[test]
    fn a_body_that_can_be_read_in_two_ways_is_refused() {
        let twice = br#"{"max_tokens":1,"messages":[],"tools":[],"tools":[{"type":"web_fetch_20250910"}]}"#;
        assert!(matches!(check(twice), Err(PolicyViolation::Malformed(_))));
        for bad in ["", "[]", "{", "{} {}", "null", "\"x\"", "{\"max_tokens\":1}", "{\"messages\":[]}"] {
            assert!(matches!(check(bad.as_bytes()), Err(PolicyViolation::Malformed(_))), "{bad}");
        }
        assert!(matches!(with("max_tokens", json!(-1)), Err(PolicyViolation::Malformed(_))));
        assert!(matches!(with("tools", json!({})), Err(PolicyViolation::Malformed(_))));
        assert!(matches!(check(&[b'['; 1000]), Err(PolicyViolation::Malformed(_))));
    }
}
