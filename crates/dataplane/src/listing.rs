//! Flows and templates one by one, for listings. A listing goes on where it stopped, so nobody holds them all.

use crate::{
    Error, Family, Side, Timeouts,
    scan::{age, partner},
};
use relvs_core::{
    flow::{Link, control},
    state,
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicU64, Ordering::Acquire},
};

/// A flow or a template, for a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Protocol number; 0 for a mark's template.
    pub protocol: u8,
    /// The client and its port; of a template the client's network and 0.
    pub client: (IpAddr, u16),
    /// The VIP and its port; of a mark's template the mark, as an address's first four bytes.
    pub service: (IpAddr, u16),
    /// Number of the destination.
    pub destination: u32,
    /// State's name as IPVS writes it.
    pub state: &'static str,
    /// Seconds until it is forgotten.
    pub expires_s: u32,
    /// Whether it is in the young table.
    pub young: bool,
    /// Whether it is a template.
    pub template: bool,
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Of the four tables: IPv4's settled and young one, IPv6's.
    table: usize,
    record: usize,
}

/// The flows at this moment, at most `limit`.
///
/// # Errors
///
/// The time could not be read.
pub fn entries(side: &impl Side, timeouts: &Timeouts, limit: usize) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor.filter(|_| found.len() < limit) {
        cursor = entries_from(side, timeouts, at, usize::MAX, |entry| found.push(entry))?;
    }
    found.truncate(limit);
    Ok(found)
}

/// Gives the flows of the next records, at most so many, and of one table; and where to go on, unless that was the end.
/// One that comes, goes or moves meanwhile may be given or not.
///
/// # Errors
///
/// The time could not be read.
pub fn entries_from(
    side: &impl Side,
    timeouts: &Timeouts,
    cursor: Cursor,
    records: usize,
    mut give: impl FnMut(Entry),
) -> Result<Option<Cursor>, Error> {
    let tables = Family::ALL.into_iter().flat_map(|family| family.areas().map(|area| (family, area)));
    let Some((family, area)) = tables.clone().nth(cursor.table) else { return Ok(None) };
    let (listing, table) = (Listing { side, timeouts, family, now: side.now()? }, side.area(area));
    let (size, ..) = family.layout();
    for record in table.chunks_exact(size).skip(cursor.record).take(records) {
        if let Some(mut entry) = listing.entry(table, record) {
            entry.young = cursor.table % 2 == 1;
            give(entry);
        }
    }
    let end = cursor.record.saturating_add(records);
    let next = if end < table.len() / size {
        Cursor { record: end, ..cursor }
    } else {
        Cursor { table: cursor.table + 1, record: 0 }
    };
    Ok((next.table < tables.count()).then_some(next))
}

struct Listing<'a, S> {
    side: &'a S,
    timeouts: &'a Timeouts,
    family: Family,
    now: u16,
}

impl<S: Side> Listing<'_, S> {
    /// What a record holds, unless that is nothing, a reply's, or changes at this moment.
    fn entry(&self, table: &[AtomicU64], record: &[AtomicU64]) -> Option<Entry> {
        let (_, ports, link) = self.family.layout();
        let seen = record[0].load(Acquire);
        if seen & control::PHASE != control::LIVE || seen & control::REPLY != 0 {
            return None;
        }
        let words: Vec<u64> = record[1..].iter().map(|w| w.load(Acquire)).collect();
        if (record[0].load(Acquire) ^ seen) & !control::MUTABLE != 0 {
            return None;
        }
        let (client, service) = addresses(self.family, &words);
        let both = words[ports - 1] as u32;
        let kind = control::protocol(seen);
        let template = kind == state::TEMPLATE;
        let protocol = match kind {
            state::TCP => 6,
            state::UDP => 17,
            state::SCTP => 132,
            // As the key has it, where flows have the client's port.
            _ => both as u8,
        };
        let age = |word| age(self.now, word, self.side.second());
        let other = partner(table, self.family.layout().0, Link(words[link - 1]));
        let youngest = other.map_or(age(seen), |(_, word)| age(seen).min(age(word)));
        Some(Entry {
            protocol,
            client: (client, if template { 0 } else { u16::from_be(both as u16) }),
            service: (service, u16::from_be((both >> 16) as u16)),
            destination: control::destination(seen),
            state: state::name_of(kind, control::state(seen)),
            expires_s: self.timeouts.of(seen).saturating_sub(youngest as u32),
            young: false,
            template,
        })
    }
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
