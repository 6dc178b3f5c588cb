//! Going through a service's list: for schedulers that compare its servers.
//!
//! A server whose weight is 0 is not in the list; all others are looked at for each choice.

use super::{has_thresholds, slots};
use crate::{
    table::{destination, load},
    world::{Block, Tables},
};

/// A server of the list with its load. Of none, the number is [`destination::NONE`].
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) number: u32,
    pub(super) weight: u32,
    /// [`load::COUNTS`].
    pub(super) counts: u64,
}

/// More is taken for this much, so that its product with a weight fits into 64 bits. That is 33 million active flows.
const MOST: u64 = (1 << 33) - 1;

impl Candidate {
    pub(super) const NONE: Self = Candidate { number: destination::NONE, weight: 0, counts: 0 };

    #[inline(always)]
    pub(super) const fn is_none(&self) -> bool {
        self.number == destination::NONE
    }

    #[inline(always)]
    pub(super) const fn active(&self) -> u64 {
        load::active(self.counts) as u64
    }

    /// An active flow weighs as much as 256 others (ip_vs_dest_conn_overhead).
    #[inline(always)]
    pub(super) const fn overhead(&self) -> u64 {
        let overhead = self.active() * 256 + load::inactive(self.counts) as u64;
        if overhead < MOST { overhead } else { MOST }
    }

    /// Whether this one has less overhead for its weight.
    #[inline(always)]
    pub(super) const fn lighter(&self, other: &Self) -> bool {
        other.overhead() * (self.weight as u64) > self.overhead() * (other.weight as u64)
    }

    /// Whether this one would be done sooner with one flow more.
    #[inline(always)]
    pub(super) const fn sooner(&self, other: &Self) -> bool {
        (other.active() + 1) * (self.weight as u64) > (self.active() + 1) * (other.weight as u64)
    }

    /// lblc and lblcr: more active flows than its weight.
    #[inline(always)]
    pub(super) const fn busy(&self) -> bool {
        self.active() > self.weight as u64
    }

    /// lblc and lblcr: fewer active flows than half of its weight.
    #[inline(always)]
    pub(super) const fn relaxed(&self) -> bool {
        self.active() * 2 < self.weight as u64
    }
}

/// Calls `step` with each server in turn, and whether it is available, as long as it says true.
#[inline(always)]
pub(super) fn servers<T: Tables>(t: &T, service: T::Line, mut step: impl FnMut(&Candidate, bool) -> bool) {
    let (first, count) = slots(service);
    let thresholds = has_thresholds(service);
    t.walk(count, &mut |place| {
        let slot = t.ring(first.wrapping_add(place));
        let number = slot as u32;
        let Some(load) = t.load_of(number) else { return true };
        let overloaded = thresholds && load.load(load::OVERLOAD) != 0;
        let server = Candidate { number, weight: (slot >> 32) as u32, counts: load.load(load::COUNTS) };
        // An empty slot is what a change of the tables may show for a moment.
        number == destination::NONE || step(&server, !overloaded)
    });
}

/// The number of the best available server among those that fit: the first, unless a later one is `better` than the
/// best so far.
#[inline(always)]
pub(super) fn best<T: Tables>(
    t: &T,
    service: T::Line,
    fits: impl Fn(&Candidate) -> bool,
    better: impl Fn(&Candidate, &Candidate) -> bool,
) -> u32 {
    let mut best = Candidate::NONE;
    servers(t, service, |server, available| {
        if available && fits(server) && (best.is_none() || better(server, &best)) {
            best = *server;
        }
        true
    });
    best.number
}
