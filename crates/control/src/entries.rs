//! Service entries, and their places in sets of four.
//!
//! A set is what a look-up reads, so no entry may be anywhere else: a multiplier is sought with which none overflows.
//! Entries say nothing of a half: they stay the same for as many changes as neither services nor NAT servers come, go or
//! change their order.

use crate::{Limits, Refusal, memory_order};
use relvs_core::table::entry::{self, SERVER, SLOTS};
use relvs_model::Listen;
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

/// Multipliers that are tried. One that does not fit is mostly given up early.
const TRIES: u32 = 1 << 12;

/// Entries, in the order in which they are put into their sets, and the multiplier that finds the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// What they are placed by; odd.
    pub multiplier: u64,
    /// Of IPv4: keys and values. A service's value is its index within the half.
    pub four: Vec<(u64, u64)>,
    /// Of IPv6: addresses, keys and values.
    pub six: Vec<([u64; 2], u64, u64)>,
    /// Whether the port of some entry is 0, which is any.
    pub(crate) any_port: bool,
}

/// Entries without places.
#[derive(Default)]
pub(crate) struct Draft {
    entries: Entries,
    servers: HashSet<(SocketAddr, u8)>,
    services: usize,
}

impl Draft {
    /// A service, whose record is at `index` of its half.
    pub(crate) fn service(&mut self, listen: Listen, index: u32) {
        self.services += 1;
        self.entries.any_port |= listen.port == 0;
        let key = entry::key(memory_order::port(listen.port), listen.protocol.number());
        self.add(listen.address, key, u64::from(index));
    }

    /// Where the NAT server of this destination sends its replies from; port 0 is any. Servers of several services may
    /// share it.
    pub(crate) fn server(&mut self, server: SocketAddr, protocol: u8, destination: u32) {
        self.entries.any_port |= server.port() == 0;
        if self.servers.insert((server, protocol)) {
            let key = entry::key(memory_order::port(server.port()), protocol) | SERVER;
            self.add(server.ip(), key, u64::from(destination));
        }
    }

    fn add(&mut self, address: IpAddr, key: u64, value: u64) {
        match address {
            IpAddr::V4(address) => self.entries.four.push((key | u64::from(memory_order::four(address)), value)),
            IpAddr::V6(address) => self.entries.six.push((memory_order::six(address), key, value)),
        }
    }

    /// Finds a multiplier that has a place for all. The same seed gives the same.
    pub(crate) fn place(self, sets: u32, seed: u64) -> Result<Entries, Refusal> {
        if !sets.is_power_of_two() || sets > Limits::MOST_SETS {
            return Err(Refusal::Sets(sets));
        }
        let Draft { entries, servers, services } = self;
        let overfull = |tried| Refusal::TooManyServices { services, servers: servers.len(), sets, tried };
        let room = sets as usize * SLOTS;
        if entries.four.len() > room || entries.six.len() > room {
            return Err(overfull(0));
        }
        let mask = sets - 1;
        let mut counts = vec![0; sets as usize];
        let mut multipliers = Multipliers(seed);
        for _ in 0..TRIES {
            let multiplier = multipliers.next();
            let of4 = entries.four.iter().map(|(key, _)| entry::set4(multiplier, *key) & mask);
            let of6 = entries.six.iter().map(|(address, key, _)| entry::set6(multiplier, *address, *key) & mask);
            if fits(&mut counts, of4) && fits(&mut counts, of6) {
                return Ok(Entries { multiplier, ..entries });
            }
        }
        Err(overfull(TRIES))
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
