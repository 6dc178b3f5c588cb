//! Service tables in ordinary memory: both halves of what an image holds, and what else schedulers look at.

use relvs_control::{Image, Limits};
use relvs_core::{
    Block, Constants, Reason, Route, Tables, Zone,
    table::{destination::Destination, entry, load},
};
use std::cell::{Cell, RefCell};

#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(&'a [Cell<u64>]);

impl Block for Words<'_> {
    fn load(self, word: usize) -> u64 {
        self.0[word].get()
    }
    fn store(self, word: usize, value: u64) {
        self.0[word].set(value);
    }
    fn compare_exchange(self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        let seen = self.load(word);
        if seen == old {
            self.store(word, new);
            return Ok(());
        }
        Err(seen)
    }
    fn fetch_add(self, word: usize, value: u64) -> u64 {
        self.0[word].replace(self.load(word).wrapping_add(value))
    }
}

pub(crate) struct Memory {
    limits: Limits,
    sets4: Vec<Cell<u64>>,
    sets6: Vec<Cell<u64>>,
    services: Vec<Cell<u64>>,
    bands: Vec<Cell<u64>>,
    rings: Vec<Cell<u64>>,
    rules: Vec<Cell<u64>>,
    destinations: Vec<Cell<u64>>,
    loads: Vec<Cell<u64>>,
    request: Vec<Cell<u64>>,
    near_keys: RefCell<Vec<[u64; 4]>>,
    near: Vec<Cell<u64>>,
    dice: Cell<u64>,
}

/// Addresses that there is room to remember.
const NEAR: usize = 256;

impl Memory {
    pub(crate) fn new(limits: Limits) -> Self {
        let words = |records: u32, words| vec![Cell::new(0); 2 * records as usize * words];
        Memory {
            limits,
            sets4: words(limits.sets, 8),
            sets6: words(limits.sets, 16),
            services: words(limits.services, 8),
            bands: words(limits.bands, 2),
            rings: words(limits.ring, 1),
            rules: words(limits.rules, 16),
            destinations: words(limits.destinations, 8),
            loads: words(limits.destinations, 4),
            request: vec![Cell::new(0); 16],
            near_keys: RefCell::default(),
            near: vec![Cell::new(0); NEAR * 16],
            dice: Cell::new(1),
        }
    }

    /// Writes a half whole.
    pub(crate) fn install(&self, half: u32, image: &Image) {
        let limits = &self.limits;
        let first = half * limits.services;
        let (mut sets4, mut sets6) = (vec![[0; 8]; limits.sets as usize], vec![[0; 16]; limits.sets as usize]);
        let multiplier = image.entries.multiplier;
        for (key, value) in &image.entries.four {
            let set = &mut sets4[(entry::set4(multiplier, *key) & (limits.sets - 1)) as usize];
            let slot = set.chunks_exact_mut(2).find(|slot| slot[0] == 0).expect("a set overflows");
            slot.copy_from_slice(&[*key, of_half(*key, *value, first)]);
        }
        for (address, key, value) in &image.entries.six {
            let set = &mut sets6[(entry::set6(multiplier, *address, *key) & (limits.sets - 1)) as usize];
            let slot = set.chunks_exact_mut(4).find(|slot| slot[0] == 0).expect("a set overflows");
            slot.copy_from_slice(&[*key, address[0], address[1], of_half(*key, *value, first)]);
        }
        write(&self.sets4, half * limits.sets, &sets4);
        write(&self.sets6, half * limits.sets, &sets6);
        write(&self.services, half * limits.services, &image.services);
        write(&self.bands, half * limits.bands, &image.bands);
        let rings: Vec<_> = image.rings.iter().map(|slot| [*slot]).collect();
        write(&self.rings, half * limits.ring, &rings);
        write(&self.rules, half * limits.rules, &image.rules);
    }

    /// Writes a destination's record, and its weight where its load is.
    pub(crate) fn destination(&self, number: u32, record: &Destination, weight: u32) {
        write(&self.destinations, number, &[record.pack()]);
        let load = Memory::words(&self.loads, number, 4).unwrap();
        load.store(load::TEMPLATES, u64::from(weight) << 32);
    }

