//! One director: desired state in, tables out, and what keeps them right.
//!
//! Synchronous: each call does one thing to the end. `run` calls it when a timer, a socket or a signal says so.

mod apply;
mod change;
pub(crate) mod explain;
mod flows;
mod health;
mod interfaces;
mod local;
mod memory;
mod routers;
mod snapshot;
mod statistics;
mod status;
mod trace;
mod ways;

pub(crate) use change::Guard;
pub(crate) use flows::Wanted;
pub(crate) use health::Outcomes;
use health::{Health, Overlaid};
pub(crate) use trace::{Watched, reason_bit};

use crate::{
    Source,
    configuration::{self, Loaded, Taken},
    decapsulator::address,
    server::Listeners,
    service_manager,
};
use memory::{Line, Memory};
use relvs_control::{Control, Desired, Entries, Limits, Statistics};
use relvs_dataplane::{Kernel, Scan, Side as _, Sizes, Timeouts, load_of, object, scan, withdraw};
use relvs_model::{OnExit, ServiceKey, State};
use relvs_net::Event;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use ways::Ways;

/// What was applied, as an earlier daemon wrote it down.
pub(crate) fn remembered(whole: &[u8], lines: &[u8]) -> Option<Control> {
    memory::told(whole, lines).map(|left| left.control)
}

