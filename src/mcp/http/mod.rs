//! The server for agents over streamable HTTP: one server for many clients, each with the bearer token.
//!
//! `bind_policy` decides where it may listen. `connection_limiter` and `write_timeout` limit connections, `tls` encrypts them.
//! `request_filter` checks a request before the SDK sees it, with `auth` for its token and `accept` for the form of the
//! response. `sessions` limits sessions.
//!
//! Guarantees: it listens at loopback only, unless a host name and a certificate are given. A client without the token cannot
//! keep out one that has it. Requests for another host or from another origin are rejected. At shutdown it accepts nothing new,
//! gives active calls [`GRACE`] to finish, and cancels the rest.
//!
//! Deliberately never: serves anything but the protocol.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

mod accept;
mod auth;
mod bind_policy;
mod connection_limiter;
mod headers;
mod request_filter;
mod responses;
mod sessions;
mod tls;
mod write_timeout;

use super::error::McpError;
use super::service::McpService;
use super::shutdown::{ShutdownSignals, exit_on_next_signal};
use crate::app::{AgentServerError, HttpAddress, HttpAgentServer, HttpServing};
use auth::BearerToken;
use bind_policy::BindAddress;
use connection_limiter::{ConnectionLimiter, ConnectionSlot};
use request_filter::RequestFilter;
use sessions::Sessions;
use write_timeout::WriteTimeout;

/// How long the head of a request may take, and a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes. One that arrives in one piece may be twice as long.
const MOST_HEAD: usize = 64 * 1024;
/// How long the TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long active calls may continue after the server is asked to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long finished responses may take to be sent.
const FLUSH_TIME: Duration = Duration::from_millis(200);
/// The wait before the next attempt to accept when there are no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server with a validated address.
#[derive(Debug)]
pub(super) struct HttpServer(BindAddress);

impl HttpServer {
    /// Validates an address. Opens nothing.
    ///
    /// # Errors
    /// [`McpError`] when the address is not allowed, or the certificate is unusable.
    pub(super) fn new(address: HttpAddress) -> Result<Self, McpError> {
        Ok(Self(BindAddress::new(address)?))
    }
}

impl HttpAgentServer for HttpServer {
    fn serve(&self, serving: HttpServing<'_>) -> Result<(), AgentServerError> {
        // One thread is enough: skills run on threads of their own, and this one only moves
        // messages.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(McpError::from)?;
        let served = runtime.block_on(serve(&self.0, serving));
        runtime.shutdown_background();
        Ok(served?)
    }
}

async fn serve(bind: &BindAddress, serving: HttpServing<'_>) -> Result<(), McpError> {
    let encryption = bind.identity.as_ref().map(|identity| identity.0.clone());
    let unbound = |source| McpError::Listen { address: bind.address, source };
    // Bound before anything is announced, so that a port that is taken is an error of the command.
    let listener = TcpListener::bind(bind.address).await.map_err(unbound)?;
    // The system chooses the port when 0 was asked for, and allowed hosts contain the port.
    let bound = listener.local_addr().map_err(unbound)?;
    // Before the address is announced: a signal that comes directly afterwards must find a
    // listener.
    let mut signals = ShutdownSignals::listen()?;

    let hosts = bind.hosts(bound);
    let origins: Vec<String> = hosts.iter().map(|host| format!("{}://{host}", bind.scheme())).collect();
    let url = format!("{}{}", origins.first().map(String::as_str).unwrap_or_default(), request_filter::PATH);
    let config = StreamableHttpServerConfig::default()
        // The filter in front checks the same. This second check costs nothing, and holds if the
        // filter has a gap.
        .with_allowed_hosts(hosts.clone())
        .with_allowed_origins(origins.clone())
        .enforce_origin_validation();
    let cancellation = config.cancellation_token.clone();
    let server = Arc::new(McpService::new(serving.api, serving.tools));
    let sessions = Arc::new(Sessions::new());
    let handler = Arc::clone(&server);
    let service = StreamableHttpService::new(move || Ok(Arc::clone(&handler)), Arc::clone(&sessions), config);
    let token = BearerToken::new(serving.token);
    let filter = Arc::new(RequestFilter { service, sessions, token, hosts, origins });

    (serving.ready)(&url);
    let mut acceptor =
        Acceptor { listener, encryption, filter, connections: JoinSet::new(), ending: watch::Sender::new(false) };
    tokio::select! {
        () = signals.next() => {}
        () = acceptor.accept_all() => {}
    }
    // Dropping the listener refuses new connections while the active calls end.
    let mut connections = acceptor.close();
    tokio::select! {
        () = all_closed(&mut connections) => {}
        // Idle connections may stay open for long. Once no call is active, only their answers are
        // waited for.
        () = async { server.wait_until_idle().await; sleep(FLUSH_TIME).await } => {}
        () = sleep(GRACE) => {}
        () = signals.next() => {}
    }
    // Before the cancellation: calls must see that the server ends, and keep the files of a
    // question held.
    server.begin_shutdown();
    cancellation.cancel();
    // The remaining calls are cancelled now. Each needs a moment to write its record.
    tokio::select! {
        () = server.wait_until_idle() => {}
        () = sleep(GRACE) => {}
        () = signals.next() => {}
    }
    connections.abort_all();
    exit_on_next_signal();
    Ok(())
}

