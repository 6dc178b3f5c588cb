//! Destinations' loads as user space reads and changes them. [`relvs_core::table::load`] says what they mean.

use crate::{Area, Side};
use relvs_core::{
    flow::control,
    state,
    table::load::{self, COUNTS, OVERLOAD, TEMPLATES, THRESHOLDS},
};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// How loaded a destination is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Active flows.
    pub active: u32,
    /// Inactive flows.
    pub inactive: u32,
    /// Persistence templates.
    pub templates: u32,
    /// Whether it gets no new flows because of its upper threshold.
    pub overloaded: bool,
}

/// The load of a destination.
pub fn of(side: &impl Side, number: u32) -> Load {
    let Some(record) = side.record(Area::Loads, number) else { return Load::default() };
    let counts = record[COUNTS].load(Acquire);
    Load {
        active: load::active(counts),
        inactive: load::inactive(counts),
        templates: record[TEMPLATES].load(Acquire) as u32,
        overloaded: record[OVERLOAD].load(Acquire) != 0,
    }
}

/// Sets a destination's weight and thresholds; 0 is none. Whether it is overloaded is decided with its next flow, but a
/// higher threshold, or none, admits at once (__ip_vs_update_dest in ip_vs_ctl.c).
pub fn write(side: &impl Side, number: u32, weight: u32, upper: u32, lower: u32) {
    let Some(record) = side.record(Area::Loads, number) else { return };
    let with_weight = |word: u64| Some(word & 0xffff_ffff | u64::from(weight) << 32);
    let _ = record[TEMPLATES].fetch_update(AcqRel, Acquire, with_weight);
    let before = record[THRESHOLDS].swap(load::thresholds(upper, lower), AcqRel) as u32;
    if upper == 0 || upper > before {
        record[OVERLOAD].store(0, Release);
    }
}

/// Forgets the load of a destination to which no flow refers any more.
pub(crate) fn withdraw(side: &impl Side, number: u32) {
    for word in side.record(Area::Loads, number).into_iter().flatten() {
        word.store(0, Release);
    }
}

/// A record with this control word was freed.
pub(crate) fn unbind(side: &impl Side, word: u64) {
    if word & control::REPLY != 0 {
        return;
    }
    let Some(record) = side.record(Area::Loads, control::destination(word)) else { return };
    let counts = if control::protocol(word) == state::TEMPLATE {
        record[TEMPLATES].fetch_sub(1, AcqRel);
        record[COUNTS].load(Acquire)
    } else {
        let share = load::share(word);
        record[COUNTS].fetch_sub(share, AcqRel).wrapping_sub(share)
    };
    if record[OVERLOAD].load(Acquire) != 0 && load::falls(record[THRESHOLDS].load(Acquire), load::total(counts)) {
        record[OVERLOAD].store(0, Release);
    }
}
