//! A client for OpenAI-compatible model servers: asks whether one is there, and asks it one question.
//!
//! Guarantees: each request has one deadline, from the look-up of the host name to the last byte of the response. The
//! size of the response is limited. The question has a length limit and goes to the configured address alone.
//! [`crate::http`] guarantees that no redirect is followed, no proxy is used and nothing is retried.
//!
//! Deliberately never: treats a missing model as a failure ([`ModelUnavailable`] is an outcome like any other), interprets
//! what a model says, or sends a key. A reply is text from a stranger.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{BaseUrl, ExchangeLimits, HttpClient, HttpError, HttpMethod, HttpRequest, TlsRoots};
use crate::model::{
    json::{self, JsonLimits},
    text,
};

/// The longest response, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 256 << 10;
/// The longest head of a response, in bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// The longest wait for the list of models.
const HEALTH_TIME: Duration = Duration::from_secs(3);
/// The most tokens that are asked for.
const MAX_TOKENS: u32 = 1_500;
/// The same for a text.
const MAX_TEXT_TOKENS: u32 = 8_000;

/// What servers say of a text that they ended: its limit of tokens, or that of the model, was reached, or a filter took the rest.
const CUT_OFF: [&str; 5] = ["length", "max_tokens", "model_length", "model_context_window_exceeded", "content_filter"];

/// How a model chooses its words.
struct Sampling {
    temperature: f64,
    max_tokens: u32,
}

/// Which server and model, and the limits of a question.
#[derive(Debug, Clone)]
pub struct AdviceClientSettings {
    /// The server.
    pub base_url: BaseUrl,
    /// The model. None selects the first one that the server lists.
    pub model: Option<String>,
    /// From sending a question to the last byte of the response.
    pub timeout: Duration,
    /// The longest question, in characters.
    pub prompt_chars: usize,
}

/// A model's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReply {
    /// The model that was asked.
    pub model: String,
    /// Its text.
    pub text: String,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelUnavailable {
    /// No server is there, or the connection broke.
    #[error("no model server can be reached at {url}: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why the exchange failed.
        why: String,
    },
    /// The deadline passed.
    #[error("the model server at {0} did not respond in time")]
    Timeout(String),
    /// Any status but 200, redirects included.
    #[error("the model server at {url} responded with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The response exceeds its limit.
    #[error("the response of the model server at {0} exceeds {MAX_RESPONSE_BYTES} bytes")]
    TooLarge(String),
    /// Not the response of an OpenAI-compatible server.
    #[error("the model server at {url} did not respond as an OpenAI-compatible server: {why}")]
    InvalidResponse {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server says that the text ends before the model was done. What is there of it is no answer.
    #[error("the answer of the model server at {url} was cut off: its `{field}` is `{reason}`")]
    CutOff {
        /// The address.
        url: String,
        /// The field that says so.
        field: &'static str,
        /// What it says.
        reason: String,
    },
    /// The server has no model, or not the configured one.
    #[error("the model server at {url} does not offer {wanted}")]
    NoModel {
        /// The address.
        url: String,
        /// What was looked for.
        wanted: String,
    },
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    /// Why the text ends, in the words of OpenAI.
    finish_reason: Option<Value>,
    /// The same in the words of Anthropic, which some servers pass on.
    stop_reason: Option<Value>,
}

impl Choice {
    /// The field and the word that say that the text ends before the model was done.
    fn cut_off(&self) -> Option<(&'static str, &str)> {
        let reasons = [("finish_reason", &self.finish_reason), ("stop_reason", &self.stop_reason)];
        // Some servers give a number, such as the token that ended the text.
        let words = reasons.into_iter().filter_map(|(field, reason)| Some((field, reason.as_ref()?.as_str()?)));
        words.into_iter().find(|(_, reason)| CUT_OFF.contains(reason))
    }
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

/// Asks one model server for advice.
#[derive(Debug)]
pub struct AdviceClient {
    settings: AdviceClientSettings,
}

impl AdviceClient {
    /// A client. Connects to nothing yet.
    pub fn new(settings: AdviceClientSettings) -> Self {
        Self { settings }
    }

    /// The longest question, in characters.
    pub fn prompt_chars(&self) -> usize {
        self.settings.prompt_chars
    }

