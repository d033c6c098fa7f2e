//! An OpenAI-compatible model server on the loopback interface: the list of models and chat completions, each with one
//! scripted answer, well-behaved or not.

use std::io;

use serde_json::{Value, json};

use super::loopback::{Exchange, Loopback, Request, closed};

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

/// The server. Ends with its value.
#[derive(Debug)]
pub struct OpenAiApi(Loopback);

impl OpenAiApi {
    /// Starts one that offers [`MODEL`] and answers every question with `chat`.
    pub fn start(chat: Answer) -> io::Result<Self> {
        Self::with_models(Answer::models(&[MODEL]), chat)
    }

    /// Starts one with both answers scripted.
    pub fn with_models(models: Answer, chat: Answer) -> io::Result<Self> {
        let server = Loopback::start(move |request, exchange| {
            let answer = match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/v1/models") => &models,
                ("POST", "/v1/chat/completions") => &chat,
                _ => &Answer::Status(404),
            };
            give(answer, exchange)
        })?;
        Ok(Self(server))
    }

    /// Starts one that answers the body of each question as `chat` says.
    pub fn answering(chat: impl Fn(&Value) -> Answer + Send + Sync + 'static) -> io::Result<Self> {
        let models = Answer::models(&[MODEL]);
        let server =
            Loopback::start(move |request, exchange| match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/v1/models") => give(&models, exchange),
                ("POST", "/v1/chat/completions") => give(&chat(&request.body), exchange),
                _ => give(&Answer::Status(404), exchange),
            })?;
        Ok(Self(server))
    }

    /// What to give as `[advice] base_url`.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.0.url())
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }
}

/// An address where no server listens.
pub fn nobody() -> io::Result<String> {
    Ok(format!("{}/v1", closed()?))
}

fn give(answer: &Answer, exchange: &Exchange<'_>) -> io::Result<()> {
    const JSON: &str = "application/json";
    match answer {
        Answer::Json(value) => exchange.respond(200, JSON, value.to_string().as_bytes()),
        Answer::Bytes(bytes) => exchange.respond(200, JSON, bytes),
        Answer::Status(status) => exchange.respond(*status, JSON, br#"{"error":{"message":"made up"}}"#),
        Answer::Redirect(to) => exchange.head(307, &[("location", to), ("content-length", "0")]),
        Answer::HangUp => Ok(()),
        Answer::Cut => {
            exchange.head(200, &[("content-length", "1000")])?;
            exchange.write(b"{\"choices\": [")
        }
        Answer::Silence => {
            exchange.stall();
            Ok(())
        }
        Answer::Drip => {
            exchange.head(200, &[("content-type", JSON)])?;
            exchange.drip()
        }
        Answer::Flood => {
            exchange.head(200, &[("content-type", JSON)])?;
            exchange.flood()
        }
    }
}
