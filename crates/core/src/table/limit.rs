//! How many new flows a service takes: beside the service's record, in the same order.
//!
//! ```text
//! word 0: new flows a second (32)
//! word 1: second (16, from bit 32), new flows in it (32); shared by all CPUs
//! ```
//!
//! Seconds are [`Tables::now`]'s, and each begins anew: so around their turn twice as many may come within one.

use crate::world::{Block, Tables};

/// Word of the limit.
pub const RATE: usize = 0;
/// Word of the count.
pub const COUNT: usize = 1;

/// A limit of this many new flows a second.
pub const fn of_rate(rate: u32) -> [u64; 4] {
    [rate as u64, 0, 0, 0]
}

/// Whether the service at `index` takes one more new flow, which is then counted.
#[inline(always)]
pub(crate) fn admits<T: Tables>(t: &T, index: u32, now: u16) -> bool {
    let Some(line) = t.limit(index) else { return true };
    let rate = line.load(RATE) & 0xffff_ffff;
    let (seen, second) = (line.load(COUNT), u64::from(now) << 32);
    if seen >> 32 != u64::from(now) {
        // If another CPU is first, it has done the same.
        let _ = line.compare_exchange(COUNT, seen, second);
    }
    // Who is refused anyway does not write.
    line.load(COUNT) & 0xffff_ffff < rate && line.fetch_add(COUNT, 1) & 0xffff_ffff < rate
}
