//! IPVS's schedulers rebuilt step by step from the description of their behaviour: a list that new servers join at the
//! head, walked as IPVS walks it, and what each scheduler keeps between two choices.
//!
//! twos is not here, because it draws. The hash function of mh is the core's: it is checked elsewhere.

use relvs_core::schedule::mh;
use relvs_model::Scheduler;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

type Id = u32;

#[derive(Clone, Debug)]
struct Server {
    id: Id,
    endpoint: SocketAddr,
    weight: i64,
    last_weight: i64,
    active: i64,
    inactive: i64,
    overloaded: bool,
}

impl Server {
    fn available(&self) -> bool {
        !self.overloaded && self.weight > 0
    }

    fn overhead(&self) -> i64 {
        (self.active << 8) + self.inactive
    }
}

/// What IPVS sees of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) source: SocketAddr,
    pub(crate) destination: IpAddr,
}

pub(crate) struct Ipvs {
    scheduler: Scheduler,
    pub(crate) fallback: bool,
    pub(crate) port: bool,
    /// Head first.
    list: Vec<Server>,
    /// rr: used last. wrr: chosen last in this pass. None is the head of the list.
    pointer: Option<Id>,
    current: i64,
    largest: i64,
    step: i64,
    /// sh, dh and mh.
    table: Vec<Id>,
    /// lblc and lblcr, the latter's newest first.
    near: BTreeMap<IpAddr, Vec<Id>>,
}

impl Ipvs {
    pub(crate) fn new(scheduler: Scheduler) -> Self {
        Ipvs {
            scheduler,
            fallback: false,
            port: false,
            list: Vec::new(),
            pointer: None,
            current: 0,
            largest: 0,
            step: 1,
            table: Vec::new(),
            near: BTreeMap::new(),
        }
    }

    /// wrr at the beginning of a pass with this current weight.
    pub(crate) fn at_pass(weights: &[u32], current: i64) -> Self {
        let mut ipvs = Ipvs::new(Scheduler::Wrr);
        for (weight, id) in weights.iter().zip(1..) {
            ipvs.add(id, SocketAddr::from(([10, 0, 0, 0], 0)), *weight);
        }
        ipvs.current = current;
        ipvs
    }

    pub(crate) fn add(&mut self, id: Id, endpoint: SocketAddr, weight: u32) {
        let weight = i64::from(weight);
        let server = Server { id, endpoint, weight, last_weight: weight, active: 0, inactive: 0, overloaded: false };
        self.list.insert(0, server);
        self.changed();
    }

    pub(crate) fn remove(&mut self, id: Id) {
        let at = self.place(id);
        if self.scheduler == Scheduler::Rr && self.pointer == Some(id) {
            self.pointer = if at == 0 { None } else { Some(self.list[at - 1].id) };
        }
        self.list.remove(at);
        self.changed();
    }

    pub(crate) fn edit(&mut self, id: Id, weight: u32) {
        let at = self.place(id);
        self.list[at].weight = i64::from(weight);
        if weight != 0 {
            self.list[at].last_weight = i64::from(weight);
        }
        self.changed();
    }

    /// It has so many flows now, and is overloaded or not.
    pub(crate) fn load(&mut self, id: Id, [active, inactive]: [u32; 2], overloaded: bool) {
        let at = self.place(id);
        let server = &mut self.list[at];
        (server.active, server.inactive, server.overloaded) = (active.into(), inactive.into(), overloaded);
    }

    pub(crate) fn switch(&mut self, scheduler: Scheduler) {
        self.scheduler = scheduler;
        self.pointer = None;
        self.near.clear();
        self.measure();
        self.current = self.largest;
        self.changed();
    }

    fn place(&self, id: Id) -> usize {
        self.list.iter().position(|server| server.id == id).unwrap()
    }

    fn there(&self, id: Id) -> Option<&Server> {
        self.list.iter().find(|server| server.id == id)
    }

    fn measure(&mut self) {
        self.step = divisor(self.list.iter().map(|server| server.weight)).max(1);
        self.largest = self.list.iter().map(|server| server.weight).max().unwrap_or(0) - (self.step - 1);
    }

