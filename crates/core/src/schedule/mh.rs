//! Maglev hashing (ip_vs_mh.c): as source hashing, with a better hash and a table of which little changes when servers
//! do.

use super::{Arrival, sh, table};
use crate::world::Tables;

/// Slots of the table: a prime (CONFIG_IP_VS_MH_TAB_INDEX 12).
pub const SLOTS: u32 = 4093;
/// Both words of the key by which clients find their slot, and servers the first that they would like.
pub const PLACE: u64 = 2_654_435_761;
/// Both words of the key by which servers find how far it is to the next one.
pub const SKIP: u64 = 2_654_446_892;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, arrival: &Arrival) -> u32 {
    let client = sh::client(service, arrival);
    table::pick(t, service, SLOTS, |offset| hash(PLACE, offset.wrapping_add(client)) % SLOTS)
}

/// SipHash-1-3 of four bytes (little endian), cut to 32 bits: the kernel's hsiphash where a word has 64 bits.
///
/// Both words of the key are `key`.
#[inline(always)]
pub const fn hash(key: u64, value: u32) -> u32 {
    // The message's only word: its length in the highest byte.
    let word = 4 << 56 | value as u64;
    let v = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573 ^ word,
    ];
    let v = round(v);
    let v = round(round(round([v[0] ^ word, v[1], v[2] ^ 0xff, v[3]])));
    (v[0] ^ v[1] ^ v[2] ^ v[3]) as u32
}

/// Aumasson, Bernstein: SipHash, figure 2.1.
#[inline(always)]
const fn round([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    let (a, c) = (a.wrapping_add(b), c.wrapping_add(d));
    let (b, d) = (b.rotate_left(13) ^ a, d.rotate_left(16) ^ c);
    let (a, c) = (a.rotate_left(32).wrapping_add(d), c.wrapping_add(b));
    let (b, d) = (b.rotate_left(17) ^ c, d.rotate_left(21) ^ a);
    [a, b, c.rotate_left(32), d]
}