    fn words<'a>(table: &'a [Cell<u64>], index: u32, words: usize) -> Option<Words<'a>> {
        let at = index as usize * words;
        table.get(at..at + words).map(Words)
    }
}

/// An entry's value in a half whose services begin at `first`.
fn of_half(key: u64, value: u64, first: u32) -> u64 {
    if key & entry::SERVER == 0 { value + u64::from(first) } else { value }
}

fn write<const N: usize>(table: &[Cell<u64>], first: u32, records: &[[u64; N]]) {
    let table = &table[first as usize * N..];
    assert!(records.len() * N <= table.len());
    for (word, value) in table.iter().zip(records.iter().flatten()) {
        word.set(*value);
    }
}

impl<'a> Tables for &'a Memory {
    type Line = Words<'a>;
    type Double = Words<'a>;
    type Quadruple = Words<'a>;
    type Half = Words<'a>;

    fn constants(&self) -> Constants {
        Constants { set_mask: self.limits.sets - 1, ..Constants::default() }
    }
    fn services4(&self, set: u32) -> Option<Words<'a>> {
        Memory::words(&self.sets4, set, 8)
    }
    fn services6(&self, set: u32) -> Option<Words<'a>> {
        Memory::words(&self.sets6, set, 16)
    }
    fn service(&self, index: u32) -> Option<Words<'a>> {
        Memory::words(&self.services, index, 8)
    }
    fn band(&self, index: u32) -> Option<[u64; 2]> {
        Memory::words(&self.bands, index, 2).map(|band| [band.load(0), band.load(1)])
    }
    fn ring(&self, index: u32) -> u64 {
        self.rings.get(index as usize).map_or(0, Cell::get)
    }
    fn load_of(&self, number: u32) -> Option<Words<'a>> {
        Memory::words(&self.loads, number, 4)
    }
    fn near(&self, key: &[u64; 4]) -> Option<Words<'a>> {
        let at = self.near_keys.borrow().iter().position(|known| known == key)?;
        Memory::words(&self.near, at as u32, 16)
    }
    fn remember_near(&self, key: &[u64; 4]) {
        let mut keys = self.near_keys.borrow_mut();
        assert!(keys.len() < NEAR && !keys.contains(key));
        keys.push(*key);
    }
    fn walk<S: FnMut(u32) -> bool>(&self, count: u32, step: &mut S) {
        let _ = (0..count).all(step);
    }
    fn random(&self) -> u32 {
        self.dice.set(self.dice.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        (self.dice.get() >> 32) as u32
    }

    fn now(&self) -> u16 {
        0
    }
    fn active(&self) -> Option<Words<'a>> {
        None
    }
    fn interface(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn destination(&self, number: u32) -> Option<Words<'a>> {
        Memory::words(&self.destinations, number, 8)
    }
    fn hop(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn hop_of(&self, _: u32, _: u64) -> u32 {
        0
    }
    fn flows4(&self, _: Zone, _: u32) -> Option<Words<'a>> {
        None
    }
    fn flows6(&self, _: Zone, _: u32) -> Option<Words<'a>> {
        None
    }
    fn request(&self) -> Option<Words<'a>> {
        Memory::words(&self.request, 0, 16)
    }
    fn rule(&self, index: u32) -> Option<Words<'a>> {
        Memory::words(&self.rules, index, 16)
    }
    fn route(&self, _: bool, _: [u64; 2], _: [u64; 2]) -> Route {
        Route::None
    }
    fn want(&self, _: [u64; 2]) {}
    fn fragment(&self, _: &[u64; 5]) -> Option<Words<'a>> {
        None
    }
    fn remember_fragment(&self, _: &[u64; 5], _: &[u64; 4]) {}
    fn decapsulates(&self, _: [u64; 2]) -> u32 {
        0
    }
    fn answers(&self) -> Option<Words<'a>> {
        None
    }
    fn tracing(&self, _: u32) -> Option<Words<'a>> {
        None
    }
    fn emit(&self) -> bool {
        false
    }
    fn nanoseconds(&self) -> u64 {
        0
    }
    fn count(&self, _: u32, _: u32, _: bool) {}
    fn count_flow(&self, _: u32) {}
    fn note(&self, _: Reason) {}
}
