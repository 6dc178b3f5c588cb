//! How loaded a destination is: what schedulers compare, shared by all CPUs and user space.
//!
//! ```text
//! word 0: active flows (32), inactive flows (32)
//! word 1: upper threshold (32), lower threshold (32); 0: none
//! word 2: 1 if it is overloaded
//! word 3: persistence templates (32), weight (32)
//! ```
//!
//! A live record of a client's direction counts as one flow from just before it is published until it is freed, by the
//! state that its control word says: whoever changes the word changes the counts. So they are exact whenever no packet
//! is on its way. Overload and its hysteresis are ip_vs_bind_dest's and ip_vs_unbind_dest's (ip_vs_conn.c).

use crate::{
    flow::control,
    state,
    world::{Block, Tables},
};

/// Word of the counts.
pub const COUNTS: usize = 0;
/// Word of the thresholds.
pub const THRESHOLDS: usize = 1;
/// Word of the overload flag.
pub const OVERLOAD: usize = 2;
/// Word of the templates and the weight.
pub const TEMPLATES: usize = 3;

/// An active flow in the word of the counts.
pub const ACTIVE: u64 = 1;
/// An inactive one.
pub const INACTIVE: u64 = 1 << 32;

/// Active flows.
#[inline(always)]
pub const fn active(counts: u64) -> u32 {
    counts as u32
}

/// Inactive flows.
#[inline(always)]
pub const fn inactive(counts: u64) -> u32 {
    (counts >> 32) as u32
}

/// The word of the thresholds.
pub const fn thresholds(upper: u32, lower: u32) -> u64 {
    upper as u64 | (lower as u64) << 32
}

/// What a flow with this control word adds to the counts.
#[inline(always)]
pub fn share(word: u64) -> u64 {
    if state::active_of(control::protocol(word), control::state(word)) { ACTIVE } else { INACTIVE }
}

/// Whether so many flows are more than a destination with these thresholds takes, after one was added.
#[inline(always)]
pub const fn rises(thresholds: u64, flows: u32) -> bool {
    let upper = thresholds as u32;
    upper != 0 && flows >= upper
}

/// Whether a destination with these thresholds and so many flows is no longer overloaded, after one has gone.
#[inline(always)]
pub const fn falls(thresholds: u64, flows: u32) -> bool {
    let (upper, lower) = (thresholds as u32 as u64, thresholds >> 32);
    if lower != 0 { (flows as u64) < lower } else { upper == 0 || (flows as u64) * 4 < upper * 3 }
}

/// The weight of the word of the templates.
#[inline(always)]
pub const fn weight(word: u64) -> u32 {
    (word >> 32) as u32
}

/// All flows of a word of counts.
#[inline(always)]
pub const fn total(counts: u64) -> u32 {
    active(counts).wrapping_add(inactive(counts))
}

/// A record with this control word is about to be live.
#[inline(always)]
pub fn bind<T: Tables>(t: &T, word: u64) {
    if word & control::REPLY != 0 {
        return;
    }
    let Some(load) = t.load_of(control::destination(word)) else { return };
    let counts = if control::protocol(word) == state::TEMPLATE {
        load.fetch_add(TEMPLATES, 1);
        load.load(COUNTS)
    } else {
        let share = share(word);
        load.fetch_add(COUNTS, share).wrapping_add(share)
    };
    let thresholds = load.load(THRESHOLDS);
    if rises(thresholds, total(counts)) {
        load.store(OVERLOAD, 1);
    }
}

/// A record with this control word is live no more, or was not to be.
#[inline(always)]
pub fn unbind<T: Tables>(t: &T, word: u64) {
    if word & control::REPLY != 0 {
        return;
    }
    let Some(load) = t.load_of(control::destination(word)) else { return };
    let counts = if control::protocol(word) == state::TEMPLATE {
        load.fetch_add(TEMPLATES, 1u64.wrapping_neg());
        load.load(COUNTS)
    } else {
        let share = share(word).wrapping_neg();
        load.fetch_add(COUNTS, share).wrapping_add(share)
    };
    if load.load(OVERLOAD) != 0 && falls(load.load(THRESHOLDS), total(counts)) {
        load.store(OVERLOAD, 0);
    }
}

/// A flow's state has changed.
#[inline(always)]
pub fn change<T: Tables>(t: &T, before: u64, after: u64) {
    let difference = share(after).wrapping_sub(share(before));
    if difference != 0
        && let Some(load) = t.load_of(control::destination(after))
    {
        load.fetch_add(COUNTS, difference);
    }
}
