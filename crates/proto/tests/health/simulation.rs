//! Random configurations, outcomes, reloads, restarts, drains and suspensions in virtual time; after each step the monitor
//! must have said and told what the oracle says. A run is its seed: RELVS_CASE=number makes that one alone, with its story.
//! RELVS_RUNS says how many.

use crate::oracle::{Oracle, Subject, Told, kind, socket, subject};
use crate::scene::shared;
use crate::world::{Dice, VIPS, services};
use relvs_model::{
    Service, ServiceKey,
    health::{Event, Outcome, Says},
};
use relvs_proto::health::{Actions, Input, Monitor, ProbeId};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const RUNS: u64 = 100_000;
const STEPS: usize = 45;

struct Running {
    id: ProbeId,
    subject: Subject,
    /// When it ends; none: never, and the monitor must notice by then.
    ends: Result<Duration, Duration>,
    good: bool,
    says: Option<Says>,
}

struct Run {
    seed: u64,
    tells: bool,
    dice: Dice,
    now: Duration,
    /// How late the caller may be.
    late_ms: u64,
    services: Vec<Service>,
    monitor: Monitor,
    oracle: Oracle,
    running: Vec<Running>,
    good: BTreeMap<IpAddr, bool>,
    /// When the next probe is due: not before, not after.
    due: BTreeMap<Subject, (Duration, Duration)>,
    laid: BTreeMap<ServiceKey, Vec<(SocketAddr, u32)>>,
    away: BTreeSet<IpAddr>,
}

