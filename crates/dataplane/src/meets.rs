//! Which flow records a packet can meet, and what is in them: found as the core finds them, and nothing is changed.

use crate::{Area, Copied, Side, Timeouts, scan::age};
use relvs_core::{
    Family, V4, V6,
    flow::{Key, control},
    state,
};
use std::{collections::BTreeSet, net::IpAddr, sync::atomic::Ordering::Acquire};

/// What a record is found by. Ports are in memory order, the source's in the low half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Where the packets come from; of a template its client's network.
    pub source: IpAddr,
    /// Where they go; of a mark's template the mark as an address.
    pub destination: IpAddr,
    /// Ports; of a template the protocol and the service's port.
    pub ports: u32,
    /// What kind of record it is.
    pub kind: Kind,
}

/// See [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client's packets, of this protocol.
    Flow(u8),
    /// A NAT server's.
    Reply(u8),
    /// A template of persistence.
    Template,
}

/// A live record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its control word.
    pub control: u64,
    /// The other record's of a NAT flow, if that is there.
    pub partner: Option<u64>,
    /// Whether it is in the young table.
    pub young: bool,
    /// Whether a template controls it.
    pub bound: bool,
}

impl Record {
    /// The number of its destination.
    pub fn number(&self) -> u32 {
        control::destination(self.control)
    }

    /// Its state, by IPVS's name.
    pub fn state(&self) -> &'static str {
        state::name_of(control::protocol(self.control), control::state(self.control))
    }

    /// Seconds since its last packet, of whichever direction.
    pub fn age_s(&self, now: u16, second: f64) -> u32 {
        let all = [Some(self.control), self.partner].into_iter().flatten();
        all.map(|word| age(now, word, second)).fold(f64::INFINITY, f64::min) as u32
    }

    /// Seconds until it is forgotten, if no packet comes.
    pub fn expires_s(&self, timeouts: &Timeouts, now: u16, second: f64) -> u32 {
        timeouts.of(self.control).saturating_sub(self.age_s(now, second))
    }
}

/// What of the tables a packet can meet and change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meets {
    /// Buckets of flows, by table.
    pub buckets: BTreeSet<(Area, u32)>,
    /// Destinations' numbers are below this.
    pub destinations: u32,
    /// Services' indices in their half are below this.
    pub services: u32,
    /// What lblc and lblcr remember its destination by.
    pub near: Option<[u64; 4]>,
}

impl Meets {
    /// Adds where a record of this name is or would be, and what that refers to. Gives the record, the settled one first.
    pub fn add(&mut self, side: &impl Side, name: &Name) -> Option<Record> {
        match (name.source, name.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let address = |a: std::net::Ipv4Addr| u32::from_ne_bytes(a.octets());
                self.look::<V4>(side, &key(side, address(source), address(destination), name))
            }
            (source, destination) => {
                let address = |a: IpAddr| words(a);
                self.look::<V6>(side, &key(side, address(source), address(destination), name))
            }
        }
    }

    fn look<F: Family>(&mut self, side: &impl Side, key: &Key<F>) -> Option<Record> {
        let mut found = None;
        for young in [false, true] {
            let area = area(F::SIX, young);
            let mask = area.records(side.sizes()) - 1;
            for bucket in [key.first & mask, key.second & mask] {
                self.buckets.insert((area, bucket));
                for slot in 0..control::SLOTS as u32 {
                    let Some(words) = record(side, area, F::RECORD, bucket << 2 | slot) else { continue };
                    let live = words[0] & (control::NAME | control::PHASE) == key.name | control::LIVE;
                    let same = F::same(Copied(&words), 0, key.source, key.destination);
                    if live && same && words[F::PORTS] as u32 == key.ports {
                        let seen = self.follow::<F>(side, area, &words, young);
                        found = found.or(Some(seen));
                    }
                }
            }
        }
        found
    }

    /// What a record refers to: its other direction, and its template.
    fn follow<F: Family>(&mut self, side: &impl Side, area: Area, words: &[u64], young: bool) -> Record {
        let link = relvs_core::flow::Link(words[F::LINK]);
        let partner = link.place().and_then(|place| {
            self.buckets.insert((area, place >> 2));
            let other = record(side, area, F::RECORD, place)?[0];
            let same = other & control::PHASE == control::LIVE && control::generation(other) == link.generation();
            same.then_some(other)
        });
        let template = (words[F::PORTS] >> 32) as u32;
        if let Some(place) = template.checked_sub(1) {
            self.buckets.insert((self::area(F::SIX, false), place >> 2));
        }
        Record { control: words[0], partner, young, bound: template != 0 }
    }
}

/// The table of flows of this family.
fn area(six: bool, young: bool) -> Area {
    match (six, young) {
        (false, false) => Area::Flows4,
        (false, true) => Area::Young4,
        (true, false) => Area::Flows6,
        (true, true) => Area::Young6,
    }
}

/// A record as it is now, if it does not change hands at this moment.
fn record(side: &impl Side, area: Area, size: usize, place: u32) -> Option<Vec<u64>> {
    let at = place as usize * size;
    let cells = side.area(area).get(at..at + size)?;
    let words: Vec<u64> = cells.iter().map(|cell| cell.load(Acquire)).collect();
    ((cells[0].load(Acquire) ^ words[0]) & !control::MUTABLE == 0).then_some(words)
}

fn key<F: Family>(side: &impl Side, source: F::Address, destination: F::Address, name: &Name) -> Key<F> {
    let constants = side.constants();
    match name.kind {
        Kind::Flow(protocol) => Key::new(&constants, source, destination, name.ports, protocol, false),
        Kind::Reply(protocol) => Key::new(&constants, source, destination, name.ports, protocol, true),
        Kind::Template => Key::template(&constants, source, destination, name.ports),
    }
}

/// An address as the tables have it.
pub(crate) fn words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(a) => [u64::from(u32::from_ne_bytes(a.octets())), 0],
        IpAddr::V6(a) => {
            let bits = u128::from_ne_bytes(a.octets());
            [bits as u64, (bits >> 64) as u64]
        }
    }
}