/// What a director cannot do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The kernel's side.
    #[error(transparent)]
    Dataplane(#[from] relvs_dataplane::Error),
    /// The network's configuration.
    #[error(transparent)]
    Net(#[from] relvs_net::Error),
    /// More than the tables hold.
    #[error(transparent)]
    Refused(#[from] relvs_control::Refusal),
    /// A file of the run directory.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Virtual routers.
    #[error(transparent)]
    Vrrp(#[from] crate::vrrp::Error),
    /// The programs did not say what they decided about a packet of nobody.
    #[error("the programs did not say what they decided; try again")]
    Untold,
    /// Something about an interface.
    #[error("interface {name}: {why}")]
    Interface {
        /// Its name.
        name: String,
        /// Half a sentence.
        why: String,
    },
}

/// How long a removed server is remembered at least, with its counters (IPVS: IP_VS_DEST_TRASH_PERIOD).
const REMEMBERED: Duration = Duration::from_secs(120);
/// How long a learned path MTU is believed (Linux: net.ipv4.route.mtu_expires).
const PATH_MTU_LIFETIME: Duration = Duration::from_secs(600);
/// So many servers that do not answer are looked at again in one go: some milliseconds.
const RETRIED: usize = 64;
/// So many servers whose ways may have changed: some ten milliseconds, for which everything else waits.
const AT_ONCE: usize = 2048;
/// How often the neighbours in use are checked on.
const FRESH: Duration = Duration::from_secs(20);

/// A director at work.
pub(crate) struct Director {
    source: Source,
    /// What the file in force was taken with.
    pub(crate) taken: Taken,
    /// Nobody named the interfaces that are served: others may become needed.
    pub(crate) finds_interfaces: bool,
    /// The network has changed since they were looked for.
    looks_again: bool,
    /// Its own settings, as they are in force.
    own: relvs_model::Director,
    /// What the file said when it was read.
    loaded: Option<(relvs_model::Director, Desired)>,
    kernel: Kernel,
    control: Control,
    statistics: Statistics,
    ways: Ways,
    served: Vec<interfaces::Served>,
    timeouts: Timeouts,
    explainer: explain::Explainer,
    watchers: trace::Watchers,
    last: Scan,
    pass: Duration,
    expired: u64,
    retired: BTreeMap<u32, Instant>,
    /// The entries that each half of the tables has, if that is known.
    halves: [Option<Arc<Entries>>; 2],
    memory: Memory,
    health: Health,
    routers: routers::Routers,
    /// The director's own settings that are written down.
    written: Option<relvs_model::Director>,
    /// Nothing was applied yet: tables and ways may be otherwise than what is known.
    whole: bool,
    /// Servers whose ways are to be looked at again, soon.
    stale: BTreeSet<IpAddr>,
    switched: Instant,
    /// The last server that was looked at again; none begins with the first.
    retried: Option<IpAddr>,
    refreshed: Instant,
    believed: Instant,
    started: Instant,
    started_at: SystemTime,
    counts: Counts,
    pub(crate) listeners: Listeners,
}

/// What is counted for metrics alone, since the daemon started.
#[derive(Default)]
struct Counts {
    /// Switches from one half of the tables to the other.
    switches: u64,
    /// Files that were read again and taken, and refused.
    reloads: [u64; 2],
    /// Passes over the flow tables, and the time that they took.
    passes: u64,
    in_passes: Duration,
}

impl Director {
    /// Takes up what an earlier daemon left in the run directory, or begins anew, and brings it to `state`.
    pub(crate) fn start(
        run_dir: &Path,
        source: Source,
        state: State,
        listeners: Listeners,
    ) -> Result<(Self, Outcomes), Error> {
        let (memory, left) = Memory::read(run_dir)?;
        let sizes = Sizes::for_flows(state.director.flows);
        let kernel = Kernel::open(run_dir, object::embedded(), sizes, seeds())?;
        if kernel.adopted() && source.file.is_some() && *kernel.sizes() != sizes {
            tracing::warn!(
                "flows: tables in use keep their size; it takes effect after `relvs` has stopped forwarding"
            );
        }
        let sizes = *kernel.sizes();
        let limits = Limits {
            sets: sizes.sets,
            services: sizes.services,
            bands: sizes.bands,
            ring: sizes.ring,
            rules: sizes.rules,
            destinations: sizes.destinations,
        };
        let overlaid: Overlaid =
            left.iter().flat_map(|left| left.overlaid.iter().map(|service| (service.key, service.clone()))).collect();
        let (health, outcomes) = Health::start(run_dir, state.notify.clone(), overlaid, random())?;
        let own = left.as_ref().and_then(|left| left.director.clone());
        // What was desired counts even where its tables are of another version, and so given up.
        let before = left.as_ref().map(|left| left.control.desired().clone());
        let (control, statistics) = match left {
            Some(left) if kernel.adopted() => (left.control.with_limits(limits), left.statistics),
            _ => (Control::new(limits), Statistics::default()),
        };
        // Whoever watched, it was over another daemon.
        relvs_dataplane::end_trace(&kernel);
        let ways = Ways::adopt(&kernel)?;
        let now = Instant::now();
        let mut director = Director {
            source,
            taken: Taken::new(),
            finds_interfaces: false,
            looks_again: false,
            own: relvs_model::Director::default(),
            loaded: None,
            routers: routers::Routers::new(run_dir, kernel.virtual_macs()),
            kernel,
            control,
            statistics,
            ways,
            served: Vec::new(),
            timeouts: Timeouts::default(),
            explainer: explain::Explainer::default(),
            watchers: trace::Watchers::default(),
            last: Scan::default(),
            pass: Duration::ZERO,
            expired: 0,
            retired: BTreeMap::new(),
            halves: [None, None],
            memory,
            health,
            written: own.clone(),
            whole: true,
            stale: BTreeSet::new(),
            switched: now,
            retried: None,
            refreshed: now,
            believed: now,
            started: now,
            started_at: SystemTime::now(),
            counts: Counts::default(),
            listeners,
        };
        // Without a configuration the daemon goes on with what was there.
        let mut state = state;
        if director.source.file.is_some() {
            director.loaded = Some((state.director.clone(), Desired::from(&state)));
        } else {
            if let Some(mut before) = before {
                for service in &mut before.services {
                    if let Some(configured) = director.health.overlaid.get(&service.key) {
                        *service = configured.clone();
                    }
                }
                before.put_into(&mut state);
            }
            if let Some(own) = &own {
                state.director = director.source.over(own.clone());
            } else if director.source.interfaces.is_empty() {
                let attached = director.kernel.attached()?;
                let links = director.ways.links().filter(|link| attached.iter().any(|(index, _)| *index == link.index));
                state.director.interfaces = links.map(|link| link.name.clone()).collect();
            }
        }
        director.own = own.unwrap_or_else(|| state.director.clone());
        // An interface may be refused: so first, while the services are still those of the daemon before.
        director.serve(&state.director)?;
        let desired = Desired::from(&state);
        director.begin_checks(&desired);
        director.bring_about(&state.director, &desired, &[])?;
        director.kernel.settle()?;
        director.write_whole()?;
        director.keep_fresh()?;
        director.look_for_addresses()?;
        // The last of all: who becomes master serves the next packet.
        director.begin_routers(&state.vrrp)?;
        Ok((director, outcomes))
    }

    /// Reads the configuration again. Gives the plan that was carried out; nothing is changed on errors.
    pub(crate) fn reload(&mut self) -> Result<String, Vec<String>> {
        let reloaded = service_manager::reloading(|| self.read_again());
        self.counts.reloads[usize::from(reloaded.is_err())] += 1;
        reloaded
    }

    fn read_again(&mut self) -> Result<String, Vec<String>> {
        let Loaded { state, warnings, taken, found } = configuration::read(&self.source, Some(&self.taken))?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if self.source.file.is_none() {
            return Ok(String::new());
        }
        let prepared = self.listeners.prepare(&state.listeners)?;
        let desired = Desired::from(&state);
        let before = (self.own.clone(), self.configured());
        let brought = self.bring(&state.director, &desired, &[]).map_err(|(_, errors)| errors);
        let brought = brought.and_then(|plan| match self.apply_routers(&state.vrrp) {
            Ok(changes) => Ok((plan, changes)),
            Err(error) => {
                let mut errors = vec![error.to_string()];
                let back = self.bring(&before.0, &before.1, &[]);
                errors.extend(back.err().into_iter().flat_map(|(_, errors)| errors));
                Err(errors)
            }
        });
        let (plan, mut changes) = brought.inspect_err(|_| self.listeners.restore())?;
        self.listeners.commit(prepared);
        changes.extend(self.tell_these(state.notify));
        self.loaded = Some((state.director, desired));
        (self.taken, self.finds_interfaces) = (taken, found);
        changes.insert(0, plan.to_string());
        changes.retain(|lines| !lines.is_empty());
        Ok(changes.join("\n"))
    }

    /// Something changed in the network.
    pub(crate) fn notice(&mut self, events: &[Event]) -> Result<(), Error> {
        let links = events.iter().any(|e| matches!(e, Event::Link(_) | Event::Overrun));
        if links {
            self.ways.refresh_links()?;
        }
        // First what forwarding needs: an interface that is refused, or has gone again, must not keep it waiting.
        self.stale.extend(self.ways.touched(events));
        self.catch_up()?;
        self.ways.mirror(&self.kernel)?;
        if links {
            let wanted = self.own.clone();
            self.serve(&wanted)?;
        }
        if events.iter().any(|e| !matches!(e, Event::Neighbour { .. })) {
            self.looks_again = true;
            self.keep_fresh()?;
        }
        if events.iter().any(|e| matches!(e, Event::Address { .. } | Event::Overrun)) {
            self.look_for_addresses()?;
        }
        if links {
            self.tell_routers();
        }
        Ok(())
    }

    /// Whether there are servers yet whose ways may have changed.
    pub(crate) fn is_behind(&self) -> bool {
        !self.stale.is_empty()
    }

    /// Looks again at some of the servers whose ways may have changed.
    pub(crate) fn catch_up(&mut self) -> Result<(), Error> {
        let some: Vec<IpAddr> = std::iter::from_fn(|| self.stale.pop_first()).take(AT_ONCE).collect();
        self.update(&some)
    }

    /// Looks again at neighbours that do not answer: of servers, and of clients that wait for a reply.
    pub(crate) fn retry(&mut self) -> Result<(), Error> {
        // In turn: however many do not answer, others do not wait for them.
        let next = self.ways.pending().iter().copied().filter(|server| self.retried.is_none_or(|last| *server > last));
        let next: Vec<IpAddr> = next.take(RETRIED).collect();
        self.retried = next.get(RETRIED - 1).copied();
        self.update(&next)?;
        for client in self.kernel.wanted()? {
            self.ways.find_client(address(client))?;
        }
        Ok(())
    }

    /// Services that are checked only while their VIP is here want to know.
    fn look_for_addresses(&mut self) -> Result<(), Error> {
        let addresses = self.ways.addresses()?;
        self.see_addresses(addresses)
    }

    fn keep_fresh(&mut self) -> Result<(), Error> {
        // A VLAN's routers are behind the interface underneath.
        let served: BTreeSet<u32> = self.served.iter().map(|s| s.index).collect();
        let above = self.ways.links().filter(|l| l.parent.is_some_and(|p| served.contains(&p))).map(|l| l.index);
        let all = served.iter().copied().chain(above).collect();
        self.ways.keep_fresh(&all)
    }

    /// Once a second: forgets flows whose time is over, counts the others, and does what is due.
    pub(crate) fn tick(&mut self) -> Result<(), Error> {
        let begin = Instant::now();
        self.routers.tend();
        self.tell_routers();
        self.last = scan(&self.kernel, &self.timeouts)?;
        self.pass = begin.elapsed();
        self.counts.passes += 1;
        self.counts.in_passes += self.pass;
        self.expired += self.last.expired;
        self.explainer.rest(begin);
        self.forget_watchers(begin);
        self.forget_retired(begin)?;
        // What cannot be written now is tried again; the rest of the second's work does not wait for it.
        let written = if self.memory.is_long() { self.write_whole() } else { Ok(()) };
        let written = written.and(self.tend_checks());
        if self.finds_interfaces && std::mem::take(&mut self.looks_again) {
            // It is tried again with the next change of the network.
            if let Err(error) = self.find_interfaces() {
                tracing::error!("{error}");
            }
        }
        if begin - self.refreshed >= FRESH {
            self.refreshed = begin;
            self.keep_fresh()?;
        }
        if begin - self.believed >= PATH_MTU_LIFETIME {
            self.believed = begin;
            self.forget_path_mtus()?;
        }
        written
    }

    fn write_whole(&mut self) -> Result<(), Error> {
        self.memory.write(&self.control, &self.statistics, &self.own, &self.health.overlaid)
    }

    /// What SIGTERM leaves.
    pub(crate) fn end(mut self) -> Result<(), Error> {
        self.end_routers();
        self.end_checks();
        match self.own.on_exit {
            OnExit::Keep => Ok(()),
            OnExit::Stop => {
                self.kernel.discard()?;
                self.health.forget()?;
                self.memory.remove()
            }
        }
    }

    /// A removed server whose flows and templates have ended is forgotten after a while. What it had counted stays in the
    /// sums.
    fn forget_retired(&mut self, now: Instant) -> Result<(), Error> {
        let retired: BTreeMap<u32, (ServiceKey, IpAddr)> =
            self.control.retired().map(|(number, key, server)| (number, (key, server.address))).collect();
        self.retired.retain(|number, _| retired.contains_key(number));
        let mut forgotten = Vec::new();
        for (number, (key, server)) in retired {
            let since = *self.retired.entry(number).or_insert(now);
            let flows = self.last.flows.get(number as usize).is_some_and(|[active, inactive]| active + inactive > 0);
            if flows || load_of(&self.kernel, number).templates > 0 || now - since < REMEMBERED {
                continue;
            }
            forgotten.push((number, key, server));
        }
        if forgotten.is_empty() {
            return Ok(());
        }
        let mut statistics = self.statistics.clone();
        for (number, key, _) in &forgotten {
            statistics.carry(*number, *key, statistics::figures(self.kernel.counters(*number)?));
        }
        // First on disk: one that is not there any more is cleared by the daemon that gives its number away.
        let numbers: Vec<u32> = forgotten.iter().map(|(number, ..)| *number).collect();
        let (control, step) = (Some(self.control.releasing(&numbers)), statistics.step(&self.statistics));
        self.memory.add(Line { control, statistics: step, ..Line::default() })?;
        self.statistics = statistics;
        for (number, _, server) in forgotten {
            self.control.release(number);
            self.timeouts.orphans.remove(&number);
            if self.control.records_of(server).next().is_none() {
                self.ways.forget(server);
            }
            withdraw(&self.kernel, number);
            self.kernel.clear_counters(number)?;
        }
        Ok(())
    }

    fn forget_path_mtus(&mut self) -> Result<(), Error> {
        let all: Vec<_> = self.records().collect();
        for (number, address, record) in all {
            let record = self.ways.complete(&self.kernel, address, &record)?;
            relvs_dataplane::forget_learned_mtu(&self.kernel, number, record.mtu);
        }
        Ok(())
    }
}

/// Random multipliers of the flow hash: nobody outside can tell which flows share a bucket.
fn seeds() -> [u64; 6] {
    std::array::from_fn(|_| random() | 1)
}

/// A random number.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // Early at boot it may give fewer bytes; a partly random multiplier is better than no director.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
