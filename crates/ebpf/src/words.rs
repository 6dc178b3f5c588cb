//! A map's value as words that other CPUs and user space see too.

use core::{
    intrinsics::{AtomicOrdering::SeqCst, atomic_cxchg, atomic_xadd},
    ptr::{NonNull, read_volatile, write_volatile},
};
use relvs_core::Block;

/// `W` words of a map's value.
#[derive(Clone, Copy)]
pub struct Words<const W: usize>(NonNull<[u64; W]>);

impl<const W: usize> Words<W> {
    /// Of a map's look-up.
    #[inline(always)]
    pub fn new(value: Option<*mut [u64; W]>) -> Option<Self> {
        NonNull::new(value?).map(Words)
    }

    #[inline(always)]
    fn word(self, word: usize) -> *mut u64 {
        self.0.as_ptr().cast::<u64>().wrapping_add(word)
    }
}

impl<const W: usize> Block for Words<W> {
    #[inline(always)]
    fn load(self, word: usize) -> u64 {
        if word >= W {
            return 0;
        }
        // SAFETY: within a map's value, which lives as long as the program runs.
        unsafe { read_volatile(self.word(word)) }
    }

    #[inline(always)]
    fn store(self, word: usize, value: u64) {
        if word < W {
            // SAFETY: as in `load`.
            unsafe { write_volatile(self.word(word), value) }
        }
    }

    #[inline(always)]
    fn compare_exchange(self, word: usize, old: u64, new: u64) -> Result<(), u64> {
        if word >= W {
            return Err(!old);
        }
        // SAFETY: as in `load`.
        let (seen, done) = unsafe { atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(self.word(word), old, new) };
        if done { Ok(()) } else { Err(seen) }
    }

    #[inline(always)]
    fn fetch_add(self, word: usize, value: u64) -> u64 {
        if word >= W {
            return 0;
        }
        // SAFETY: as in `load`.
        unsafe { atomic_xadd::<u64, u64, { SeqCst }>(self.word(word), value) }
    }
}
