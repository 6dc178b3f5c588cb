//! Telling of what happened: scripts, a FIFO, mail, webhooks.
//!
//! On a thread of its own. Each of those who are told has a bounded queue, so one that hangs, fails or is slow harms neither the
//! others nor the director; what it loses is counted and said. Events about one server or service are told in order.

pub(crate) mod counts;
pub(crate) mod fifo;
mod mail;
mod outlet;
pub(crate) mod scripts;
mod subject;
mod webhook;
pub(crate) mod words;

pub use counts::Told;
use counts::{Counts, Way};
use fifo::Fifo;
use outlet::Outlet;
use relvs_model::health::{Event, Notify, Script};
use scripts::Scripts;
use std::{
    io,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, SystemTime},
};
use subject::Subject;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::Instant,
};

/// Threads for what can only be waited for: looking up names and users.
const BLOCKING_MAX: usize = 8;

/// An event, and when it happened.
#[derive(Debug)]
struct Telling {
    event: Event,
    at: SystemTime,
}

#[derive(Debug)]
enum Order {
    Tell(Event, Option<Script>),
    Configure(Notify),
    End(Duration),
}

/// Who is told.
#[derive(Debug)]
pub struct Notifier {
    orders: UnboundedSender<Order>,
    counts: Counts,
    thread: JoinHandle<()>,
}

impl Notifier {
    /// Starts the thread. Nothing fails here but that: what is wrong with one of those who are told is said in the log.
    ///
    /// # Errors
    ///
    /// The system has no thread or no epoll left.
    pub fn start(notify: Notify) -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_MAX).build()?;
        let (orders, taken) = mpsc::unbounded_channel();
        let counts = Counts::default();
        let its = counts.clone();
        let run = move || {
            runtime.block_on(serve(notify, taken, its));
            // Scripts that run still are killed with this.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("notify".to_owned()).spawn(run)?;
        Ok(Notifier { orders, counts, thread })
    }

    /// Another who may tell of events, from any thread.
    pub fn voice(&self) -> Voice {
        Voice(self.orders.clone(), self.counts.clone())
    }

    /// Tells of an event: the script that its server or service names, and all who are told of everything. Returns at once.
    pub fn tell(&self, event: Event, script: Option<Script>) {
        // It fails only when the thread has ended, and then there is nobody to tell.
        let _ = self.orders.send(Order::Tell(event, script));
    }

    /// From now on these are told of everything: those who were before go on, those who leave still get what they have not got yet.
    pub fn configure(&self, notify: Notify) {
        let _ = self.orders.send(Order::Configure(notify));
    }

    /// What has been told by now.
    pub fn told(&self) -> Told {
        self.counts.figures()
    }

    /// Ends when all has been told, or when this time is over. Scripts that run still are killed.
    pub fn end(self, patience: Duration) {
        let _ = self.orders.send(Order::End(patience));
        if self.thread.join().is_err() {
            tracing::error!("notifications ended by a fault of relvs");
        }
    }
}

/// Tells of events. When the [`Notifier`] has ended nobody hears it.
#[derive(Clone, Debug)]
pub struct Voice(UnboundedSender<Order>, Counts);

impl Voice {
    /// Where it is counted who was told, for those who tell by themselves.
    pub(crate) fn counts(&self) -> Counts {
        self.1.clone()
    }

    /// Tells all who are told of everything. Returns at once.
    pub fn tell(&self, event: Event) {
        let _ = self.0.send(Order::Tell(event, None));
    }
}

/// All who are told of everything.
struct Audience {
    counts: Counts,
    /// As they are configured.
    notify: Notify,
    fifo: Option<Fifo>,
    mail: Option<Outlet>,
    /// In the order of the configuration.
    webhooks: Vec<Outlet>,
}

impl Audience {
    fn new(counts: Counts) -> Self {
        Audience { counts, notify: Notify::default(), fifo: None, mail: None, webhooks: Vec::new() }
    }

    /// From now on these. Who stays as he is keeps his queue, and the FIFO its readers; gives those who leave.
    fn become_these(&mut self, notify: Notify) -> Vec<Outlet> {
        let host = words::host();
        let mut leave = Vec::new();
        if notify.fifo != self.notify.fifo {
            // First it goes, then it is made: the path may be the same in other words.
            self.fifo = None;
            self.fifo = notify.fifo.clone().map(Fifo::new);
        }
        if notify.mail != self.notify.mail {
            leave.extend(self.mail.take());
            self.mail = notify.mail.clone().map(|mail| mail::start(mail, host.clone(), self.counts.clone()));
        }
        let mut before: Vec<_> = self.notify.webhooks.drain(..).zip(self.webhooks.drain(..)).collect();
        for webhook in &notify.webhooks {
            let stays = before.iter().position(|(other, _)| other == webhook);
            self.webhooks.push(match stays {
                Some(place) => before.remove(place).1,
                None => webhook::start(webhook.clone(), host.clone(), self.counts.clone()),
            });
        }
        leave.extend(before.into_iter().map(|(_, outlet)| outlet));
        self.notify = notify;
        leave
    }

    fn outlets(&mut self) -> impl Iterator<Item = &mut Outlet> {
        self.mail.iter_mut().chain(&mut self.webhooks)
    }

    fn tell(&mut self, telling: &Arc<Telling>) {
        if let Some(fifo) = &mut self.fifo
            && let Some(line) = words::line(&telling.event)
        {
            self.counts.add(Way::Fifo, fifo.write(&line), 1);
        }
        for outlet in self.outlets() {
            outlet.tell(telling.clone());
        }
    }
}

async fn serve(notify: Notify, mut orders: UnboundedReceiver<Order>, counts: Counts) {
    let mut audience = Audience::new(counts.clone());
    audience.become_these(notify);
    let mut former: Vec<Outlet> = Vec::new();
    let mut scripts: Scripts<Subject> = Scripts::counted(counts);
    let patience = loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Tell(event, script)) => {
                    let telling = Arc::new(Telling { event, at: SystemTime::now() });
                    audience.tell(&telling);
                    if let Some(script) = script {
                        let event = &telling.event;
                        scripts.tell(Subject::from(event), script, words::environment(event));
                    }
                }
                Some(Order::Configure(notify)) => {
                    former.retain(|outlet| !outlet.is_done());
                    former.extend(audience.become_these(notify).into_iter().map(Outlet::closed));
                }
                Some(Order::End(patience)) => break patience,
                None => break Duration::ZERO,
            },
            () = scripts.next() => {}
        }
    };
    let rest = async {
        scripts.finish().await;
        for outlet in former.into_iter().chain(audience.mail).chain(audience.webhooks) {
            outlet.closed().done().await;
        }
    };
    if tokio::time::timeout_at(Instant::now() + patience, rest).await.is_err() {
        tracing::warn!("the daemon ends before everybody has been told of everything");
    }
}
