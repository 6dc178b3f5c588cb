//! A control with tables: states are applied as a daemon applies them, connections arrive and are scheduled by the core.

use crate::memory::{Memory, Words};
use relvs_control::{Control, Desired, Image, Limits, Plan, Prepared, Refusal};
use relvs_core::{Block, Family, Tables, V4, V6, schedule, schedule::Arrival, table::entry, table::service};
use relvs_model::{Listen, Method, Protocol, Scheduler, Server, Service, ServiceKey};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub(crate) const SMALL: Limits =
    Limits { sets: 256, services: 64, bands: 512, ring: 1 << 14, rules: 64, destinations: 512 };

pub(crate) fn key(text: &str) -> ServiceKey {
    let (endpoint, protocol) = text.split_once('/').unwrap();
    let endpoint: SocketAddr = endpoint.parse().unwrap();
    ServiceKey::listen(protocol.parse().unwrap(), endpoint.ip(), endpoint.port())
}

/// Port 80 of this VIP.
pub(crate) fn http(vip: impl Into<IpAddr>) -> ServiceKey {
    ServiceKey::listen(Protocol::Tcp, vip.into(), 80)
}

/// A NAT server.
pub(crate) fn server(endpoint: &str, weight: u32) -> Server {
    let endpoint: SocketAddr = endpoint.parse().unwrap();
    Server::new(endpoint.ip(), endpoint.port(), weight, Method::Nat)
}

/// The NAT server with this number.
pub(crate) fn numbered(number: u32, weight: u32) -> Server {
    let address = IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number));
    Server::new(address, 8080, weight, Method::Nat)
}

/// 192.0.2.100:80/tcp with these weights.
pub(crate) fn weighted(scheduler: Scheduler, weights: &[u32]) -> Service {
    let servers = weights.iter().zip(1..).map(|(weight, number)| numbered(number, *weight)).collect();
    Service::new(key("192.0.2.100:80/tcp"), scheduler, servers)
}

/// What a half holds, wherever its entries are, and what else is written.
fn content(prepared: &Prepared) -> impl PartialEq + std::fmt::Debug {
    let Image { entries, services, limits, bands, rings, rules, nat, marks, any_port, settings, drop_rate } =
        prepared.image.clone();
    let (mut four, mut six) = (entries.four.clone(), entries.six.clone());
    // Which of several destinations stands for a NAT server's address does not matter.
    four.iter_mut().filter(|entry| entry.0 & entry::SERVER != 0).for_each(|entry| entry.1 = 0);
    six.iter_mut().filter(|entry| entry.1 & entry::SERVER != 0).for_each(|entry| entry.2 = 0);
    four.sort_unstable();
    six.sort_unstable();
    let flags = (nat, marks, any_port, settings, drop_rate);
    ((four, six, services, limits), (bands, rings, rules), flags, prepared.destinations.clone(), prepared.plan.clone())
}

pub(crate) struct Rig {
    pub(crate) limits: Limits,
    pub(crate) control: Control,
    pub(crate) memory: Memory,
    pub(crate) half: u32,
    pub(crate) multiplier: u64,
    seed: u64,
}

impl Rig {
    pub(crate) fn new(limits: Limits) -> Self {
        let (control, memory) = (Control::new(limits), Memory::new(limits));
        Rig { limits, control, memory, half: 0, multiplier: 1, seed: 0 }
    }

    /// Applies these services, and everything else as it was.
    pub(crate) fn apply<S: Clone + Into<Arc<Service>>>(&mut self, services: &[S]) -> Result<Plan, Refusal> {
        let services = services.iter().cloned().map(Into::into).collect();
        self.apply_all(&Desired { services, ..self.control.desired().clone() })
    }