/// Accepts connections, and serves each on a task of its own.
struct Acceptor {
    listener: TcpListener,
    encryption: Option<TlsAcceptor>,
    filter: Arc<RequestFilter>,
    connections: JoinSet<()>,
    ending: watch::Sender<bool>,
}

impl Acceptor {
    /// Accepts connections forever.
    async fn accept_all(&mut self) {
        let limiter = Arc::new(ConnectionLimiter::default());
        loop {
            tokio::select! {
                // Finished tasks are taken out, or the set would grow with every connection.
                Some(_) = self.connections.join_next() => {}
                (stream, from) = accept(&self.listener, &limiter) => {
                    let (filter, ending) = (Arc::clone(&self.filter), self.ending.subscribe());
                    let (encryption, slot) = (self.encryption.clone(), limiter.open_slot(from.ip()));
                    let key = slot.key();
                    let connection = Connection { filter, slot, ending };
                    // The runtime has one thread, so the task cannot run before it is registered
                    // below.
                    let task = self.connections.spawn(connection.serve(stream, encryption));
                    limiter.limit(key, task);
                    // Each client gets the chance to authenticate before the next one is accepted.
                    yield_now().await;
                }
            }
        }
    }

    /// Stops accepting, and asks every connection to close after its current request.
    fn close(self) -> JoinSet<()> {
        self.ending.send_replace(true);
        self.connections
    }
}

async fn all_closed(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// Accepts the next connection.
async fn accept(listener: &TcpListener, limiter: &ConnectionLimiter) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(_) => {
                // The process may have no file descriptors left.
                // A flood of idle connections must not keep out the client that has the token.
                limiter.close_oldest();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One accepted connection.
struct Connection {
    filter: Arc<RequestFilter>,
    slot: ConnectionSlot,
    ending: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, encryption: Option<TlsAcceptor>) {
        // Responses are small, and a client waits for each.
        let _ = stream.set_nodelay(true);
        // Below TLS, so that a stalled handshake is noticed as well.
        let stream = WriteTimeout::new(stream);
        let Some(encryption) = encryption else { return self.serve_http(stream).await };
        // A failed handshake has no channel for an error message.
        tokio::select! {
            () = shutdown_begins(&mut self.ending) => {}
            accepted = timeout(HANDSHAKE_TIMEOUT, encryption.accept(stream)) => {
                if let Ok(Ok(stream)) = accepted {
                    self.serve_http(stream).await;
                }
            }
        }
    }

    async fn serve_http<T>(self, stream: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { filter, slot, mut ending } = self;
        let (filter, slot) = (&filter, &slot);
        let respond = service_fn(|request| async move { Ok::<_, Infallible>(filter.answer(request, slot).await) });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // A client that sends its head byte by byte would hold the connection for ever.
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MOST_HEAD)
            .serve_connection(TokioIo::new(stream), respond);
        let mut connection = pin!(connection);
        // An error means that the connection is broken, so there is nobody to report it to.
        tokio::select! {
            _ = connection.as_mut() => {}
            () = shutdown_begins(&mut ending) => {
                // The current response is finished. The client learns from it that the connection
                // closes.
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

async fn shutdown_begins(ending: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a shutdown too.
    let _ = ending.wait_for(|ending| *ending).await;
}
