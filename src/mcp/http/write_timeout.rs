//! Closes a connection whose peer stops reading.
//!
//! Guarantees: data that the peer does not read for [`STALL_LIMIT`] is an error of the connection. Deliberately never: limits
//! how long a peer may be silent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may read nothing of the data that waits for it.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// A stream with that limit.
pub(super) struct WriteTimeout<T> {
    stream: T,
    limit: Duration,
    /// Elapses unless data moves before.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> WriteTimeout<T> {
    pub(super) fn new(stream: T) -> Self {
        Self { stream, limit: STALL_LIMIT, stalled: None }
    }

    fn watch<R>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if moved.is_ready() {
            // Any progress starts the time anew, so a slow reader is not cut off.
            self.stalled = None;
            return moved;
        }
        // Made only when a write has to wait, because most never do.
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WriteTimeout<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Not limited: a client with an open stream of events may send nothing for hours.
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, moved)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, moved)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, moved)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn what_moves_goes_on_and_what_does_not_ends() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            let (near, mut far) = tokio::io::duplex(8);
            // The test waits for no time: a limit of zero elapses at once.
            let mut near = WriteTimeout { stream: near, limit: Duration::ZERO, stalled: None };
            near.write_all(b"12345678").await?;
            let stalled = near.write_all(b"9").await.map_err(|error| error.kind());
            assert_eq!(stalled, Err(io::ErrorKind::TimedOut));
            let mut taken = [0; 8];
            far.read_exact(&mut taken).await?;
            near.write_all(b"9").await?;
            assert!(near.stalled.is_none());
            Ok(())
        })
    }
}
