//! Virtual routers on this machine: the sockets, the timers and the addresses around the machine of `proto::vrrp`.
//!
//! All of it runs in one thread of its own, with real-time priority where that is allowed, so that no other work of the
//! daemon makes it late: a master that speaks late loses its place. The thread never takes a decision that the machine could
//! take, and never runs a script: two more threads look after what is tracked, and tell scripts and the FIFO.

mod addresses;
mod claim;
mod line;
mod links;
mod promote;
mod refuse;
mod routes;
mod socket;
mod tell;
mod thread;
mod track;
mod virtual_mac;

use crate::health::notify::counts::Counts;
use line::Line;
use relvs_model::vrrp::{Settings, Status, TrackSource};
use relvs_proto::vrrp::{Command, Notification, Outcome, Refused};
use rustix::event::{EventfdFlags, eventfd};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};
use tell::Teller;
use thread::{Request, Thread};
use track::Trackers;
use virtual_mac::Answers;
pub(crate) use virtual_mac::remove as remove_virtual_mac;

/// Why virtual routers could not begin, or the thread was lost.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings have fatal problems, the first of them; or another process has one of the virtual routers.
    #[error("{0}")]
    Settings(String),
    /// The kernel's network configuration could not be read or changed.
    #[error(transparent)]
    Network(#[from] relvs_net::Error),
    /// A socket could not be opened or used.
    #[error("cannot {action}: {source}")]
    Socket {
        /// What was tried.
        action: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The thread has ended.
    #[error("the thread of the virtual routers has ended; the log says why")]
    Ended,
}

impl Error {
    fn socket(action: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Error::Socket { action: action.into(), source: source.into() }
    }
}

/// Running virtual routers. Dropped without [`Self::stop`] they end at once, and say so by priority 0.
#[derive(Debug)]
pub struct Vrrp {
    running: Running,
    hearer: Hearer,
    restarts: u64,
}

type Hear = dyn FnMut(&Notification) + Send;

/// Who else wants to know.
#[derive(Clone)]
struct Hearer {
    told: Arc<Mutex<Hear>>,
    answers: Answers,
    counts: Counts,
}

impl Hearer {
    fn hear(&self, notification: &Notification) {
        // Whoever panicked has not heard this one; it may hear the next.
        let mut hear = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        hear(notification);
    }
}

impl fmt::Debug for Hearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hearer")
    }
}

/// The threads.
#[derive(Debug)]
struct Running {
    line: Line,
    trackers: Option<Trackers>,
    teller: Option<Teller>,
    thread: Option<JoinHandle<()>>,
}

impl Vrrp {
    /// Begins in the network namespace of the calling thread: looks after what the settings track, and tells scripts and the
    /// FIFO that they name. Addresses that an earlier process has left behind are removed first. `told` is called in the
    /// thread, in order, and must not wait: it is for who else wants to know, and for mail ([`Notification::to_event`]).
    pub fn start(settings: &Settings, told: impl FnMut(&Notification) + Send + 'static) -> Result<Vrrp, Error> {
        Self::start_with(settings, told, |_, _, _, _| {})
    }

    /// The same. `answers` is called in the thread, and must not wait, before this machine becomes master of a virtual router
    /// with a MAC address of its own, and after: with an interface's index, whether it is IPv6, the virtual router's number, and
    /// whether frames to it are this machine's.
    pub fn start_with(
        settings: &Settings,
        told: impl FnMut(&Notification) + Send + 'static,
        answers: impl Fn(u32, bool, u8, bool) + Send + Sync + 'static,
    ) -> Result<Vrrp, Error> {
        Self::start_counted(settings, told, answers, Counts::default())
    }

    /// The same; whom scripts and the FIFO have told is counted there.
    pub(crate) fn start_counted(
        settings: &Settings,
        told: impl FnMut(&Notification) + Send + 'static,
        answers: impl Fn(u32, bool, u8, bool) + Send + Sync + 'static,
        counts: Counts,
    ) -> Result<Vrrp, Error> {
        check(settings)?;
        let hearer = Hearer { told: Arc::new(Mutex::new(told)), answers: Arc::new(answers), counts };
        Ok(Vrrp { running: Running::begin(settings, &hearer)?, hearer, restarts: 0 })
    }

