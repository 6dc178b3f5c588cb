//! Source hashing (ip_vs_sh.c): the client's address, with its port if the service says so, points into a table.

use super::{Arrival, fold, table};
use crate::{
    table::service::{self, flag},
    world::{Block, Tables},
};

/// Slots of the table (CONFIG_IP_VS_SH_TAB_BITS).
pub const SLOTS: u32 = 1 << BITS;
const BITS: u32 = 8;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, arrival: &Arrival) -> u32 {
    let hash = hash(client(service, arrival));
    table::pick(t, service, SLOTS, |offset| offset.wrapping_add(hash) % SLOTS)
}

/// What the hash is of: the source address, and the port if it counts.
#[inline(always)]
pub(super) fn client<B: Block>(service: B, arrival: &Arrival) -> u32 {
    let counts = service::has(service.load(0), flag::PORT);
    let port = if counts { u16::from_be(arrival.source_port) } else { 0 };
    fold(arrival.source).wrapping_add(u32::from(port))
}

/// The upper bits of a product with 2^32 divided by the golden ratio's square (the kernel's hash_32).
#[inline(always)]
pub(super) const fn hash(value: u32) -> u32 {
    value.wrapping_mul(0x61c8_8647) >> (32 - BITS)
}
