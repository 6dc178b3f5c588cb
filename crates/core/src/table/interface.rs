//! An interface that the director serves. Word 0: its MAC in the low 48 bits, and [`SERVED`]. Word 1: its index.

use crate::{wire::MAC, world::Block};

/// The record is in use.
pub const SERVED: u64 = 1 << 48;
/// How many records there are; an interface's is at its index modulo this.
pub const SLOTS: u32 = 256;

/// The first word of a record.
#[inline(always)]
pub const fn first(mac: u64) -> u64 {
    mac & MAC | SERVED
}

/// Whether the record is of the interface `index`, and a frame to `mac` (low 48 bits) is for it.
#[inline(always)]
pub fn accepts<B: Block>(record: B, index: u32, mac: u64) -> bool {
    record.load(0) == first(mac) && record.load(1) == u64::from(index)
}
