//! The agents' door over streamable HTTP: one server for many clients, each with the token.
//!
//! `place` is where it listens, `front` looks at a request before the SDK does, `sessions` are those of clients that open one, `seats` says who may hold a connection and
//! `moving` how long without taking anything, `tls` encrypts.
//!
//! Guarantees: loopback alone, unless names of its own and a certificate are given; whoever has no token keeps nobody out who has it;
//! requests for another host, or from a page of another origin, are refused; asked to end, it takes nothing new in, lets what runs come to
//! its end for [`GRACE`], and ends the rest.
//!
//! Deliberately never: serves anything but the protocol.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

mod front;
mod moving;
mod place;
mod seats;
mod sessions;
mod tls;

pub use place::{Listening, Place};
pub use tls::Identity;

use super::server::Server;
use super::{McpError, Offer};
use crate::app::AgentApi;
use front::Front;
use moving::Moving;
use seats::{Seat, Seats};
use sessions::Sessions;

/// How long the head of a request may take, and a connection may say nothing.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes; one that came in one piece may be twice as long.
const MOST_HEAD: usize = 64 * 1024;
/// How long encryption may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long calls that are under way may go on when the server is asked to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long answers that are ready have to go out.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long it takes before another connection is tried for when there are no descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves clients that bring the token, until the process is asked to end. `ready` is told the URL.
///
/// # Errors
/// [`McpError`] when it cannot be started.
pub fn serve_http(
    door: AgentApi,
    offer: Offer,
    listening: &Listening,
    ready: impl FnOnce(&str),
) -> Result<(), McpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(door, offer, listening, ready));
    runtime.shutdown_background();
    served
}

async fn serve(door: AgentApi, offer: Offer, listening: &Listening, ready: impl FnOnce(&str)) -> Result<(), McpError> {
    let place = &listening.place;
    let encryption = place.identity.as_ref().map(|identity| identity.0.clone());
    let unbound = |source| McpError::Listen { address: place.address, source };
    let listener = TcpListener::bind(place.address).await.map_err(unbound)?;
    let bound = listener.local_addr().map_err(unbound)?;
    let mut asked = Asked::listen()?;

    let hosts = place.hosts(bound);
    let origins: Vec<String> = hosts.iter().map(|host| format!("{}://{host}", place.scheme())).collect();
    let url = format!("{}{}", origins.first().map(String::as_str).unwrap_or_default(), front::PATH);
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts.clone())
        .with_allowed_origins(origins.clone())
        .enforce_origin_validation();
    let over = config.cancellation_token.clone();
    let server = Arc::new(Server::new(door, offer));
    let sessions = Arc::new(Sessions::new());
    let handler = Arc::clone(&server);
    let service = StreamableHttpService::new(move || Ok(Arc::clone(&handler)), Arc::clone(&sessions), config);
    let front = Arc::new(Front { service, sessions, token: listening.token, hosts, origins });

    ready(&url);
    let mut connections = JoinSet::new();
    let ending = watch::Sender::new(false);
    tokio::select! {
        () = asked.next() => {}
        () = take_in(&listener, encryption, &front, (&mut connections, &ending)) => {}
    }
    drop(listener);
    ending.send_replace(true);
    tokio::select! {
        () = all(&mut connections) => {}
        () = async { server.idle().await; sleep(LAST_WORDS).await } => {}
        () = sleep(GRACE) => {}
        () = asked.next() => {}
    }
    server.end();
    over.cancel();
    // Calls that are still under way are taken back now, which they need a moment for; nobody waits for their answers.
    tokio::select! {
        () = server.idle() => {}
        () = sleep(GRACE) => {}
        () = asked.next() => {}
    }
    connections.abort_all();
    leave_when_asked_again();
    Ok(())
}

/// Takes in connections for ever.
async fn take_in(
    listener: &TcpListener,
    encryption: Option<TlsAcceptor>,
    front: &Arc<Front>,
    (connections, ending): (&mut JoinSet<()>, &watch::Sender<bool>),
) {
    let seats = Arc::new(Seats::default());
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            (stream, from) = accept(listener, &seats) => {
                let (front, ending, encryption) = (Arc::clone(front), ending.subscribe(), encryption.clone());
                let seat = seats.stranger(from.ip());
                let place = seat.place();
                let connection = connections.spawn(async move { connect(stream, encryption, (&front, &seat), ending).await });
                seats.cut_with(place, connection);
                // Each may say who it is before the next one comes.
                yield_now().await;
            }
        }
    }
}

/// What is left to be done is others': the ledger's writer may wait for another process. Whoever asks once more does not want to wait for it;
/// a process that ends anywhere leaves nothing half done.
fn leave_when_asked_again() {
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            Asked::listen()?.next().await;
            io::Result::Ok(())
        })
    };
    // Where there is no thread for it, it takes as long as it takes.
    let _ = thread::Builder::new().name("kavi-signals".into()).spawn(move || {
        if wait().is_ok() {
            std::process::exit(1);
        }
    });
}

/// The ways in which a process is asked to end.
struct Asked([Signal; 3]);

impl Asked {
    fn listen() -> io::Result<Self> {
        let [interrupt, terminate, hangup] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Ok(Self([signal(interrupt)?, signal(terminate)?, signal(hangup)?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

async fn all(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// The next connection.
async fn accept(listener: &TcpListener, seats: &Seats) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(_) => {
                // There may be no descriptors left.
                seats.cut_oldest();
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connect(
    stream: TcpStream,
    encryption: Option<TlsAcceptor>,
    who: (&Front, &Seat),
    mut ending: watch::Receiver<bool>,
) {
    // Answers are small, and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let stream = Moving::new(stream);
    let Some(encryption) = encryption else { return converse(stream, who, ending).await };
    // A client that cannot agree on encryption has nothing to be told.
    tokio::select! {
        () = told_to_end(&mut ending) => {}
        agreed = timeout(HANDSHAKE, encryption.accept(stream)) => {
            if let Ok(Ok(stream)) = agreed {
                converse(stream, who, ending).await;
            }
        }
    }
}

async fn told_to_end(ending: &mut watch::Receiver<bool>) {
    // Whoever tells lives longer than any connection.
    let _ = ending.wait_for(|ending| *ending).await;
}

async fn converse<T>(stream: T, (front, seat): (&Front, &Seat), mut ending: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(|request| async { Ok::<_, Infallible>(front.answer(request, seat).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    // A connection that breaks has nobody to be told.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = told_to_end(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
