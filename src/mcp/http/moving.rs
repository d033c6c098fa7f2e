//! A connection that ends when whoever is at its other end takes nothing any more.
//!
//! Guarantees: what has been said and is not taken for [`PATIENCE`] is an error of the connection. Deliberately never: limits how long
//! somebody may have nothing to say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take nothing of what waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream with that patience.
pub(super) struct Moving<T> {
    stream: T,
    /// Runs out unless something moves before.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> Moving<T> {
    pub(super) fn new(stream: T) -> Self {
        Self { stream, stalled: None }
    }

    fn watch<R>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if moved.is_ready() {
            self.stalled = None;
            return moved;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Moving<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Moving<T> {
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
            let mut near = Moving::new(near);
            near.write_all(b"12345678").await?;
            // Time is not waited for here: what has run out by the time of the next look has run out.
            near.stalled = Some(Box::pin(sleep(Duration::ZERO)));
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
