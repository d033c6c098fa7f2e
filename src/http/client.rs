//! The client: one request, one connection, one response.

use std::thread;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect, retry};
use tracing::Instrument as _;

use super::{HttpError, HttpProxy, TlsRoots};

/// How long the look-up of the name, the connection and the TLS handshake may take together.
const CONNECT_TIME: Duration = Duration::from_secs(20);

/// How this program names itself.
pub(super) const USER_AGENT: &str = concat!("kavi/", env!("CARGO_PKG_VERSION"));

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

/// The limits of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// From the look-up of the host name to the last byte of the body.
    pub time: Duration,
    /// Bytes of the head of the response.
    pub response_head: usize,
}

/// A request.
#[derive(Debug)]
pub struct HttpRequest {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
    limits: ExchangeLimits,
}

impl HttpRequest {
    /// A request without headers and body.
    ///
    /// # Errors
    /// [`HttpError::InvalidRequest`] when `url` is not a URL.
    pub fn new(method: HttpMethod, url: &str, limits: ExchangeLimits) -> Result<Self, HttpError> {
        let method = match method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
        };
        let url = Url::parse(url).map_err(|_| HttpError::InvalidRequest("its address is not a URL"))?;
        Ok(Self { method, url, headers: HeaderMap::new(), body: Vec::new(), limits })
    }

    /// The same request with this header. A value of the same name is replaced.
    ///
    /// # Errors
    /// [`HttpError::InvalidRequest`] when the value cannot be part of a header: a line break could begin another one.
    pub fn header(mut self, name: &'static str, value: &[u8]) -> Result<Self, HttpError> {
        let mut value = HeaderValue::from_bytes(value)
            .map_err(|_| HttpError::InvalidRequest("a header holds a character that is not allowed"))?;
        // Debug output of a request shows the name alone. Any value may be a secret.
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// The same request with this body.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

/// The head of a response, and its body as it comes.
#[derive(Debug)]
pub struct HttpResponse {
    response: reqwest::Response,
}

impl HttpResponse {
    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The first value of a header, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Waits for the next piece of the body. None at its end.
    ///
    /// # Errors
    /// [`HttpError`] when the deadline passed or the body is incomplete.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        let chunk = self.response.chunk().await.map_err(|error| HttpError::classify(&error, false))?;
        Ok(chunk.map(|bytes| bytes.to_vec()))
    }

    /// Reads the whole body.
    async fn into_body(mut self, max_bytes: usize) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            // Counted while it arrives, because a declared length can be wrong or missing.
            if body.len().saturating_add(chunk.len()) > max_bytes {
                return Err(HttpError::BodyTooLarge { limit: max_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A response that was read to its end. [`HttpClient::fetch`] leaves the body empty unless the status is 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedResponse {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// A client with its own TLS roots and, perhaps, a proxy.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    proxied: bool,
}

impl HttpClient {
    /// A client. Connects to nothing yet.
    ///
    /// # Errors
    /// [`HttpError::InvalidRequest`] when TLS cannot be set up.
    pub fn new(roots: &TlsRoots, proxy: Option<&HttpProxy>) -> Result<Self, HttpError> {
        let mut headers = HeaderMap::new();
        // Asked for by name: a compressed body would pass the redactor and the meter unread.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // `no_proxy` switches off the proxies of the environment. One that is added after it stays.
        let mut builder = Client::builder()
            .tls_backend_preconfigured(roots.client_config()?)
            .no_proxy()
            // Each of these keeps the request at one server, sent once: a redirect or a retry could
            // carry the key elsewhere.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIME)
            .user_agent(USER_AGENT)
            .default_headers(headers);
        if let Some(HttpProxy(proxy)) = proxy {
            builder = builder.proxy(proxy.clone());
        }
        let client = builder.build().map_err(|_| HttpError::InvalidRequest("TLS cannot be set up"))?;
        Ok(Self { client, proxied: proxy.is_some() })
    }

    /// Sends a request and reads the head of the response. Dropping the future, or the response, closes the connection.
    /// Runs within the caller's tokio runtime.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // The host alone: a path, a query or a header may carry a secret.
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let span = tracing::info_span!("http_request", host, status = tracing::field::Empty);
        let sent = self.exchange_heads(request).instrument(span.clone()).await;
        if let Ok(response) = &sent {
            span.record("status", response.status());
        }
        sent
    }

    async fn exchange_heads(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let HttpRequest { method, url, headers, body, limits } = request;
        // The proxy is used for `https` alone, so for `http` a failed connection is the server's.
        let proxied = self.proxied && url.scheme() == "https";
        let request = self.client.request(method, url).headers(headers).timeout(limits.time).body(body);
        let response = request.send().await.map_err(|error| HttpError::classify(&error, proxied))?;
        // The library has a limit of its own for what it buffers, below 512 KiB. This one is the caller's.
        if head_size(response.headers()) > limits.response_head {
            return Err(HttpError::HeadTooLarge { limit: limits.response_head });
        }
        // The server may encode although it was not asked to.
        if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(HttpError::Encoded);
        }
        Ok(HttpResponse { response })
    }

    /// Sends a request and reads the whole response, at most `max_body` bytes of its body. Blocks the calling thread.
    /// The body of a response with another status than 200 is not read.
    ///
    /// # Errors
    /// [`HttpError`]
    pub fn fetch(&self, request: HttpRequest, max_body: usize) -> Result<FetchedResponse, HttpError> {
        self.fetch_where(request, max_body, |status| status == 200)
    }

    /// The same with the body of any status: for a protocol whose refusals have one. It is the text of a stranger.
    ///
    /// # Errors
    /// [`HttpError`]
    pub fn fetch_any_status(&self, request: HttpRequest, max_body: usize) -> Result<FetchedResponse, HttpError> {
        self.fetch_where(request, max_body, |_| true)
    }

    fn fetch_where(
        &self,
        request: HttpRequest,
        max_body: usize,
        is_read: impl Fn(u16) -> bool + Sync,
    ) -> Result<FetchedResponse, HttpError> {
        let exchange = async {
            let response = self.send(request).await?;
            let status = response.status();
            // The text of an error response would be repeated in messages, and comes from a
            // stranger.
            let body = if is_read(status) { response.into_body(max_body).await? } else { Vec::new() };
            Ok(FetchedResponse { status, body })
        };
        block_on(exchange)
    }
}

/// Runs `exchange` on a runtime of its own, in a thread of its own: a thread that already runs a runtime must not start
/// another one. A look-up that the system has not finished may outlive this call; it holds no connection.
fn block_on<T: Send>(exchange: impl Future<Output = Result<T, HttpError>> + Send) -> Result<T, HttpError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|_| HttpError::InvalidRequest("this machine is out of resources"))?;
        let done = runtime.block_on(exchange);
        // A name look-up that hangs in the system cannot be ended, and must not delay the caller.
        runtime.shutdown_background();
        done
    };
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().name("kavi-http".to_owned()).spawn_scoped(scope, run).ok()?;
        thread.join().ok()
    });
    done.unwrap_or(Err(HttpError::InvalidRequest("this machine is out of resources")))
}

/// The size of the header lines as they are sent: name, colon, space, value and line break.
pub(super) fn head_size(headers: &HeaderMap) -> usize {
    let punctuation = headers.len() * ": \r\n".len();
    let names: usize = headers.iter().map(|header| header.0.as_str().len()).sum();
    let values: usize = headers.values().map(HeaderValue::len).sum();
    punctuation + names + values
}
