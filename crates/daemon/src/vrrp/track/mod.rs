//! Looking after what virtual routers track besides interfaces: scripts, files, processes and pings; and listening for others that
//! claim their addresses.
//!
//! On a thread of its own, never in that of the virtual routers: that one is told what has changed. Each source is looked
//! after by a task, which goes on for as long as the settings say the same of it.

mod claims;
mod file;
mod ping;
mod process;
mod script;

use super::{Error, line::Line, links::all};
use crate::health::{Probes, program::Programs};
use claims::Place;
use relvs_model::vrrp::{Settings, TrackFile, TrackPing, TrackProcess, TrackScript, TrackSource};
use std::{collections::BTreeSet, os::fd::AsRawFd, sync::Arc, thread, time::Duration};
use tokio::{
    io::unix::AsyncFd,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
    time::timeout,
};

/// Whether all tasks go on is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Threads for what can only be waited for: files, and names of users.
const BLOCKING_MAX: usize = 4;

/// The thread. Dropped it ends, and with it every script that runs.
#[derive(Debug)]
pub(super) struct Trackers {
    orders: Option<UnboundedSender<Vec<Watch>>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What one task looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Watch {
    Script(TrackScript),
    File(TrackFile),
    /// All of them by one look at the system.
    Processes(Vec<TrackProcess>),
    Ping(TrackPing),
    Claims(Place),
}

impl Trackers {
    /// Begins with what settings track.
    pub(super) fn start(settings: &Settings, line: Line) -> Result<Self, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_MAX).build();
        let runtime = runtime.map_err(|e| Error::socket("start a thread", e))?;
        let (orders, taken) = mpsc::unbounded_channel();
        let run = move || {
            runtime.block_on(serve(&line, taken));
            // A file that does not answer is not waited for.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("vrrp-track".to_owned()).spawn(run);
        let thread = Some(thread.map_err(|e| Error::socket("start a thread", e))?);
        let trackers = Trackers { orders: Some(orders), thread };
        trackers.configure(settings);
        Ok(trackers)
    }

    /// Whether it is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    /// Other settings: what they say the same of goes on undisturbed.
    pub(super) fn configure(&self, settings: &Settings) {
        if let Some(orders) = &self.orders {
            // It fails only when the thread has ended by a fault, which is said at the end.
            let _ = orders.send(wanted(settings));
        }
    }
}

impl Drop for Trackers {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("tracking for virtual routers ended by a fault of relvs");
        }
    }
}

/// What someone tracks; what is only defined is left alone.
fn wanted(settings: &Settings) -> Vec<Watch> {
    let instances = settings.instances.iter();
    let tracked = instances.clone().flat_map(|instance| &instance.track);
    let tracked = tracked.chain(settings.groups.iter().flat_map(|group| &group.track)).map(|tracked| &tracked.source);
    let used: BTreeSet<&TrackSource> =
        tracked.chain(instances.filter_map(|instance| instance.arbiter.as_ref())).collect();
    let is_used = |source: TrackSource| used.contains(&source);
    let scripts = settings.scripts.iter().filter(|script| is_used(TrackSource::Script(script.name.clone())));
    let files = settings.files.iter().filter(|file| is_used(TrackSource::File(file.name.clone())));
    let processes = settings.processes.iter().filter(|process| is_used(TrackSource::Process(process.name.clone())));
    let pings = settings.pings.iter().filter(|ping| is_used(TrackSource::Ping(ping.name.clone())));
    let processes: Vec<TrackProcess> = processes.cloned().collect();
    let mut wanted: Vec<Watch> = scripts.cloned().map(Watch::Script).chain(files.cloned().map(Watch::File)).collect();
    if !processes.is_empty() {
        wanted.push(Watch::Processes(processes));
    }
    wanted.extend(pings.cloned().map(Watch::Ping));
    wanted.extend(places(settings).into_iter().map(Watch::Claims));
    wanted
}

/// Where others could claim addresses of ours.
fn places(settings: &Settings) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for instance in &settings.instances {
        for address in all(instance) {
            let interface = address.interface.as_deref().unwrap_or(&instance.interface);
            let is_ipv6 = address.address.is_ipv6();
            let known = places.iter_mut().find(|place| place.interface == interface && place.is_ipv6 == is_ipv6);
            match known {
                Some(place) => drop(place.addresses.insert(address.address)),
                None => {
                    let addresses = [address.address].into();
                    places.push(Place { interface: interface.to_owned(), is_ipv6, addresses });
                }
            }
        }
    }
    places
}

/// Waits for a descriptor. None if the system has no room for one more.
#[expect(
    deprecated,
    reason = "what takes its place is unsafe, for descriptors that others may close; this one is owned"
)]
fn waitable<T: AsRawFd>(descriptor: T) -> Option<AsyncFd<T>> {
    AsyncFd::new(descriptor).ok()
}

/// A task that ends when nobody wants it any more.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(line: &Line, mut orders: UnboundedReceiver<Vec<Watch>>) {
    let (programs, probes) = (Arc::new(Programs::default()), Arc::new(Probes::new()));
    let mut running: Vec<(Watch, Task)> = Vec::new();
    let mut wanted = Vec::new();
    loop {
        match timeout(LOOK_AGAIN, orders.recv()).await {
            Ok(Some(new)) => wanted = new,
            Ok(None) => return,
            Err(_) => {}
        }
        running.retain(|(watch, task)| {
            if task.0.is_finished() {
                tracing::error!("tracking for virtual routers ended by a fault of relvs, and begins anew: {watch:?}");
            }
            wanted.contains(watch) && !task.0.is_finished()
        });
        for watch in &wanted {
            if running.iter().any(|(other, _)| other == watch) {
                continue;
            }
            let line = line.clone();
            let task = match watch.clone() {
                Watch::Script(script) => tokio::spawn(script::run(script, programs.clone(), line)),
                Watch::File(file) => tokio::spawn(file::watch(file, line)),
                Watch::Ping(ping) => tokio::spawn(ping::run(ping, probes.clone(), line)),
                Watch::Claims(place) => tokio::spawn(claims::listen(place, line)),
                Watch::Processes(processes) => tokio::spawn(process::watch(processes, line)),
            };
            running.push((watch.clone(), Task(task)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::vrrp::{Instance, SyncGroup, Tracked};

    #[test]
    fn only_what_someone_tracks_is_looked_after() {
        let file = |name: &str| TrackFile { name: name.into(), path: format!("/run/{name}") };
        let process = |name: &str| TrackProcess { name: name.into(), process: name.into(), quorum: 1 };
        let instance = Instance {
            track: vec![Tracked::needed(TrackSource::File("a".into()))],
            arbiter: Some(TrackSource::Process("p".into())),
            ..Instance::default()
        };
        let group = SyncGroup { track: vec![Tracked::needed(TrackSource::File("b".into()))], ..SyncGroup::default() };
        let settings = Settings {
            instances: vec![instance],
            groups: vec![group],
            files: vec![file("a"), file("b"), file("c")],
            processes: vec![process("p"), process("q")],
            ..Settings::default()
        };
        let expected = [Watch::File(file("a")), Watch::File(file("b")), Watch::Processes(vec![process("p")])];
        assert_eq!(wanted(&settings), expected);
        assert_eq!(wanted(&Settings { instances: Vec::new(), groups: Vec::new(), ..settings }), []);
    }
}
