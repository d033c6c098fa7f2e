//! An OpenAI-compatible model server on the loopback interface, for tests: the list of models and chat completions, each
//! with one scripted answer, well-behaved or not. It remembers every request. One request per connection, HTTP/1.1.

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

/// The model that it offers unless a script says otherwise.
pub const MODEL: &str = "made-up-model";

/// What one of its two addresses answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Status 200 with this document.
    Json(Value),
    /// Status 200 with these bytes.
    Bytes(Vec<u8>),
    /// This status with an error body.
    Status(u16),
    /// A redirect to this address.
    Redirect(String),
    /// Accepts the question and never answers.
    Silence,
    /// A body that comes one byte at a time and never ends.
    Drip,
    /// A body that comes as fast as it can and never ends.
    Flood,
    /// Closes the connection instead of an answer.
    HangUp,
    /// Begins an answer and breaks off.
    Cut,
}

impl Answer {
    /// A list of these models.
    pub fn models(ids: &[&str]) -> Self {
        let data: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "object": "model" })).collect();
        Self::Json(json!({ "object": "list", "data": data }))
    }

    /// A completion with this text.
    pub fn says(text: &str) -> Self {
        Self::Json(json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_225_600, "model": MODEL,
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
            "usage": { "prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20 },
        }))
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

#[derive(Debug)]
struct Shared {
    models: Answer,
    chat: Answer,
    requests: Mutex<Vec<Request>>,
    stopping: AtomicBool,
}

/// The server. Ends with its value.
#[derive(Debug)]
pub struct OpenAiApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl OpenAiApi {
    /// Starts one that offers [`MODEL`] and answers every question with `chat`.
    pub fn start(chat: Answer) -> io::Result<Self> {
        Self::with_models(Answer::models(&[MODEL]), chat)
    }

    /// Starts one with both answers scripted, on a free port of 127.0.0.1.
    pub fn with_models(models: Answer, chat: Answer) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { models, chat, requests: Mutex::default(), stopping: AtomicBool::new(false) });
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

    /// What to give as `[advice] base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.requests).clone()
    }
}

impl Drop for OpenAiApi {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The acceptor waits for a connection; this is one.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

/// An address where nobody is.
pub fn nobody() -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(format!("http://{}/v1", listener.local_addr()?))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let request = read(connection)?;
    let what = (request.method.clone(), request.path.clone());
    locked(&shared.requests).push(request);
    let answer = match (what.0.as_str(), what.1.as_str()) {
        ("GET", "/v1/models") => &shared.models,
        ("POST", "/v1/chat/completions") => &shared.chat,
        _ => &Answer::Status(404),
    };
    give(connection, answer, shared)
}

fn give(mut connection: &TcpStream, answer: &Answer, shared: &Shared) -> io::Result<()> {
    let length = |bytes: &[u8]| format!("content-type: application/json\r\ncontent-length: {}\r\n", bytes.len());
    match answer {
        Answer::Json(value) => {
            let bytes = value.to_string().into_bytes();
            head(connection, 200, &length(&bytes))?;
            connection.write_all(&bytes)
        }
        Answer::Bytes(bytes) => {
            head(connection, 200, &length(bytes))?;
            connection.write_all(bytes)
        }
        Answer::Status(status) => {
            let bytes = br#"{"error":{"message":"made up"}}"#;
            head(connection, *status, &length(bytes))?;
            connection.write_all(bytes)
        }
        Answer::Redirect(to) => head(connection, 307, &format!("location: {to}\r\ncontent-length: 0\r\n")),
        Answer::HangUp => Ok(()),
        Answer::Cut => {
            head(connection, 200, "content-length: 1000\r\n")?;
            connection.write_all(b"{\"choices\": [")
        }
        Answer::Silence => until(shared, || {
            thread::sleep(Duration::from_millis(20));
            Ok(())
        }),
        Answer::Drip => {
            head(connection, 200, "content-type: application/json\r\n")?;
            until(shared, || {
                thread::sleep(Duration::from_millis(20));
                connection.write_all(b" ")
            })
        }
        Answer::Flood => {
            head(connection, 200, "content-type: application/json\r\n")?;
            until(shared, || connection.write_all(&[b' '; 65_536]))
        }
    }
}

/// Goes on until the server ends or the other side is gone.
fn until(shared: &Shared, mut step: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    while !shared.stopping.load(Ordering::SeqCst) {
        step()?;
    }
    Ok(())
}

fn head(mut connection: &TcpStream, status: u16, headers: &str) -> io::Result<()> {
    write!(connection, "HTTP/1.1 {status} Made Up\r\n{headers}connection: close\r\n\r\n")
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
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok(Request { method, path, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}
