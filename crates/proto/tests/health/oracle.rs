//! What must be, said in another way than the monitor says it: verdicts are read off the history of outcomes, sums and places
//! are computed anew each time, and nothing has a timer. Slow, plain, and by the rules alone.

use relvs_model::{
    Scheduler, SchedulerFlags, Server, Service, ServiceKey,
    health::{Check, Probe, Says, ServerHealth, ServiceHealth},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// What is asked whom at which pace. In the simulation the timeout tells the pace.
pub(crate) type Subject = (Kind, IpAddr, u16, u32);

/// What is asked: there are two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tcp,
    Other,
}

pub(crate) fn kind(probe: &Probe) -> Kind {
    if *probe == Probe::Tcp { Kind::Tcp } else { Kind::Other }
}

/// Something that must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Server(SocketAddr, bool),
    Quorum(bool),
    Sorry(SocketAddr, bool),
}

/// A check of a server and all that was ever seen by it.
#[derive(Clone, Debug)]
struct Life {
    check: Check,
    up: bool,
    known: bool,
    outcomes: Vec<bool>,
    says: Option<Says>,
}

impl Life {
    fn ends_with(&self, times: u32, good: bool) -> bool {
        let times = times.max(1) as usize;
        self.outcomes.len() >= times && self.outcomes[self.outcomes.len() - times..].iter().all(|seen| *seen == good)
    }

    fn see(&mut self, good: bool, says: Option<Says>) {
        self.outcomes.push(good);
        if good && says.is_some() {
            self.says = says;
        }
        if !self.known {
            (self.known, self.up) = (true, good);
        } else if self.ends_with(self.check.timing.fall, false) {
            self.up = false;
        } else if self.ends_with(self.check.timing.rise, true) {
            self.up = true;
        }
    }
}

#[derive(Clone, Debug)]
struct Watched {
    base: Server,
    health: Arc<ServerHealth>,
    lives: Vec<Life>,
    up: bool,
    falls: Vec<Duration>,
    held: Option<Duration>,
    back: Option<Duration>,
}

fn millis(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

pub(crate) fn socket(server: &Server) -> SocketAddr {
    SocketAddr::new(server.address, server.port)
}

pub(crate) fn subject(server: &Server, check: &Check) -> Subject {
    (kind(&check.probe), server.address, server.port, check.timing.timeout_ms)
}

impl Watched {
    fn slow_start(&self) -> Option<Duration> {
        Some(millis(self.health.slow_start_ms)).filter(|time| !time.is_zero())
    }

    fn judge(&mut self, now: Duration) -> Option<Told> {
        let up = self.held.is_none() && self.lives.iter().all(|life| life.up);
        if up == self.up {
            return None;
        }
        self.up = up;
        self.back = self.slow_start().filter(|_| up).map(|_| now);
        match self.health.damping {
            Some(damping) if !up => {
                self.falls.push(now);
                self.falls.drain(..self.falls.len().saturating_sub(damping.falls as usize));
                let recent = self.falls.iter().filter(|fall| **fall + millis(damping.within_ms) >= now).count();
                if recent >= damping.falls as usize {
                    self.held = Some(now + millis(damping.hold_ms));
                }
            }
            None if !up => self.falls.clear(),
            _ => {}
        }
        Some(Told::Server(socket(&self.base), up))
    }

    fn whole(&self, drained: bool) -> u32 {
        if drained || self.base.weight == 0 {
            return 0;
        }
        let mut weight = i64::from(self.base.weight);
        for life in &self.lives {
            weight += match life.says {
                Some(Says::Weight(said)) => i64::from(said) - i64::from(self.base.weight),
                Some(Says::Add(more)) => i64::from(more),
                None => 0,
            };
        }
        weight.clamp(0, i32::MAX.into()) as u32
    }

    /// With its slow start.
    fn part(&self, now: Duration, drained: bool) -> u32 {
        let whole = self.whole(drained);
        let (Some(back), Some(time)) = (self.back, self.slow_start()) else { return whole };
        let tenths = ((now - back).as_millis() * 10 / time.as_millis()).min(10) as u32;
        if whole == 0 { 0 } else { (whole * tenths / 10).max(1) }
    }
}

#[derive(Clone, Debug)]
struct Place {
    base: Service,
    health: Arc<ServiceHealth>,
    servers: Vec<Watched>,
    won: bool,
    sorry: Option<SocketAddr>,
    ended: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) now: Duration,
    places: BTreeMap<ServiceKey, Place>,
    drained: BTreeSet<(ServiceKey, SocketAddr)>,
    pub(crate) here: Option<BTreeSet<IpAddr>>,
    /// The last outcome of what is asked.
    last: BTreeMap<Subject, (bool, Option<Says>)>,
    /// What must be told, in order within each service.
    pub(crate) told: Vec<(ServiceKey, Told)>,
}

