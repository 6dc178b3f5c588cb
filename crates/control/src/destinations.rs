//! Numbers of destinations: given once, kept as long as the destination exists or is retired.

use crate::{Limits, Refusal, memory_order, record::FTP};
use relvs_core::table::destination::{self, Destination, method};
use relvs_model::{Method, Server, Service, ServiceKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
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
            method: match self.server.method {
                Method::Nat => method::NAT,
                Method::Dr => method::DR,
                Method::Tun => method::TUN,
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

/// All that have numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Destinations {
    held: BTreeMap<u32, Held>,
    numbers: BTreeMap<Identity, u32>,
}

impl Destinations {
    /// What has this number.
    pub(crate) fn get(&self, number: u32) -> Option<&Held> {
        self.held.get(&number)
    }

    /// Makes the servers of these services the ones that exist, and the others retired. Gives the records
    /// that are then otherwise than before.
    pub(crate) fn assign(&mut self, desired: &[Service], limits: &Limits) -> Result<Vec<(u32, Destination)>, Refusal> {
        let end = limits.destinations.min(destination::LIMIT);
        if let Some((&number, _)) = self.held.last_key_value().filter(|(number, _)| **number >= end) {
            return Err(Refusal::Number { number, limit: end });
        }
        let before = self.held.clone();
        let weights = self.weights();
        let wanted: BTreeSet<Identity> = all(desired).map(|(service, server)| Identity::of(service, server)).collect();
        for held in self.held.values_mut() {
            held.retired |= !wanted.contains(&held.identity());
        }
        let mut lowest = destination::NONE + 1;
        for (service, server) in all(desired) {
            let mut new = Held::of(service, server);
            let identity = new.identity();
            if new.last_weight == 0 {
                new.last_weight = weights.get(&endpoint(&new)).copied().unwrap_or(0);
            }
            let number = match self.number(&identity) {
                Some(number) => number,
                None => {
                    lowest = self.free_from(lowest);
                    if lowest >= end {
                        let retired = self.held.values().filter(|held| held.retired).count();
                        let limit = end.saturating_sub(1);
                        return Err(Refusal::Destinations { wanted: wanted.len(), retired, limit });
                    }
                    lowest
                }
            };
            if new.template_s == 0 {
                new.template_s = self.held.get(&number).map_or(0, |old| old.template_s);
            }
            self.put(number, new);
        }
        let changed = self.held.iter().filter_map(|(number, held)| {
            let (old, new) = (before.get(number).map(Held::record), held.record());
            (old != Some(new)).then_some((*number, new))
        });
        Ok(changed.collect())
    }

    /// The last weights of the servers that are there, which they keep when their method changes. One that was removed
    /// has none: it begins anew when it comes back.
    fn weights(&self) -> BTreeMap<(ServiceKey, IpAddr, u16), u32> {
        let there = self.held.values().filter(|held| !held.retired);
        there.map(|held| (endpoint(held), held.last_weight)).collect()
    }

    /// Of each server of a service in its order, the latest weight that was not 0.
    pub(crate) fn last_weights(&self, service: &Service) -> impl Iterator<Item = u32> {
        service.servers.iter().map(|server| {
            let held = self.number(&Identity::of(service, server)).and_then(|number| self.held.get(&number));
            held.map_or(server.weight, |held| held.last_weight)
        })
    }

    /// Takes up a destination with its number. False if the number is of none or another's, or the destination has
    /// another.
    pub(crate) fn adopt(&mut self, number: u32, held: Held) -> bool {
        let known = self.held.contains_key(&number) || self.number(&held.identity()).is_some();
        if number == destination::NONE || known {
            return false;
        }
        self.put(number, held);
        true
    }

    fn put(&mut self, number: u32, held: Held) {
        self.numbers.insert(held.identity(), number);
        self.held.insert(number, held);
    }

    /// Gives a retired destination's number back. False if it is none.
    pub(crate) fn release(&mut self, number: u32) -> bool {
        let Some(held) = self.held.get(&number).filter(|held| held.retired) else { return false };
        self.numbers.remove(&held.identity());
        self.held.remove(&number);
        true
    }

    pub(crate) fn number(&self, identity: &Identity) -> Option<u32> {
        self.numbers.get(identity).copied()
    }

    /// All, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Held)> {
        self.held.iter().map(|(number, held)| (*number, held))
    }

    fn free_from(&self, lowest: u32) -> u32 {
        let mut number = lowest;
        while self.held.contains_key(&number) {
            number += 1;
        }
        number
    }
}

fn all(services: &[Service]) -> impl Iterator<Item = (&Service, &Server)> {
    services.iter().flat_map(|service| service.servers.iter().map(move |server| (service, server)))
}

fn endpoint(held: &Held) -> (ServiceKey, IpAddr, u16) {
    (held.service, held.server.address, held.server.port)
}