impl Run {
    fn new(seed: u64, tells: bool) -> Self {
        let mut dice = Dice::new(seed);
        let services = services(&mut dice);
        let now = Duration::from_secs(1_000_000);
        let monitor = Monitor::new(now, seed, &shared(&services), Default::default());
        let mut oracle = Oracle::default();
        oracle.now = now;
        let late_ms = if dice.percent(30) { 40 } else { 0 };
        let mut run = Run {
            seed,
            tells,
            dice,
            now,
            late_ms,
            services,
            monitor,
            oracle,
            running: Vec::new(),
            good: BTreeMap::new(),
            due: BTreeMap::new(),
            laid: BTreeMap::new(),
            away: BTreeSet::new(),
        };
        run.oracle.reload(&run.services);
        run.check(true);
        run
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..=5 => self.reload(),
            6..=9 => self.restart(),
            10..=15 => self.drain(),
            16..=18 => self.move_vip(),
            19 => self.end(),
            _ => self.advance(),
        }
    }

    fn story(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{:?} {}", self.now, what());
        }
    }

    fn advance(&mut self) {
        let ends = self.running.iter().filter_map(|probe| probe.ends.ok());
        let Some(next) = ends.chain(self.monitor.poll_timeout()).min() else { return self.reload() };
        let late = if self.late_ms == 0 { 0 } else { self.dice.below(self.late_ms) };
        self.now = self.now.max(next) + Duration::from_millis(late);
        self.oracle.now = self.now;
        if self.monitor.poll_timeout().is_some_and(|due| due <= self.now) {
            self.monitor.handle_timeout(self.now);
            self.pass();
            self.oracle.settle();
            self.check(false);
        }
        let now = self.now;
        let ended = self.running.iter().filter(|probe| probe.ends.is_ok_and(|at| at <= now));
        let mut ended = ended.map(|probe| probe.id).collect::<Vec<_>>();
        self.dice.shuffle(&mut ended);
        let together = self.dice.percent(70);
        let mut inputs = Vec::new();
        for (index, id) in ended.iter().enumerate() {
            let at = self.running.iter().position(|probe| probe.id == *id).expect("it runs");
            let Running { subject, good, says, .. } = self.running.swap_remove(at);
            self.story(|| format!("{subject:?} {good} {says:?}"));
            let outcome = if good { Outcome::Up { says } } else { Outcome::Down { why: "refused".into() } };
            inputs.push(Input::Ended { id: *id, outcome });
            self.oracle.outcome(&subject, good, says);
            self.plan(&subject);
            if !together || index + 1 == ended.len() {
                self.monitor.handle(self.now, std::mem::take(&mut inputs));
                self.oracle.settle();
                self.check(false);
            }
        }
    }

    /// What the oracle has due: probes that never ended, and holds, in the order of time.
    fn pass(&mut self) {
        for _ in 0..1000 {
            let lost = self.running.iter().enumerate().filter_map(|(index, probe)| Some((probe.ends.err()?, index)));
            let lost = lost.min().filter(|(at, _)| *at <= self.now);
            let held = self.oracle.next_release().filter(|at| *at <= self.now);
            match (lost, held) {
                (Some((at, index)), held) if held.is_none_or(|held| at <= held) => {
                    let probe = self.running.swap_remove(index);
                    self.story(|| format!("{:?} never ended", probe.subject));
                    self.oracle.outcome(&probe.subject, false, None);
                    self.plan(&probe.subject);
                }
                (_, Some(held)) => self.oracle.release(held),
                _ => return,
            }
        }
    }

    /// A probe has ended: the next is due after the interval, or sooner.
    fn plan(&mut self, subject: &Subject) {
        let Some((_, hurry)) = self.oracle.asked().get(subject).copied() else { return };
        let pause = crate::world::pace(subject.3, hurry);
        self.due.insert(*subject, (self.now + pause, self.now + pause));
    }

    fn reload(&mut self) {
        let services = crate::world::otherwise(&mut self.dice, &self.services);
        self.story(|| format!("reload {services:#?}"));
        if self.dice.percent(10) {
            // One that is tried and given up changes nothing.
            self.monitor.clone().reload(self.now, &shared(&services));
            return;
        }
        let before = std::mem::replace(&mut self.services, services);
        if self.dice.percent(50) {
            self.monitor.reload(self.now, &shared(&self.services));
        } else {
            let gone = before.iter().filter(|old| self.services.iter().all(|new| new.key != old.key));
            let gone = gone.map(|old| (old.key, None));
            let new = self.services.iter().filter(|new| !before.contains(new));
            let new = new.map(|new| (new.key, Some(Arc::new(new.clone()))));
            self.monitor.change(self.now, &gone.chain(new).collect::<Vec<_>>());
        }
        self.oracle.reload(&self.services);
        self.check(true);
    }

    fn restart(&mut self) {
        let mut memory = self.monitor.remembered();
        if self.dice.percent(20) {
            memory = serde_json::from_str(&serde_json::to_string(&memory).unwrap()).unwrap();
        }
        if self.dice.percent(30) {
            self.services = crate::world::otherwise(&mut self.dice, &self.services);
        }
        self.now += Duration::from_millis(self.dice.below(8_000));
        self.story(|| format!("restart {:#?}", self.services));
        self.running.clear();
        self.due.clear();
        self.monitor = Monitor::new(self.now, self.dice.below(u64::MAX), &shared(&self.services), memory);
        self.oracle.now = self.now;
        self.oracle.restart(&self.services);
        self.check(true);
        if !self.away.is_empty() {
            self.tell_addresses();
        }
    }

    fn drain(&mut self) {
        let servers =
            self.services.iter().flat_map(|service| service.servers.iter().map(|server| (service.key, socket(server))));
        let servers = servers.collect::<Vec<_>>();
        if servers.is_empty() {
            return;
        }
        let (service, server) = servers[self.dice.below(servers.len() as u64) as usize];
        let drained = self.dice.percent(50);
        self.story(|| format!("drain {service} {server} {drained}"));
        self.monitor.handle(self.now, [Input::Drain { service, server, drained }]);
        self.oracle.drain(service, server, drained);
        self.oracle.settle();
        self.check(false);
    }

    fn move_vip(&mut self) {
        let vip = self.dice.pick(&VIPS);
        if !self.away.remove(&vip) {
            self.away.insert(vip);
        }
        self.tell_addresses();
    }

    fn tell_addresses(&mut self) {
        let here = VIPS.into_iter().filter(|vip| !self.away.contains(vip)).collect::<BTreeSet<_>>();
        self.story(|| format!("here {here:?}"));
        self.monitor.handle(self.now, [Input::Here(here.clone())]);
        self.oracle.here = Some(here);
        self.oracle.forget();
        self.check(false);
    }

    fn end(&mut self) {
        self.story(|| "end".to_owned());
        self.monitor.handle(self.now, [Input::End]);
        self.oracle.end();
        self.check(false);
        self.restart();
    }

    /// Compares what was said and told since the last check.
    fn check(&mut self, reloaded: bool) {
        let actions = self.monitor.take();
        self.story(|| format!("{:?} {:?}", actions.effective, actions.notify));
        self.check_told(&actions);
        self.check_laid(&actions, reloaded);
        self.check_probes(actions);
    }

    fn check_told(&mut self, actions: &Actions) {
        let seed = self.seed;
        let expected = std::mem::take(&mut self.oracle.told);
        let told = actions.notify.iter().map(|told| match told.event {
            Event::Server { service, address, port, up, .. } => {
                (service, Told::Server(SocketAddr::new(address, port), up))
            }
            Event::Quorum { service, up, .. } => (service, Told::Quorum(up)),
            Event::Sorry { service, address, port, serving } => {
                (service, Told::Sorry(SocketAddr::new(address, port), serving))
            }
            Event::Router { .. } => panic!("seed {seed}: {told:?}"),
        });
        let told = told.collect::<Vec<_>>();
        // Servers of a service may be told of in any order; one server, and what the service does, in theirs.
        let rank = |told: &(ServiceKey, Told)| match told.1 {
            Told::Server(server, _) => (told.0, 0, Some(server)),
            Told::Quorum(_) => (told.0, 1, None),
            Told::Sorry(..) => (told.0, 2, None),
        };
        let sorted = |mut list: Vec<(ServiceKey, Told)>| {
            list.sort_by_key(rank);
            list
        };
        assert_eq!(sorted(told.clone()), sorted(expected), "seed {seed}: told, and what should be");
        for (index, (service, what)) in told.iter().enumerate() {
            let later = told[index..].iter().filter(|later| later.0 == *service);
            if matches!(what, Told::Quorum(_)) {
                assert!(
                    later.clone().all(|later| !matches!(later.1, Told::Server(..))),
                    "seed {seed}: order of {told:?}"
                );
            }
        }
    }

    fn check_laid(&mut self, actions: &Actions, reloaded: bool) {
        let seed = self.seed;
        for service in &self.services {
            let servers = self.monitor.effective(service).unwrap_or_else(|| service.servers.clone());
            let laid = servers.iter().map(|server| (socket(server), server.weight)).collect::<Vec<_>>();
            assert_eq!(laid, self.oracle.laid(service), "seed {seed}: how {} is laid out, and should be", service.key);
            self.check_promises(service, &laid);
            let before = self.laid.insert(service.key, laid.clone());
            let said = actions.effective.contains(&service.key);
            let changed = before != Some(laid);
            // A sorry server that is a server too may take its own place.
            let both = |sorry| service.servers.iter().any(|server| socket(server) == socket(sorry));
            let same = service.health.as_ref().and_then(|health| health.sorry.as_ref()).is_some_and(both);
            if !reloaded && self.oracle.won(service.key).is_some() {
                let right = said == changed || (said && same);
                assert!(right, "seed {seed}: {} is laid out otherwise: {changed}, but said: {said}", service.key);
            }
        }
    }

    /// What must hold whatever else is the rule.
    fn check_promises(&self, service: &Service, laid: &[(SocketAddr, u32)]) {
        let seed = self.seed;
        let Some(won) = self.oracle.won(service.key) else { return };
        let weight = |server: SocketAddr| laid.iter().find(|(known, _)| *known == server).map(|(_, weight)| *weight);
        let sorry = service.health.as_ref().and_then(|health| health.sorry.as_ref()).map(socket);
        let verdicts = self.oracle.verdicts(service.key);
        for (server, up, whole) in &verdicts {
            let (now, is_sorry) = (weight(socket(server)), sorry == Some(socket(server)));
            assert!(*up || is_sorry || now.unwrap_or(0) == 0, "seed {seed}: {} is down and scheduled", server.address);
            let out = *up && *whole > 0 && now.unwrap_or(0) == 0;
            assert!(!out || (!won && sorry.is_some()), "seed {seed}: {} is up and out", server.address);
        }
        if let Some(sorry) = sorry {
            let real = verdicts.iter().any(|(server, ..)| socket(server) == sorry);
            assert!(!won || real || weight(sorry).unwrap_or(0) == 0, "seed {seed}: the sorry server with a quorum");
            let someone = laid.iter().any(|(_, weight)| *weight > 0);
            assert!(someone, "seed {seed}: {} has a sorry server and nobody serves", service.key);
        }
    }

    fn check_probes(&mut self, actions: Actions) {
        let seed = self.seed;
        for cancelled in actions.cancel {
            self.running.retain(|probe| probe.id != cancelled);
        }
        let asked = self.oracle.asked();
        self.due.retain(|subject, _| asked.contains_key(subject));
        for probe in &self.running {
            assert!(asked.contains_key(&probe.subject), "seed {seed}: nobody asks for {:?}", probe.subject);
        }
        for (subject, (warmup_ms, _)) in &asked {
            let until = self.now + Duration::from_millis((*warmup_ms).into());
            self.due.entry(*subject).or_insert((self.now, until));
        }
        for start in actions.start {
            let question = &start.question;
            let subject = (kind(&question.probe), question.asked.address, question.asked.port, question.timeout_ms);
            let late = Duration::from_millis(self.late_ms);
            let due = self.due.get(&subject).copied();
            let on_time = due.is_some_and(|(first, last)| first <= self.now && self.now <= last + late);
            assert!(on_time, "seed {seed}: {subject:?} was due {due:?} and is asked at {:?}", self.now);
            let once = self.running.iter().all(|probe| probe.subject != subject);
            assert!(once, "seed {seed}: {subject:?} is asked twice at once");
            self.start(start.id, subject);
        }
        for (subject, (_, last)) in &self.due {
            let runs = self.running.iter().any(|probe| probe.subject == *subject);
            let waits = *last + Duration::from_millis(self.late_ms) >= self.now;
            assert!(runs || waits, "seed {seed}: {subject:?} was due at {last:?} and is not asked");
        }
    }

    fn start(&mut self, id: ProbeId, subject: Subject) {
        let good = self.good.entry(subject.1).or_insert(true);
        if self.dice.percent(25) {
            *good = !*good;
        }
        let good = *good;
        let says = match self.dice.below(12) {
            0 => Some(Says::Weight(self.dice.below(4) as u32)),
            1 => Some(Says::Add(self.dice.below(5) as i32 - 2)),
            _ => None,
        };
        let ends = if self.dice.percent(4) {
            Err(self.now + Duration::from_millis(u64::from(subject.3) + 1000))
        } else {
            Ok(self.now + Duration::from_millis(self.dice.below(900)))
        };
        self.running.push(Running { id, subject, ends, good, says });
    }
}

