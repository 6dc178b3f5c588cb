//! From the services that were to those that are: what is known of a server goes with it, by its service, address and port;
//! what is known by a check goes with it as long as the check is the same.

use super::{
    Monitor, Notification,
    ask::{Ask, Subject},
    group::Group,
    member::{Member, Ramp, Seat},
    quorum::Quorum,
    tally::Tally,
};
use relvs_model::{
    Server, Service, ServiceKey,
    health::{Check, Damping, Event, Script, ServiceHealth},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

const BEGAN: &str = "the director began";
const REMOVED: &str = "it was removed from the configuration";

/// What is known of a server before its configuration becomes otherwise.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) up: bool,
    pub(super) since: Duration,
    pub(super) why: Arc<str>,
    pub(super) falls: VecDeque<Duration>,
    pub(super) held_until: Option<Duration>,
    pub(super) ramp: Option<Ramp>,
    /// The administrator's weight was 0.
    pub(super) taken_out: bool,
    pub(super) seats: Vec<(Check, Tally)>,
    /// Run when it leaves, with omega.
    pub(super) notify_down: Option<Script>,
}

/// What is known of a service.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) won: bool,
    pub(super) since: Duration,
    /// The sorry server that takes the flows.
    pub(super) sorry: Option<SocketAddr>,
    /// Its end was told.
    pub(super) ended: bool,
    pub(super) servers: BTreeMap<SocketAddr, Known>,
}

impl Known {
    /// What a check begins with.
    fn tally(&mut self, now: Duration, check: &Check) -> Tally {
        if let Some(at) = self.seats.iter().position(|(known, _)| known == check) {
            return self.seats[at].1.clone();
        }
        let up = self.seats.iter().all(|(_, tally)| tally.up);
        let mut tally = Tally::inherited(now, up);
        // If nobody knows anything yet, the first outcome still decides alone.
        tally.known = self.seats.is_empty() || self.seats.iter().any(|(_, tally)| tally.known);
        tally
    }
}

pub(super) fn is_here(here: &Option<BTreeSet<IpAddr>>, vip: IpAddr) -> bool {
    here.as_ref().is_none_or(|here| here.contains(&vip))
}

/// Whether there is anything to be known about a service.
fn is_watched(service: &Service) -> bool {
    service.health.is_some() || service.servers.iter().any(|server| server.health.is_some())
}

impl Monitor {
    /// Makes the services be these. `pasts` is what is known of services beside what this monitor knows.
    pub(super) fn become_these(&mut self, now: Duration, services: &[Arc<Service>], pasts: BTreeMap<ServiceKey, Past>) {
        let keys = services.iter().map(|service| service.key);
        let there = if self.groups.is_empty() && self.drained.is_empty() { BTreeSet::new() } else { keys.collect() };
        let known = self.groups.keys().copied().chain(self.drained.iter().map(|(service, _)| *service));
        let gone = known.filter(|key| !there.contains(key)).collect::<BTreeSet<_>>();
        let gone = gone.into_iter().map(|key| (key, None));
        let changed = services.iter().filter(|service| self.is_otherwise(service));
        let changes = gone.chain(changed.map(|service| (service.key, Some(service.clone())))).collect::<Vec<_>>();
        self.become_otherwise(now, &changes, pasts);
        // The caller lays out everything.
        for service in std::mem::take(&mut self.changed) {
            self.lay(service);
        }
    }

    /// Whether there is anything to do for a service.
    fn is_otherwise(&self, service: &Arc<Service>) -> bool {
        match self.groups.get(&service.key) {
            Some(group) => group.base != *service,
            None => is_watched(service) || self.drained_of(service.key).next().is_some(),
        }
    }

    pub(super) fn become_otherwise(
        &mut self,
        now: Duration,
        changes: &[(ServiceKey, Option<Arc<Service>>)],
        mut pasts: BTreeMap<ServiceKey, Past>,
    ) {
        let mut touched = BTreeSet::new();
        // Those that leave first, so that what is left of their probes is seen by those that come.
        for (key, _) in changes.iter().filter(|(_, service)| service.is_none()) {
            self.remove(*key, &mut touched);
        }
        for (key, service) in changes.iter().filter_map(|(key, service)| Some((*key, service.as_ref()?))) {
            self.forget_drains(key, service);
            let known = self.groups.get(&key);
            if known.map_or(!is_watched(service), |group| group.base == *service) {
                continue;
            }
            let past = match known {
                Some(_) => self.take_apart(key, &mut touched),
                None => pasts.remove(&key),
            };
            self.put_together(now, service, past);
        }
        for number in touched {
            self.tidy_ask(number);
        }
        self.settle(now);
        for (key, service) in changes {
            self.changed.remove(key);
            self.lay(*key);
            if service.as_ref().is_some_and(|service| !is_watched(service)) {
                self.take_apart(*key, &mut BTreeSet::new());
            }
        }
    }