fn watched(service: &Service) -> bool {
    service.health.is_some() || service.servers.iter().any(|server| server.health.is_some())
}

impl Oracle {
    fn suspended(&self, service: &Service) -> bool {
        let suspends = service.health.as_ref().is_some_and(|health| health.ha_suspend);
        let away = |vip| self.here.as_ref().is_some_and(|here| !here.contains(&vip));
        suspends && service.key.address().is_some_and(away)
    }

    /// Who is asked for now: at what pace, and whether one of those who ask is in a hurry.
    pub(crate) fn asked(&self) -> BTreeMap<Subject, (u32, bool)> {
        let mut asked = BTreeMap::new();
        for place in self.places.values().filter(|place| !self.suspended(&place.base)) {
            for server in &place.servers {
                for life in &server.lives {
                    let timing = &life.check.timing;
                    let counts = life.up && life.outcomes.last() == Some(&false);
                    let hurry = counts || (!life.up && timing.fast_recovery);
                    let entry = asked.entry(subject(&server.base, &life.check)).or_insert((0, false));
                    *entry = (entry.0.max(timing.warmup_ms), entry.1 | hurry);
                }
            }
        }
        asked
    }

    /// Ends of holds, the next one first.
    pub(crate) fn release(&mut self, until: Duration) {
        for (key, place) in &mut self.places {
            for server in &mut place.servers {
                if server.held.is_some_and(|held| held <= until) {
                    server.held = None;
                    self.told.extend(server.judge(self.now).map(|told| (*key, told)));
                }
            }
        }
    }

    pub(crate) fn next_release(&self) -> Option<Duration> {
        self.places.values().flat_map(|place| place.servers.iter().filter_map(|server| server.held)).min()
    }

    pub(crate) fn outcome(&mut self, asked: &Subject, good: bool, says: Option<Says>) {
        self.last.insert(*asked, (good, says));
        for key in self.places.keys().copied().collect::<Vec<_>>() {
            if self.suspended(&self.places[&key].base) {
                continue;
            }
            let place = self.places.get_mut(&key).unwrap();
            for server in &mut place.servers {
                let base = &server.base;
                let mut asks = false;
                for life in server.lives.iter_mut().filter(|life| subject(base, &life.check) == *asked) {
                    life.see(good, says);
                    asks = true;
                }
                if !asks {
                    continue;
                }
                self.told.extend(server.judge(self.now).map(|told| (key, told)));
            }
        }
    }

    pub(crate) fn drain(&mut self, service: ServiceKey, server: SocketAddr, drained: bool) {
        let key = (service, server);
        let changed = if drained { self.drained.insert(key) } else { self.drained.remove(&key) };
        let place = self.places.get_mut(&service).filter(|_| changed);
        for server in
            place.into_iter().flat_map(|place| &mut place.servers).filter(|known| socket(&known.base) == server)
        {
            if server.up && !drained {
                server.back = server.slow_start().map(|_| self.now);
            }
        }
    }

    pub(crate) fn end(&mut self) {
        for (key, place) in &mut self.places {
            if place.health.omega && !place.ended {
                place.ended = true;
                let up = place.servers.iter().filter(|server| server.up);
                self.told.extend(up.map(|server| (*key, Told::Server(socket(&server.base), false))));
                self.told.extend(place.won.then_some((*key, Told::Quorum(false))));
            }
        }
    }

    pub(crate) fn restart(&mut self, services: &[Service]) {
        self.last.clear();
        self.here = None;
        let old = std::mem::take(&mut self.places);
        self.become_these(services, old);
    }

    pub(crate) fn reload(&mut self, services: &[Service]) {
        let there = services.iter().map(|service| service.key).collect::<BTreeSet<_>>();
        for (key, place) in &self.places {
            if !there.contains(key) && place.health.omega && !place.ended {
                let up = place.servers.iter().filter(|server| server.up);
                self.told.extend(up.map(|server| (*key, Told::Server(socket(&server.base), false))));
                self.told.extend(place.won.then_some((*key, Told::Quorum(false))));
            }
        }
        self.places.retain(|key, _| there.contains(key));
        self.become_these(services, BTreeMap::new());
    }

