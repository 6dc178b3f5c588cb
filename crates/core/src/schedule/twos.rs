//! Power of two choices (ip_vs_twos.c): the better of two that are drawn with chances as their weights.
//!
//! Sums and products have 64 bits, so large weights do not overflow as IPVS's do.

use super::{
    Arrival,
    walk::{self, Candidate},
};
use crate::{
    table::destination,
    world::{Block, Tables},
};

/// Word of the request line that is the sum's while a server is chosen. Of a sum of its own the verifier would follow
/// every value.
const SUM: usize = 7;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, _: &Arrival) -> u32 {
    let Some(scratch) = t.request() else { return destination::NONE };
    let mut last = destination::NONE;
    scratch.store(SUM, 0);
    walk::servers(t, service, |server, available| {
        if available {
            scratch.store(SUM, scratch.load(SUM) + u64::from(server.weight));
            last = server.number;
        }
        true
    });
    let total = scratch.load(SUM);
    let (one, other) = (drawn(t, scratch, service, total), drawn(t, scratch, service, total));
    if one.is_none() {
        // One was overloaded in between.
        return last;
    }
    if !other.is_none() && other.lighter(&one) { other.number } else { one.number }
}

/// The first available server up to which the weights' sum is not less than a number from 0 to `total`, both included:
/// so the first server has one chance more.
#[inline(always)]
fn drawn<T: Tables>(t: &T, scratch: T::Quadruple, service: T::Line, total: u64) -> Candidate {
    let drawn = draw(t, total + 1);
    let mut found = Candidate::NONE;
    scratch.store(SUM, 0);
    walk::servers(t, service, |server, available| {
        if available {
            let sum = scratch.load(SUM) + u64::from(server.weight);
            scratch.store(SUM, sum);
            if drawn <= sum {
                found = *server;
                return false;
            }
        }
        true
    });
    found
}

/// Below `end`.
#[inline(always)]
fn draw<T: Tables>(t: &T, end: u64) -> u64 {
    (u64::from(t.random()) << 32 | u64::from(t.random())).checked_rem(end).unwrap_or(0)
}