    /// Servers that left a service are drained no more.
    fn forget_drains(&mut self, key: ServiceKey, service: &Service) {
        let there = |server: &SocketAddr| service.servers.iter().any(|known| socket(known) == *server);
        let gone = self.drained_of(key).filter(|server| !there(server)).collect::<Vec<_>>();
        for server in gone {
            self.drained.remove(&(key, server));
        }
    }

    /// A service that is no longer there.
    fn remove(&mut self, service: ServiceKey, touched: &mut BTreeSet<u32>) {
        if self.groups.get(&service).is_some_and(|group| group.health.omega && !group.ended) {
            self.tell_down(service, REMOVED);
        }
        self.take_apart(service, touched);
        let drained = self.drained_of(service).collect::<Vec<_>>();
        for server in drained {
            self.drained.remove(&(service, server));
        }
    }

    /// Takes a service out, and gives what is known of it.
    fn take_apart(&mut self, service: ServiceKey, touched: &mut BTreeSet<u32>) -> Option<Past> {
        let group = self.groups.remove(&service)?;
        let mut servers = BTreeMap::new();
        for number in group.members {
            let Some(member) = self.members.remove(number) else { continue };
            if let Some(due) = member.timer {
                self.timers.remove(&(due, super::Wake::Member(number)));
            }
            for (index, seat) in member.seats.iter().enumerate() {
                let Some(ask) = self.asks.get_mut(seat.ask) else { continue };
                if let Some(at) = ask.seats.iter().position(|taken| *taken == (number, index as u32)) {
                    ask.seats.swap_remove(at);
                    ask.active -= u32::from(!group.suspended);
                }
                touched.insert(seat.ask);
            }
            let known = Known {
                up: member.up,
                since: member.since,
                why: member.why,
                falls: member.falls,
                held_until: member.held_until,
                ramp: member.ramp,
                taken_out: member.base.weight == 0,
                notify_down: member.base.health.as_ref().and_then(|health| health.notify_down.clone()),
                seats: member.seats.into_iter().map(|seat| (seat.check, seat.tally)).collect(),
            };
            servers.insert(socket(&member.base), known);
        }
        let sorry = group.health.sorry.as_ref().filter(|_| group.sorry).map(socket);
        Some(Past { won: group.won, since: group.since, sorry, ended: group.ended, servers })
    }

    /// Puts a service in, with what is known of it.
    fn put_together(&mut self, now: Duration, service: &Arc<Service>, past: Option<Past>) {
        let health = service.health.clone().unwrap_or_default();
        let key = service.key;
        let suspended = health.ha_suspend && key.address().is_some_and(|vip| !is_here(&self.here, vip));
        let is_new = past.is_none();
        let past = past.unwrap_or(Past { won: true, since: now, sorry: None, ended: false, servers: BTreeMap::new() });
        let Past { won, since, sorry, ended, mut servers } = past;
        let base = service.clone();
        let members = Vec::with_capacity(base.servers.len());
        let group = Group {
            base,
            members,
            won,
            since,
            weight: 0,
            sorry: sorry.is_some(),
            suspended,
            ended: false,
            unsettled: false,
            laid_sorry: None,
            health: health.clone(),
        };
        self.groups.insert(key, group);
        self.unsettle(Some(key));
        for server in &service.servers {
            let known = servers.remove(&socket(server));
            let told_down = ended && health.omega && known.as_ref().is_some_and(|known| known.up);
            let number = self.seat(now, key, server, known, suspended);
            if told_down && self.members.get(number).is_some_and(|member| member.up) {
                self.tell_server(number, true, BEGAN);
            }
        }
        if ended && health.omega && won {
            self.tell_quorum(key, true, BEGAN.to_owned());
        }
        self.tell_removed(key, &health, servers, ended);
        self.change_sorry(key, sorry);
        let Some(group) = self.groups.get_mut(&key) else { return };
        if is_new {
            group.won = Quorum::of(&health).judge(true, group.weight);
            group.sorry = !group.won && health.sorry.is_some();
        }
        for number in group.members.clone() {
            self.tell_what_is_known(now, number);
        }
    }

