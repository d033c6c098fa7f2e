//! Standard input and output as a transport of the SDK: one message per line.
//!
//! Guarantees: standard output carries whole messages and nothing else. A last line without a line end counts. A line that is
//! too long is answered with an error and skipped, and needs no more memory than the longest valid line. The session closes
//! when either end does, or when the process is asked to end. Requests from a file are all answered first.
//!
//! Deliberately never: guesses the meaning of a broken line.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::{StdioReader, StdioWriter, Transport, stdio_pipes};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::frame::{self, MOST_BYTES};
use super::session::{self, AnswerRouting, McpSession};
use crate::model::text as printable;

/// Most messages that wait to be written.
const MOST_PENDING: usize = 64;
/// How long a client that has closed standard input may read nothing before the rest is dropped.
const STALL_LIMIT: Duration = Duration::from_secs(5);

/// Where messages to the client go. `None` is the end: later messages are not written.
pub(super) type Outbox = mpsc::Sender<Option<Value>>;

/// The transport.
pub(super) struct StdioTransport {
    session: Arc<McpSession>,
    reader: StdioReader,
    lines: LineBuffer,
    messages: VecDeque<ClientJsonRpcMessage>,
    answers: VecDeque<Value>,
    out: Option<Outbox>,
    input_is_file: bool,
    ended: bool,
}

/// Messages on their way to standard output.
pub(super) struct PendingOutput {
    out: Outbox,
    writer: JoinHandle<()>,
    /// How many bytes the client has accepted.
    bytes_written: Arc<AtomicUsize>,
}

impl PendingOutput {
    /// For messages that do not come from the SDK.
    pub(super) fn outbox(&self) -> Outbox {
        self.out.clone()
    }

    /// Waits until every message is written. Gives up when the client reads nothing for [`STALL_LIMIT`].
    pub(super) async fn flush(self) {
        let Self { out, mut writer, bytes_written } = self;
        let mut known = bytes_written.load(Ordering::Relaxed);
        // A task of its own: when the queue is full, this send would wait for the very writer that
        // it is to end.
        let end = tokio::spawn(async move { out.send(None).await });
        // The limit is on standing still and not on the whole: a slow client still gets all of its
        // answers.
        while timeout(STALL_LIMIT, &mut writer).await.is_err() {
            let now = bytes_written.load(Ordering::Relaxed);
            if std::mem::replace(&mut known, now) == now {
                break;
            }
        }
        end.abort();
    }
}

impl StdioTransport {
    /// The standard input and output of this process. Must be called inside the runtime.
    pub(super) fn standard(session: Arc<McpSession>) -> (Self, PendingOutput) {
        let (reader, writer) = stdio_pipes();
        // Bounded, so that a client that does not read slows its own calls down and cannot fill the
        // memory.
        let (out, messages) = mpsc::channel(MOST_PENDING);
        let bytes_written = Arc::new(AtomicUsize::new(0));
        let output = Output { writer, bytes_written: Arc::clone(&bytes_written), session: Arc::clone(&session) };
        let writer = tokio::spawn(output.write_all(messages));
        let pending = PendingOutput { out: out.clone(), writer, bytes_written };
        let transport = Self {
            session,
            reader,
            lines: LineBuffer::default(),
            messages: VecDeque::new(),
            answers: VecDeque::new(),
            out: Some(out),
            input_is_file: is_regular_file(io::stdin()),
            ended: false,
        };
        (transport, pending)
    }

    fn accept(&mut self, line: InputLine) {
        let parsed = match line {
            InputLine::Whole(line) => frame::parse_line(&line, &self.session),
            InputLine::TooLong(answer) => return self.answers.push_back(answer),
        };
        self.messages.extend(parsed.deliver);
        self.answers.extend(parsed.answer);
    }

    /// The next message. The SDK may drop this future at any point, so all progress is kept in `self`.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            while !self.answers.is_empty() {
                // The slot first: dropping this future while it waits must not lose an answer that
                // was taken out.
                let slot = self.out.as_ref()?.reserve().await.ok()?;
                if let Some(answer) = self.answers.pop_front() {
                    slot.send(Some(answer));
                }
            }
            // After the answers, so that a client learns about a broken message before later ones
            // take effect.
            if let Some(mut message) = self.messages.pop_front() {
                session::attach_session(&mut message, &self.session);
                return Some(message);
            }
            // Buffered lines come before the next read, which could wait for a client that has sent
            // everything.
            if let Some(line) = self.lines.next() {
                self.accept(line);
                continue;
            }
            if self.ended {
                if !self.input_is_file {
                    return None;
                }
                self.session.end_input();
                // The end of a file is no wish to disconnect, as the end of a pipe is. The SDK cancels what is active when it
                // gets no more messages, so it is told last.
                tokio::select! {
                    () = self.session.all_answered() => {}
                    () = self.session.closed() => {}
                    () = reader_gone(io::stdout()) => {}
                }
                return None;
            }
            let read = tokio::select! {
                read = self.reader.read_buf(&mut self.lines.buffer) => read,
                // The writer closes the session when nobody reads. Without this the server would
                // wait for input for ever.
                () = self.session.closed() => Ok(0),
            };
            if !matches!(read, Ok(read) if read > 0) {
                self.ended = true;
                self.lines.end();
            }
        }
    }
}

impl Transport<RoleServer> for StdioTransport {
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let out = self.out.clone();
        // Now and not when the future is polled: the SDK may poll two answers in another order.
        let routed = route(&self.session, &item);
        async move {
            let AnswerRouting::SendNow(value) = routed? else { return Ok(()) };
            let out = out.ok_or(io::ErrorKind::BrokenPipe)?;
            out.send(Some(value)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let next = self.next().await;
        if next.is_none() {
            // Calls that still run learn here that their client is gone.
            self.session.close();
        }
        next
    }

    async fn close(&mut self) -> io::Result<()> {
        self.out = None;
        Ok(())
    }
}

fn is_regular_file(input: impl AsFd) -> bool {
    rustix::fs::fstat(input).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file())
}

