//! A model provider on the loopback interface, for tests: the Messages API as far as Claude Code uses it.
//!
//! Which turn of the script is played depends on nothing but the number of assistant messages in the request,
//! so that retries and fallbacks are harmless. It answers streaming and non-streaming requests, tolerates
//! `HEAD /`, and remembers every request. One request per connection, HTTP/1.1, nothing else.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};

/// The largest request that is read.
const MAX_BODY: u64 = 64 * 1024 * 1024;

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

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// `Null` when there was none or it was no JSON.
    pub body: Value,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn turn(&self) -> usize {
        let messages = self.body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        messages.iter().filter(|message| message["role"] == "assistant").count()
    }
}

#[derive(Debug, Default)]
struct Shared {
    script: Vec<Reply>,
    requests: Mutex<Vec<Request>>,
    stopping: AtomicBool,
}

/// The provider. Ends with its value.
#[derive(Debug)]
pub struct MessagesApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl MessagesApi {
    /// Starts it on a free port of 127.0.0.1. The last reply of the script is repeated for ever.
    pub fn start(script: Vec<Reply>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { script, ..Shared::default() });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            for connection in listener.incoming() {
                if for_acceptor.stopping.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&for_acceptor);
                if let Ok(connection) = connection {
                    thread::spawn(move || serve(&connection, &shared));
                }
            }
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// What to give as `ANTHROPIC_BASE_URL`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.requests).clone()
    }
}

impl Drop for MessagesApi {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The acceptor waits for a connection; this is one.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let request = read(connection)?;
    let turn = request.turn();
    let streaming = request.body["stream"] == Value::Bool(true);
    let model = request.body["model"].as_str().unwrap_or("unknown").to_owned();
    let messages = request.method == "POST" && request.path.split('?').next() == Some("/v1/messages");
    let hello = request.method == "HEAD";
    locked(&shared.requests).push(request);
    let reply = shared.script.get(turn).or(shared.script.last());
    match reply {
        _ if hello => respond(connection, 200, "text/plain", b""),
        Some(reply) if messages => answer(connection, reply, turn, &model, streaming, shared),
        _ => respond(connection, 404, "application/json", error_body("not_found_error").as_bytes()),
    }
}

fn read(connection: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request { method, path, headers, body: Value::Null };
    let length = request.header("content-length").and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length.min(MAX_BODY)).read_to_end(&mut body)?;
    request.body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(request)
}

fn answer(
    connection: &TcpStream,
    reply: &Reply,
    turn: usize,
    model: &str,
    streaming: bool,
    shared: &Shared,
) -> io::Result<()> {
    match reply {
        Reply::Status(status) => respond(connection, *status, "application/json", error_body("made_up").as_bytes()),
        Reply::Message(blocks) if streaming => {
            respond(connection, 200, "text/event-stream", events(blocks, turn, model).as_bytes())
        }
        Reply::Message(blocks) | Reply::Cut(blocks) if !streaming => {
            let message =
                message(blocks.iter().enumerate().map(|(i, block)| content(block, turn, i)), blocks, turn, model);
            respond(connection, 200, "application/json", message.to_string().as_bytes())
        }
        Reply::Message(blocks) | Reply::Cut(blocks) => {
            let events = events(blocks, turn, model);
            head(connection, 200, "text/event-stream", events.len())?;
            let mut connection = connection;
            connection.write_all(&events.as_bytes()[..events.len() / 2])
        }
        Reply::Stall => {
            head(connection, 200, "text/event-stream", 1_000_000)?;
            let mut writer = connection;
            writer.write_all(b"event: ping\ndata: {\"type\":\"ping\"}\n\n")?;
            while !shared.stopping.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
    }
}

fn respond(connection: &TcpStream, status: u16, content_type: &str, body: &[u8]) -> io::Result<()> {
    head(connection, status, content_type, body.len())?;
    let mut connection = connection;
    connection.write_all(body)?;
    connection.flush()
}

fn head(mut connection: &TcpStream, status: u16, content_type: &str, length: usize) -> io::Result<()> {
    write!(connection, "HTTP/1.1 {status} Made Up\r\ncontent-type: {content_type}\r\n")?;
    write!(connection, "content-length: {length}\r\nconnection: close\r\n\r\n")
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