    /// Whether the server responds and has the model. Returns the model's name.
    ///
    /// # Errors
    /// [`ModelUnavailable`].
    pub fn health(&self) -> Result<String, ModelUnavailable> {
        let url = self.url("/models");
        // A server that is there lists its models at once. A person should not wait long to learn
        // that none is.
        let request = request(HttpMethod::Get, &url, self.settings.timeout.min(HEALTH_TIME));
        let models: Models = exchange(&url, request)?;
        let mut ids = models.data.into_iter().map(|model| model.id);
        let found = match &self.settings.model {
            Some(wanted) => ids.find(|id| id == wanted),
            None => ids.next(),
        };
        found.ok_or_else(|| ModelUnavailable::NoModel {
            wanted: self.settings.model.as_ref().map_or_else(|| "any model".to_owned(), |model| format!("`{model}`")),
            url,
        })
    }

    /// Asks the model one question. Cuts off what is longer than the limit.
    ///
    /// # Errors
    /// [`ModelUnavailable`].
    pub fn ask(&self, system: &str, prompt: &str) -> Result<ModelReply, ModelUnavailable> {
        // The same question should give the same advice, as far as the server allows it.
        self.complete(system, prompt, Sampling { temperature: 0.0, max_tokens: MAX_TOKENS })
    }

    /// Asks the model to write a longer text.
    ///
    /// # Errors
    /// [`ModelUnavailable`].
    pub fn ask_for_text(&self, system: &str, prompt: &str) -> Result<ModelReply, ModelUnavailable> {
        self.complete(system, prompt, Sampling { temperature: 0.3, max_tokens: MAX_TEXT_TOKENS })
    }

    fn complete(&self, system: &str, prompt: &str, sampling: Sampling) -> Result<ModelReply, ModelUnavailable> {
        // Asked each time: the list also resolves which model `None` means, and its name is
        // recorded.
        let model = self.health()?;
        let question: String = prompt.chars().take(self.settings.prompt_chars).collect();
        let body = json!({
            "model": model,
            "messages": [{ "role": "system", "content": system }, { "role": "user", "content": question }],
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "stream": false,
        });
        let url = self.url("/chat/completions");
        let request = request(HttpMethod::Post, &url, self.settings.timeout)
            .and_then(|request| request.header("content-type", b"application/json"))
            .map(|request| request.body(body.to_string().into_bytes()));
        let completion: Completion = exchange(&url, request)?;
        let choice = completion.choices.into_iter().next();
        if let Some((field, reason)) = choice.as_ref().and_then(Choice::cut_off) {
            let reason = reason.to_owned();
            return Err(ModelUnavailable::CutOff { url, field, reason });
        }
        match choice.and_then(|choice| choice.message.content) {
            Some(text) => Ok(ModelReply { model, text }),
            None => Err(ModelUnavailable::InvalidResponse { url, why: "it has no text".to_owned() }),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_url)
    }
}

fn request(method: HttpMethod, url: &str, time: Duration) -> Result<HttpRequest, HttpError> {
    HttpRequest::new(method, url, ExchangeLimits { time, response_head: MAX_HEAD_BYTES })
}

/// Sends a request and reads the response: first its status, then its size, then its JSON.
fn exchange<T: serde::de::DeserializeOwned>(
    url: &str,
    request: Result<HttpRequest, HttpError>,
) -> Result<T, ModelUnavailable> {
    let fetched = request.and_then(|request| {
        // Advice comes from a server of the person's own as a rule, which no proxy needs to know.
        HttpClient::new(&TlsRoots::Bundled, None)?.fetch(request, MAX_RESPONSE_BYTES)
    });
    let response = fetched.map_err(|error| unavailable(url, error))?;
    // Redirects too: advice goes to the address that the person wrote, or nowhere.
    if response.status != 200 {
        return Err(ModelUnavailable::Status { url: url.to_owned(), status: response.status });
    }
    let invalid = |why: String| ModelUnavailable::InvalidResponse { url: url.to_owned(), why: text::line(&why, 200) };
    // Strict parsing: a reply that two parsers read differently must not mean one thing here and another elsewhere.
    let value: Value =
        json::parse(&response.body, JsonLimits::default()).map_err(|error| invalid(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| invalid(error.to_string()))
}

fn unavailable(url: &str, error: HttpError) -> ModelUnavailable {
    let url = url.to_owned();
    match error {
        HttpError::Timeout | HttpError::ConnectTimeout => ModelUnavailable::Timeout(url),
        HttpError::BodyTooLarge { .. } => ModelUnavailable::TooLarge(url),
        error => ModelUnavailable::Unreachable { url, why: error.to_string() },
    }
}