/// Waits until nobody reads this output any more, without writing to it. A regular file never loses its reader.
async fn reader_gone(output: impl AsFd) {
    let Ok(output) = output.as_fd().try_clone_to_owned() else { return std::future::pending().await };
    // On a thread, because the runtime can only watch what it may make non-blocking. The thread ends with the process.
    let watched = tokio::task::spawn_blocking(move || {
        // Nothing is asked for, so only an error or a hang-up ends the wait. A signal interrupts it.
        while poll(&mut [PollFd::new(&output, PollFlags::empty())], None).is_err_and(|error| error == Errno::INTR) {}
    });
    // An error means that the runtime ends, and the session with it.
    let _ = watched.await;
}

/// Decides whether a message is sent now or with its batch.
fn route(session: &McpSession, item: &ServerJsonRpcMessage) -> io::Result<AnswerRouting> {
    let value = serde_json::to_value(item)?;
    Ok(match session.note_sent(item) {
        Some(id) => session.answered(id, value),
        None => AnswerRouting::SendNow(value),
    })
}

/// The writing end.
struct Output {
    writer: StdioWriter,
    bytes_written: Arc<AtomicUsize>,
    session: Arc<McpSession>,
}

impl Output {
    /// Writes messages until there are no more or the client stops reading. Messages that wait together are one write.
    async fn write_all(mut self, mut messages: mpsc::Receiver<Option<Value>>) {
        let mut text = Vec::new();
        while let Some(first) = messages.recv().await {
            text.clear();
            let mut next = Some(first);
            // Everything that waits becomes one write, which matters when many calls end at the
            // same time.
            while let Some(Some(value)) = next {
                // Escaped, so that a client that logs its lines passes no order on to a terminal.
                text.extend_from_slice(printable::json(&value.to_string()).as_bytes());
                text.push(b'\n');
                next = messages.try_recv().ok();
            }
            let last = next.is_some();
            let write = async {
                let mut left = text.as_slice();
                while !left.is_empty() {
                    let taken = self.writer.write(left).await?;
                    self.bytes_written.fetch_add(taken, Ordering::Relaxed);
                    // A write of nothing would repeat for ever, so it is an error.
                    left = left.get(taken..).filter(|_| taken > 0).ok_or(io::ErrorKind::WriteZero)?;
                }
                self.writer.flush().await
            };
            if write.await.is_err() {
                return self.session.close();
            }
            if last {
                return;
            }
        }
    }
}

/// Splits bytes into lines.
#[derive(Debug, Default)]
struct LineBuffer {
    buffer: Vec<u8>,
    /// How many bytes of the buffer contain no line end.
    searched: usize,
    /// Whether the next bytes belong to a line that is too long.
    skipping: bool,
    ended: bool,
}

#[derive(Debug, PartialEq)]
enum InputLine {
    Whole(Vec<u8>),
    /// The error response.
    TooLong(Value),
}

impl LineBuffer {
    /// There are no more bytes.
    fn end(&mut self) {
        self.ended = true;
    }

    /// The next whole line.
    fn next(&mut self) -> Option<InputLine> {
        loop {
            // Searching from the start each time would take quadratic time for a long line that
            // arrives in pieces.
            let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n').map(|at| at + self.searched);
            let Some(end) = end else {
                self.searched = self.buffer.len();
                if self.searched > MOST_BYTES {
                    // Skipped bytes are not kept.
                    let skipped = std::mem::take(&mut self.buffer);
                    self.searched = 0;
                    // Answered once for each line: what is skipped later belongs to the line that
                    // was refused already.
                    if !std::mem::replace(&mut self.skipping, true) {
                        return Some(InputLine::TooLong(frame::too_long(&skipped)));
                    }
                }
                let rest = self.ended && !self.buffer.is_empty() && !self.skipping;
                self.searched = if self.ended { 0 } else { self.searched };
                return rest.then(|| InputLine::Whole(std::mem::take(&mut self.buffer)));
            };
            let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.searched = 0;
            line.pop();
            // This was the end of the line that is too long. The next byte begins a good one.
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            return Some(match line.len() > MOST_BYTES {
                true => InputLine::TooLong(frame::too_long(&line)),
                false => InputLine::Whole(line),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut LineBuffer) -> Vec<InputLine> {
        std::iter::from_fn(|| lines.next()).collect()
    }

    fn whole(text: &str) -> InputLine {
        InputLine::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_come_out_as_they_went_in_however_they_are_cut() {
        for cut in 1..12 {
            let mut lines = LineBuffer::default();
            let mut got = Vec::new();
            for part in b"one\ntwo\n\nlast".chunks(cut) {
                lines.buffer.extend_from_slice(part);
                got.extend(all(&mut lines));
            }
            lines.end();
            got.extend(all(&mut lines));
            assert_eq!(got, [whole("one"), whole("two"), whole(""), whole("last")], "{cut}");
        }
    }

    #[test]
    fn what_is_too_long_is_said_once_and_costs_no_memory() {
        let mut lines = LineBuffer::default();
        let mut got = Vec::new();
        for _ in 0..5 {
            lines.buffer.extend(vec![b'x'; MOST_BYTES / 2 + 1]);
            got.extend(all(&mut lines));
            assert!(lines.buffer.len() <= MOST_BYTES + 2);
        }
        lines.buffer.extend_from_slice(b"end\nnext\n");
        got.extend(all(&mut lines));
        assert_eq!(got, [InputLine::TooLong(frame::too_long(b"")), whole("next")]);
    }
}
