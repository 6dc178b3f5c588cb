//! One half of the service tables, whole.

use crate::{
    Limits, Refusal,
    destinations::{Destinations, Identity},
    entries::Entries,
    schedule::{Full, Round, preparation},
};
use relvs_core::{
    schedule::REMOVED,
    table::{
        destination,
        service::{self, BANDS},
    },
};
use relvs_model::{Method, Service, ServiceKey};
use std::{collections::BTreeSet, net::SocketAddr};

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
    /// Ring slots: numbers of destinations.
    pub rings: Vec<u64>,
    /// What the entries are placed by; odd.
    pub multiplier: u64,
    /// Whether some destination uses NAT, a retired one included.
    pub nat: bool,
}

/// Lays out a half for these services, whose cursors are to be these, with a multiplier sought from `seed` on.
pub(crate) fn lay_out(
    services: &[Service],
    cursors: &[u64],
    destinations: &Destinations,
    limits: &Limits,
    half: u32,
    seed: u64,
) -> Result<Image, Refusal> {
    let removed = removed(services, destinations);
    let all = services.len() + removed.len();
    if all > limits.services as usize {
        return Err(Refusal::Services { services: all, limit: limits.services });
    }
    let mut image = Image::default();
    let mut entries = Entries::default();
    for (index, (service, cursor)) in (half * limits.services..).zip(services.iter().zip(cursors)) {
        entries.service(service.key, index);
        image.add(service, *cursor, destinations, limits, half)?;
    }
    for (index, key) in (half * limits.services + services.len() as u32..).zip(removed) {
        entries.service(key, index);
        image.services.push(service::Service { scheduler: REMOVED, ..Default::default() }.pack());
    }
    for (_, held) in destinations.iter().filter(|(_, held)| held.server.method == Method::Nat) {
        image.nat = true;
        entries.server(SocketAddr::new(held.server.address, held.server.port), held.service.protocol.number());
    }
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
    fn add(
        &mut self,
        service: &Service,
        cursor: u64,
        destinations: &Destinations,
        limits: &Limits,
        half: u32,
    ) -> Result<(), Refusal> {
        let preparation = preparation(service.scheduler);
        let bands = (limits.bands as usize - self.bands.len()).min(BANDS as usize);
        let slots = limits.ring as usize - self.rings.len();
        let mut round = Round::within(bands, slots);
        (preparation.lay_out)(&service.servers, &mut round).map_err(|full| match full {
            Full::Bands => Refusal::Bands { service: service.key, room: bands },
            Full::Ring => Refusal::Ring { service: service.key, room: slots },
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
            cursor,
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
            .map(|server| destinations.number(&Identity::new(service.key, server)).unwrap_or(destination::NONE))
            .collect();
        self.rings.extend(round.slots().iter().map(|at| u64::from(numbers[*at])));
        Ok(())
    }
}
