//! Standard input and output as a transport of the SDK's: one message on each line.
//!
//! Guarantees: standard output gets whole messages and nothing else; a last line without its end counts; a line that is too
//! long is answered and skipped, and costs no more memory than the longest that may be; when nobody writes or nobody reads any
//! more, everybody is told.
//!
//! Deliberately never: guesses what a broken line was to mean.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::{StdioReader, StdioWriter, Transport, stdio_pipes};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::frame::{self, MOST_BYTES};
use super::session::{self, Outgoing, Session};

/// Answers that wait to be written.
const WAITING: usize = 64;
/// How long somebody who has closed standard input may read nothing of what was said.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where answers go. Nothing is the end: what comes after it is not written.
pub(super) type Outbox = mpsc::Sender<Option<Value>>;

/// The transport.
pub(super) struct Wire {
    session: Arc<Session>,
    reader: StdioReader,
    lines: Lines,
    deliver: VecDeque<ClientJsonRpcMessage>,
    answers: VecDeque<Value>,
    out: Option<Outbox>,
    ended: bool,
}

/// What is on its way to standard output.
pub(super) struct Written {
    out: Outbox,
    writer: JoinHandle<()>,
    /// How many bytes somebody has taken.
    moved: Arc<AtomicUsize>,
}

impl Written {
    /// For what is said beside the SDK.
    pub(super) fn outbox(&self) -> Outbox {
        self.out.clone()
    }

    /// Waits until all that was said is written, for as long as somebody may still be about to read it.
    pub(super) async fn all(self) {
        let Self { out, mut writer, moved } = self;
        let mut known = moved.load(Ordering::Relaxed);
        let end = tokio::spawn(async move { out.send(None).await });
        while timeout(PATIENCE, &mut writer).await.is_err() {
            let now = moved.load(Ordering::Relaxed);
            if std::mem::replace(&mut known, now) == now {
                break;
            }
        }
        end.abort();
    }
}

impl Wire {
    /// Standard input and output of this process, and what tells that all was written. To be called within the runtime.
    pub(super) fn standard(session: Arc<Session>) -> (Self, Written) {
        let (reader, writer) = stdio_pipes();
        let (out, waiting) = mpsc::channel(WAITING);
        let moved = Arc::new(AtomicUsize::new(0));
        let writer = tokio::spawn(write_all((writer, Arc::clone(&moved)), waiting, Arc::clone(&session)));
        let written = Written { out: out.clone(), writer, moved };
        let wire = Self {
            session,
            reader,
            lines: Lines::default(),
            deliver: VecDeque::new(),
            answers: VecDeque::new(),
            out: Some(out),
            ended: false,
        };
        (wire, written)
    }

    fn take(&mut self, line: Line) {
        let framed = match line {
            Line::Whole(line) => frame::read(&line, &self.session),
            Line::TooLong(answer) => return self.answers.push_back(answer),
        };
        self.deliver.extend(framed.deliver);
        self.answers.extend(framed.answer);
    }

    /// Whatever is dropped in the middle of this is still there the next time.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            while !self.answers.is_empty() {
                let room = self.out.as_ref()?.reserve().await.ok()?;
                if let Some(answer) = self.answers.pop_front() {
                    room.send(Some(answer));
                }
            }
            if let Some(mut message) = self.deliver.pop_front() {
                session::mark(&mut message, &self.session);
                return Some(message);
            }
            if let Some(line) = self.lines.next() {
                self.take(line);
                continue;
            }
            if self.ended {
                return None;
            }
            let read = tokio::select! {
                read = self.reader.read_buf(&mut self.lines.buffer) => read,
                () = self.session.over() => Ok(0),
            };
            if !matches!(read, Ok(read) if read > 0) {
                self.ended = true;
                self.lines.end();
            }
        }
    }
}

