//! Interfaces: which frames are addressed to the director.

use crate::{Area, Side};
use relvs_core::table::interface;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};

/// Frames to `mac` (low 48 bits, in memory order) on the interface `index` are for the director.
///
/// # Errors
///
/// The index of another interface that has the same place in the table.
pub fn serve(side: &impl Side, index: u32, mac: u64) -> Result<(), u32> {
    let Some(record) = side.record(Area::Interfaces, index % interface::SLOTS) else { return Err(index) };
    own(record, index)?;
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

/// Frames to the MAC of the virtual router `id` on the interface `index` are for the director as well, or not any more. It
/// counts while the interface is served, before or after this. `interfaces` is all of [`Area::Interfaces`].
///
/// # Errors
///
/// The index of another interface that has the same place in the table.
pub fn answer_for(interfaces: &[AtomicU64], index: u32, is_ipv6: bool, id: u8, on: bool) -> Result<(), u32> {
    let at = (index % interface::SLOTS) as usize * Area::Interfaces.words();
    let record = interfaces.get(at..at + Area::Interfaces.words()).ok_or(index)?;
    let (word, bit) = interface::router(is_ipv6, id);
    if on {
        own(record, index)?;
        record[word].fetch_or(bit, AcqRel);
    } else if record[1].load(Acquire) as u32 == index {
        record[word].fetch_and(!bit, AcqRel);
    }
    Ok(())
}

/// No frame to any virtual router is for the director, whatever an earlier daemon has left.
pub fn answer_for_none(side: &impl Side) {
    for record in side.area(Area::Interfaces).chunks_exact(Area::Interfaces.words()) {
        for word in &record[interface::BITS..interface::WORDS] {
            word.store(0, Release);
        }
    }
}

/// Makes the record that of an interface, unless another one has it.
fn own(record: &[AtomicU64], index: u32) -> Result<(), u32> {
    let there = record[1].load(Acquire) as u32;
    if record[0].load(Acquire) & interface::SERVED != 0 && there != index {
        return Err(there);
    }
    record[1].store(u64::from(index), Release);
    Ok(())
}
