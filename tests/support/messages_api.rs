//! A model provider on the loopback interface: the Messages API as far as Claude Code uses it.
//!
//! Which turn of the script is played depends on nothing but the number of assistant messages in the request,
//! so that retries and fallbacks are harmless. It answers streaming and non-streaming requests and tolerates `HEAD /`.

use std::io;

use serde_json::{Value, json};

use super::loopback::{Exchange, Loopback, Request};

/// One answer of the model.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These blocks. The model stops for a tool when there is one among them.
    Message(Vec<Block>),
    /// This HTTP status with an error body.
    Status(u16),
    /// A stream that begins and never goes on.
    Stall,
    /// A stream that breaks off in the middle of these blocks.
    Cut(Vec<Block>),
}

/// A piece of an answer.
#[derive(Debug, Clone)]
pub enum Block {
    Text(String),
    Tool { name: String, input: Value },
}

impl Block {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub fn write(path: &str, content: &str) -> Self {
        Self::tool("Write", json!({"file_path": path, "content": content}))
    }

    pub fn tool(name: &str, input: Value) -> Self {
        Self::Tool { name: name.to_owned(), input }
    }
}

/// The provider. Ends with its value.
#[derive(Debug)]
pub struct MessagesApi(Loopback);

impl MessagesApi {
    /// Starts it. The last reply of the script is repeated for ever.
    pub fn start(script: Vec<Reply>) -> io::Result<Self> {
        Self::observed(script, |_| {})
    }

    /// The same, and calls `observe` with each request before it is answered: whoever asked waits meanwhile.
    pub fn observed(script: Vec<Reply>, observe: impl Fn(&Request) + Send + Sync + 'static) -> io::Result<Self> {
        let server = Loopback::start(move |request, exchange| {
            observe(request);
            serve(&script, request, exchange)
        })?;
        Ok(Self(server))
    }

    /// What to give as `ANTHROPIC_BASE_URL`.
    pub fn base_url(&self) -> String {
        self.0.url()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }
}

fn turn(request: &Request) -> usize {
    let messages = request.body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    messages.iter().filter(|message| message["role"] == "assistant").count()
}

fn serve(script: &[Reply], request: &Request, exchange: &Exchange<'_>) -> io::Result<()> {
    if request.method == "HEAD" {
        return exchange.respond(200, "text/plain", b"");
    }
    let messages = request.method == "POST" && request.path.split('?').next() == Some("/v1/messages");
    match script.get(turn(request)).or(script.last()) {
        Some(reply) if messages => answer(reply, request, exchange),
        _ => exchange.respond(404, "application/json", error_body("not_found_error").as_bytes()),
    }
}

fn answer(reply: &Reply, request: &Request, exchange: &Exchange<'_>) -> io::Result<()> {
    let turn = turn(request);
    let streaming = request.body["stream"] == Value::Bool(true);
    let model = request.body["model"].as_str().unwrap_or("unknown");
    match reply {
        Reply::Status(status) => exchange.respond(*status, "application/json", error_body("made_up").as_bytes()),
        Reply::Message(blocks) if streaming => {
            exchange.respond(200, "text/event-stream", events(blocks, turn, model).as_bytes())
        }
        Reply::Message(blocks) | Reply::Cut(blocks) if !streaming => {
            let content = blocks.iter().enumerate().map(|(i, block)| content(block, turn, i));
            let message = message(content, blocks, turn, model);
            exchange.respond(200, "application/json", message.to_string().as_bytes())
        }
        Reply::Message(blocks) | Reply::Cut(blocks) => {
            let events = events(blocks, turn, model);
            stream(exchange, events.len())?;
            exchange.write(&events.as_bytes()[..events.len() / 2])
        }
        Reply::Stall => {
            stream(exchange, 1_000_000)?;
            exchange.write(b"event: ping\ndata: {\"type\":\"ping\"}\n\n")?;
            exchange.stall();
            Ok(())
        }
    }
}

/// The head of a stream of so many bytes.
fn stream(exchange: &Exchange<'_>, length: usize) -> io::Result<()> {
    exchange.head(200, &[("content-type", "text/event-stream"), ("content-length", &length.to_string())])
}

fn error_body(kind: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": "made up"}}).to_string()
}

fn content(block: &Block, turn: usize, index: usize) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::Tool { name, input } => {
            json!({"type": "tool_use", "id": format!("toolu_{turn}_{index}"), "name": name, "input": input})
        }
    }
}

fn stop_reason(blocks: &[Block]) -> &'static str {
    if blocks.iter().any(|block| matches!(block, Block::Tool { .. })) { "tool_use" } else { "end_turn" }
}

fn message(content: impl Iterator<Item = Value>, blocks: &[Block], turn: usize, model: &str) -> Value {
    json!({
        "id": format!("msg_{turn}"), "type": "message", "role": "assistant", "model": model,
        "content": content.collect::<Vec<_>>(), "stop_reason": stop_reason(blocks), "stop_sequence": null,
        "usage": {"input_tokens": 100, "output_tokens": 50},
    })
}

fn events(blocks: &[Block], turn: usize, model: &str) -> String {
    let mut start = message(std::iter::empty(), blocks, turn, model);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let mut events = vec![json!({"type": "message_start", "message": start})];
    for (index, block) in blocks.iter().enumerate() {
        let (mut empty, delta) = (content(block, turn, index), delta(block));
        match block {
            Block::Text(_) => empty["text"] = json!(""),
            Block::Tool { .. } => empty["input"] = json!({}),
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": empty}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let stop = json!({"stop_reason": stop_reason(blocks), "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 50}}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or(""))).collect()
}

fn delta(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text_delta", "text": text}),
        Block::Tool { input, .. } => json!({"type": "input_json_delta", "partial_json": input.to_string()}),
    }
}
