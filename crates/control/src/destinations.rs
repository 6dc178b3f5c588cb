//! Numbers of destinations: given once, kept as long as the destination exists or is retired.
//!
//! A change is worked out from the services that it touches ([`Destinations::assign`]), and made by putting what it gives
//! in its place; so it costs nothing for the others, however many there are.

use crate::{Limits, Refusal, memory_order, record::FTP};
use relvs_core::table::destination::{self, Destination, method, tunnel};
use relvs_model::{Method, Server, Service, ServiceKey, Tunnel};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Bound,
};

/// What a destination is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    service: ServiceKey,
    address: IpAddr,
    port: u16,
    method: Method,
    /// Flows remember neither port, so they must not change.
    client_port: bool,
}

impl Identity {
    /// That of a server of this service.
    pub(crate) fn of(service: &Service, server: &Server) -> Self {
        Held::of(service, server).identity()
    }

    /// The least of all of a service.
    const fn first(service: ServiceKey) -> Self {
        let address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Identity { service, address, port: 0, method: Method::ALL[0], client_port: false }
    }
}

/// What has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) service: ServiceKey,
    /// As it is, or was when it was removed.
    pub(crate) server: Server,
    /// It is sent to on the port that its client chose, whatever its own.
    pub(crate) client_port: bool,
    /// The latest weight that was not 0; 0 if there was none since it came.
    pub(crate) last_weight: u32,
    /// Seconds that its service's persistence lasts, or lasted; 0 if it never had any.
    pub(crate) template_s: u32,
    pub(crate) retired: bool,
}

impl Held {
    /// A server that comes.
    fn of(service: &Service, server: &Server) -> Self {
        // As ip_vs_schedule and ip_vs_sched_persist do; an FTP client's data connections follow the template too.
        let persistent = service.persistence.is_some();
        let client_port = server.method == Method::Nat
            && match service.key.port() {
                0 => server.port == 0 || persistent,
                FTP => server.port == FTP && persistent,
                _ => false,
            };
        Held {
            service: service.key,
            server: server.clone(),
            client_port,
            last_weight: server.weight,
            template_s: service.persistence.map_or(0, |persistence| persistence.timeout_s),
            retired: false,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        let Held { service, server: Server { address, port, method, .. }, client_port, .. } = self;
        Identity { service: *service, address: *address, port: *port, method: *method, client_port: *client_port }
    }

    /// The address and port that its packets come from; port 0 is any.
    pub(crate) fn replies_from(&self) -> SocketAddr {
        SocketAddr::new(self.server.address, self.sent_to())
    }

    /// The same where that is to be known, because its packets are rewritten.
    pub(crate) fn rewritten_to(&self) -> Option<SocketAddr> {
        (self.server.method == Method::Nat).then(|| self.replies_from())
    }

    fn sent_to(&self) -> u16 {
        if self.client_port { 0 } else { self.server.port }
    }

    fn flags(&self) -> u8 {
        let wildcard = if self.service.port() == 0 || self.client_port { destination::WILDCARD } else { 0 };
        match (self.retired, self.server.weight) {
            (true, _) => wildcard,
            (false, 0) => wildcard | destination::AVAILABLE | destination::QUIESCED,
            (false, _) => wildcard | destination::AVAILABLE,
        }
    }

    /// Its record, less what only the caller knows: next hop, MTU and DIP.
    pub(crate) fn record(&self) -> Destination {
        Destination {
            method: method_of(&self.server, self.service.is_ipv4()),
            tunnel_port: match self.server.tunnel {
                Tunnel::Gue { port, .. } => memory_order::port(port),
                Tunnel::Ipip | Tunnel::Gre { .. } => 0,
            },
            flags: self.flags(),
            server_port: memory_order::port(self.sent_to()),
            service_port: memory_order::port(self.service.port()),
            rip: memory_order::words(self.server.address),
            vip: self.service.address().map_or([0; 2], memory_order::words),
            ..Destination::default()
        }
    }
}

/// A server's method, with the kind of its tunnel, for a service of this family.
fn method_of(server: &Server, ipv4: bool) -> u8 {
    let sum = |checksum: bool| if checksum { tunnel::CHECKSUM } else { 0 };
    let kind = match server.tunnel {
        Tunnel::Ipip => 0,
        Tunnel::Gre { checksum } => tunnel::GRE | sum(checksum),
        Tunnel::Gue { checksum, .. } => tunnel::GUE | sum(checksum),
    };
    let family = if server.address.is_ipv4() == ipv4 { 0 } else { tunnel::OTHER_FAMILY };
    match server.method {
        Method::Nat => method::NAT,
        Method::Dr => method::DR,
        Method::Tun => method::TUN | kind | family,
    }
}

/// Bytes that are put in front of a packet to this server.
pub fn overhead(server: &Server) -> u16 {
    let ipv4 = server.address.is_ipv4();
    destination::overhead(method_of(server, ipv4), !ipv4)
}

/// All that have numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Destinations {
    /// By number.
    held: Vec<Option<Held>>,
    /// In the order of services, so that those of one are together.
    numbers: BTreeMap<Identity, u32>,
    by_address: BTreeSet<(IpAddr, u32)>,
    retired: BTreeSet<u32>,
    /// How many use NAT, retired ones included.
    nat: usize,
    /// Every number below this one is taken.
    lowest: u32,
}

