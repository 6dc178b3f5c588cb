//! What a service's scheduler finds laid out, made anew here: bands and rings, lists, tables. Tables that a hash points
//! into are filled in turn: what matters is that both sides look in the same slot.

use relvs_core::{
    schedule::{Layout, SCHEDULERS, mh, sh},
    table::service::{Service, band, slot},
};

/// Bands and ring slots of one half, and where they begin.
pub(crate) struct Tables {
    pub(crate) bands: Vec<[u64; 2]>,
    pub(crate) rings: Vec<u64>,
    first_band: u32,
    first_slot: u32,
}

impl Tables {
    pub(crate) fn new(first_band: u32, first_slot: u32) -> Self {
        Tables { bands: Vec::new(), rings: Vec::new(), first_band, first_slot }
    }

    /// Lays out a service for servers with these weights and numbers, and completes its record. A broken one has a
    /// destination that does not exist.
    pub(crate) fn lay_out(&mut self, record: Service, servers: &[(u32, u32)], broken: bool) -> Service {
        let layout = SCHEDULERS.iter().find(|known| known.number == record.scheduler).unwrap().layout;
        let slots = |servers: Vec<(u32, u32)>| -> Vec<u64> {
            let number = |number| if broken { 0xf_ffff } else { number };
            servers.into_iter().map(|(weight, of)| slot(number(of), weight)).collect()
        };
        let weighty: Vec<(u32, u32)> = servers.iter().copied().filter(|(weight, _)| *weight != 0).collect();
        let often = |servers: &[(u32, u32)]| -> Vec<(u32, u32)> {
            servers.iter().flat_map(|s| std::iter::repeat_n(*s, s.0.max(1) as usize)).collect()
        };
        let table = |servers: Vec<(u32, u32)>, size: u32| -> Vec<(u32, u32)> {
            let size = if servers.is_empty() { 0 } else { size as usize };
            servers.into_iter().cycle().take(size).collect()
        };
        let rings = match layout {
            Layout::Turns | Layout::WeightedTurns => {
                return self.turns(record, round(servers).into_iter().map(|(end, ring)| (end, slots(ring))).collect());
            }
            Layout::List => slots(weighty),
            Layout::WeightedSlots => slots(table(often(servers), sh::SLOTS)),
            Layout::Slots => slots(table(servers.to_vec(), sh::SLOTS)),
            Layout::Maglev => slots(table(often(&weighty), mh::SLOTS)),
        };
        let (ring, ring_length) = (self.first_slot + self.rings.len() as u32, rings.len() as u32);
        self.rings.extend(rings);
        Service { ring, ring_length, ..record }
    }

    fn turns(&mut self, mut record: Service, bands: Vec<(u64, Vec<u64>)>) -> Service {
        record.band = self.first_band + self.bands.len() as u32;
        for (i, (end, ring)) in bands.into_iter().enumerate() {
            let (at, length) = (self.first_slot + self.rings.len() as u32, ring.len() as u32);
            if i == 0 {
                (record.ring, record.ring_length) = (at, length);
            }
            self.bands.push(band(end, at, length));
            self.rings.extend(ring);
            record.bands += 1;
            record.round = end;
        }
        record
    }
}

/// Weighted round robin as bands: down from the highest weight, each step a round of those that reach it. Servers are
/// weights and numbers; a band is where it ends, and its ring.
fn round(servers: &[(u32, u32)]) -> Vec<(u64, Vec<(u32, u32)>)> {
    let mut weights: Vec<u32> = servers.iter().map(|(weight, _)| *weight).filter(|w| *w > 0).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    weights.dedup();
    let step = weights.iter().fold(0, |a, b| gcd(a, *b)).max(1);
    let mut bands: Vec<(u64, Vec<(u32, u32)>)> = Vec::new();
    for (i, weight) in weights.iter().enumerate() {
        let below = weights.get(i + 1).copied().unwrap_or(0);
        let ring: Vec<(u32, u32)> = servers.iter().filter(|(w, _)| w >= weight).copied().collect();
        let turns = u64::from((weight - below) / step);
        let begin = bands.last().map_or(0, |(end, _)| *end);
        bands.push((begin + turns * ring.len() as u64, ring));
    }
    bands
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
