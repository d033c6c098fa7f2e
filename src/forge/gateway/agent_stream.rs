//! The agent's connection as hyper sees it.
//!
//! hyper parses what the agent sends. This stream stands below it and adds four things:
//! - It remembers the bytes of the head, so that the gateway can compare what hyper understood with what was sent.
//! - It discards what hyper writes before the head is complete: hyper's own error responses have no body that the
//!   agent's library understands, so the gateway writes its own.
//! - It reports the end of the connection when bytes follow a complete request: one connection carries one request.
//! - It gives up writing to an agent that does not read.
//!
//! Never: interprets a byte of a body, or changes what passes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::sync::lock;

/// The longest head. hyper enforces it.
pub const MAX_HEAD: usize = 32 * 1024;

/// How long a write may wait for an agent that does not read.
const STALLED_WRITE_TIME: Duration = Duration::from_secs(60);

/// A Unix or TCP stream.
pub trait AgentSocket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> AgentSocket for S {}

/// Which part of a request is expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ReceivePhase {
    /// The head is not complete.
    #[default]
    Head,
    /// hyper has accepted the head. A body may follow.
    Body,
    /// The request is complete. Nothing may follow.
    Complete,
}

#[derive(Debug, Default)]
struct ReceiveState {
    phase: ReceivePhase,
    /// What came while the head was incomplete: the head and perhaps the beginning of the body.
    begin: Vec<u8>,
    /// All bytes so far.
    total: usize,
}

/// What the agent has sent, shared by the stream and the exchange.
#[derive(Debug, Default)]
pub struct ReceivedBytes(Mutex<ReceiveState>);

/// The head as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentHead {
    /// The target, byte for byte. hyper's own form of it lacks a fragment.
    pub target: String,
    /// How often the length of the body is given. hyper drops a repeated one.
    pub content_lengths: usize,
    /// The size of the head in bytes.
    pub size: usize,
}

impl ReceivedBytes {
    /// Whether hyper has accepted the head.
    pub fn has_head(&self) -> bool {
        lock(&self.0).phase != ReceivePhase::Head
    }

    /// Whether nothing has come.
    pub fn is_empty(&self) -> bool {
        lock(&self.0).total == 0
    }

    /// The number of bytes so far.
    pub fn total(&self) -> usize {
        lock(&self.0).total
    }

    /// Marks the head as complete. From now on the stream passes on what is written to it.
    pub fn complete_head(&self) -> SentHead {
        let mut state = lock(&self.0);
        state.phase = ReceivePhase::Body;
        // The bytes are no longer needed, and an attempt has many connections.
        SentHead::scan(&std::mem::take(&mut state.begin))
    }

    /// Marks the request as complete.
    pub fn complete_request(&self) {
        lock(&self.0).phase = ReceivePhase::Complete;
    }

    /// Notes bytes that came. Returns whether hyper may see them.
    fn record(&self, bytes: &[u8]) -> bool {
        let mut state = lock(&self.0);
        state.total = state.total.saturating_add(bytes.len());
        // hyper stops reading at `MAX_HEAD`; this is the bound on memory that does not rest on it.
        if state.phase == ReceivePhase::Head && state.begin.len() <= MAX_HEAD {
            state.begin.extend_from_slice(bytes);
        }
        state.phase != ReceivePhase::Complete
    }
}

impl SentHead {
    /// Reads these facts from bytes that begin with a head that hyper has accepted. That makes the scan simple: each line
    /// is a header, names have no space around them, and an empty line ends the head.
    fn scan(bytes: &[u8]) -> Self {
        let mut head = Self { target: String::new(), content_lengths: 0, size: 0 };
        let mut request_line = None;
        // Line ends count towards the size, which is later compared with all bytes that came.
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            head.size += line.len();
            let line = line.trim_ascii_end();
            match request_line {
                // Empty lines before the request line are skipped.
                None if line.is_empty() => {}
                None => request_line = Some(line),
                Some(_) if line.is_empty() => break,
                Some(_) => {
                    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                    head.content_lengths += usize::from(name.eq_ignore_ascii_case(b"content-length"));
                }
            }
        }
        let target = request_line.and_then(|line| line.split(|byte| *byte == b' ').nth(1)).unwrap_or_default();
        head.target = String::from_utf8_lossy(target).into_owned();
        head
    }
}

/// The connection of an agent.
pub struct AgentStream {
    socket: Box<dyn AgentSocket>,
    received: Arc<ReceivedBytes>,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl AgentStream {
    /// The stream over this socket.
    pub fn new(socket: Box<dyn AgentSocket>, received: Arc<ReceivedBytes>) -> Self {
        Self { socket, received, stalled: None }
    }
}

impl AsyncRead for AgentStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if !self.received.record(&buffer.filled()[before..]) {
            // No new bytes is how a stream reports its end.
            buffer.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for AgentStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Claimed as written, so that hyper goes on to its end and does not wait.
        if !self.received.has_head() {
            return Poll::Ready(Ok(bytes.len()));
        }
        if let Poll::Ready(written) = Pin::new(&mut self.socket).poll_write(cx, bytes) {
            self.stalled = None;
            return Poll::Ready(written);
        }
        // An agent that reads nothing would otherwise hold its turn at the provider.
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED_WRITE_TIME)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_scanned_as_it_was_sent() {
        let sent =
            "POST /v1/messages?beta=true#x HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nrest\r\ncontent-length: 1";
        let head = SentHead::scan(sent.as_bytes());
        assert_eq!((&*head.target, head.content_lengths), ("/v1/messages?beta=true#x", 1));
        assert_eq!(sent.get(head.size..), Some("rest\r\ncontent-length: 1"));
        let twice = SentHead::scan(b"\r\n\nPOST / HTTP/1.1\ncontent-length:3\nCONTENT-LENGTH: 3\n\n");
        assert_eq!((&*twice.target, twice.content_lengths), ("/", 2));
    }

    #[test]
    fn nothing_may_follow_a_complete_request() {
        let received = ReceivedBytes::default();
        assert!(received.is_empty() && !received.has_head());
        assert!(received.record(b"POST / HTTP/1.1\r\n\r\n"));
        assert_eq!(received.complete_head().size, received.total());
        assert!(received.has_head() && received.record(b"body"));
        received.complete_request();
        assert!(!received.record(b"more"));
    }
}
