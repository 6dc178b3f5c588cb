//! One half of the service tables, whole.

use crate::{
    Desired, Limits, Refusal,
    destinations::{Destinations, Identity},
    entries::Entries,
    record::{FTP, record},
    rules,
    schedule::{Full, Round, Servers, Start, preparation},
    settings,
};
use relvs_core::{
    schedule::REMOVED,
    table::{
        active, destination,
        service::{self, BANDS},
    },
};
use relvs_model::{Method, Service, ServiceKey};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that one half of the service tables holds. Indices inside the records are of the whole table, so that
/// the half is a part of them.
///
/// Sets are as many as the half has. Of the other tables what is beyond the vectors' ends may stay as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Sets of IPv4 entries.
    pub sets4: Vec<[u64; 8]>,
    /// Sets of IPv6 entries.
    pub sets6: Vec<[u64; 16]>,
    /// Services, in the order of the desired state; then those that were removed and may have flows.
    pub services: Vec<[u64; 8]>,
    /// Bands.
    pub bands: Vec<[u64; 2]>,
    /// Ring slots: numbers of destinations and their weights.
    pub rings: Vec<u64>,
    /// Match rules ([`relvs_core::table::rule`]), in their order.
    pub rules: Vec<[u64; 16]>,
    /// What the entries are placed by; odd.
    pub multiplier: u64,
    /// Whether some destination uses NAT, a retired one included.
    pub nat: bool,
    /// Whether some destination is of a mark's service, a retired one included, or some rule gives a mark.
    pub marks: bool,
    /// Whether the port of some entry is 0, which is any: a service's, or that of a NAT server that keeps the clients'.
    pub any_port: bool,
    /// The settings as bits of the switch ([`relvs_core::table::active::SETTINGS`]).
    pub settings: u64,
}

/// What is known of a service beside its configuration.
pub(crate) struct Known {
    /// Where its sequence began.
    pub(crate) start: Start,
    /// Its cursor.
    pub(crate) cursor: u64,
    /// Its number in all halves.
    pub(crate) identity: u32,
}

/// Lays out a half for what is desired, with what is known of its services, and a multiplier sought from `seed` on.
pub(crate) fn lay_out(
    desired: &Desired,
    known: &[Known],
    destinations: &Destinations,
    limits: &Limits,
    half: u32,
    seed: u64,
) -> Result<Image, Refusal> {
    let services = &desired.services;
    let removed = removed(services, destinations);
    let all = services.len() + removed.len();
    if all > limits.services as usize {
        return Err(Refusal::Services { services: all, limit: limits.services });
    }
    let mut image = Image { settings: settings::word(&desired.settings), ..Image::default() };
    let mut entries = Entries::default();
    let mut marks = BTreeMap::new();
    let indices = half * limits.services..;
    let keys = services.iter().map(|service| service.key).chain(removed.iter().copied());
    for (index, key) in indices.zip(keys) {
        match key {
            ServiceKey::Listen(listen) => entries.service(listen, index),
            ServiceKey::Mark(mark) => {
                marks.insert(mark, index);
            }
        }
    }
    for (service, known) in services.iter().zip(known) {
        let last_weights: Vec<u32> = destinations.last_weights(service).collect();
        let record = record(service, known);
        image.add(service, record, &last_weights, destinations, limits, half)?;
    }
    for _ in removed {
        image.services.push(service::Service { scheduler: REMOVED, ..Default::default() }.pack());
    }
    for (number, held) in destinations.iter().filter(|(_, held)| held.server.method == Method::Nat) {
        image.nat = true;
        for protocol in held.service.protocols() {
            entries.server(held.replies_from(), protocol.number(), number);
        }
    }
    image.rules = rules::lay_out(&desired.rules, &marks, limits)?;
    image.marks = !(marks.is_empty() && image.rules.is_empty());
    let ftp = |service: &Service| service.key.port() == FTP && service.persistence.is_some();
    image.any_port = entries.any_port() || services.iter().any(ftp);
    let placed = entries.place(limits.sets, seed)?;
    Ok(Image { sets4: placed.sets4, sets6: placed.sets6, multiplier: placed.multiplier, ..image })
}

/// Services that are gone, but not their flows: packets of these must still find their destinations, to be dropped, or
/// forwarded when the service is back (as IPVS does with its trash).
fn removed(services: &[Service], destinations: &Destinations) -> BTreeSet<ServiceKey> {
    let there: BTreeSet<ServiceKey> = services.iter().map(|service| service.key).collect();
    destinations.iter().map(|(_, held)| held.service).filter(|key| !there.contains(key)).collect()
}

impl Image {
    /// The bits of the switch ([`relvs_core::table::active`]), but for the one that says which half is in use.
    pub fn switch(&self) -> u64 {
        let there = [(self.nat, active::NAT), (self.marks, active::RULES), (self.any_port, active::ANY_PORT)];
        there.into_iter().filter(|(is, _)| *is).fold(self.settings, |switch, (_, bit)| switch | bit)
    }

    /// Adds a service whose record is `record`, which says nothing of its choices yet. `last_weights` are the latest
    /// weights of its servers that were not 0.
    fn add(
        &mut self,
        service: &Service,
        record: service::Service,
        last_weights: &[u32],
        destinations: &Destinations,
        limits: &Limits,
        half: u32,
    ) -> Result<(), Refusal> {
        let preparation = preparation(service.scheduler);
        let bands = (limits.bands as usize - self.bands.len()).min(BANDS as usize);
        let slots = limits.ring as usize - self.rings.len();
        let mut round = Round::within(bands, slots);
        (preparation.lay_out)(Servers { servers: &service.servers, last_weights }, &mut round).map_err(|full| {
            match full {
                Full::Bands => Refusal::Bands { service: service.key, room: bands },
                Full::Ring => Refusal::Ring { service: service.key, room: slots },
            }
        })?;
        let first_band = half * limits.bands + self.bands.len() as u32;
        let first_slot = half * limits.ring + self.rings.len() as u32;
        let first = round.bands().first();
        let record = service::Service {
            scheduler: preparation.number,
            bands: round.bands().len() as u32,
            round: round.length(),
            band: first_band,
            ring: first_slot,
            ring_length: first.map_or(0, |band| band.ring.len() as u32),
            ..record
        };
        self.services.push(record.pack());
        self.bands.extend(
            round
                .bands()
                .iter()
                .map(|band| service::band(band.end, first_slot + band.ring.start as u32, band.ring.len() as u32)),
        );
        let numbers: Vec<u32> = service
            .servers
            .iter()
            .map(|server| destinations.number(&Identity::of(service, server)).unwrap_or(destination::NONE))
            .collect();
        let slot = |at: &usize| service::slot(numbers[*at], service.servers[*at].weight);
        self.rings.extend(round.slots().iter().map(slot));
        Ok(())
    }
}
