//! The gateway at work: it accepts connections and runs each of them through hyper.
//!
//! Guarantees: a bounded number of connections, each with deadlines, and one thread for all of them. Each request that was
//! sent has one line in the log, also when hyper could not parse it. Never: keeps a connection for a second request.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::access_log::AccessLogLine;
use super::agent_stream::{AgentSocket, AgentStream, MAX_HEAD};
use super::attempt_gateway::Gateway;
use super::exchange::Exchange;
use super::refusal::{AgentBody, Refusal};
use super::request_policy::MAX_BODY;
use crate::model::time::Clock;
use crate::sync::lock;

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 16;
/// The most headers of a request.
const MAX_HEADERS: usize = 64;
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long the gateway reads on after its response, so that an agent that is still sending gets to read it.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Where connections come from.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// The same within a tokio runtime.
enum AsyncListener {
    Unix(tokio::net::UnixListener),
    Tcp(tokio::net::TcpListener),
}

impl Listener {
    fn into_async(self) -> io::Result<AsyncListener> {
        match self {
            Self::Unix(listener) => {
                // tokio requires it: a listener that blocks would stop the one thread of the
                // gateway.
                listener.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(listener).map(AsyncListener::Unix)
            }
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(listener).map(AsyncListener::Tcp)
            }
        }
    }
}

impl AsyncListener {
    async fn accept(&self) -> io::Result<Box<dyn AgentSocket>> {
        match self {
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                // Small pieces of a streamed answer must not wait for each other.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Accepts connections until the sender of `closing` is gone, then ends all of them. Runs within a tokio runtime.
pub(super) async fn run(
    gateway: &Arc<Gateway>,
    listener: Listener,
    clock: &dyn Clock,
    closing: watch::Receiver<()>,
) -> io::Result<()> {
    let listener = listener.into_async()?;
    let mut connections = FuturesUnordered::new();
    let mut closed = closing.clone();
    for number in 0.. {
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break Some(accepted),
                // An error is the end of the sender.
                _ = closed.changed() => break None,
                // Connections run only while they are polled here. They share the thread with the
                // listener.
                Some(()) = connections.next() => {}
            }
        };
        match accepted {
            None => break,
            // One that has no place is dropped, and so closed.
            Some(Ok(socket)) if connections.len() < MAX_CONNECTIONS => {
                let connection = Connection { gateway, number, clock, closing: closing.clone() };
                let (end, status) = (Empty, Empty);
                let span = tracing::info_span!(parent: &gateway.span, "egress", number, status, end);
                connections.push(connection.serve(socket).instrument(span));
            }
            Some(Ok(_)) => {}
            // No free descriptors, for example. The pause keeps the loop from spinning.
            Some(Err(_)) => sleep(ACCEPT_PAUSE).await,
        }
    }
    // The connections see the same end, so that none of them waits.
    while connections.next().await.is_some() {}
    Ok(())
}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<AgentBody>, Infallible>> + Send>>;

/// One connection, which carries one request.
struct Connection<'g> {
    gateway: &'g Arc<Gateway>,
    number: u64,
    clock: &'g dyn Clock,
    closing: watch::Receiver<()>,
}

impl Connection<'_> {
    async fn serve(mut self, socket: Box<dyn AgentSocket>) {
        let began = Instant::now();
        // Kept on this side as well: hyper may drop the service before the log line is written.
        let exchange = Arc::new(Exchange::new(Arc::clone(self.gateway), AccessLogLine::begin(self.clock.now())));
        let stream = AgentStream::new(socket, Arc::clone(exchange.received()));
        let responder = Arc::clone(&exchange);
        let service = service_fn(move |request: Request<Incoming>| -> ResponseFuture {
            let exchange = Arc::clone(&responder);
            Box::pin(async move { Ok(exchange.respond(request).await) })
        });
        let mut connection = http1_settings().serve_connection(TokioIo::new(stream), service);
        let outcome = tokio::select! {
            // Without hyper's shutdown: the socket is still needed, for a response to a broken head
            // and to linger.
            outcome = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(outcome),
            _ = self.closing.changed() => None,
        };
        // Dropping the rest of the connection drops the response, and with it the connection to the provider.
        let mut stream = connection.into_parts().io.into_inner();
        // Without a head hyper has called no service, so the gateway itself has to answer.
        let line = if exchange.received().has_head() {
            Some(exchange.finish(matches!(outcome, Some(Ok(())))))
        } else {
            self.refuse_unparsed(&exchange, &mut stream, outcome.as_ref()).await
        };
        if let Some(mut line) = line {
            let span = Span::current();
            span.record("end", line.end.as_str());
            if let Some(status) = line.status {
                span.record("status", status);
            }
            line.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            lock(&self.gateway.log).push(self.number, line);
        }
        // Not while the gateway closes: the agent is dead by then, and the attempt waits for this.
        if outcome.is_some() {
            tokio::select! {
                () = linger(stream) => {}
                _ = self.closing.changed() => {}
            }
        }
    }

    /// Responds to a request whose head hyper did not accept. `outcome` is how its work ended; None when the gateway
    /// closes.
    async fn refuse_unparsed(
        &mut self,
        exchange: &Exchange,
        stream: &mut AgentStream,
        outcome: Option<&hyper::Result<()>>,
    ) -> Option<AccessLogLine> {
        // A connection without a byte is no request.
        if exchange.received().is_empty() {
            return None;
        }
        let refusal = match outcome {
            Some(Err(error)) => head_refusal(error)?,
            Some(Ok(())) | None => INCOMPLETE_HEAD,
        };
        // Opens the stream for writing, which it discards until there is a head.
        exchange.received().complete_head();
        let response = refusal.bytes();
        let delivered = tokio::select! {
            written = stream.write_all(&response), if outcome.is_some() => written.is_ok(),
            _ = self.closing.changed() => false,
        };
        Some(exchange.finish_unparsed(refusal, delivered))
    }
}

const INCOMPLETE_HEAD: Refusal = Refusal::new(StatusCode::BAD_REQUEST, "the head of the request is incomplete");

/// Why hyper did not accept a head. None when the connection broke.
fn head_refusal(error: &hyper::Error) -> Option<Refusal> {
    match () {
        // The order matters: a head that is too long is a parse error as well.
        () if error.is_timeout() => {
            Some(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the head of the request took too long"))
        }
        () if error.is_parse_too_large() => {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            Some(Refusal::new(status, "the head of the request is too long or has too many headers"))
        }
        () if error.is_parse() => Some(Refusal::new(StatusCode::BAD_REQUEST, "the request is not valid HTTP/1.1")),
        () if error.is_incomplete_message() => Some(INCOMPLETE_HEAD),
        () => None,
    }
}

fn http1_settings() -> http1::Builder {
    let mut settings = http1::Builder::new();
    settings
        // hyper measures its time limits with this timer and has none of its own.
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        // One request on a connection, and an agent that closes its side has left.
        .keep_alive(false)
        .half_close(false)
        .auto_date_header(false);
    settings
}

/// Reads and discards what is still on its way: the system resets a connection that is closed with unread bytes, and the
/// agent may then lose the response.
async fn linger(mut stream: AgentStream) {
    // One that has ended already is as good.
    let _ = stream.shutdown().await;
    let discard = async {
        let mut buffer = [0; 16 * 1024];
        // Bounded, because the agent decides how much it sends.
        let mut room = 2 * MAX_BODY;
        while let Ok(received @ 1..) = stream.read(&mut buffer).await {
            room = room.saturating_sub(received);
            if room == 0 {
                return;
            }
        }
    };
    let _ = timeout(LINGER_TIME, discard).await;
}
