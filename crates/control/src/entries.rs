//! Service entries, and their places in sets of four.
//!
//! A set is what a look-up reads, so no entry may be anywhere else: a multiplier is sought with which none overflows.

use crate::{Limits, Refusal, memory_order};
use relvs_core::table::entry::{self, SERVER, SLOTS};
use relvs_model::Listen;
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

/// Multipliers that are tried. One that does not fit is mostly given up early.
const TRIES: u32 = 1 << 12;

/// Entries without places.
#[derive(Default)]
pub(crate) struct Entries {
    /// Keys and values.
    four: Vec<(u64, u64)>,
    /// Addresses, keys and values.
    six: Vec<([u64; 2], u64, u64)>,
    servers: BTreeSet<(SocketAddr, u8)>,
    services: usize,
    any_port: bool,
}

/// Entries in their sets.
pub(crate) struct Placed {
    pub(crate) multiplier: u64,
    pub(crate) sets4: Vec<[u64; 8]>,
    pub(crate) sets6: Vec<[u64; 16]>,
}

impl Entries {
    /// A service, whose record is at `index`.
    pub(crate) fn service(&mut self, listen: Listen, index: u32) {
        self.services += 1;
        self.any_port |= listen.port == 0;
        let key = entry::key(memory_order::port(listen.port), listen.protocol.number());
        self.add(listen.address, key, u64::from(index));
    }

    /// Where the NAT server of this destination sends its replies from; port 0 is any. Servers of several services may
    /// share it.
    pub(crate) fn server(&mut self, server: SocketAddr, protocol: u8, destination: u32) {
        self.any_port |= server.port() == 0;
        if self.servers.insert((server, protocol)) {
            self.add(
                server.ip(),
                entry::key(memory_order::port(server.port()), protocol) | SERVER,
                u64::from(destination),
            );
        }
    }

    /// Whether some port is 0.
    pub(crate) fn any_port(&self) -> bool {
        self.any_port
    }

    fn add(&mut self, address: IpAddr, key: u64, value: u64) {
        match address {
            IpAddr::V4(address) => self.four.push((key | u64::from(memory_order::four(address)), value)),
            IpAddr::V6(address) => self.six.push((memory_order::six(address), key, value)),
        }
    }

    /// Finds places for all. The same seed gives the same places.
    pub(crate) fn place(self, sets: u32, seed: u64) -> Result<Placed, Refusal> {
        if !sets.is_power_of_two() || sets > Limits::MOST_SETS {
            return Err(Refusal::Sets(sets));
        }
        let mask = sets - 1;
        let overfull =
            Refusal::TooManyServices { services: self.services, servers: self.servers.len(), sets, tried: 0 };
        let room = sets as usize * SLOTS;
        if self.four.len() > room || self.six.len() > room {
            return Err(overfull);
        }
        let mut counts = vec![0; sets as usize];
        let mut multipliers = Multipliers(seed);
        for _ in 0..TRIES {
            let multiplier = multipliers.next();
            let of4 = self.four.iter().map(|(key, _)| entry::set4(multiplier, *key) & mask);
            let of6 = self.six.iter().map(|(address, key, _)| entry::set6(multiplier, *address, *key) & mask);
            if fits(&mut counts, of4) && fits(&mut counts, of6) {
                return Ok(self.fill(multiplier, mask));
            }
        }
        Err(Refusal::TooManyServices { services: self.services, servers: self.servers.len(), sets, tried: TRIES })
    }

    fn fill(&self, multiplier: u64, mask: u32) -> Placed {
        let sets = mask as usize + 1;
        let mut placed = Placed { multiplier, sets4: vec![[0; 8]; sets], sets6: vec![[0; 16]; sets] };
        for &(key, value) in &self.four {
            let set = &mut placed.sets4[(entry::set4(multiplier, key) & mask) as usize];
            if let Some(slot) = set.chunks_exact_mut(2).find(|slot| slot[0] == 0) {
                slot.copy_from_slice(&[key, value]);
            }
        }
        for &(address, key, value) in &self.six {
            let set = &mut placed.sets6[(entry::set6(multiplier, address, key) & mask) as usize];
            if let Some(slot) = set.chunks_exact_mut(4).find(|slot| slot[0] == 0) {
                slot.copy_from_slice(&[key, address[0], address[1], value]);
            }
        }
        placed
    }
}

/// Whether no set gets more entries than it has slots.
fn fits(counts: &mut [u8], sets: impl Iterator<Item = u32>) -> bool {
    counts.fill(0);
    for set in sets {
        let count = &mut counts[set as usize];
        if usize::from(*count) == SLOTS {
            return false;
        }
        *count += 1;
    }
    true
}

/// A sequence of odd numbers by splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
struct Multipliers(u64);

impl Multipliers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) | 1
    }
}
