//! Interfaces: which frames are addressed to the director.

use crate::{Area, Side};
use relvs_core::table::interface;
use std::sync::atomic::Ordering::{Acquire, Release};

/// Frames to `mac` (low 48 bits, in memory order) on the interface `index` are for the director.
///
/// # Errors
///
/// The index of another interface that has the same place in the table.
pub fn serve(side: &impl Side, index: u32, mac: u64) -> Result<(), u32> {
    let Some(record) = side.record(Area::Interfaces, index % interface::SLOTS) else { return Err(index) };
    let there = record[1].load(Acquire) as u32;
    if record[0].load(Acquire) & interface::SERVED != 0 && there != index {
        return Err(there);
    }
    record[1].store(u64::from(index), Release);
    record[0].store(interface::first(mac), Release);
    Ok(())
}

/// No frame on this interface is for the director any more.
pub fn forget(side: &impl Side, index: u32) {
    if let Some(record) = side.record(Area::Interfaces, index % interface::SLOTS)
        && record[1].load(Acquire) as u32 == index
    {
        record[0].store(0, Release);
    }
}