    fn become_these(&mut self, services: &[Service], mut old: BTreeMap<ServiceKey, Place>) {
        let exists = |service: ServiceKey, server: SocketAddr| {
            services
                .iter()
                .any(|known| known.key == service && known.servers.iter().any(|known| socket(known) == server))
        };
        self.drained.retain(|(service, server)| exists(*service, *server));
        for service in services {
            let before = self.places.remove(&service.key);
            if let Some(same) = before.clone().filter(|before| before.base == *service) {
                self.places.insert(service.key, same);
            } else if before.is_some() || watched(service) {
                self.rebuild(service, before.or_else(|| old.remove(&service.key)));
            }
        }
        self.settle();
        self.places.retain(|_, place| watched(&place.base));
        self.forget();
    }

    fn rebuild(&mut self, service: &Service, old: Option<Place>) {
        let (key, new, now) = (service.key, old.is_none(), self.now);
        let health = service.health.clone().unwrap_or_default();
        let mut place = Place {
            base: service.clone(),
            health: health.clone(),
            servers: Vec::new(),
            won: true,
            sorry: None,
            ended: false,
        };
        let mut gone = BTreeMap::new();
        let mut ended = false;
        if let Some(old) = old {
            (place.won, place.sorry, ended) = (old.won, old.sorry, old.ended);
            gone = old.servers.into_iter().map(|server| (socket(&server.base), server)).collect();
        }
        for base in &service.servers {
            let mut told_down = false;
            let mut server = match gone.remove(&socket(base)) {
                Some(known) => {
                    told_down = ended && health.omega && known.up;
                    self.carry_over(known, base)
                }
                None => fresh(base),
            };
            if server.held.is_some_and(|held| held <= now) {
                server.held = None;
            }
            self.told.extend(server.judge(now).map(|told| (key, told)));
            if told_down && server.up {
                self.told.push((key, Told::Server(socket(base), true)));
            }
            place.servers.push(server);
        }
        if ended && health.omega && place.won {
            self.told.push((key, Told::Quorum(true)));
        }
        if health.omega && !ended {
            let up = gone.values().filter(|server| server.up);
            self.told.extend(up.map(|server| (key, Told::Server(socket(&server.base), false))));
        }
        let sorry = health.sorry.as_ref().map(socket);
        if let Some(before) = place.sorry.filter(|before| sorry != Some(*before)) {
            place.sorry = None;
            self.told.push((key, Told::Sorry(before, false)));
        }
        if new {
            place.won = has_quorum(&place, &self.drained);
            place.sorry = sorry.filter(|_| !place.won);
        }
        if !self.suspended(service) {
            for server in &mut place.servers {
                let base = &server.base;
                for life in server.lives.iter_mut().filter(|life| !life.known) {
                    if let Some((good, says)) = self.last.get(&subject(base, &life.check)) {
                        life.see(*good, *says);
                    }
                }
                self.told.extend(server.judge(now).map(|told| (key, told)));
            }
        }
        self.places.insert(key, place);
    }

    fn carry_over(&self, known: Watched, base: &Server) -> Watched {
        let all_up = known.lives.iter().all(|life| life.up);
        let any_known = known.lives.is_empty() || known.lives.iter().any(|life| life.known);
        let health = base.health.clone().unwrap_or_default();
        let lives = health.checks.iter().map(|check| {
            let same = known.lives.iter().find(|life| life.check == *check).cloned();
            let other = Life { check: check.clone(), up: all_up, known: any_known, outcomes: Vec::new(), says: None };
            same.unwrap_or(other)
        });
        let comes_back = known.base.weight == 0 && base.weight > 0 && known.up;
        let mut server = Watched { base: base.clone(), health: health.clone(), lives: lives.collect(), ..known };
        if health.damping.is_none() {
            server.held = None;
        }
        let slow = server.slow_start();
        server.back = if comes_back { Some(self.now) } else { server.back }.filter(|_| slow.is_some());
        self.forget_slow_start(&mut server);
        server
    }

    /// One that is over does not begin again when its time is made longer.
    fn forget_slow_start(&self, server: &mut Watched) {
        let time = server.slow_start().unwrap_or_default();
        server.back = server.back.filter(|back| *back + time > self.now);
    }