    fn changed(&mut self) {
        match self.scheduler {
            Scheduler::Wrr => {
                self.pointer = None;
                self.measure();
                if self.current > self.largest || self.current == 0 {
                    self.current = self.largest;
                } else if self.step > 1 {
                    self.current = self.current / self.step * self.step + 1;
                }
            }
            Scheduler::Sh => self.fill(|server| server.weight),
            Scheduler::Dh => self.fill(|_| 1),
            Scheduler::Mh => self.populate(),
            Scheduler::Rr
            | Scheduler::Lc
            | Scheduler::Wlc
            | Scheduler::Lblc
            | Scheduler::Lblcr
            | Scheduler::Sed
            | Scheduler::Nq
            | Scheduler::Fo
            | Scheduler::Ovf
            | Scheduler::Twos => {}
        }
    }

    fn fill(&mut self, share: fn(&Server) -> i64) {
        self.table.clear();
        let (mut at, mut count) = (0, 0);
        while self.table.len() < 256 && !self.list.is_empty() {
            let server = &self.list[at];
            self.table.push(server.id);
            count += 1;
            if count >= share(server) {
                (at, count) = ((at + 1) % self.list.len(), 0);
            }
        }
    }

    fn populate(&mut self) {
        self.table.clear();
        let divisor = divisor(self.list.iter().map(|server| server.last_weight));
        if divisor < 1 {
            return;
        }
        let most = self.list.iter().map(|server| server.last_weight).max().unwrap() / divisor;
        let bits = (1..).find(|bits| most >> bits == 0).unwrap();
        let shift = (bits - 6).max(0);
        let turns = |server: &Server| match (server.last_weight / divisor) >> shift {
            0 => i64::from(server.last_weight != 0),
            turns => turns,
        };
        let hash = |server: &Server, key| {
            mh::hash(key, fold(server.endpoint.ip()).wrapping_add(server.endpoint.port().into()))
        };
        let mut next: Vec<u32> = self.list.iter().map(|server| hash(server, 2_654_435_761) % 4093).collect();
        let skip: Vec<u32> = self.list.iter().map(|server| hash(server, 2_654_446_892) % 4092 + 1).collect();
        let mut table = vec![0; 4093];
        let (mut taken, mut at, mut count) = (0, 0, 0);
        while taken < 4093 {
            let server = &self.list[at];
            if turns(server) > 0 {
                while table[next[at] as usize] != 0 {
                    next[at] = (next[at] + skip[at]) % 4093;
                }
                table[next[at] as usize] = server.id;
                taken += 1;
                count += 1;
            }
            if count >= turns(server) {
                (at, count) = ((at + 1) % self.list.len(), 0);
            }
        }
        self.table = table;
    }

    pub(crate) fn arrive(&mut self, caller: &Caller) -> Option<Id> {
        match self.scheduler {
            Scheduler::Rr => self.rr(),
            Scheduler::Wrr => self.wrr(),
            Scheduler::Lc => least(self.list.iter(), |least, other| other.overhead() < least.overhead()),
            Scheduler::Wlc => self.wlc(),
            Scheduler::Sed => least(self.list.iter(), sooner),
            Scheduler::Nq => {
                let idle = self.list.iter().find(|server| server.available() && server.active == 0);
                idle.map(|server| server.id).or_else(|| least(self.list.iter(), sooner))
            }
            Scheduler::Fo => least(self.list.iter(), |most, other| other.weight > most.weight),
            Scheduler::Ovf => {
                let fits = self.list.iter().filter(|server| server.active <= server.weight);
                least(fits, |most, other| other.weight > most.weight)
            }
            Scheduler::Lblc => self.lblc(caller),
            Scheduler::Lblcr => self.lblcr(caller),
            Scheduler::Sh => self.hashed(256, self.key(caller), |offset, key| {
                offset.wrapping_add(key.wrapping_mul(0x61c8_8647) >> 24) & 255
            }),
            Scheduler::Mh => self
                .hashed(4093, self.key(caller), |offset, key| mh::hash(2_654_435_761, offset.wrapping_add(key)) % 4093),
            Scheduler::Dh => {
                let key = fold(caller.destination);
                self.slot(key.wrapping_mul(0x61c8_8647) >> 24)
            }
            Scheduler::Twos => panic!("twos draws"),
        }
    }

    fn rr(&mut self) -> Option<Id> {
        let after = self.pointer.map_or(0, |id| self.place(id) + 1);
        let mut around = self.list[after..].iter().chain(&self.list[..after]);
        let chosen = around.find(|server| server.available())?.id;
        self.pointer = Some(chosen);
        Some(chosen)
    }

