//! Service tables in ordinary memory: both halves of what an image holds, and nothing else.

use relvs_control::{Image, Limits};
use relvs_core::{Block, Constants, Reason, Route, Tables, Zone};
use std::cell::Cell;

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
}

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
        }
    }

    /// Writes a half whole.
    pub(crate) fn install(&self, half: u32, image: &Image) {
        let limits = &self.limits;
        assert_eq!((image.sets4.len(), image.sets6.len()), (limits.sets as usize, limits.sets as usize));
        write(&self.sets4, half * limits.sets, &image.sets4);
        write(&self.sets6, half * limits.sets, &image.sets6);
        write(&self.services, half * limits.services, &image.services);
        write(&self.bands, half * limits.bands, &image.bands);
        let rings: Vec<_> = image.rings.iter().map(|slot| [*slot]).collect();
        write(&self.rings, half * limits.ring, &rings);
    }

    fn words<'a>(table: &'a [Cell<u64>], index: u32, words: usize) -> Option<Words<'a>> {
        let at = index as usize * words;
        table.get(at..at + words).map(Words)
    }
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
    fn ring(&self, index: u32) -> u32 {
        self.rings.get(index as usize).map_or(0, |slot| slot.get() as u32)
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
    fn destination(&self, _: u32) -> Option<Words<'a>> {
        None
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
        None
    }
    fn open4(&self) -> u64 {
        0
    }
    fn open6(&self) -> u64 {
        0
    }
    fn insert4(&self) -> u64 {
        0
    }
    fn insert6(&self) -> u64 {
        0
    }
    fn route(&self, _: bool, _: [u64; 2], _: [u64; 2]) -> Route {
        Route::None
    }
    fn want(&self, _: [u64; 2]) {}
    fn fragment(&self, _: &[u64; 5]) -> Option<u64> {
        None
    }
    fn remember_fragment(&self, _: &[u64; 5], _: u64) {}
    fn decapsulates(&self, _: [u64; 2]) -> bool {
        false
    }
    fn answers(&self) -> Option<Words<'a>> {
        None
    }
    fn count(&self, _: u32, _: u32, _: bool) {}
    fn count_flow(&self, _: u32) {}
    fn note(&self, _: Reason) {}
}