impl PartialEq for Destinations {
    fn eq(&self, other: &Self) -> bool {
        // The rest follows from it.
        self.iter().eq(other.iter())
    }
}

impl Eq for Destinations {}

/// What a change makes of the destinations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assigned {
    /// What becomes otherwise, or has its number now: each number once.
    pub(crate) put: Vec<(u32, Held)>,
    /// Of each service that changes: its servers' numbers, in their order, and the latest weights that were not 0.
    pub(crate) of: Vec<(Vec<u32>, Vec<u32>)>,
}

impl Destinations {
    /// What has this number.
    pub(crate) fn get(&self, number: u32) -> Option<&Held> {
        self.held.get(number as usize)?.as_ref()
    }

    /// What makes the servers of the services in `changes` the ones that exist, and the others of these services
    /// retired. A pair is a service before and after, of the same key. Nothing is changed yet.
    pub(crate) fn assign(
        &self,
        changes: &[(Option<&Service>, Option<&Service>)],
        limits: &Limits,
    ) -> Result<Assigned, Refusal> {
        let end = limits.destinations.min(destination::LIMIT);
        if let Some(number) = self.end().checked_sub(1).filter(|last| *last >= end) {
            return Err(Refusal::Number { number, limit: end });
        }
        let mut assigned = Assigned::default();
        let mut free = self.lowest.max(destination::NONE + 1);
        for (old, new) in changes {
            let Some(key) = old.or(*new).map(|service| service.key) else { continue };
            let mut there: BTreeMap<Identity, (u32, &Held)> = self.of_service(key).collect();
            let weights: BTreeMap<(IpAddr, u16), u32> = (there.values())
                .filter(|(_, held)| !held.retired)
                .map(|(_, held)| ((held.server.address, held.server.port), held.last_weight))
                .collect();
            let servers = new.iter().flat_map(|service| service.servers.iter().map(move |server| (service, server)));
            let (mut numbers, mut last_weights) = (Vec::new(), Vec::new());
            for (service, server) in servers {
                let mut held = Held::of(service, server);
                if held.last_weight == 0 {
                    held.last_weight = weights.get(&(server.address, server.port)).copied().unwrap_or(0);
                }
                let before = there.remove(&held.identity());
                let number = match before {
                    Some((number, _)) => number,
                    None => {
                        free = self.free_from(free);
                        if free >= end {
                            return Err(self.full(changes, end));
                        }
                        free += 1;
                        free - 1
                    }
                };
                if held.template_s == 0 {
                    held.template_s = before.map_or(0, |(_, old)| old.template_s);
                }
                numbers.push(number);
                last_weights.push(held.last_weight);
                if before.is_none_or(|(_, old)| *old != held) {
                    assigned.put.push((number, held));
                }
            }
            let gone = there.into_values().filter(|(_, held)| !held.retired);
            assigned.put.extend(gone.map(|(number, held)| (number, Held { retired: true, ..held.clone() })));
            assigned.of.push((numbers, last_weights));
        }
        Ok(assigned)
    }

    /// Why there is no number any more.
    fn full(&self, changes: &[(Option<&Service>, Option<&Service>)], end: u32) -> Refusal {
        let servers = |service: &Option<&Service>| service.map_or(0, |service| service.servers.len());
        let (go, come) = changes.iter().fold((0, 0), |(go, come), (old, new)| (go + servers(old), come + servers(new)));
        let stay = (self.numbers.len() - self.retired.len()).saturating_sub(go);
        let new = changes.iter().filter_map(|(_, new)| *new);
        let known = new.flat_map(|service| service.servers.iter().map(move |server| Identity::of(service, server)));
        let known = known.filter(|identity| self.number(identity).is_some()).count();
        Refusal::Destinations {
            wanted: stay + come,
            retired: self.numbers.len().saturating_sub(stay + known),
            limit: end.saturating_sub(1),
        }
    }