/// Says which run it was, whatever it failed at.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("RELVS_CASE={} makes this run alone", self.0);
        }
    }
}

fn run(seed: u64, tells: bool) {
    let _named = Named(seed);
    let mut run = Run::new(seed, tells);
    for _ in 0..STEPS {
        run.step();
    }
}

#[test]
fn the_monitor_does_what_the_oracle_says() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("RELVS_CASE") {
        return run(seed, true);
    }
    let runs = number("RELVS_RUNS").unwrap_or(RUNS);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= runs {
                        return;
                    }
                    run(seed, false);
                }
            });
        }
    });
}

#[test]
fn the_simulation_meets_what_it_is_about() {
    let mut met = BTreeMap::new();
    for seed in 0..300 {
        let mut run = Run::new(seed, false);
        for _ in 0..STEPS {
            run.step();
            for service in run.monitor.shown() {
                let mut see = |what: &'static str, is: bool| *met.entry(what).or_insert(0) += u32::from(is);
                see("sorry server", service.sorry);
                see("suspended", service.suspended);
                see("no quorum", !service.up);
                for server in &service.servers {
                    see("down", !server.up);
                    see("held", server.held_until_ms.is_some());
                    see("slow start", server.slow_start && server.weight.is_some_and(|weight| weight > 0));
                    see("drained", server.drained);
                    see("inhibited", !server.up && server.weight == Some(0));
                    see("two checks", server.checks.len() > 1);
                }
            }
            let subjects = run.services.iter().flat_map(|service| service.servers.iter());
            let subjects = subjects.flat_map(|server| {
                let checks = server.health.iter().flat_map(|health| &health.checks);
                checks.map(|check| subject(server, check)).collect::<Vec<_>>()
            });
            let subjects = subjects.collect::<Vec<_>>();
            let different = subjects.iter().collect::<BTreeSet<_>>().len();
            *met.entry("shared probes").or_insert(0) += u32::from(different < subjects.len());
        }
    }
    assert_eq!(met.len(), 10);
    for (what, times) in met {
        assert!(times > 100, "{what}: only {times} times");
    }
}
