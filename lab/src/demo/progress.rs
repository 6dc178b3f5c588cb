//! What the demo is doing now, line by line, and whether it was asked to stop: every step begins with that question.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::INTERRUPTED;

/// How often a pause looks whether the demo is to stop.
const TICK: Duration = Duration::from_millis(50);
/// A second signal within this time is the first one, sent to a group and to its members.
const PATIENCE: Duration = Duration::from_millis(500);

/// Somebody pressed ctrl-C, or the terminal is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted; the lab is removed")
    }
}

impl std::error::Error for Interrupted {}

/// The lines, with the seconds since the beginning.
pub struct Progress<'a> {
    out: &'a mut dyn Write,
    begin: Instant,
    stop: Arc<AtomicBool>,
}

impl<'a> Progress<'a> {
    /// Writes to `out`. From now on SIGINT, SIGTERM and SIGHUP end the demo at its next step; the second one ends it at once.
    ///
    /// # Errors
    /// The signals cannot be caught.
    pub fn new(out: &'a mut dyn Write) -> Result<Self> {
        Ok(Self { out, begin: Instant::now(), stop: watch()? })
    }

    /// Says what begins now.
    ///
    /// # Errors
    /// [`Interrupted`], or nobody reads what is said.
    pub fn step(&mut self, what: impl fmt::Display) -> Result<()> {
        self.go_on()?;
        self.say(what)
    }

    /// Says what came out.
    ///
    /// # Errors
    /// Nobody reads what is said.
    pub fn say(&mut self, what: impl fmt::Display) -> Result<()> {
        writeln!(self.out, "{:5.1} s  {what}", self.begin.elapsed().as_secs_f64())?;
        Ok(self.out.flush()?)
    }

    /// Waits.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub(super) fn pause(&self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while let Some(rest) = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            self.go_on()?;
            thread::sleep(rest.min(TICK));
        }
        self.go_on()
    }

    /// Time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Whether the demo was asked to stop: what failed since then failed for that.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends what it is doing if it was asked to stop.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn go_on(&self) -> Result<()> {
        if self.is_interrupted() { Err(Interrupted.into()) } else { Ok(()) }
    }
}

/// A thread waits for signals, for the process's life: a handler could do nothing that is of use here.
fn watch() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    let (ready, readiness) = mpsc::channel();
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hangup = signal(SignalKind::hangup())?;
            let _ = ready.send(());
            let mut first = None;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                set.store(true, Ordering::Relaxed);
                match first {
                    None => first = Some(Instant::now()),
                    Some(first) if first.elapsed() >= PATIENCE => std::process::exit(INTERRUPTED.into()),
                    Some(_) => continue,
                }
                // Standard error may be what went away.
                let _ = writeln!(
                    io::stderr(),
                    "\nstopping after this step; once more: at once, and `relvs lab down --all` removes what is left"
                );
            }
        })
    };
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(wait).context("cannot start a thread")?;
    if readiness.recv().is_err() {
        let outcome: io::Result<()> = thread.join().unwrap_or(Ok(()));
        outcome.context("cannot catch signals")?;
    }
    Ok(stop)
}
