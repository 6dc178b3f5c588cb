//! Words that threads share, cut to records.

use relvs_core::Block;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release, SeqCst},
};

/// `W` words of a table.
#[derive(Clone, Copy)]
pub struct Cells<'a, const W: usize>(&'a [AtomicU64; W]);

impl<const W: usize> Block for Cells<'_, W> {
    fn load(self, word: usize) -> u64 {
        self.0.get(word).map_or(0, |w| w.load(Acquire))
    }
    fn store(self, word: usize, value: u64) {
        if let Some(w) = self.0.get(word) {
            w.store(value, Release);
        }
    }
    fn compare_exchange(self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        self.0.get(word).map_or(Err(!old), |w| w.compare_exchange(old, new, SeqCst, SeqCst).map(drop))
    }
    fn fetch_add(self, word: usize, value: u64) -> u64 {
        self.0.get(word).map_or(0, |w| w.fetch_add(value, SeqCst))
    }
}

/// So many words.
pub(super) fn zeroed(words: usize) -> Vec<AtomicU64> {
    std::iter::repeat_with(AtomicU64::default).take(words).collect()
}

/// The record at `index` of a table.
pub(super) fn cells<const W: usize>(words: &[AtomicU64], index: u32) -> Option<Cells<'_, W>> {
    let at = index as usize * W;
    words.get(at..)?.first_chunk().map(Cells)
}
