//! Next hops: a record for each neighbour that is in use, findable by interface and MAC.
//!
//! A record is written while it is invalid and then made valid by one store. One that is given up keeps its
//! generation; the next neighbour in its place gets another, so that flows do not take it for the old one.

use crate::{Area, Copied, Error, Side};
use relvs_core::table::hop::{self, Hop};
use std::{
    collections::BTreeMap,
    sync::atomic::Ordering::{Acquire, Release},
};

/// What a next hop is known by: everything but the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Index of the interface that the route names, by which the kernel finds the neighbour.
    pub via: u32,
    /// Index of the interface that carries the frames: the same, or of a VLAN the one underneath.
    pub interface: u32,
    /// The neighbour's MAC, low 48 bits, in memory order.
    pub destination: u64,
    /// The interface's own.
    pub source: u64,
    /// VLAN tags as they stand in a frame.
    pub tags: [u32; 2],
}

/// Who has which record.
#[derive(Debug, Default)]
pub struct HopTable {
    taken: BTreeMap<Neighbour, (u16, u16)>,
    free: Vec<u16>,
    next: u16,
}

impl HopTable {
    /// An empty table over records that may hold what an earlier daemon left.
    ///
    /// Valid records stay what they are; their neighbours are known again.
    pub fn adopt(side: &impl Side) -> Self {
        let mut table = HopTable { taken: BTreeMap::new(), free: Vec::new(), next: 1 };
        let records = side.sizes().hops.min(u32::from(u16::MAX)) as u16;
        let mut empty = Vec::new();
        for index in 1..records {
            let Some(record) = side.record(Area::Hops, u32::from(index)) else { break };
            let words: Vec<u64> = record.iter().map(|w| w.load(Acquire)).collect();
            let known = unpack(&words);
            if words[2] >> 63 != 0 {
                // By which interface a VLAN's neighbour was found is not known any more: it will get a new record.
                let neighbour = Neighbour {
                    via: known.interface,
                    interface: known.interface,
                    destination: known.destination,
                    source: known.source,
                    tags: known.tags,
                };
                table.free.append(&mut empty);
                table.taken.insert(neighbour, (index, known.generation));
                table.next = index + 1;
            } else {
                empty.push(index);
            }
        }
        table
    }

    /// The reference of this neighbour's record, which is made if there is none. `mtu` is written in any case.
    ///
    /// # Errors
    ///
    /// No record is left, or the kernel refused.
    pub fn take(&mut self, side: &impl Side, neighbour: Neighbour, mtu: u16) -> Result<u32, Error> {
        if let Some((index, generation)) = self.taken.get(&neighbour).copied() {
            write(side, index, &neighbour, mtu, generation);
            return Ok(hop::reference(index, generation));
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None if u32::from(self.next) < side.sizes().hops && self.next < u16::MAX => {
                self.next += 1;
                self.next - 1
            }
            None => return Err(Error::Full("next hops")),
        };
        let record = side.record(Area::Hops, u32::from(index)).ok_or(Error::Full("next hops"))?;
        let generation =
            unpack(&record.iter().map(|w| w.load(Acquire)).collect::<Vec<_>>()).generation.wrapping_add(1) & 0xfff;
        write(side, index, &neighbour, mtu, generation);
        let reference = hop::reference(index, generation);
        if let Err(error) = side.set_hop_of(neighbour.via, neighbour.destination, reference) {
            record[2].store(hop::invalid(generation)[2], Release);
            self.free.push(index);
            return Err(error);
        }
        self.taken.insert(neighbour, (index, generation));
        Ok(reference)
    }

    /// Gives up every record that `keep` does not want. What refers to one finds it invalid.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    pub fn retain(&mut self, side: &impl Side, keep: impl Fn(&Neighbour) -> bool) -> Result<(), Error> {
        let gone: Vec<_> = self.taken.iter().filter(|(n, _)| !keep(n)).map(|(n, at)| (*n, *at)).collect();
        for (neighbour, (index, generation)) in gone {
            if let Some(record) = side.record(Area::Hops, u32::from(index)) {
                record[2].store(hop::invalid(generation)[2], Release);
            }
            self.taken.remove(&neighbour);
            self.free.push(index);
            // Another record may have the same interface and MAC, with other tags.
            let same = |n: &&Neighbour| n.via == neighbour.via && n.destination == neighbour.destination;
            let other = self.taken.iter().find(|(n, _)| same(n)).map_or(0, |(_, (i, g))| hop::reference(*i, *g));
            side.set_hop_of(neighbour.via, neighbour.destination, other)?;
        }
        Ok(())
    }

    /// The neighbours that have a record.
    pub fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.taken.keys()
    }
}

fn write(side: &impl Side, index: u16, n: &Neighbour, mtu: u16, generation: u16) {
    let Some(record) = side.record(Area::Hops, u32::from(index)) else { return };
    let hop =
        Hop { destination: n.destination, source: n.source, interface: n.interface, mtu, tags: n.tags, generation };
    let words = hop.pack();
    for at in [0, 1, 3, 2] {
        record[at].store(words[at], Release);
    }
}

fn unpack(words: &[u64]) -> Hop {
    hop::read(Copied(words))
}
