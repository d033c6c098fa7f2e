//! A client for OpenAI-compatible model servers: is one there, and what does it say to one question.
//!
//! Guarantees: each request has one deadline from the first look-up to the last byte and a cap on the bytes of its
//! answer; no redirect is followed, no proxy is used, nothing is retried; what goes out is one bounded question to
//! the address that the configuration names.
//!
//! Deliberately never: fails loudly (a model is optional: [`Unavailable`] is an outcome like any other), interprets what a
//! model says, or sends a key. What comes back is text from a stranger.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::{
    json::{self, JsonLimits},
    text,
};

/// Most bytes of an answer.
pub const MAX_ANSWER_BYTES: u64 = 256 << 10;
/// Longest wait for the list of models.
const HEALTH: Duration = Duration::from_secs(3);
/// Most tokens that are asked for.
const MAX_TOKENS: u32 = 1_500;

/// The address of a server: `http://HOST[:PORT]/PATH` or the same with `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no base url: write http://HOST[:PORT]/PATH, without a user, a query or a fragment")]
pub struct InvalidUrl(String);

impl FromStr for BaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl(text::line(text, 200));
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or_else(invalid)?;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '\\');
        let host = rest.split('/').next().unwrap_or_default();
        let parses = ureq::http::Uri::from_str(text).is_ok_and(|uri| {
            let port = uri.authority().is_some_and(|a| a.port_u16().is_some() || a.as_str() == a.host());
            port && uri.host().is_some_and(|host| !host.is_empty())
        });
        if host.is_empty() || !rest.chars().all(plain) || !parses {
            return Err(invalid());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which server and model, and for how long it is waited.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server.
    pub base_url: BaseUrl,
    /// The model; none means the first that the server lists.
    pub model: Option<String>,
    /// From asking to the last byte of the answer.
    pub timeout: Duration,
    /// Longest question, in characters.
    pub prompt_chars: usize,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The model that was asked.
    pub model: String,
    /// Its text.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Nobody is there, or the connection broke.
    #[error("no model server can be reached at {url}: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the connection said.
        why: String,
    },
    /// The deadline passed.
    #[error("the model server at {0} did not answer in time")]
    TooSlow(String),
    /// Any status but 200, redirects included.
    #[error("the model server at {url} answered with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// More bytes than are read.
    #[error("the answer of the model server at {0} is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge(String),
    /// Not what an OpenAI-compatible server answers.
    #[error("the model server at {url} does not answer as an OpenAI-compatible one: {why}")]
    Odd {
        /// The address.
        url: String,
        /// What does not fit.
        why: String,
    },
    /// It has no model, or not the one that is asked for.
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
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

/// A server that may be there.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    agent: ureq::Agent,
}

impl Client {
    /// A client. Connects to nothing yet.
    pub fn new(settings: Settings) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // The library would read the environment otherwise.
            .proxy(None)
            .max_idle_connections(0)
            .max_response_header_size(16 << 10)
            .user_agent("kavi")
            .build();
        Self { settings, agent: config.new_agent() }
    }

    /// The longest question, in characters.
    pub fn prompt_chars(&self) -> usize {
        self.settings.prompt_chars
    }

    /// Whether the server answers and has the model: gives the model's name.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn health(&self) -> Result<String, Unavailable> {
        let url = self.url("/models");
        let request = self.agent.get(&url).config().timeout_global(Some(self.settings.timeout.min(HEALTH))).build();
        let models: Models = self.answer(&url, request.call())?;
        let mut ids = models.data.into_iter().map(|model| model.id);
        let found = match &self.settings.model {
            Some(wanted) => ids.find(|id| id == wanted),
            None => ids.next(),
        };
        found.ok_or_else(|| Unavailable::NoModel {
            wanted: self.settings.model.as_ref().map_or_else(|| "any model".to_owned(), |model| format!("`{model}`")),
            url,
        })
    }

    /// Asks the model one question. What is longer than the bound is cut off.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn ask(&self, system: &str, prompt: &str) -> Result<Reply, Unavailable> {
        let model = self.health()?;
        let bounded: String = prompt.chars().take(self.settings.prompt_chars).collect();
        let body = json!({
            "model": model,
            "messages": [{ "role": "system", "content": system }, { "role": "user", "content": bounded }],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
            "stream": false,
        });
        let url = self.url("/chat/completions");
        let request = self.agent.post(&url).header("content-type", "application/json");
        let request = request.config().timeout_global(Some(self.settings.timeout)).build();
        let completion: Completion = self.answer(&url, request.send(body.to_string().as_bytes()))?;
        let text = completion.choices.into_iter().next().and_then(|choice| choice.message.content);
        match text {
            Some(text) => Ok(Reply { model, text }),
            None => Err(Unavailable::Odd { url, why: "there is no text in it".to_owned() }),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_url)
    }

    /// Reads an answer, status and size first.
    fn answer<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, Unavailable> {
        let mut response = response.map_err(|error| failure(url, error))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(Unavailable::Status { url: url.to_owned(), status });
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        let bytes = body.map_err(|error| failure(url, error))?;
        let odd = |why: String| Unavailable::Odd { url: url.to_owned(), why: text::line(&why, 200) };
        let value: Value = json::parse(&bytes, JsonLimits::default()).map_err(|error| odd(error.to_string()))?;
        serde_json::from_value(value).map_err(|error| odd(error.to_string()))
    }
}

fn failure(url: &str, error: ureq::Error) -> Unavailable {
    let url = url.to_owned();
    match error {
        ureq::Error::Timeout(_) => Unavailable::TooSlow(url),
        ureq::Error::BodyExceedsLimit(_) => Unavailable::TooLarge(url),
        error => Unavailable::Unreachable { url, why: text::line(&error.to_string(), 200) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_nothing_that_hides() {
        for good in ["http://localhost:8000/v1", "https://models.example/", "http://[::1]:8000/v1"] {
            assert!(good.parse::<BaseUrl>().is_ok(), "{good}");
        }
        for bad in [
            "localhost:8000",
            "ftp://host/v1",
            "http://",
            "http:///v1",
            "http://user:pass@host/v1",
            "http://host/v1?key=x",
            "http://host/v1#x",
            "http://host/a b",
            "http://ho\nst/",
            "http://host:port/",
        ] {
            assert!(bad.parse::<BaseUrl>().is_err(), "{bad}");
        }
        assert_eq!("http://h/v1/".parse::<BaseUrl>().map(|url| url.to_string()), Ok("http://h/v1".to_owned()));
    }
}