impl Transport<RoleServer> for Wire {
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let out = self.out.clone();
        let ready = ready(&self.session, &item);
        async move {
            let Outgoing::Now(value) = ready? else { return Ok(()) };
            let out = out.ok_or(io::ErrorKind::BrokenPipe)?;
            out.send(Some(value)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let next = self.next().await;
        if next.is_none() {
            self.session.hang_up();
        }
        next
    }

    async fn close(&mut self) -> io::Result<()> {
        self.out = None;
        Ok(())
    }
}

/// What becomes of a message of the server's.
fn ready(session: &Session, item: &ServerJsonRpcMessage) -> io::Result<Outgoing> {
    let value = serde_json::to_value(item)?;
    Ok(match session.sent(item) {
        Some(id) => session.answered(id, value),
        None => Outgoing::Now(value),
    })
}

/// Writes what comes, as few times as possible, until nobody has anything to say or nobody reads.
async fn write_all(
    (mut writer, moved): (StdioWriter, Arc<AtomicUsize>),
    mut waiting: mpsc::Receiver<Option<Value>>,
    session: Arc<Session>,
) {
    let mut text = Vec::new();
    while let Some(first) = waiting.recv().await {
        text.clear();
        let mut next = Some(first);
        while let Some(Some(value)) = next {
            // A value in memory always has a text.
            if serde_json::to_writer(&mut text, &value).is_ok() {
                text.push(b'\n');
            }
            next = waiting.try_recv().ok();
        }
        let last = next.is_some();
        let written = async {
            let mut left = text.as_slice();
            while !left.is_empty() {
                let taken = writer.write(left).await?;
                moved.fetch_add(taken, Ordering::Relaxed);
                left = left.get(taken..).filter(|_| taken > 0).ok_or(io::ErrorKind::WriteZero)?;
            }
            writer.flush().await
        };
        if written.await.is_err() {
            return session.hang_up();
        }
        if last {
            return;
        }
    }
}

/// Bytes that become lines.
#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
    /// How much of it holds no end of a line.
    looked: usize,
    /// Whether what comes belongs to a line that was too long.
    skipping: bool,
    ended: bool,
}

#[derive(Debug, PartialEq)]
enum Line {
    Whole(Vec<u8>),
    /// What is to be answered to it.
    TooLong(Value),
}

impl Lines {
    /// There will be no more bytes.
    fn end(&mut self) {
        self.ended = true;
    }

    /// The next line that is whole.
    fn next(&mut self) -> Option<Line> {
        loop {
            let end = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n').map(|at| at + self.looked);
            let Some(end) = end else {
                self.looked = self.buffer.len();
                if self.looked > MOST_BYTES {
                    // What is skipped is not kept.
                    let skipped = std::mem::take(&mut self.buffer);
                    self.looked = 0;
                    if !std::mem::replace(&mut self.skipping, true) {
                        return Some(Line::TooLong(frame::too_long(&skipped)));
                    }
                }
                let rest = self.ended && !self.buffer.is_empty() && !self.skipping;
                self.looked = if self.ended { 0 } else { self.looked };
                return rest.then(|| Line::Whole(std::mem::take(&mut self.buffer)));
            };
            let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.looked = 0;
            line.pop();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            return Some(match line.len() > MOST_BYTES {
                true => Line::TooLong(frame::too_long(&line)),
                false => Line::Whole(line),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<Line> {
        std::iter::from_fn(|| lines.next()).collect()
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_come_out_as_they_went_in_however_they_are_cut() {
        for cut in 1..12 {
            let mut lines = Lines::default();
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
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for _ in 0..5 {
            lines.buffer.extend(vec![b'x'; MOST_BYTES / 2 + 1]);
            got.extend(all(&mut lines));
            assert!(lines.buffer.len() <= MOST_BYTES + 2);
        }
        lines.buffer.extend_from_slice(b"end\nnext\n");
        got.extend(all(&mut lines));
        assert_eq!(got, [Line::TooLong(frame::too_long(b"")), whole("next")]);
    }
}
