//! A stream that gives up when the other side takes nothing for too long: an answer that is not read must not be kept.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// The stream, and since when nothing was taken.
pub(super) struct Patient<S> {
    stream: S,
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Gives up after so long.
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Patient { stream, limit, waiting: None }
    }

    /// What a write gave; or that it is waited for too long.
    fn wait<T>(&mut self, cx: &mut Context<'_>, gave: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if gave.is_ready() {
            self.waiting = None;
            return gave;
        }
        let limit = self.limit;
        ready!(self.waiting.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gave = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wait(cx, gave)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gave = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.wait(cx, gave)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gave = Pin::new(&mut self.stream).poll_flush(cx);
        self.wait(cx, gave)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gave = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.wait(cx, gave)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn who_takes_nothing_is_given_up() {
        let limit = Duration::from_millis(50);
        let (ours, mut theirs) = duplex(8);
        let mut ours = Patient::new(ours, limit);
        let error = ours.write_all(&[1; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // Who takes a little now and then is not, however long it all takes.
        let (ours, mut slow) = duplex(8);
        let mut ours = Patient::new(ours, limit);
        let taking = tokio::spawn(async move {
            let mut all = Vec::new();
            while all.len() < 64 {
                sleep(limit / 5).await;
                let mut part = [0; 8];
                let taken = slow.read(&mut part).await.unwrap();
                all.extend_from_slice(&part[..taken]);
            }
            all.len()
        });
        ours.write_all(&[2; 64]).await.unwrap();
        assert_eq!(taking.await.unwrap(), 64);
        let mut first = [0; 8];
        theirs.read_exact(&mut first).await.unwrap();
        assert_eq!(first, [1; 8]);
    }
}
