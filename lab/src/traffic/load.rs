//! Many small HTTP requests from a node: counted, paced, over a fresh connection each or over kept ones.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http_body_util::{BodyExt, Limited};
use hyper::Method;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, within};
use super::content::Content;
use super::report::Report;
use super::serve::runtime;
use crate::node::Node;

/// However it was asked for, a load ends after this.
const DURATION_MAX: Duration = Duration::from_secs(900);
/// Longest answer of a small request, in bytes.
const ANSWER_MAX: usize = 1 << 20;

/// When a load is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// After so many requests.
    Requests(u64),
    /// After that time.
    Time(Duration),
}

/// Requests to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Address and port asked.
    pub target: SocketAddr,
    /// Path asked for.
    pub path: String,
    /// When it is over.
    pub amount: Amount,
    /// Requests a second in all; as fast as the workers get answers when `None`.
    pub rate: Option<u32>,
    /// Requests under way at once.
    pub workers: u16,
    /// One connection for each worker instead of one for each request.
    pub keep_alive: bool,
    /// Longest time for one request, the connection included.
    pub timeout: Duration,
    /// The source address, when it is not to be the kernel's choice.
    pub source: Option<IpAddr>,
}

/// A load that is under way.
#[derive(Debug)]
pub struct RunningLoad {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<Result<Report>>>,
}

#[derive(Debug, Default)]
struct Progress {
    stop: watch::Sender<bool>,
    next: AtomicU64,
    report: Mutex<Report>,
}

impl Load {
    /// One request after the other for `/`, a connection each, 5 s for each, until stopped.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        let timeout = Duration::from_secs(5);
        let amount = Amount::Time(DURATION_MAX);
        Self { target, path: "/".to_owned(), amount, rate: None, workers: 1, keep_alive: false, timeout, source: None }
    }

    /// So many requests.
    #[must_use]
    pub fn requests(self, count: u64) -> Self {
        Self { amount: Amount::Requests(count), ..self }
    }

    /// For that long.
    #[must_use]
    pub fn time(self, time: Duration) -> Self {
        Self { amount: Amount::Time(time), ..self }
    }

    /// So many a second, and so many under way at once.
    #[must_use]
    pub fn rate(self, rate: u32, workers: u16) -> Self {
        Self { rate: Some(rate), workers, ..self }
    }

    /// So many under way at once.
    #[must_use]
    pub fn workers(self, workers: u16) -> Self {
        Self { workers, ..self }
    }

    /// One connection for each worker.
    #[must_use]
    pub fn keep_alive(self) -> Self {
        Self { keep_alive: true, ..self }
    }

    /// Another path.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Makes the requests from that node and waits for the end.
    ///
    /// # Errors
    /// The node is gone. A failed request is in the report, not here.
    pub fn run(self, node: &Node) -> Result<Report> {
        self.start(node)?.wait()
    }

    /// Begins to make the requests from that node.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(self, node: &Node) -> Result<RunningLoad> {
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        let thread = node.thread("load", move || {
            runtime()?.block_on(self.drive(&shared));
            Ok(std::mem::take(&mut *shared.report.lock().unwrap_or_else(PoisonError::into_inner)))
        })?;
        Ok(RunningLoad { progress, thread: Some(thread) })
    }

    async fn drive(self, progress: &Arc<Progress>) {
        let (load, begin) = (Arc::new(self), Instant::now());
        let mut workers = JoinSet::new();
        for _ in 0..load.workers.max(1) {
            workers.spawn(Arc::clone(&load).work(Arc::clone(progress), begin));
        }
        workers.join_all().await;
    }

    /// Takes one ticket after the other. Ticket n is due n / rate after the beginning, whoever takes it.
    async fn work(self: Arc<Self>, progress: Arc<Progress>, begin: Instant) {
        let (count, time) = match self.amount {
            Amount::Requests(count) => (count, DURATION_MAX),
            Amount::Time(time) => (u64::MAX, time.min(DURATION_MAX)),
        };
        let mut stop = progress.stop.subscribe();
        let mut kept = None;
        loop {
            let ticket = progress.next.fetch_add(1, Ordering::Relaxed);
            let due = self
                .rate
                .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(ticket as f64 / f64::from(rate.max(1))));
            if ticket >= count || due.max(begin.elapsed()) >= time {
                break;
            }
            // A ticket may be due in seconds: then whoever has it is told at once that it is not wanted any more.
            if timeout_at(begin + due, stop.wait_for(|stop| *stop)).await.is_ok() || *stop.borrow() {
                break;
            }
            let sent = Instant::now();
            let outcome = self.request(&mut kept, sent + self.timeout).await;
            progress.report.lock().unwrap_or_else(PoisonError::into_inner).count(outcome, sent.elapsed());
        }
        if let Some(connection) = kept {
            Connection::close(connection).await;
        }
    }

    /// One request; on success a kept connection is put back.
    async fn request(&self, kept: &mut Option<Connection>, deadline: Instant) -> Result<String, String> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(self.target, self.source, deadline).await?,
        };
        let (response, server) = connection.ask(Method::GET, &self.path, Content::EMPTY, deadline).await?;
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect();
        let body =
            within("answer", deadline, async { body.await.map_err(|error| error.to_string()) }).await?.to_bytes();
        if self.path == "/" && body.trim_ascii() != server.as_bytes() {
            return Err(format!("answer: header says {server}, body does not"));
        }
        if self.keep_alive {
            *kept = Some(connection);
        } else {
            connection.close().await;
        }
        Ok(server)
    }
}

impl RunningLoad {
    /// What has been counted so far; nothing any more once [`RunningLoad::is_finished`].
    #[must_use]
    pub fn so_far(&self) -> Report {
        self.progress.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the amount is done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets the requests under way end, makes no more, and gives the report.
    ///
    /// # Errors
    /// The load's thread failed.
    pub fn stop(self) -> Result<Report> {
        self.progress.stop.send_replace(true);
        self.wait()
    }

    /// Waits until the amount is done.
    ///
    /// # Errors
    /// The load's thread failed.
    pub fn wait(mut self) -> Result<Report> {
        let thread = self.thread.take().context("the load has ended")?;
        thread.join().map_err(|_| anyhow!("the load's thread panicked"))?
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.progress.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
