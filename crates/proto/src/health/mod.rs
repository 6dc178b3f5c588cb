//! Whether servers are up, and what follows: checks, quorum, sorry servers (`keepalived.conf(5)`, virtual_server).
//!
//! A [`Monitor`] is told what the services are ([`Monitor::reload`]), how probes ended ([`Monitor::handle`]) and what time it
//! is ([`Monitor::handle_timeout`]). It says when to be called again ([`Monitor::poll_timeout`]), what to do
//! ([`Monitor::take`]) and which servers are to be scheduled ([`Monitor::effective`]). It makes no probe, runs no script and
//! does no scheduling itself.
//!
//! Moments are durations since 1970-01-01T00:00:00Z when the caller began, counted on by a clock that is never set back: so
//! they mean the same to the next daemon, which gets them by [`Monitor::remembered`].
//!
//! What happens at one moment belongs into one call of [`Monitor::handle`]: quorum is judged at the end of each call, and
//! scheduling changes once.

mod ask;
mod figures;
mod group;
mod layout;
mod member;
mod memory;
mod quorum;
mod random;
mod reload;
mod shown;
mod slab;
mod tally;
mod timers;
mod verdict;

pub use figures::{ServerFigures, ServiceFigures};
pub use memory::Memory;

use ask::{Ask, Subject};
use group::Group;
use member::Member;
use random::Random;
use relvs_model::{
    Service, ServiceKey,
    health::{Event, Outcome, Question, Script},
};
use slab::Slab;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use timers::Wake;

/// A probe that was started, and whose outcome is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeId {
    ask: u32,
    number: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A probe has ended. One that was cancelled, or that nobody knows, is ignored.
    Ended {
        /// Which.
        id: ProbeId,
        /// How.
        outcome: Outcome,
    },
    /// An administrator drains a server, or takes that back: it has weight 0, whatever its checks say, until then. It
    /// outlives recovery, reload and restart; it is forgotten when the server leaves the configuration.
    Drain {
        /// The service.
        service: ServiceKey,
        /// The server: its address and port.
        server: SocketAddr,
        /// Drained, else not.
        drained: bool,
    },
    /// All addresses of this machine, for services with ha_suspend: they are checked while their VIP is among these. Until
    /// this is said once, all are.
    Here(BTreeSet<IpAddr>),
    /// The daemon ends: services with omega tell that they are down.
    End,
}

/// A probe to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What its outcome is told by.
    pub id: ProbeId,
    /// What is asked whom.
    pub question: Arc<Question>,
    /// When it was meant to start.
    pub planned: Duration,
}

/// Something to be told, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What happened.
    pub event: Event,
    /// What the configuration wants to be run for it.
    pub script: Option<Script>,
}

/// A failure that changed nothing, of a check that wants all of them logged (log_all_failures).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The service.
    pub service: ServiceKey,
    /// The server.
    pub server: SocketAddr,
    /// What is asked.
    pub question: Arc<Question>,
    /// So many failures in a row.
    pub failures: u32,
    /// How it failed.
    pub why: String,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// The services whose servers are scheduled otherwise now ([`Monitor::effective`] says how): one change of the tables.
    pub effective: BTreeSet<ServiceKey>,
    /// What is to be told, in the order in which it happened.
    pub notify: Vec<Notification>,
    /// What is to be logged beside that.
    pub complaints: Vec<Complaint>,
    /// Probes whose outcome nobody wants any more.
    pub cancel: Vec<ProbeId>,
    /// Probes to be made.
    pub start: Vec<Start>,
}

impl Actions {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.effective.is_empty()
            && self.notify.is_empty()
            && self.complaints.is_empty()
            && self.cancel.is_empty()
            && self.start.is_empty()
    }
}

/// All checks of all services. A clone goes its own way: to try a reload, reload a clone, and keep it or not.
#[derive(Clone, Debug)]
pub struct Monitor {
    random: Random,
    /// The number of the probe that was started last.
    probes: u64,
    /// Services with anything to be checked.
    groups: BTreeMap<ServiceKey, Group>,
    members: Slab<Member>,
    asks: Slab<Ask>,
    subjects: BTreeMap<Arc<Subject>, u32>,
    timers: BTreeSet<(Duration, Wake)>,
    /// Of all services, those without checks too.
    drained: BTreeSet<(ServiceKey, SocketAddr)>,
    here: Option<BTreeSet<IpAddr>>,
    /// Services whose quorum is to be judged at the end of this call.
    unsettled: Vec<ServiceKey>,
    /// Services that may be scheduled otherwise than was said last.
    changed: BTreeSet<ServiceKey>,
    actions: Actions,
}

impl Monitor {
    /// Begins to check `services`. The seed spreads the first probes (warmup). `memory` is what the daemon before has left
    /// ([`Monitor::remembered`]); it counts for what is still there.
    pub fn new(now: Duration, seed: u64, services: &[Arc<Service>], memory: Memory) -> Self {
        let mut monitor = Monitor {
            random: Random::new(seed),
            probes: 0,
            groups: BTreeMap::new(),
            members: Slab::default(),
            asks: Slab::default(),
            subjects: BTreeMap::new(),
            timers: BTreeSet::new(),
            drained: memory.drained(),
            here: None,
            unsettled: Vec::new(),
            changed: BTreeSet::new(),
            actions: Actions::default(),
        };
        monitor.become_these(now, services, memory.pasts(now));
        monitor
    }

    /// Goes on with these services. What stays as it is keeps its counts and timers; a server that is known to be down stays
    /// so, whatever else becomes otherwise. After it the caller lays out all services.
    pub fn reload(&mut self, now: Duration, services: &[Arc<Service>]) {
        self.become_these(now, services, BTreeMap::new());
    }

    /// Goes on with these services as they are said here, or without them, at the cost of these alone. After it the caller
    /// lays them out.
    pub fn change(&mut self, now: Duration, changes: &[(ServiceKey, Option<Arc<Service>>)]) {
        self.become_otherwise(now, changes, BTreeMap::new());
    }

    /// Takes in what happened at this moment.
    pub fn handle(&mut self, now: Duration, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            match input {
                Input::Ended { id, outcome } => self.ended(now, id, outcome),
                Input::Drain { service, server, drained } => self.drain(now, service, server, drained),
                Input::Here(addresses) => self.see_addresses(now, addresses),
                Input::End => self.end(),
            }
        }
        self.settle(now);
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((due, wake)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, wake));
            match wake {
                Wake::Ask(number) => self.ask_is_due(now, due, number),
                Wake::Member(number) => self.member_is_due(now, number),
            }
        }
        self.settle(now);
    }

    /// When [`Monitor::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// What is to be done since the last call of it.
    pub fn take(&mut self) -> Actions {
        let changed = std::mem::take(&mut self.changed);
        let otherwise = changed.into_iter().filter(|service| self.lay(*service)).collect::<Vec<_>>();
        self.actions.effective.extend(otherwise);
        std::mem::take(&mut self.actions)
    }
}
