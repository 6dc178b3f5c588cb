//! Telling of virtual routers: their scripts, and the FIFO (vrrp_notify_fifo).
//!
//! On a thread of its own, so that no script and no disk makes an advert late. Scripts of one instance or group run one after
//! the other, in two rows: those that are named for one state, and the one for any change (notify), as keepalived lets them run
//! beside each other. One that hangs holds up its own row alone, for its time.

use super::Error;
use crate::health::notify::{
    counts::{Counts, Way},
    fifo::Fifo,
    scripts::Scripts,
    words,
};
use relvs_model::vrrp::{Notify, Settings};
use relvs_proto::vrrp::Notification;
use std::{sync::Arc, thread, time::Duration};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Threads for what can only be waited for: names of users.
const BLOCKING_MAX: usize = 4;
/// At the end scripts that still run, or wait, have so long; the others are killed. keepalived's child_wait_time.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the thread is to do.
enum Order {
    Configure(Box<Settings>),
    Tell(Notification),
    End,
}

/// Who tells. It is used in the thread of the virtual routers, which never waits for it.
#[derive(Clone)]
pub(super) struct Voice(UnboundedSender<Order>);

impl Voice {
    /// What is told from now on is told to whom these settings say; of what they do not know, to whom those before said.
    pub(super) fn configure(&self, settings: &Settings) {
        let _ = self.0.send(Order::Configure(Box::new(settings.clone())));
    }

    pub(super) fn tell(&self, notification: &Notification) {
        // It fails only when the thread has ended by a fault, which is said at the end.
        let _ = self.0.send(Order::Tell(notification.clone()));
    }
}

/// The thread. Dropped it tells the rest, for a bounded time.
#[derive(Debug)]
pub(super) struct Teller {
    orders: UnboundedSender<Order>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Teller {
    /// Begins. The FIFO is made, if one is named. Who was told is counted here.
    pub(super) fn start(settings: &Settings, counts: Counts) -> Result<Self, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_MAX).build();
        let runtime = runtime.map_err(|e| Error::socket("start a thread", e))?;
        let (orders, taken) = mpsc::unbounded_channel();
        let settings = settings.clone();
        let run = move || {
            runtime.block_on(serve(settings, taken, counts));
            // Scripts that run still are killed with this.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("vrrp-notify".to_owned()).spawn(run);
        let thread = Some(thread.map_err(|e| Error::socket("start a thread", e))?);
        Ok(Teller { orders, thread })
    }

    /// Whether it is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    pub(super) fn voice(&self) -> Voice {
        Voice(self.orders.clone())
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("notifications of virtual routers ended by a fault of relvs");
        }
    }
}

/// Whose script it is: a group or an instance, its name, and whether it is that for any change.
type Row = (bool, Arc<str>, bool);

async fn serve(settings: Settings, mut orders: UnboundedReceiver<Order>, counts: Counts) {
    let mut fifo = settings.fifo.clone().map(Fifo::new);
    let (mut settings, mut former) = (settings, Settings::default());
    let mut scripts: Scripts<Row> = Scripts::counted(counts.clone());
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Configure(new)) => {
                    if new.fifo != settings.fifo {
                        // First it goes, then it is made.
                        drop(fifo.take());
                        fifo = new.fifo.clone().map(Fifo::new);
                    }
                    former = std::mem::replace(&mut settings, *new);
                }
                Some(Order::Tell(said)) => {
                    if let Some(fifo) = &mut fifo {
                        counts.add(Way::Fifo, fifo.write(&said.to_string()), 1);
                    }
                    if let Some(notify) = who(&settings, &said).or_else(|| who(&former, &said)) {
                        run(&mut scripts, notify, &said);
                    }
                }
                Some(Order::End) | None => break,
            },
            () = scripts.next() => {}
        }
    }
    if tokio::time::timeout(PATIENCE, scripts.finish()).await.is_err() {
        tracing::warn!("virtual routers end before all their scripts have");
    }
}

fn who<'a>(settings: &'a Settings, said: &Notification) -> Option<&'a Notify> {
    if said.group {
        settings.groups.iter().find(|group| *group.name == *said.name).map(|group| &group.notify)
    } else {
        settings.instances.iter().find(|instance| *instance.name == *said.name).map(|instance| &instance.notify)
    }
}

fn run(scripts: &mut Scripts<Row>, notify: &Notify, said: &Notification) {
    let environment = said.to_event().map(|event| words::environment(&event)).unwrap_or_default();
    let row = |any| (said.group, said.name.clone(), any);
    if let Some(script) = said.event.script(notify) {
        scripts.tell(row(false), script.clone(), environment.clone());
    }
    if let Some(script) = notify.any.as_ref().filter(|_| said.event.is_change()) {
        let mut script = script.clone();
        script.command.extend(said.arguments());
        scripts.tell(row(true), script, environment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::{health::Script, vrrp::Instance};
    use relvs_proto::vrrp::Event;

    #[test]
    fn whom_scripts_told_is_counted_with_those_of_checks() {
        let script = |program: &str| Some(Script::new(vec![program.to_owned()]));
        let notify = Notify { master: script("/bin/true"), any: script("/bin/false"), ..Notify::default() };
        let instance = Instance { name: "web".into(), notify, ..Instance::default() };
        let settings = Settings { instances: vec![instance], ..Settings::default() };
        let counts = Counts::default();
        let teller = Teller::start(&settings, counts.clone()).unwrap();
        teller.voice().tell(&told());
        // It ends when all has been told.
        drop(teller);
        assert!(counts.figures().0.contains(&("script", [1, 1, 0])), "{:?}", counts.figures());
    }

    fn told() -> Notification {
        Notification { group: false, name: "web".into(), event: Event::Master, priority: 100, mail: false }
    }
}
