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
    sync::Arc,
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
/// Threads for what can only be waited for: reading files, looking up users.
const BLOCKING_MAX: usize = 16;

/// What a prober is told.
enum Order<I> {
    Ask(I, Arc<Question>),
    Cancel(I),
}

/// Asks servers. It ends, with all its probes, when it is dropped.
pub struct Prober<I> {
    orders: UnboundedSender<Order<I>>,
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
        let desk = Desk {
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
        Ok((Prober { orders }, told))
    }

    /// Has a server asked now. An earlier probe with this id that has not ended is given up.
    pub fn ask(&self, id: I, question: Arc<Question>) {
        // It fails only when the thread has ended, and then there is nobody to tell.
        let _ = self.orders.send(Order::Ask(id, question));
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
                    Some(Order::Ask(id, question)) => self.start(id, question),
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

    fn start(&mut self, id: I, question: Arc<Question>) {
        self.give_up(&id);
        self.numbers += 1;
        let number = self.numbers;
        let (shared, places, ended) = (self.shared.clone(), self.places.clone(), self.ended.clone());
        let places_for_slow = self.slow.contains(&id).then(|| self.places_for_slow.clone());
        let its = id.clone();
        let probe = async move {
            // Whoever waits longest is next. The permits go when the task ends, however it ends.
            let _slow = match &places_for_slow {
                Some(places) => Some(places.acquire().await),
                None => None,
            };
            let _place = places.acquire().await;
            let begun = Instant::now();
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