    /// The same with everything else: a change of what is applied, which must be what a new daemon would lay out and find
    /// on disk.
    pub(crate) fn apply_all(&mut self, desired: &Desired) -> Result<Plan, Refusal> {
        let json = serde_json::to_string(&self.control).unwrap();
        let mut stored = serde_json::from_str::<Control>(&json).unwrap().with_limits(self.limits);
        assert_eq!(stored, self.control);
        self.seed += 1;
        let half = 1 - self.half;
        let cursor = |key| {
            let index = self.control.index_of(key).expect("asked about a service that is not applied");
            (&self.memory).service(self.half * self.limits.services + index).unwrap().load(service::CURSOR)
        };
        let prepared = self.control.prepare(desired, half, self.seed, &cursor)?;
        let anew = stored.prepare(desired, half, self.seed, &cursor).unwrap();
        assert_eq!(content(&prepared), content(&anew));
        self.memory.install(half, &prepared.image);
        (self.half, self.multiplier) = (half, prepared.image.entries.multiplier);
        let plan = prepared.plan.clone();
        let step = serde_json::to_string(&prepared.step(&self.control)).unwrap();
        stored.follow(serde_json::from_str(&step).unwrap()).unwrap();
        self.control.commit(prepared);
        stored.agrees().unwrap();
        assert_eq!(stored, self.control, "{step}");
        // Some of its life it is the one that the daemon before had.
        if self.seed.is_multiple_of(3) {
            self.control = stored;
        }
        for ((number, record), (.., server, _)) in self.control.records().zip(self.control.destinations()) {
            self.memory.destination(number, &record, server.weight);
        }
        Ok(plan)
    }

    /// Forgets a retired destination, if it is one; here and on disk.
    pub(crate) fn release(&mut self, number: u32) -> bool {
        let mut stored = self.control.clone();
        let step = self.control.releasing(&[number]);
        let released = self.control.release(number);
        assert_eq!(stored.follow(step).is_ok(), released);
        assert!(!released || stored == self.control);
        released
    }

    /// The value of an entry, as the core finds it.
    pub(crate) fn entry(&self, address: IpAddr, port: u16, protocol: Protocol, flag: u64) -> Option<u64> {
        let memory = &self.memory;
        let (c, half) = (memory.constants(), self.half * self.limits.sets);
        let key = entry::key(port.to_be(), protocol.number()) | flag;
        match address {
            IpAddr::V4(address) => {
                V4::entry(&memory, half, self.multiplier, &c, u32::from_ne_bytes(address.octets()), key)
            }
            IpAddr::V6(address) => {
                let octets = address.octets();
                let word = |at: usize| u64::from_ne_bytes(octets[at..at + 8].try_into().unwrap());
                V6::entry(&memory, half, self.multiplier, &c, [word(0), word(8)], key)
            }
        }
    }

    /// The index of a service's record, as the core finds it.
    pub(crate) fn service(&self, key: ServiceKey) -> Option<u32> {
        let ServiceKey::Listen(Listen { protocol, address, port }) = key else {
            return self.control.index_of(key).map(|at| self.half * self.limits.services + at);
        };
        self.entry(address, port, protocol, 0).map(|value| value as u32)
    }

    /// Whether the service at this index takes no new flows, because it was removed.
    pub(crate) fn takes_none(&self, index: u32) -> bool {
        schedule::pick(&&self.memory, index, &Arrival::default()) == Err(relvs_core::Reason::NoFlow)
    }

    /// The server that a new connection to this service reaches.
    pub(crate) fn arrive(&self, key: ServiceKey) -> Option<SocketAddr> {
        self.arrive_as(key, &Arrival::default())
    }

    /// The same, with what schedulers see of the connection.
    pub(crate) fn arrive_as(&self, key: ServiceKey, arrival: &Arrival) -> Option<SocketAddr> {
        let index = self.service(key).expect("the service is not found");
        let number = schedule::pick(&&self.memory, index, arrival).ok()?;
        let found = self.control.destinations().find(|(n, ..)| *n == number);
        let (_, service, server, retired) = found.expect("the ring has a number that is of no destination");
        assert!(service == key && !retired);
        Some(SocketAddr::new(server.address, server.port))
    }

    /// The record of how loaded a server of this service is.
    pub(crate) fn load_of(&self, key: ServiceKey, server: SocketAddr) -> Words<'_> {
        let is = |(_, service, of, retired): &(u32, ServiceKey, &Server, bool)| {
            (*service, SocketAddr::new(of.address, of.port), *retired) == (key, server, false)
        };
        let (number, ..) = self.control.destinations().find(is).expect("the server is none of this service");
        (&self.memory).load_of(number).unwrap()
    }

    /// Sets a service's cursor.
    pub(crate) fn turn(&self, key: ServiceKey, cursor: u64) {
        (&self.memory).service(self.service(key).unwrap()).unwrap().store(service::CURSOR, cursor);
    }
}
