//! Service entries: four to a set, each a key and a value; user space places them by the same functions.
//!
//! An entry of IPv4 is two words: the key with the address in its low half, and the value. One of IPv6 is four: the
//! key, the address, and the value. A value is the index of a service, or for a server's entry the number of
//! one of its destinations.

/// This entry is an address and port that a NAT server sends its replies from.
pub const SERVER: u64 = 1 << 56;
/// Every key has this bit, so that an empty entry is found by none.
pub const USED: u64 = 1 << 57;
/// Entries to a set.
pub const SLOTS: usize = 4;

/// The key of a service, or with [`SERVER`] of a server, less an IPv4 address. The port is in memory order.
#[inline(always)]
pub const fn key(port: u16, protocol: u8) -> u64 {
    (port as u64) << 32 | (protocol as u64) << 48 | USED
}

/// The set of an IPv4 key; to be masked.
#[inline(always)]
pub const fn set4(multiplier: u64, key: u64) -> u32 {
    (key.wrapping_mul(multiplier) >> 40) as u32
}

/// The set of an IPv6 key; to be masked.
#[inline(always)]
pub const fn set6(multiplier: u64, address: [u64; 2], key: u64) -> u32 {
    let sum = address[0].wrapping_mul(multiplier) ^ address[1].wrapping_mul(multiplier.rotate_left(23) | 1);
    (((sum >> 32) ^ sum ^ key).wrapping_mul(multiplier) >> 40) as u32
}
