//! How a service chooses, laid out by itself: its round, list or table, from nowhere in particular. It stays the same
//! until the service changes, so of thousands of services only those that change are laid out anew.

use crate::{
    Refusal,
    schedule::{Full, Round, Servers, preparation},
};
use relvs_core::table::service;
use relvs_model::Service;

/// The choices of one service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Laid {
    /// Its scheduler's number.
    scheduler: u8,
    /// Length of the round.
    round: u64,
    /// Where each band ends, where its ring begins among the slots, and how long it is.
    bands: Box<[(u64, u32, u32)]>,
    /// Numbers of destinations and their weights.
    slots: Box<[u64]>,
}

impl Laid {
    /// Lays out a service whose servers have these numbers, and these latest weights that were not 0, within so many
    /// bands and slots.
    pub(crate) fn out(
        service: &Service,
        (numbers, last_weights): (&[u32], &[u32]),
        room: (usize, usize),
    ) -> Result<Self, Refusal> {
        let preparation = preparation(service.scheduler);
        let mut round = Round::within(room.0, room.1);
        let servers = Servers { servers: &service.servers, last_weights };
        (preparation.lay_out)(servers, &mut round).map_err(|full| refused(service, full, room))?;
        let slot = |at: &usize| service::slot(numbers[*at], service.servers[*at].weight);
        Ok(Laid {
            scheduler: preparation.number,
            round: round.length(),
            bands: (round.bands().iter())
                .map(|band| (band.end, band.ring.start as u32, band.ring.len() as u32))
                .collect(),
            slots: round.slots().iter().map(slot).collect(),
        })
    }

    /// Refuses what does not fit into so many bands and slots.
    pub(crate) fn fits(&self, service: &Service, room: (usize, usize)) -> Result<(), Refusal> {
        if self.slots.len() > room.1 {
            return Err(refused(service, Full::Ring, room));
        }
        if self.bands.len() > room.0 { Err(refused(service, Full::Bands, room)) } else { Ok(()) }
    }

    /// Adds the bands and slots to those of a half that begin at `first_band` and `first_slot`. Gives the service's
    /// record with its choices.
    pub(crate) fn add_to(
        &self,
        record: service::Service,
        (bands, first_band): (&mut Vec<[u64; 2]>, u32),
        (slots, first_slot): (&mut Vec<u64>, u32),
    ) -> service::Service {
        let (band, ring) = (first_band + bands.len() as u32, first_slot + slots.len() as u32);
        bands.extend(self.bands.iter().map(|(end, start, length)| service::band(*end, ring + start, *length)));
        slots.extend_from_slice(&self.slots);
        service::Service {
            scheduler: self.scheduler,
            bands: self.bands.len() as u32,
            round: self.round,
            band,
            ring,
            ring_length: self.bands.first().map_or(0, |(_, _, length)| *length),
            ..record
        }
    }
}

fn refused(service: &Service, full: Full, (bands, slots): (usize, usize)) -> Refusal {
    match full {
        Full::Bands => Refusal::Bands { service: service.key, room: bands },
        Full::Ring => Refusal::Ring { service: service.key, room: slots },
    }
}
