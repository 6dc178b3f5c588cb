//! Many probes at once, on a thread of their own: what the director does meanwhile delays none, and none delays it.
//!
//! Places are bounded. Probes of servers that failed or were slow the last time may take half of them at most, so however
//! many servers hang, the others are asked at once.

use super::Probes;
use relvs_model::health::{Outcome, Question};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{
        Semaphore,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    task::AbortHandle,
};

/// The most probes at a time.
const PLACES_MAX: usize = 8192;
/// Files that the rest of the daemon may have open.
const FILES_OF_OTHERS: u64 = 512;
/// A probe may have so many files open: a socket, or a program's pipes.
const FILES_OF_ONE: u64 = 2;
/// A probe that took longer was slow.
const SLOW: Duration = Duration::from_millis(500);
/// A probe that begins so much later than it was planned is late.
const LATE: Duration = Duration::from_millis(200);
/// Threads for what can only be waited for: reading files, looking up users.
const BLOCKING_MAX: usize = 16;

/// What a prober is told.
enum Order<I> {
    Ask(I, Arc<Question>, Instant),
    Cancel(I),
}

/// Asks servers. It ends, with all its probes, when it is dropped.
pub struct Prober<I> {
    orders: UnboundedSender<Order<I>>,
    pace: Arc<Pace>,
}

impl<I> fmt::Debug for Prober<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").finish_non_exhaustive()
    }
}

impl<I: Clone + Eq + Hash + Send + 'static> Prober<I> {
    /// Starts the thread, in the network namespace of the calling one. Outcomes come in the order in which probes end.
    ///
    /// # Errors
    ///
    /// The system has no thread or no epoll left.
    pub fn start() -> io::Result<(Self, UnboundedReceiver<(I, Outcome)>)> {
        let places = places();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_MAX).build()?;
        let (orders, taken) = mpsc::unbounded_channel();
        let (outcomes, told) = mpsc::unbounded_channel();
        let (ended, noticed) = mpsc::unbounded_channel();
        let pace = Arc::new(Pace::default());
        let desk = Desk {
            pace: pace.clone(),
            shared: Arc::new(Probes::new()),
            places: Arc::new(Semaphore::new(places)),
            places_for_slow: Arc::new(Semaphore::new(places / 2)),
            current: HashMap::new(),
            slow: HashSet::new(),
            numbers: 0,
            ended,
            outcomes,
        };
        let run = move || {
            runtime.block_on(desk.serve(taken, noticed));
            // A file system that hangs must not keep the daemon.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("probes".to_owned()).spawn(run)?;
        Ok((Prober { orders, pace }, told))
    }

    /// Has a server asked now. An earlier probe with this id that has not ended is given up.
    pub fn ask(&self, id: I, question: Arc<Question>) {
        self.ask_as_planned(id, question, Instant::now());
    }

    /// The same for a probe that was planned for this moment.
    pub fn ask_as_planned(&self, id: I, question: Arc<Question>, planned: Instant) {
        // It fails only when the thread has ended, and then there is nobody to tell.
        let _ = self.orders.send(Order::Ask(id, question, planned));
    }

    /// What is under way, and whether it began in time.
    pub fn figures(&self) -> Figures {
        self.pace.figures()
    }

    /// Gives up a probe. Its outcome may be on its way already.
    pub fn cancel(&self, id: I) {
        let _ = self.orders.send(Order::Cancel(id));
    }
}

/// As many probes as there may be files, with some left to others.
fn places() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        // If it is refused there are fewer places.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let places = files.saturating_sub(FILES_OF_OTHERS) / FILES_OF_ONE;
    usize::try_from(places).unwrap_or(PLACES_MAX).clamp(16, PLACES_MAX)
}

/// Probes that are under way, and whether they began in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// So many run.
    pub running: u64,
    /// So many wait for a place.
    pub waiting: u64,
    /// So many have begun.
    pub begun: u64,
    /// So many of them began more than 200 ms later than planned.
    pub late: u64,
    /// By how much all of them together began later than planned.
    pub lateness: Duration,
}

/// The same, as it is counted.
#[derive(Debug, Default)]
struct Pace {
    running: AtomicU64,
    waiting: AtomicU64,
    begun: AtomicU64,
    late: AtomicU64,
    lateness_us: AtomicU64,
}

