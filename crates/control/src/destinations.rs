//! Numbers of destinations: given once, kept as long as the destination exists or is retired.

use crate::{Limits, Refusal, memory_order};
use relvs_core::table::destination::{self, Destination, method};
use relvs_model::{Method, Server, Service, ServiceKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What a destination is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    service: ServiceKey,
    address: IpAddr,
    port: u16,
    method: Method,
}

impl Identity {
    pub(crate) fn new(service: ServiceKey, server: &Server) -> Self {
        Identity { service, address: server.address, port: server.port, method: server.method }
    }
}

/// What has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) service: ServiceKey,
    /// As it is, or was when it was removed.
    pub(crate) server: Server,
    pub(crate) retired: bool,
}

impl Held {
    /// Its record, less what only the caller knows: next hop, MTU and DIP.
    pub(crate) fn record(&self) -> Destination {
        Destination {
            method: match self.server.method {
                Method::Nat => method::NAT,
                Method::Dr => method::DR,
                Method::Tun => method::TUN,
            },
            flags: if self.retired { 0 } else { destination::AVAILABLE },
            server_port: memory_order::port(self.server.port),
            service_port: memory_order::port(self.service.port),
            rip: memory_order::words(self.server.address),
            vip: memory_order::words(self.service.address),
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
    /// Makes these the ones that exist, and the others retired. Gives the records that are then otherwise than before.
    pub(crate) fn assign(&mut self, desired: &[Service], limits: &Limits) -> Result<Vec<(u32, Destination)>, Refusal> {
        let end = limits.destinations.min(destination::LIMIT);
        if let Some((&number, _)) = self.held.last_key_value().filter(|(number, _)| **number >= end) {
            return Err(Refusal::Number { number, limit: end });
        }
        let mut changed = BTreeSet::new();
        let wanted: BTreeSet<Identity> = all(desired).map(|(key, server)| Identity::new(key, server)).collect();
        for (number, held) in &mut self.held {
            if !held.retired && !wanted.contains(&Identity::new(held.service, &held.server)) {
                held.retired = true;
                changed.insert(*number);
            }
        }
        let mut lowest = destination::NONE + 1;
        for (service, server) in all(desired) {
            let identity = Identity::new(service, server);
            let new = Held { service, server: server.clone(), retired: false };
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
            if self.held.get(&number).is_none_or(|old| old.retired) {
                changed.insert(number);
            }
            self.put(number, new);
        }
        Ok(changed.iter().filter_map(|number| Some((*number, self.held.get(number)?.record()))).collect())
    }

    /// Takes up a destination with its number. False if the number is of none or another's, or the destination has
    /// another.
    pub(crate) fn adopt(&mut self, number: u32, held: Held) -> bool {
        let known =
            self.held.contains_key(&number) || self.number(&Identity::new(held.service, &held.server)).is_some();
        if number == destination::NONE || known {
            return false;
        }
        self.put(number, held);
        true
    }

    fn put(&mut self, number: u32, held: Held) {
        self.numbers.insert(Identity::new(held.service, &held.server), number);
        self.held.insert(number, held);
    }

    /// Gives a retired destination's number back. False if it is none.
    pub(crate) fn release(&mut self, number: u32) -> bool {
        let Some(held) = self.held.get(&number).filter(|held| held.retired) else { return false };
        self.numbers.remove(&Identity::new(held.service, &held.server));
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

fn all(services: &[Service]) -> impl Iterator<Item = (ServiceKey, &Server)> {
    services.iter().flat_map(|service| service.servers.iter().map(|server| (service.key, server)))
}
