//! One who is told of everything, by a task of its own, from a bounded queue.

use super::{
    Telling,
    counts::{Counts, Fate, Way},
};
use std::sync::Arc;
use tokio::{
    sync::mpsc::{self, Receiver, Sender, error::TrySendError},
    task::JoinHandle,
};

/// So many events wait for one; more are lost to it.
const WAITING_MAX: usize = 1024;

/// Its queue and its task.
pub(super) struct Outlet {
    name: String,
    queue: Option<Sender<Arc<Telling>>>,
    task: JoinHandle<()>,
    lost: u64,
    way: Way,
    counts: Counts,
}

impl Outlet {
    /// The task gets the queue's end. It is over when the queue is closed and empty.
    pub(super) fn start<F>(
        name: String,
        (way, counts): (Way, Counts),
        task: impl FnOnce(Receiver<Arc<Telling>>, Counts) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (queue, end) = mpsc::channel(WAITING_MAX);
        let task = tokio::spawn(task(end, counts.clone()));
        Outlet { name, queue: Some(queue), task, lost: 0, way, counts }
    }

    /// Puts an event into the queue, or counts it as lost.
    pub(super) fn tell(&mut self, telling: Arc<Telling>) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(telling) {
            Ok(()) if self.lost > 0 => {
                tracing::warn!("{}: {} events were lost: it took none for too long", self.name, self.lost);
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if matches!(error, TrySendError::Full(_)) && self.lost == 0 {
                    tracing::warn!("{}: {WAITING_MAX} events wait for it; more are lost", self.name);
                }
                self.lost += 1;
                self.counts.add(self.way, Fate::Dropped, 1);
            }
        }
    }

    /// It gets what is in the queue and nothing more.
    pub(super) fn closed(mut self) -> Self {
        self.queue = None;
        self
    }

    /// Whether it has got everything.
    pub(super) fn is_done(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for that.
    pub(super) async fn done(self) {
        if self.task.await.is_err() {
            tracing::error!("{}: ended by a fault of relvs", self.name);
        }
    }
}
