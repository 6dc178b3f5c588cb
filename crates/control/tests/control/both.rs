//! relvs and the rebuilt IPVS side by side: the same changes, loads and connections, the same choices.

use crate::{
    ipvs::{Caller, Ipvs},
    rig::{Rig, SMALL, key, numbered},
};
use relvs_core::{Block, schedule::Arrival, table::load};
use relvs_model::{Method, Scheduler, SchedulerFlags, Server, Service};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// What a connection adds to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    Active,
    Inactive,
    Not,
}

pub(crate) struct Both {
    pub(crate) rig: Rig,
    pub(crate) ipvs: Ipvs,
    pub(crate) service: Service,
    thresholds: bool,
    /// Of each server: active and inactive flows, and whether it is overloaded.
    loads: BTreeMap<u32, ([u32; 2], bool)>,
}

pub(crate) fn arrival(caller: &Caller) -> Arrival {
    Arrival {
        source: words(caller.source.ip()),
        destination: words(caller.destination),
        source_port: caller.source.port().to_be(),
        six: caller.destination.is_ipv6(),
        now: 0,
    }
}

fn words(address: IpAddr) -> [u64; 2] {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes = address.octets(),
    }
    // The first address byte is the first in memory.
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    [word(0), word(8)]
}

/// The client of this number, to the VIP of that number.
pub(crate) fn caller(six: bool, client: u32, vip: u8) -> Caller {
    let port = (client % 60_000) as u16 + 1024;
    if six {
        let high = u128::from(client.wrapping_mul(0x9e37_79b1)) << 64;
        let source = Ipv6Addr::from_bits(0x2001_0db8 << 96 | high | u128::from(client));
        let destination = Ipv6Addr::from_bits(0x2001_0db8_0000_0001 << 64 | u128::from(vip));
        return Caller { source: SocketAddr::from((source, port)), destination: destination.into() };
    }
    let source = Ipv4Addr::from_bits(0xc612_0000 + client % (1 << 16));
    Caller { source: SocketAddr::from((source, port)), destination: Ipv4Addr::new(192, 0, 2, vip).into() }
}

impl Both {
    pub(crate) fn new(scheduler: Scheduler, six: bool, thresholds: bool, flags: SchedulerFlags) -> Self {
        let listen = key(if six { "[2001:db8::64]:80/tcp" } else { "192.0.2.100:80/tcp" });
        let service = Service { flags, ..Service::new(listen, scheduler, Vec::new()) };
        let mut ipvs = Ipvs::new(scheduler);
        ipvs.fallback = flags.has(SchedulerFlags::FALLBACK);
        ipvs.port = flags.has(SchedulerFlags::PORT);
        let mut both = Both { rig: Rig::new(SMALL), ipvs, service, thresholds, loads: BTreeMap::new() };
        both.apply();
        both
    }

    fn apply(&mut self) {
        self.rig.apply(std::slice::from_ref(&self.service)).unwrap();
    }

    pub(crate) fn server(&self, id: u32, weight: u32) -> Server {
        let mut server = numbered(id, weight);
        if !self.service.key.is_ipv4() {
            let address = Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(id));
            server = Server::new(address.into(), 8080, weight, Method::Nat);
        }
        server.upper_threshold = if self.thresholds { 1000 } else { 0 };
        server
    }

    fn endpoint(&self, id: u32) -> SocketAddr {
        let server = self.server(id, 0);
        SocketAddr::new(server.address, server.port)
    }

    pub(crate) fn place(&self, id: u32) -> Option<usize> {
        let address = self.server(id, 0).address;
        self.service.servers.iter().position(|server| server.address == address)
    }

    /// Adds the server, or gives it this weight if it is there.
    pub(crate) fn weight(&mut self, id: u32, weight: u32) {
        match self.place(id) {
            // Nothing changes here, where IPVS's wrr would begin its pass again.
            Some(at) if self.service.servers[at].weight == weight => return,
            Some(at) => {
                self.service.servers[at].weight = weight;
                self.ipvs.edit(id, weight);
            }
            None => {
                self.service.servers.push(self.server(id, weight));
                self.ipvs.add(id, self.endpoint(id), weight);
            }
        }
        self.apply();
        self.loads.entry(id).or_default();
        self.show(id);
    }

    /// Gives the server another threshold, of which its scheduler only learns that it was edited.
    pub(crate) fn threshold(&mut self, id: u32, more: u32) {
        let Some(at) = self.place(id).filter(|_| self.thresholds) else { return };
        let server = &mut self.service.servers[at];
        if server.upper_threshold != 1000 + more {
            server.upper_threshold = 1000 + more;
            self.ipvs.edit(id, server.weight);
            self.apply();
        }
    }

    pub(crate) fn remove(&mut self, id: u32) {
        let Some(at) = self.place(id) else { return };
        self.service.servers.remove(at);
        self.loads.remove(&id);
        self.ipvs.remove(id);
        self.apply();
    }

    pub(crate) fn switch(&mut self, scheduler: Scheduler) {
        if self.service.scheduler != scheduler {
            self.service.scheduler = scheduler;
            self.ipvs.switch(scheduler);
            self.apply();
        }
    }

    pub(crate) fn counts(&mut self, id: u32, counts: [u32; 2]) {
        if let Some(load) = self.loads.get_mut(&id) {
            load.0 = counts;
            self.show(id);
        }
    }

    /// Without thresholds there is no overload.
    pub(crate) fn overload(&mut self, id: u32, overloaded: bool) {
        if let Some(load) = self.loads.get_mut(&id).filter(|_| self.thresholds) {
            load.1 = overloaded;
            self.show(id);
        }
    }

    /// Writes a server's load to both.
    fn show(&mut self, id: u32) {
        let (counts, overloaded) = self.loads[&id];
        self.ipvs.load(id, counts, overloaded);
        let record = self.rig.load_of(self.service.key, self.endpoint(id));
        record.store(load::COUNTS, u64::from(counts[0]) * load::ACTIVE + u64::from(counts[1]) * load::INACTIVE);
        record.store(load::OVERLOAD, u64::from(overloaded));
    }

    /// A connection: whom relvs chooses, and whom IPVS does.
    pub(crate) fn arrive(&mut self, caller: &Caller, stays: Stays) -> (Option<u32>, Option<u32>) {
        let reached = self.rig.arrive_as(self.service.key, &arrival(caller));
        let ids: Vec<u32> = self.loads.keys().copied().collect();
        let reached = reached.map(|reached| ids.into_iter().find(|id| self.endpoint(*id) == reached).unwrap());
        let expected = self.ipvs.arrive(caller);
        if let Some((load, id)) = reached.and_then(|id| Some((self.loads.get_mut(&id)?, id))) {
            match stays {
                Stays::Active => load.0[0] += 1,
                Stays::Inactive => load.0[1] += 1,
                Stays::Not => {}
            }
            self.show(id);
        }
        (reached, expected)
    }
}
