//! A small server at a loopback address: one request a connection, answered by a function.
//!
//! Guarantees: it listens at a loopback address only. Connections, heads, bodies and times are bounded. A request that a page in
//! a browser could have sent (with an `Origin`, or for another host) is refused. It ends at a signal that asks for that, after
//! the request that it is at.
//!
//! Deliberately never: knows what a request means.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::signal::unix::{SignalKind, signal};

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 16;
/// Most bytes of the head of a request.
const MAX_HEAD: usize = 16 << 10;
/// How long a connection may take.
const CONNECTION_TIME: Duration = Duration::from_secs(20);

/// A request that was read to its end.
#[derive(Debug)]
pub struct ServedRequest {
    /// Whether its method is POST.
    pub is_post: bool,
    /// Its path.
    pub path: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Debug)]
pub struct ServedResponse {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl ServedResponse {
    /// A status with a line of plain text.
    pub fn plain(status: u16, text: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{text}\n") }
    }
}

/// A server that does not accept connections yet.
#[derive(Debug)]
pub struct LoopbackServer {
    listener: TcpListener,
    address: SocketAddr,
    max_body: usize,
}

impl LoopbackServer {
    /// Listens. A request with a longer body is refused.
    ///
    /// # Errors
    /// When the address is no loopback address, or is in use.
    pub fn bind(address: SocketAddr, max_body: usize) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not an address of this machine's loopback"));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, max_body })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until a signal asks the process to end.
    ///
    /// # Errors
    /// When there is no runtime for it.
    pub fn serve(self, respond: impl Fn(ServedRequest) -> ServedResponse) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.accept_all(&respond))
    }

    async fn accept_all(&self, respond: &impl Fn(ServedRequest) -> ServedResponse) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone()?)?;
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => connections.push(self.serve_one(stream, respond)),
                        // No free descriptors, for example. The pause keeps the loop from spinning.
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
                Some(()) = connections.next() => {}
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
            }
        }
    }

    async fn serve_one(&self, stream: tokio::net::TcpStream, respond: &impl Fn(ServedRequest) -> ServedResponse) {
        let service = service_fn(|request: Request<Incoming>| async move {
            let answer = match self.read(request).await {
                Ok(request) => respond(request),
                Err(refused) => refused,
            };
            Ok::<_, Infallible>(rendered(answer))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CONNECTION_TIME)
            .max_buf_size(MAX_HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        // A connection that breaks has nobody to be told.
        let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
    }

    async fn read(&self, request: Request<Incoming>) -> Result<ServedRequest, ServedResponse> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let known = [self.address.to_string(), format!("localhost:{}", self.address.port())];
        // A page in a browser can reach a loopback address, under a name of its own choice.
        if request.headers().contains_key(ORIGIN) || !host.is_some_and(|host| known.iter().any(|known| known == host)) {
            return Err(ServedResponse::plain(403, "unknown Host header, or a request of a browser"));
        }
        let (is_post, path) = (request.method() == Method::POST, request.uri().path().to_owned());
        // Before any of it is read: a client that sends nothing more would hold the connection.
        if request.body().size_hint().lower() > u64::try_from(self.max_body).unwrap_or(u64::MAX) {
            return Err(ServedResponse::plain(413, "the body is too long"));
        }
        let body = Limited::new(request.into_body(), self.max_body).collect().await;
        let body = body.map_err(|_| ServedResponse::plain(413, "the body is too long, or incomplete"))?;
        Ok(ServedRequest { is_post, path, body: body.to_bytes().to_vec() })
    }
}

fn rendered(answer: ServedResponse) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(answer.content_type));
    response
}