    /// All of a service, retired ones included.
    pub(crate) fn of_service(&self, key: ServiceKey) -> impl Iterator<Item = (Identity, (u32, &Held))> {
        let from = (Bound::Included(Identity::first(key)), Bound::Unbounded);
        let of_it = self.numbers.range(from).take_while(move |(identity, _)| identity.service == key);
        of_it.filter_map(|(identity, number)| Some((*identity, (*number, self.get(*number)?))))
    }

    /// All with this server's address, retired ones included.
    pub(crate) fn of_address(&self, address: IpAddr) -> impl Iterator<Item = (u32, &Held)> {
        let of_it = self.by_address.range((address, 0)..=(address, u32::MAX));
        of_it.filter_map(|(_, number)| Some((*number, self.get(*number)?)))
    }

    /// Every server's address, once.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let mut last = None;
        self.by_address
            .iter()
            .filter_map(move |(address, _)| (last.replace(*address) != Some(*address)).then_some(*address))
    }

    /// Of each server of a service in its order: its number, and the latest weight that was not 0.
    pub(crate) fn of_servers(&self, service: &Service) -> (Vec<u32>, Vec<u32>) {
        let of = |server: &Server| {
            let number = self.number(&Identity::of(service, server)).unwrap_or(destination::NONE);
            (number, self.get(number).map_or(server.weight, |held| held.last_weight))
        };
        service.servers.iter().map(of).unzip()
    }

    /// Takes up a destination with its number. False if the number is of none or another's, or the destination has
    /// another.
    pub(crate) fn adopt(&mut self, number: u32, held: Held) -> bool {
        let known = self.get(number).is_some() || self.number(&held.identity()).is_some();
        if number == destination::NONE || number >= destination::LIMIT || known {
            return false;
        }
        self.put(number, held);
        true
    }

    /// Puts it in its place.
    pub(crate) fn put(&mut self, number: u32, held: Held) {
        let lowest = self.lowest;
        if self.remove(number).is_some() {
            self.lowest = lowest;
        }
        self.numbers.insert(held.identity(), number);
        self.by_address.insert((held.server.address, number));
        self.nat += usize::from(held.server.method == Method::Nat);
        if held.retired {
            self.retired.insert(number);
        }
        let at = number as usize;
        if self.held.len() <= at {
            self.held.resize(at + 1, None);
        }
        self.held[at] = Some(held);
        if number == self.lowest || self.lowest == destination::NONE {
            self.lowest = self.free_from(self.lowest.max(destination::NONE + 1));
        }
    }

    /// Gives a retired destination's number back. False if it is none.
    pub(crate) fn release(&mut self, number: u32) -> bool {
        let is_retired = self.retired.contains(&number);
        is_retired && self.remove(number).is_some()
    }

    fn remove(&mut self, number: u32) -> Option<Held> {
        let held = self.held.get_mut(number as usize)?.take()?;
        self.numbers.remove(&held.identity());
        self.by_address.remove(&(held.server.address, number));
        self.retired.remove(&number);
        self.nat -= usize::from(held.server.method == Method::Nat);
        self.lowest = self.lowest.min(number);
        Some(held)
    }

    pub(crate) fn number(&self, identity: &Identity) -> Option<u32> {
        self.numbers.get(identity).copied()
    }

    /// All, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Held)> {
        self.held.iter().enumerate().filter_map(|(number, held)| Some((number as u32, held.as_ref()?)))
    }

    /// Every number is below this one.
    pub(crate) fn end(&self) -> u32 {
        self.held.iter().rposition(Option::is_some).map_or(0, |last| last as u32 + 1)
    }

    /// The numbers of those that are gone.
    pub(crate) fn retired(&self) -> &BTreeSet<u32> {
        &self.retired
    }

    /// How many use NAT, retired ones included.
    pub(crate) fn nat(&self) -> usize {
        self.nat
    }

    fn free_from(&self, lowest: u32) -> u32 {
        let mut number = lowest;
        while self.get(number).is_some() {
            number += 1;
        }
        number
    }
}
