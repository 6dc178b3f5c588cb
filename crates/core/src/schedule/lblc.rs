//! Locality-based least connection (ip_vs_lblc.c), for caches: the server that the destination address had last,
//! unless it is gone, or is busy while another one is relaxed; then wlc's choice, which is remembered.
//!
//! What is remembered of an address is one word: the server's number. Addresses are forgotten when the table is full,
//! those first that nobody asked for, and never for their age.

use super::{
    Arrival,
    walk::{self, Candidate},
};
use crate::{
    table::destination,
    world::{Block, Tables},
};

/// Word of the server.
const SERVER: usize = 0;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, arrival: &Arrival) -> u32 {
    let key = key(service, arrival);
    let known = t.near(&key).map_or(destination::NONE, |near| near.load(SERVER) as u32);
    let (mut held, mut least) = (Candidate::NONE, Candidate::NONE);
    let mut relaxed = false;
    walk::servers(t, service, |server, available| {
        relaxed |= server.relaxed();
        // It is one of this service's and has a weight: whether it is overloaded is not asked.
        if server.number == known {
            held = *server;
        }
        if available && (least.is_none() || server.lighter(&least)) {
            least = *server;
        }
        true
    });
    let leaves = held.busy() && relaxed;
    if !held.is_none() && !leaves {
        return held.number;
    }
    if !least.is_none()
        && let Some(near) = near(t, &key)
    {
        near.store(SERVER, u64::from(least.number));
    }
    least.number
}

/// What an address is remembered by: the service's identity, which is another with another scheduler, and the address.
#[inline(always)]
pub(super) fn key<B: Block>(service: B, arrival: &Arrival) -> [u64; 4] {
    [service.load(2) >> 32, arrival.destination[0], arrival.destination[1], 0]
}

/// What is remembered of an address, or room for it.
#[inline(always)]
pub(super) fn near<T: Tables>(t: &T, key: &[u64; 4]) -> Option<T::Double> {
    if t.near(key).is_none() {
        t.remember_near(key);
    }
    t.near(key)
}
