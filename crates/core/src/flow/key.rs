//! What a flow is found by.

use super::control;
use crate::{family::Family, state, wire::protocol, world::Constants};

/// Addresses, ports and protocol of one direction, with their hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<F: Family> {
    /// Where the packets come from.
    pub source: F::Address,
    /// Where they go.
    pub destination: F::Address,
    /// Source port in the low half, destination port in the high one, each in memory order.
    pub ports: u32,
    /// Tag, protocol and direction, as in a control word.
    pub name: u64,
    /// The first bucket, before masking.
    pub first: u32,
    /// The second.
    pub second: u32,
}

impl<F: Family> Key<F> {
    /// Hashes. `protocol` is the IP header's number.
    #[inline(always)]
    pub fn new(
        c: &Constants,
        source: F::Address,
        destination: F::Address,
        ports: u32,
        protocol: u8,
        reply: bool,
    ) -> Self {
        Self::named(c, source, destination, ports, kind(protocol), if reply { control::REPLY } else { 0 })
    }

    /// The key of a persistence template: clients by their network, a VIP or mark, and in `ports` the protocol (low
    /// half) and the service's port (high half), 0 for those of all.
    #[inline(always)]
    pub fn template(c: &Constants, source: F::Address, destination: F::Address, ports: u32) -> Self {
        Self::named(c, source, destination, ports, state::TEMPLATE, 0)
    }

    #[inline(always)]
    fn named(c: &Constants, source: F::Address, destination: F::Address, ports: u32, kind: u64, reply: u64) -> Self {
        let hash = F::hash(c, source, destination, ports);
        Key {
            source,
            destination,
            ports,
            name: hash >> 53 & control::TAG | control::of_protocol(kind) | reply,
            first: hash as u32,
            second: (hash >> 32) as u32,
        }
    }

    /// The record of a bucket that is looked at in the `i`-th place: different flows begin at different ones.
    #[inline(always)]
    pub fn slot(&self, i: usize) -> usize {
        (self.first >> 30) as usize ^ i
    }
}

/// How a control word says a protocol of the IP header.
#[inline(always)]
pub const fn kind(protocol: u8) -> u64 {
    match protocol {
        protocol::UDP => state::UDP,
        protocol::SCTP => state::SCTP,
        _ => state::TCP,
    }
}
