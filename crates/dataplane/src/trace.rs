//! Asking the programs to tell of their decisions: [`relvs_core::table::trace`].

use crate::{Area, Side};
use relvs_core::table::{active, trace::Filter};
use std::sync::atomic::Ordering::{AcqRel, Release};

/// Sets a filter, or gives it up.
pub fn set_filter(side: &impl Side, slot: u32, filter: Option<&Filter>) {
    let Some(record) = side.record(Area::Trace, slot) else { return };
    record[0].store(0, Release);
    let Some(filter) = filter else { return };
    // The first word, which says that it is in use, comes last.
    for (word, value) in record.iter().zip(filter.pack()).rev() {
        word.store(value, Release);
    }
}

/// Asks to be told until this second ([`Side::now`]), half of whose range may lie ahead. Then the programs stop by
/// themselves.
pub fn trace_until(side: &impl Side, second: u16) {
    let line = side.area(Area::Active);
    line[active::TRACE_UNTIL].store(u64::from(second), Release);
    line[active::SWITCH].fetch_or(active::TRACE, AcqRel);
}

/// Asks no more: from now on it costs nothing.
pub fn end_trace(side: &impl Side) {
    side.area(Area::Active)[active::SWITCH].fetch_and(!active::TRACE, AcqRel);
}
