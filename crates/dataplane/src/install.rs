//! Service tables: the half that is not in use is written, then one store switches to it.

use crate::{Area, Side};
use relvs_core::table::{
    active,
    entry::{self, SERVER, SLOTS},
    service,
};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

/// Service entries, and what finds them. They say nothing of a half, so both may have the same.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    /// What they are placed by; odd. No set may get more than it has room for.
    pub multiplier: u64,
    /// Of IPv4: keys and values ([`relvs_core::table::entry`]); a service's value is its index within the half.
    pub four: &'a [(u64, u64)],
    /// Of IPv6: addresses, keys and values.
    pub six: &'a [([u64; 2], u64, u64)],
}

/// Everything that one half of the service tables holds. Indices inside the records are of the whole table; those of the
/// entries are not.
#[derive(Clone, Copy, Debug)]
pub struct Half<'a> {
    /// Service entries.
    pub entries: Entries<'a>,
    /// Services.
    pub services: &'a [[u64; 8]],
    /// Their limits, of all of them or of the first.
    pub limits: &'a [[u64; 4]],
    /// Bands.
    pub bands: &'a [[u64; 2]],
    /// Ring slots.
    pub rings: &'a [u64],
    /// Match rules.
    pub rules: &'a [[u64; 16]],
    /// Bits of the switch: what there is, and settings ([`relvs_core::table::active`]).
    pub switch: u64,
    /// Of packets that would open a flow one in so many is dropped, where the switch says so.
    pub drop_rate: u32,
}

/// What the half that is written has of entries, from when it was written last.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// Nobody knows.
    Unknown,
    /// These.
    Others(Entries<'a>),
    /// The same: they need not be written.
    Same,
}

/// The half that is not in use: 0 or 1.
pub fn inactive_half(side: &impl Side) -> u32 {
    let switch = side.area(Area::Active)[active::SWITCH].load(Acquire);
    if switch & active::SECOND != 0 { 0 } else { 1 }
}

/// Writes the half that is not in use and switches to it. No packet sees a half-written one, if the caller lets those
/// that still read it from before finish: a moment between two calls is enough.
pub fn install(side: &impl Side, image: &Half<'_>, before: Before<'_>) {
    let half = inactive_half(side);
    let at = |records: u32| (half * records) as usize;
    let sizes = *side.sizes();
    let tables = Sets {
        four: &side.area(Area::Services4)[at(sizes.sets) * Area::Services4.words()..],
        six: &side.area(Area::Services6)[at(sizes.sets) * Area::Services6.words()..],
        sets: sizes.sets,
        first: u64::from(half * sizes.services),
    };
    match before {
        Before::Unknown => tables.clear_all(),
        Before::Others(entries) => tables.clear(&entries),
        Before::Same => {}
    }
    if !matches!(before, Before::Same) {
        tables.fill(&image.entries);
    }
    copy(side, Area::Services, at(sizes.services), image.services);
    copy(side, Area::Limits, at(sizes.services), image.limits);
    copy(side, Area::Bands, at(sizes.bands), image.bands);
    copy(side, Area::Rules, at(sizes.rules), image.rules);
    for (word, value) in side.area(Area::Rings)[at(sizes.ring)..].iter().zip(image.rings) {
        word.store(*value, Release);
    }
    let line = side.area(Area::Active);
    line[active::MULTIPLIER + half as usize].store(image.entries.multiplier, Release);
    line[active::RULES_OF + half as usize].store(image.rules.len() as u64, Release);
    line[active::DROP_RATE].store(u64::from(image.drop_rate), Release);
    // Whoever traces goes on.
    let traced = line[active::SWITCH].load(Acquire) & active::TRACE;
    let switch = image.switch & !(active::SECOND | active::TRACE);
    line[active::SWITCH].store((u64::from(half) * active::SECOND) | switch | traced, Release);
}

/// How many choices the service at `index` of the half in use has made.
pub fn cursor(side: &impl Side, index: u32) -> u64 {
    let first = (1 - inactive_half(side)) * side.sizes().services;
    side.record(Area::Services, first + index).map_or(0, |record| record[service::CURSOR].load(Acquire))
}

fn copy<const N: usize>(side: &impl Side, area: Area, first: usize, records: &[[u64; N]]) {
    let words = side.area(area)[first * area.words()..].iter();
    for (word, value) in words.zip(records.iter().flatten()) {
        word.store(*value, Release);
    }
}

/// The sets of one half.
struct Sets<'a> {
    four: &'a [AtomicU64],
    six: &'a [AtomicU64],
    sets: u32,
    /// The first service of the half.
    first: u64,
}

/// Words of an entry.
const FOUR: usize = 2;
const SIX: usize = 4;

impl<'a> Sets<'a> {
    fn clear_all(&self) {
        let sets = self.sets as usize * SLOTS;
        for word in self.four[..sets * FOUR].iter().chain(&self.six[..sets * SIX]) {
            word.store(0, Release);
        }
    }

    /// Clears every set that one of these entries may be in.
    fn clear(&self, entries: &Entries<'_>) {
        let four = entries.four.iter().flat_map(|(key, _)| self.set4(entries, *key));
        let six = entries.six.iter().flat_map(|(address, key, _)| self.set6(entries, *address, *key));
        for word in four.chain(six) {
            word.store(0, Release);
        }
    }

    fn fill(&self, entries: &Entries<'_>) {
        let value = |key: u64, value: u64| if key & SERVER == 0 { self.first + value } else { value };
        for &(key, index) in entries.four {
            put(self.set4(entries, key), [key, value(key, index)]);
        }
        for &(address, key, index) in entries.six {
            put(self.set6(entries, address, key), [key, address[0], address[1], value(key, index)]);
        }
    }

    fn set4(&self, entries: &Entries<'_>, key: u64) -> &'a [AtomicU64] {
        set(self.four, entry::set4(entries.multiplier, key) & (self.sets - 1), FOUR)
    }

    fn set6(&self, entries: &Entries<'_>, address: [u64; 2], key: u64) -> &'a [AtomicU64] {
        set(self.six, entry::set6(entries.multiplier, address, key) & (self.sets - 1), SIX)
    }
}

fn set(table: &[AtomicU64], number: u32, words: usize) -> &[AtomicU64] {
    let at = number as usize * SLOTS * words;
    &table[at..at + SLOTS * words]
}

/// Puts an entry, which begins with its key, into a free slot.
fn put<const N: usize>(set: &[AtomicU64], entry: [u64; N]) {
    let free = set.chunks_exact(N).find(|slot| slot[0].load(Acquire) == 0);
    debug_assert!(free.is_some(), "a set overflows");
    for (word, value) in free.into_iter().flatten().zip(entry) {
        word.store(value, Release);
    }
}