    /// To be called now and then. Where one of the threads has ended by a fault of relvs all begin anew, with these settings,
    /// and it is true: what this director's health is must be told again. An error is why they could not; the next call tries
    /// again.
    pub fn tend(&mut self, settings: &Settings) -> Result<bool, Error> {
        if !self.running.has_ended() {
            return Ok(false);
        }
        tracing::error!("virtual routers have ended by a fault of relvs: they begin anew");
        self.running.end(false);
        self.running = Running::begin(settings, &self.hearer)?;
        self.restarts += 1;
        Ok(true)
    }

    /// What can be seen of them.
    pub fn status(&self) -> Result<Status, Error> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.running.line.ask(Request::Status(answer))?;
        let status = answered.recv().map_err(|_| Error::Ended)?;
        Ok(Status { restarts: self.restarts, ..status })
    }

    /// An operator wants something of an instance or a group.
    pub fn command(&self, name: &str, command: Command) -> Result<Result<(), Refused>, Error> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.running.line.ask(Request::Command { name: name.to_owned(), command, answer })?;
        answered.recv().map_err(|_| Error::Ended)
    }

    /// What something that is tracked has come to: this director's own health. Interfaces, scripts, files, processes and pings
    /// are looked after here.
    pub fn tracked(&self, source: TrackSource, outcome: Outcome) -> Result<(), Error> {
        self.running.line.ask(Request::Tracked { source, outcome })
    }

    /// Other settings: what has not changed goes on, and what cannot be leaves everything as it was.
    pub fn apply(&self, settings: &Settings) -> Result<(), Error> {
        check(settings)?;
        let (answer, answered) = mpsc::sync_channel(1);
        self.running.line.ask(Request::Apply { settings: settings.clone(), answer })?;
        answered.recv().map_err(|_| Error::Ended)??;
        if let Some(trackers) = &self.running.trackers {
            trackers.configure(settings);
        }
        Ok(())
    }

    /// The end: masters say that they leave. Those that hand over keep their addresses until another is heard, for little
    /// more than an interval. Waits for that, and up to 5 s for scripts.
    pub fn stop(mut self, hand_over: bool) {
        self.running.end(hand_over);
    }
}

impl Running {
    fn begin(settings: &Settings, hearer: &Hearer) -> Result<Running, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = Arc::new(wake.map_err(|e| Error::socket("open an eventfd", e))?);
        let (requests, received) = mpsc::channel();
        // Opened here, so that what is not allowed is told to the caller.
        let teller = Teller::start(settings, hearer.counts.clone())?;
        let (told, answers) = (hearer.clone(), hearer.answers.clone());
        let told = Box::new(move |notification: &Notification| told.hear(notification));
        let mut inside = Thread::open(settings, wake.clone(), received, told, teller.voice(), answers)?;
        let teller = Some(teller);
        let line = Line { requests, wake };
        let trackers = Some(Trackers::start(settings, line.clone())?);
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| inside.run())).is_err() {
                inside.give_up();
            }
        };
        let thread = std::thread::Builder::new().name("vrrp".into()).spawn(run);
        let thread = Some(thread.map_err(|e| Error::socket("start a thread", e))?);
        Ok(Running { line, trackers, teller, thread })
    }

    /// Whether a thread is gone though nobody has told it to end.
    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
            || self.trackers.as_ref().is_none_or(Trackers::has_ended)
            || self.teller.as_ref().is_none_or(Teller::has_ended)
    }

    /// Ends what has not ended yet, and waits for that. Told once: another word would cut a hand-over short.
    fn end(&mut self, hand_over: bool) {
        let _ = self.line.ask(Request::Stop { hand_over });
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the virtual routers has panicked");
        }
        // The last is told when nothing changes any more.
        (self.trackers, self.teller) = (None, None);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(false);
    }
}

fn check(settings: &Settings) -> Result<(), Error> {
    let fatal = settings.problems().into_iter().find(|problem| problem.fatal);
    fatal.map_or(Ok(()), |problem| Err(Error::Settings(problem.to_string())))
}