    /// Puts a server of a service in; gives its number.
    fn seat(
        &mut self,
        now: Duration,
        service: ServiceKey,
        server: &Server,
        known: Option<Known>,
        suspended: bool,
    ) -> u32 {
        let is_new = known.is_none();
        let mut known = known.unwrap_or_else(|| Known {
            up: true,
            since: now,
            why: "".into(),
            falls: VecDeque::new(),
            held_until: None,
            ramp: None,
            taken_out: false,
            seats: Vec::new(),
            notify_down: None,
        });
        let damping = server.health.as_ref().and_then(|health| health.damping);
        let mut member = Member {
            service,
            base: server.clone(),
            seats: Vec::new(),
            up: known.up,
            since: known.since,
            why: known.why.clone(),
            drained: self.drained.contains(&(service, socket(server))),
            falls: std::mem::take(&mut known.falls),
            // Not longer than it can have been said, even if the clock was set back.
            held_until: known.held_until.zip(damping).map(|(until, damping)| until.min(now + hold(damping))),
            ramp: known.ramp,
            timer: None,
            counted: 0,
            laid: None,
        };
        if known.taken_out && member.up && server.weight > 0 {
            member.start_slowly(now);
        }
        let number = self.members.insert(member);
        if let Some(group) = self.groups.get_mut(&service) {
            group.members.push(number);
        }
        let health = server.health.clone().unwrap_or_default();
        for (index, check) in health.checks.iter().enumerate() {
            let subject = Subject::new(service, server, check);
            let ask = self.attach(now, subject, (number, index as u32), suspended, check.timing.warmup_ms);
            let tally = if is_new { Tally::new(now, &check.timing) } else { known.tally(now, check) };
            if let Some(member) = self.members.get_mut(number) {
                member.seats.push(Seat { check: check.clone(), ask, tally });
            }
        }
        if let Some(member) = self.members.get_mut(number) {
            if is_new {
                member.up = member.should_be_up();
            }
            member.pass(now);
        }
        if is_new {
            let why = match self.members.get(number) {
                Some(member) if member.seats.is_empty() => self.reason(number),
                Some(member) if member.up => "it was not asked yet".into(),
                _ => self.reason(number),
            };
            if let Some(member) = self.members.get_mut(number) {
                member.why = why;
            }
        }
        self.judge(now, number);
        self.set_member_timer(number);
        number
    }

    /// Has a question asked for a check of a server; gives its number.
    fn attach(&mut self, now: Duration, subject: Subject, seat: (u32, u32), suspended: bool, warmup_ms: u32) -> u32 {
        let number = match self.subjects.get(&subject) {
            Some(number) => *number,
            None => {
                let subject = Arc::new(subject);
                let number = self.asks.insert(Ask::new(subject.clone()));
                self.subjects.insert(subject, number);
                number
            }
        };
        if let Some(ask) = self.asks.get_mut(number) {
            ask.seats.push(seat);
            ask.active += u32::from(!suspended);
        }
        if !suspended {
            self.begin_asking(now, number, warmup_ms);
        }
        number
    }

    /// A question that nobody asks any more is forgotten, and one that nobody asks for now rests.
    fn tidy_ask(&mut self, number: u32) {
        let Some(ask) = self.asks.get(number) else { return };
        if ask.active > 0 {
            return;
        }
        let forgotten = ask.seats.is_empty().then(|| ask.subject.clone());
        self.stop_asking(number);
        if let Some(subject) = forgotten {
            self.subjects.remove(&subject);
            self.asks.remove(number);
        }
    }

    /// A server is new, but the same questions are asked for others: it has its first outcomes at once, all together.
    fn tell_what_is_known(&mut self, now: Duration, number: u32) {
        let Some(member) = self.members.get_mut(number) else { return };
        if self.groups.get(&member.service).is_none_or(|group| group.suspended) {
            return;
        }
        for seat in member.seats.iter_mut().filter(|seat| !seat.tally.known) {
            if let Some(outcome) = self.asks.get(seat.ask).and_then(|ask| ask.last.as_ref()) {
                seat.tally.take(now, outcome, &seat.check.timing);
            }
        }
        self.judge(now, number);
    }

    /// keepalived's omega for servers that left a service.
    fn tell_removed(
        &mut self,
        service: ServiceKey,
        health: &ServiceHealth,
        servers: BTreeMap<SocketAddr, Known>,
        ended: bool,
    ) {
        if !health.omega || ended {
            return;
        }
        for (socket, known) in servers.into_iter().filter(|(_, known)| known.up) {
            let why = REMOVED.to_owned();
            let (address, port) = (socket.ip(), socket.port());
            let event = Event::Server { service, address, port, up: false, weight: 0, why };
            self.actions.notify.push(Notification { event, script: known.notify_down });
        }
    }

    /// A sorry server that takes the flows is no longer the one that is configured.
    fn change_sorry(&mut self, service: ServiceKey, serving: Option<SocketAddr>) {
        let Some(group) = self.groups.get_mut(&service) else { return };
        let Some(before) = serving.filter(|before| group.health.sorry.as_ref().map(socket) != Some(*before)) else {
            return;
        };
        group.sorry = false;
        let event = Event::Sorry { service, address: before.ip(), port: before.port(), serving: false };
        self.actions.notify.push(Notification { event, script: None });
    }
}

fn hold(damping: Damping) -> Duration {
    Duration::from_millis(u64::from(damping.hold_ms))
}

pub(super) const fn socket(server: &Server) -> SocketAddr {
    SocketAddr::new(server.address, server.port)
}
