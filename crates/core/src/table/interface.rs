//! An interface that the director serves. Word 0: its MAC in the low 48 bits, and [`SERVED`]. Word 1: its index. From
//! word 2 on a bit for each virtual router whose master this machine is there: 256 of IPv4, 256 of IPv6.
//!
//! Masters share a MAC that only says their number and family (RFC 9568 section 7.3), so a bit is enough. Frames to the
//! interface's own MAC are accepted without a look at them.

use crate::{wire::MAC, world::Block};

/// The record is in use.
pub const SERVED: u64 = 1 << 48;
/// How many records there are; an interface's is at its index modulo this.
pub const SLOTS: u32 = 256;
/// The first word of bits.
pub const BITS: usize = 2;
/// Words of a record that are in use.
pub const WORDS: usize = BITS + 8;

/// The first four bytes of every virtual router's MAC, in memory order.
const VIRTUAL: u32 = u32::from_ne_bytes([0x00, 0x00, 0x5e, 0x00]);

/// The first word of a record.
#[inline(always)]
pub const fn first(mac: u64) -> u64 {
    mac & MAC | SERVED
}

/// Where the bit of a virtual router is: its word, and the bit in it.
#[inline(always)]
pub const fn router(is_ipv6: bool, id: u8) -> (usize, u64) {
    (BITS + (is_ipv6 as usize) * 4 + (id >> 6) as usize, 1 << (id & 63))
}

/// Whether the record is of the interface `index`, and a frame to `mac` (low 48 bits) is for it.
#[inline(always)]
pub fn accepts<B: Block>(record: B, index: u32, mac: u64) -> bool {
    let there = record.load(0);
    record.load(1) == u64::from(index) && (there == first(mac) || there & SERVED != 0 && is_master(record, mac))
}

/// Whether this is the MAC of a virtual router whose master this machine is: 00-00-5E-00-01 and its number for IPv4, 02 for
/// IPv6.
#[inline(always)]
fn is_master<B: Block>(record: B, mac: u64) -> bool {
    let family = (mac >> 32) as u8;
    if mac as u32 != VIRTUAL || family != 1 && family != 2 {
        return false;
    }
    let (word, bit) = router(family == 2, (mac >> 40) as u8);
    record.load(word) & bit != 0
}