    /// Judges quorums and sorry servers, at the end of each call.
    pub(crate) fn settle(&mut self) {
        for (key, place) in &mut self.places {
            let won = has_quorum(place, &self.drained);
            if won != place.won {
                place.won = won;
                self.told.push((*key, Told::Quorum(won)));
            }
            let serves = place.health.sorry.as_ref().map(socket).filter(|_| !won);
            if serves != place.sorry {
                let which = serves.or(place.sorry).unwrap();
                place.sorry = serves;
                self.told.push((*key, Told::Sorry(which, serves.is_some())));
            }
        }
        let mut places = std::mem::take(&mut self.places);
        places.values_mut().flat_map(|place| &mut place.servers).for_each(|server| self.forget_slow_start(server));
        self.places = places;
    }

    /// What nobody asks for is not known any more.
    pub(crate) fn forget(&mut self) {
        if !self.last.is_empty() {
            let asked = self.asked();
            self.last.retain(|subject, _| asked.contains_key(subject));
        }
    }

    /// The servers that a service is laid out with.
    pub(crate) fn laid(&self, service: &Service) -> Vec<(SocketAddr, u32)> {
        let drained = |server: SocketAddr| self.drained.contains(&(service.key, server));
        let Some(place) = self.places.get(&service.key) else {
            let weight = |server: &Server| if drained(socket(server)) { 0 } else { server.weight };
            return service.servers.iter().map(|server| (socket(server), weight(server))).collect();
        };
        let health = &place.health;
        let by_table = [Scheduler::Sh, Scheduler::Mh].contains(&service.scheduler);
        let in_vain = (by_table && !service.flags.has(SchedulerFlags::FALLBACK)) || service.scheduler == Scheduler::Dh;
        let mut laid = Vec::new();
        for server in &place.servers {
            let socket = socket(&server.base);
            let inhibits = server.health.inhibit_on_failure;
            if place.sorry == Some(socket) {
                continue;
            }
            if server.up && place.sorry.is_none() {
                laid.push((socket, server.part(self.now, drained(socket))));
            } else if inhibits || (server.up && (!in_vain || server.whole(drained(socket)) == 0)) {
                laid.push((socket, 0));
            }
        }
        if let Some(sorry) = &health.sorry {
            let is_server = service.servers.iter().any(|server| socket(server) == socket(sorry));
            if place.sorry.is_some() {
                laid.push((socket(sorry), sorry.weight.max(1)));
            } else if health.inhibit_sorry && !is_server {
                laid.push((socket(sorry), 0));
            }
        }
        laid
    }

    /// Servers and whether they are up, for the promises that hold whatever the places are.
    pub(crate) fn verdicts(&self, service: ServiceKey) -> Vec<(Server, bool, u32)> {
        let servers = self.places.get(&service).into_iter().flat_map(|place| &place.servers);
        let weight = |server: &Watched| server.whole(self.drained.contains(&(service, socket(&server.base))));
        servers.map(|server| (server.base.clone(), server.up, weight(server))).collect()
    }

    pub(crate) fn won(&self, service: ServiceKey) -> Option<bool> {
        self.places.get(&service).map(|place| place.won)
    }
}

fn fresh(base: &Server) -> Watched {
    let health = base.health.clone().unwrap_or_default();
    let life = |check: &Check| {
        let up = !check.timing.alpha;
        Life { check: check.clone(), up, known: false, outcomes: Vec::new(), says: None }
    };
    let lives = health.checks.iter().map(life).collect::<Vec<_>>();
    let up = lives.iter().all(|life| life.up);
    Watched { base: base.clone(), health: health.clone(), lives, up, falls: Vec::new(), held: None, back: None }
}

fn has_quorum(place: &Place, drained: &BTreeSet<(ServiceKey, SocketAddr)>) -> bool {
    let weight = |server: &Watched| server.whole(drained.contains(&(place.base.key, socket(&server.base))));
    let sum: i64 = place.servers.iter().filter(|server| server.up).map(|server| i64::from(weight(server))).sum();
    let health = &place.health;
    let quorum = i64::from(health.quorum);
    let hysteresis = i64::from(health.hysteresis).min(quorum - 1);
    if place.won { sum != 0 && sum >= quorum - hysteresis } else { sum >= quorum + hysteresis }
}