    fn wrr(&mut self) -> Option<Id> {
        if self.largest == 0 {
            return None;
        }
        let begin = self.pointer;
        let mut at = begin.map_or(0, |id| self.place(id) + 1);
        let (mut stop, mut last_pass, mut again) = (None, false, false);
        loop {
            while let Some(server) = self.list.get(at) {
                if !server.overloaded && server.weight >= self.current {
                    self.pointer = Some(server.id);
                    return self.pointer;
                }
                if Some(server.id) == stop {
                    self.pointer = stop;
                    return None;
                }
                at += 1;
            }
            at = 0;
            self.current -= self.step;
            if self.current <= 0 {
                self.current = self.largest;
                if last_pass || begin.is_none() {
                    self.pointer = None;
                    return None;
                }
                again = true;
            }
            self.skip();
            last_pass = self.current <= self.step;
            if last_pass && again {
                stop = begin;
            }
        }
    }

    /// Many passes that take nobody, at once: from a weight of two thousand million IPVS goes down step by step.
    fn skip(&mut self) {
        let most = self.list.iter().filter(|server| server.available()).map(|server| server.weight).max().unwrap_or(1);
        let passes = (self.current - most + self.step - 1) / self.step;
        let passes = passes.min((self.current - 1) / self.step);
        if passes > 1000 {
            self.current -= passes * self.step;
        }
    }

    fn wlc(&self) -> Option<Id> {
        least(self.list.iter(), lighter)
    }

    fn busy(&self, server: &Server) -> bool {
        server.active > server.weight && self.list.iter().any(|other| other.active * 2 < other.weight)
    }

    fn lblc(&mut self, caller: &Caller) -> Option<Id> {
        let known = self.near.get(&caller.destination).and_then(|ids| self.there(*ids.first()?));
        if let Some(server) = known.filter(|server| server.weight > 0 && !self.busy(server)) {
            return Some(server.id);
        }
        let chosen = self.wlc()?;
        self.near.insert(caller.destination, vec![chosen]);
        Some(chosen)
    }

    fn lblcr(&mut self, caller: &Caller) -> Option<Id> {
        let set = self.near.get(&caller.destination).cloned().unwrap_or_default();
        let known = least(set.iter().filter_map(|id| self.there(*id)), lighter);
        if let Some(server) = known.and_then(|id| self.there(id)).filter(|server| !self.busy(server)) {
            return Some(server.id);
        }
        let chosen = self.wlc()?;
        let set = self.near.entry(caller.destination).or_default();
        if !set.contains(&chosen) {
            set.insert(0, chosen);
        }
        Some(chosen)
    }

    fn key(&self, caller: &Caller) -> u32 {
        let port = if self.port { caller.source.port() } else { 0 };
        fold(caller.source.ip()).wrapping_add(u32::from(port))
    }

    fn slot(&self, place: u32) -> Option<Id> {
        let server = self.there(*self.table.get(place as usize)?)?;
        server.available().then_some(server.id)
    }

    fn hashed(&self, slots: u32, key: u32, hash: fn(u32, u32) -> u32) -> Option<Id> {
        let begin = hash(0, key);
        let offsets = if self.fallback { 0..slots } else { 0..0 };
        let again = offsets.map(|offset| hash((offset + begin) % slots, key));
        std::iter::once(begin).chain(again).find_map(|place| self.slot(place))
    }
}

/// The first available one, or a later one that `replaces` the best so far.
fn least<'a>(servers: impl Iterator<Item = &'a Server>, replaces: fn(&Server, &Server) -> bool) -> Option<Id> {
    let mut best: Option<&Server> = None;
    for server in servers.filter(|server| server.available()) {
        if best.is_none_or(|best| replaces(best, server)) {
            best = Some(server);
        }
    }
    best.map(|server| server.id)
}

fn lighter(least: &Server, other: &Server) -> bool {
    least.overhead() * other.weight > other.overhead() * least.weight
}

fn sooner(least: &Server, other: &Server) -> bool {
    (least.active + 1) * other.weight > (other.active + 1) * least.weight
}

/// The greatest common divisor of all but 0; 0 if there is no other.
fn divisor(weights: impl Iterator<Item = i64>) -> i64 {
    weights.fold(0, |mut a, mut b| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    })
}

fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (0..4).fold(0, |joined, word| joined ^ (bits >> (32 * word)) as u32)
        }
    }
}