impl Pace {
    fn begin(&self, lateness: Duration) {
        self.begun.fetch_add(1, Relaxed);
        self.late.fetch_add(u64::from(lateness > LATE), Relaxed);
        self.lateness_us.fetch_add(u64::try_from(lateness.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    fn figures(&self) -> Figures {
        Figures {
            running: self.running.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            begun: self.begun.load(Relaxed),
            late: self.late.load(Relaxed),
            lateness: Duration::from_micros(self.lateness_us.load(Relaxed)),
        }
    }
}

/// Counted as long as it is there: a probe may be given up at any moment.
struct Place(Arc<Pace>, fn(&Pace) -> &AtomicU64);

impl Place {
    fn take(pace: &Arc<Pace>, of: fn(&Pace) -> &AtomicU64) -> Self {
        of(pace).fetch_add(1, Relaxed);
        Place(pace.clone(), of)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Relaxed);
    }
}

/// How a probe ended.
struct Ended<I> {
    id: I,
    number: u64,
    outcome: Outcome,
    took: Duration,
}

/// Starts probes and tells how they ended.
struct Desk<I> {
    shared: Arc<Probes>,
    pace: Arc<Pace>,
    /// Every probe holds one of these while it runs ...
    places: Arc<Semaphore>,
    /// ... and before that one of these, if its server failed or was slow the last time.
    places_for_slow: Arc<Semaphore>,
    /// The number of each id's probe, and how to end it.
    current: HashMap<I, (u64, AbortHandle)>,
    /// Whose last probe failed or was slow.
    slow: HashSet<I>,
    numbers: u64,
    ended: UnboundedSender<Ended<I>>,
    outcomes: UnboundedSender<(I, Outcome)>,
}

impl<I: Clone + Eq + Hash + Send + 'static> Desk<I> {
    async fn serve(mut self, mut orders: UnboundedReceiver<Order<I>>, mut ended: UnboundedReceiver<Ended<I>>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Ask(id, question, planned)) => self.start(id, question, planned),
                    Some(Order::Cancel(id)) => {
                        self.slow.remove(&id);
                        self.give_up(&id);
                    }
                    // The prober was dropped.
                    None => return,
                },
                Some(probe) = ended.recv() => self.end(probe),
            }
        }
    }

    fn start(&mut self, id: I, question: Arc<Question>, planned: Instant) {
        self.give_up(&id);
        self.numbers += 1;
        let number = self.numbers;
        let (shared, places, ended) = (self.shared.clone(), self.places.clone(), self.ended.clone());
        let pace = self.pace.clone();
        let waiting = Place::take(&self.pace, |pace| &pace.waiting);
        let places_for_slow = self.slow.contains(&id).then(|| self.places_for_slow.clone());
        let its = id.clone();
        let probe = async move {
            // Whoever waits longest is next. The permits go when the task ends, however it ends.
            let _slow = match &places_for_slow {
                Some(places) => Some(places.acquire().await),
                None => None,
            };
            let _place = places.acquire().await;
            drop(waiting);
            let _running = Place::take(&pace, |pace| &pace.running);
            let begun = Instant::now();
            pace.begin(begun.saturating_duration_since(planned));
            let outcome = shared.probe(&question).await;
            let _ = ended.send(Ended { id, number, outcome, took: begun.elapsed() });
        };
        self.current.insert(its, (number, tokio::spawn(probe).abort_handle()));
    }

    fn give_up(&mut self, id: &I) {
        if let Some((_, probe)) = self.current.remove(id) {
            probe.abort();
        }
    }

    fn end(&mut self, probe: Ended<I>) {
        let Ended { id, number, outcome, took } = probe;
        // One that was given up when it had ended already.
        if self.current.get(&id).is_none_or(|(current, _)| *current != number) {
            return;
        }
        self.current.remove(&id);
        if took > SLOW || matches!(outcome, Outcome::Down { .. }) {
            self.slow.insert(id.clone());
        } else {
            self.slow.remove(&id);
        }
        // Nobody listens any more: the daemon ends.
        let _ = self.outcomes.send((id, outcome));
    }
}
