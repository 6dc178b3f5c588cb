//! `relvs run`: the loop around a director.

use crate::{
    Source,
    configuration::{self, Loaded},
    director::{Director, Outcomes},
    files,
    keepalived::Signals,
    pid_files::PidFiles,
    server::{Listeners, Question, WAITING},
    service_manager,
};
use relvs_config::Format;
use relvs_net::{Event, Events};
use rustix::event::{PollFd, PollFlags};
use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

/// What `relvs run` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the desired state comes from.
    pub source: Source,
    /// Where sockets, pins and memory are.
    pub run_dir: PathBuf,
    /// Files that hold the process id while it runs.
    pub pid_files: Vec<PathBuf>,
}

/// Why the daemon did not start, or ended: one line each.
#[derive(Debug)]
pub struct Error(pub Vec<String>);

impl Error {
    fn one(error: impl std::fmt::Display) -> Self {
        Error(vec![error.to_string()])
    }
}

/// How often flows are counted and forgotten.
const TICK: Duration = Duration::from_secs(1);
/// How often rates are estimated.
const ESTIMATE: Duration = Duration::from_secs(relvs_control::estimator::PERIOD_S);
/// How often servers that do not answer are looked at again.
const RETRY: Duration = Duration::from_millis(250);

/// How long answers that are being written may take when the daemon ends.
const CLIENTS: Duration = Duration::from_millis(200);
/// So many probes that have ended are judged in one go.
const OUTCOMES: usize = 4096;
/// How long changes of the network are gathered.
const GATHER: Duration = Duration::from_millis(20);

/// Runs a director until SIGTERM or SIGINT.
///
/// # Errors
///
/// The configuration is wrong, another daemon has the run directory, or the kernel refused.
pub fn run(options: &Options) -> Result<(), Error> {
    let Loaded { state, warnings, taken, found } = configuration::read(&options.source, None).map_err(Error)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let run_dir = &options.run_dir;
    let here = |e: io::Error| Error::one(format!("{}: {e}", run_dir.display()));
    let Some(_lock) = files::lock(run_dir).map_err(here)? else {
        return Err(Error::one(format!(
            "{}: another relvs runs with this run directory; end it, or give this one another by --run-dir",
            run_dir.display()
        )));
    };
    let _pid_files = PidFiles::write(&options.pid_files).map_err(Error::one)?;
    // Before the first question to the kernel, so that no change falls between the two.
    let events = Events::open().map_err(Error::one)?;
    service_manager::starting(state.services.iter().map(|service| service.servers.len()).sum());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(here)?;
    // What is read from clients and written to them is no matter of the loop's: a thread of its own does that.
    let mut beside = tokio::runtime::Builder::new_multi_thread();
    let beside = beside.worker_threads(1).thread_name("clients").enable_all().build().map_err(here)?;
    let (asker, questions) = mpsc::channel(WAITING);
    let listeners = Listeners::new(beside.handle().clone(), asker, relvs_api::socket(run_dir));
    let prepared = listeners.prepare(&state.listeners).map_err(Error)?;
    let (mut director, outcomes) =
        Director::start(run_dir, options.source.clone(), state, listeners).map_err(Error::one)?;
    director.listeners.commit(prepared);
    (director.taken, director.finds_interfaces) = (taken, found);
    let ended = runtime.block_on(serve(director, questions, outcomes, events, options));
    beside.shutdown_timeout(CLIENTS);
    ended
}

async fn serve(
    mut director: Director,
    mut questions: mpsc::Receiver<Question>,
    mut outcomes: Outcomes,
    events: Events,
    options: &Options,
) -> Result<(), Error> {
    let path = relvs_api::socket(&options.run_dir);
    let mut events = watch(events).map_err(Error::one)?;
    let on = |kind| signal(kind).map_err(Error::one);
    let (mut end, mut interrupt, mut hangup) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::hangup())?);
    let stands_in = options.source.format() == Some(Format::Keepalived);
    let mut signals = if stands_in { Signals::listen().map_err(Error::one)? } else { Signals::default() };
    // Who can connect may send signals too, and expect them to be understood.
    director.listeners.open_control().map_err(Error::one)?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut estimate = interval(ESTIMATE);
    estimate.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut retry = interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let period = service_manager::period();
    // Asked for by nobody, it is seldom.
    let mut alive = interval(period.unwrap_or(Duration::from_secs(3600)));
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut headline = director.headline();
    service_manager::ready(&headline);
    tracing::info!("ready: control socket {}", path.display());
    loop {
        // What fails here may work the next time; forwarding goes on meanwhile.
        let done = tokio::select! {
            _ = end.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                match director.reload() {
                    Ok(_) => tracing::info!("configuration read again"),
                    Err(errors) => {
                        for error in errors {
                            tracing::error!("{error}");
                        }
                        tracing::error!("the configuration was refused; everything goes on as before");
                    }
                }
                Ok(())
            }
            asked = signals.recv() => signals.answer(&director, asked),
            Some(changes) = events.recv() => match changes {
                Ok(changes) => director.notice(&changes),
                Err(error) => return Err(Error::one(format!("the network's changes cannot be followed: {error}"))),
            },
            // Here and nowhere else: a loop that hangs gives no sign of life.
            _ = alive.tick() => {
                service_manager::alive();
                Ok(())
            }
            _ = tick.tick() => {
                let now = director.headline();
                if now != headline {
                    service_manager::status(&now);
                    headline = now;
                }
                director.tick()
            }
            () = std::future::ready(()), if director.is_behind() => director.catch_up(),
            () = due(director.next_check()) => director.check(),
            Some(first) = outcomes.recv() => {
                // What ends together is judged together: one change of the tables.
                let rest = std::iter::from_fn(|| outcomes.try_recv().ok()).take(OUTCOMES);
                let ended = std::iter::once(first).chain(rest).collect();
                director.ended(ended)
            }
            _ = estimate.tick() => director.estimate(),
            _ = retry.tick() => director.retry(),
            Some(question) = questions.recv() => {
                question(&mut director);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::error!("{error}");
        }
    }
    service_manager::stopping();
    tracing::info!("ending");
    let _ = std::fs::remove_file(&path);
    director.end().map_err(Error::one)
}

/// At this moment; never, if it is none.
async fn due(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Changes of the network, as they come. A thread waits for them: the socket belongs to no runtime.
fn watch(mut events: Events) -> io::Result<mpsc::Receiver<Result<Vec<Event>, String>>> {
    let (sender, receiver) = mpsc::channel(1);
    let wait = move || loop {
        let ready = rustix::event::poll(&mut [PollFd::new(&events, PollFlags::IN)], None);
        // What belongs together comes together.
        std::thread::sleep(GATHER);
        let found = match ready {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => Err(error.to_string()),
            Ok(_) => events.drain().map_err(|e| e.to_string()),
        };
        let failed = found.is_err();
        if sender.blocking_send(found).is_err() || failed {
            return;
        }
    };
    std::thread::Builder::new().name("netlink".to_owned()).spawn(wait)?;
    Ok(receiver)
}
