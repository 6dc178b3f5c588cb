//! One long download or upload whose every byte is checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use http_body_util::{BodyExt, Limited};
use hyper::Method;
use tokio::time::Instant;

use super::connection::{Connection, text, within};
use super::content::Content;
use super::pattern::Pattern;
use super::serve::runtime;
use crate::node::Node;

/// Longest answer to an upload, in bytes.
const ANSWER_MAX: usize = 4096;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Download,
    /// Spread over so many seconds by the server.
    SlowDownload(u64),
    Upload,
}

/// A transfer to make, over one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    target: SocketAddr,
    way: Way,
    bytes: u64,
    seed: u64,
    limit: Duration,
}

/// A transfer that was made, contents identical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// Who was at the other end.
    pub server: String,
    /// Length of the content.
    pub bytes: u64,
    /// From the connection's begin to the last byte.
    pub took: Duration,
}

/// A transfer that is under way; dropping it waits for its end.
#[derive(Debug)]
pub struct RunningTransfer {
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<Transferred>>>,
}

impl Transfer {
    /// `bytes` from the server, within two minutes.
    #[must_use]
    pub fn download(target: SocketAddr, bytes: u64) -> Self {
        Self { target, way: Way::Download, bytes, seed: 0, limit: Duration::from_secs(120) }
    }

    /// `bytes` from the server, spread over so many seconds (only the built-in server can).
    #[must_use]
    pub fn slow_download(target: SocketAddr, bytes: u64, seconds: u64) -> Self {
        let limit = Duration::from_secs(seconds + 60);
        Self { way: Way::SlowDownload(seconds), limit, ..Self::download(target, bytes) }
    }

    /// `bytes` to the server, within two minutes (only the built-in server can).
    #[must_use]
    pub fn upload(target: SocketAddr, bytes: u64) -> Self {
        Self { way: Way::Upload, ..Self::download(target, bytes) }
    }

    /// Another content than that of seed 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Another time limit.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Makes it from that node and waits.
    ///
    /// # Errors
    /// It did not complete within its limit, or a byte was wrong; the text says which.
    pub fn run(self, node: &Node) -> Result<Transferred> {
        self.start(node)?.join()
    }

    /// Begins it from that node.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(self, node: &Node) -> Result<RunningTransfer> {
        let done = Arc::new(AtomicU64::new(0));
        let progress = Arc::clone(&done);
        let thread = node.thread("transfer", move || {
            let outcome = runtime()?.block_on(self.make(&progress));
            outcome.map_err(|reason| {
                let done = progress.load(Ordering::Relaxed);
                anyhow!("{:?} of {} bytes with {}: {reason} (after {done} bytes)", self.way, self.bytes, self.target)
            })
        })?;
        Ok(RunningTransfer { done, thread: Some(thread) })
    }

    async fn make(&self, done: &AtomicU64) -> Result<Transferred, String> {
        let begin = Instant::now();
        let deadline = begin + self.limit;
        let mut connection = Connection::open(self.target, None, deadline).await?;
        let server = match self.way {
            Way::Upload => self.send(&mut connection, deadline, done).await,
            Way::Download | Way::SlowDownload(_) => self.receive(&mut connection, deadline, done).await,
        }?;
        connection.close().await;
        Ok(Transferred { server, bytes: self.bytes, took: begin.elapsed() })
    }

    async fn receive(
        &self,
        connection: &mut Connection,
        deadline: Instant,
        done: &AtomicU64,
    ) -> Result<String, String> {
        let Self { bytes, seed, .. } = *self;
        let path = match self.way {
            Way::SlowDownload(seconds) => format!("/slow/{seconds}/{bytes}?seed={seed}"),
            Way::Download | Way::Upload => format!("/bytes/{bytes}?seed={seed}"),
        };
        let (response, server) = connection.ask(Method::GET, &path, Content::EMPTY, deadline).await?;
        let (mut body, pattern, mut at) = (response.into_body(), Pattern::new(seed), 0);
        loop {
            let next = async { body.frame().await.transpose().map_err(|error| text(&error)) };
            let Some(frame) = within("content", deadline, next).await? else { break };
            let Ok(data) = frame.into_data() else { continue };
            if let Some(wrong) = pattern.first_difference(at, &data) {
                return Err(format!("content: byte {wrong} is wrong"));
            }
            at += data.len() as u64;
            done.store(at, Ordering::Relaxed);
        }
        if at == bytes { Ok(server) } else { Err(format!("content: ended after {at} bytes")) }
    }

    async fn send(&self, connection: &mut Connection, deadline: Instant, done: &AtomicU64) -> Result<String, String> {
        let content = Content::pattern(self.seed, self.bytes, None);
        let (response, server) = connection.ask(Method::PUT, "/sink", content, deadline).await?;
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect();
        let body =
            within("answer", deadline, async { body.await.map_err(|error| error.to_string()) }).await?.to_bytes();
        let expected = format!("{} {}", self.bytes, Pattern::new(self.seed).sha256(self.bytes));
        let answer = String::from_utf8_lossy(body.trim_ascii());
        if answer != expected {
            return Err(format!("content: the server got {answer}, sent was {expected}"));
        }
        done.store(self.bytes, Ordering::Relaxed);
        Ok(server)
    }
}

impl RunningTransfer {
    /// Bytes received and found right so far; of an upload nothing is known before its end.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so many bytes are done.
    ///
    /// # Errors
    /// The transfer ended before, or `limit` passed.
    pub fn wait_for(&self, bytes: u64, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.done() < bytes {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                bail!("the transfer ended after {} bytes", self.done());
            }
            if Instant::now() >= deadline {
                bail!("{} of {bytes} bytes within {limit:?}", self.done());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// As [`Transfer::run`].
    pub fn join(mut self) -> Result<Transferred> {
        let thread = self.thread.take().context("the transfer has ended")?;
        thread.join().map_err(|_| anyhow!("the transfer's thread panicked"))?
    }
}

impl Drop for RunningTransfer {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
