//! Reading the flow tables: expiry, counts, listings. No system call per flow: the memory is shared.
//!
//! A NAT flow is two records; it expires when neither has seen a packet for the time of its state.

use crate::{Area, Error, Side};
use relvs_core::{
    flow::{Link, control},
    state::{self, State},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire},
    },
};

/// Seconds until a flow without packets is forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// By TCP state.
    pub tcp_s: [u32; State::ALL.len()],
    /// UDP.
    pub udp_s: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { tcp_s: State::ALL.map(State::timeout_s), udp_s: state::UDP_TIMEOUT_S }
    }
}

impl Timeouts {
    fn of(&self, word: u64) -> u32 {
        if control::protocol(word) == state::UDP {
            return self.udp_s;
        }
        self.tcp_s.get(usize::from(control::state(word))).copied().unwrap_or(0)
    }
}

/// What one pass over the tables found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// By destination number: active flows, inactive flows.
    pub flows: Vec<[u32; 2]>,
    /// Flows in all; a NAT flow once.
    pub live: u64,
    /// Records in use.
    pub records: u64,
    /// Records freed now.
    pub expired: u64,
}

/// An address family's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    const ALL: [Family; 2] = [Family::V4, Family::V6];

    const fn areas(self) -> [Area; 2] {
        match self {
            Family::V4 => [Area::Flows4, Area::Young4],
            Family::V6 => [Area::Flows6, Area::Young6],
        }
    }

    /// Words of a record, and which of them hold the ports and the link.
    const fn layout(self) -> (usize, usize, usize) {
        match self {
            Family::V4 => (4, 2, 3),
            Family::V6 => (8, 5, 6),
        }
    }
}

/// Goes through all flows: forgets those whose time is over, and counts the others.
///
/// # Errors
///
/// The time could not be read.
pub fn scan(side: &impl Side, timeouts: &Timeouts) -> Result<Scan, Error> {
    let now = side.now()?;
    let mut scan = Scan { flows: vec![[0; 2]; side.sizes().destinations as usize], ..Scan::default() };
    for family in Family::ALL {
        for area in family.areas() {
            pass(&mut scan, side.area(area), family, timeouts, now, side.second());
        }
    }
    Ok(scan)
}

fn pass(scan: &mut Scan, words: &[AtomicU64], family: Family, timeouts: &Timeouts, now: u16, second: f64) {
    let (size, _, link) = family.layout();
    for record in words.chunks_exact(size) {
        let seen = record[0].load(Acquire);
        let phase = seen & control::PHASE;
        if phase == control::FREE {
            continue;
        }
        scan.records += 1;
        let age = age(now, seen, second);
        if phase != control::LIVE {
            // Its owner is in the middle of a packet, unless a crash of the machine's clock says otherwise.
            if age > 2.0 && record[0].compare_exchange(seen, control::freed(seen), AcqRel, Acquire).is_ok() {
                scan.expired += 1;
            }
            continue;
        }
        let other = partner(words, size, Link(record[link].load(Acquire)));
        let youngest = other.map_or(age, |(_, word)| age.min(self::age(now, word, second)));
        if youngest > f64::from(timeouts.of(seen)) {
            if record[0].compare_exchange(seen, control::freed(seen), AcqRel, Acquire).is_ok() {
                scan.expired += 1;
                if let Some((cell, word)) = other {
                    let _ = cell.compare_exchange(word, control::freed(word), AcqRel, Acquire);
                }
            }
            continue;
        }
        if seen & control::REPLY != 0 {
            continue;
        }
        scan.live += 1;
        if let Some(counts) = scan.flows.get_mut(control::destination(seen) as usize) {
            counts[usize::from(!is_active(seen))] += 1;
        }
    }
}

/// The other record of a NAT flow, and its control word, if it is still the flow's.
fn partner(words: &[AtomicU64], size: usize, link: Link) -> Option<(&AtomicU64, u64)> {
    let cell = words.get(link.place()? as usize * size)?;
    let word = cell.load(Acquire);
    (word & control::PHASE == control::LIVE && control::generation(word) == link.generation()).then_some((cell, word))
}

/// Seconds since the last packet. A record that is ahead of the time that was read before has none.
fn age(now: u16, word: u64, second: f64) -> f64 {
    let units = now.wrapping_sub(control::seconds(word));
    if units > u16::MAX - 60 { 0.0 } else { f64::from(units) * second }
}

fn is_active(word: u64) -> bool {
    control::protocol(word) == state::TCP && state_of(word).is_some_and(State::active)
}

fn state_of(word: u64) -> Option<State> {
    State::ALL.get(usize::from(control::state(word))).copied()
}

/// A flow, for a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Protocol number.
    pub protocol: u8,
    /// Client, its port, VIP, its port.
    pub client: (IpAddr, u16),
    /// The service.
    pub service: (IpAddr, u16),
    /// Number of the destination.
    pub destination: u32,
    /// State's name as IPVS writes it.
    pub state: &'static str,
    /// Seconds until it is forgotten.
    pub expires_s: u32,
    /// Whether it is in the young table.
    pub young: bool,
}

/// The flows at this moment, at most `limit`.
///
/// # Errors
///
/// The time could not be read.
pub fn entries(side: &impl Side, timeouts: &Timeouts, limit: usize) -> Result<Vec<Entry>, Error> {
    let now = side.now()?;
    let mut found = Vec::new();
    for family in Family::ALL {
        let (size, ports, _) = family.layout();
        for (zone, area) in family.areas().into_iter().enumerate() {
            for record in side.area(area).chunks_exact(size) {
                let seen = record[0].load(Acquire);
                if seen & control::PHASE != control::LIVE || seen & control::REPLY != 0 {
                    continue;
                }
                if found.len() == limit {
                    return Ok(found);
                }
                let words: Vec<u64> = record[1..].iter().map(|w| w.load(Acquire)).collect();
                if (record[0].load(Acquire) ^ seen) & !control::MUTABLE != 0 {
                    continue;
                }
                let (client, service) = addresses(family, &words);
                let both = words[ports - 1] as u32;
                let udp = control::protocol(seen) == state::UDP;
                found.push(Entry {
                    protocol: if udp { 17 } else { 6 },
                    client: (client, u16::from_be(both as u16)),
                    service: (service, u16::from_be((both >> 16) as u16)),
                    destination: control::destination(seen),
                    state: if udp { "UDP" } else { state_of(seen).map_or("NONE", State::name) },
                    expires_s: timeouts.of(seen).saturating_sub(age(now, seen, side.second()) as u32),
                    young: zone == 1,
                });
            }
        }
    }
    Ok(found)
}

fn addresses(family: Family, words: &[u64]) -> (IpAddr, IpAddr) {
    match family {
        Family::V4 => {
            let v4 = |half: u32| IpAddr::V4(Ipv4Addr::from(half.to_ne_bytes()));
            (v4(words[0] as u32), v4((words[0] >> 32) as u32))
        }
        Family::V6 => {
            let v6 = |a: u64, b: u64| {
                let bits = u128::from(a) | u128::from(b) << 64;
                IpAddr::V6(Ipv6Addr::from(bits.to_ne_bytes()))
            };
            (v6(words[0], words[1]), v6(words[2], words[3]))
        }
    }
}
