//! Destinations: records that flows refer to by number, so they are changed in place.

use crate::{Area, Side};
use relvs_core::table::destination::{self, Destination, META};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// Writes a destination. A path MTU that the kernel's side has learned, and that is smaller, stays.
///
/// Addresses and ports of a number never change while flows refer to it; method, flags, MTU and next hop are one word.
pub fn write(side: &impl Side, number: u32, wanted: &Destination) {
    let Some(record) = side.record(Area::Destinations, number) else { return };
    let words = wanted.pack();
    for (word, value) in record.iter().zip(words).skip(1) {
        word.store(value, Release);
    }
    let mut seen = record[META].load(Acquire);
    loop {
        let learned = destination::has(seen, destination::LEARNED_MTU) && destination::mtu(seen) < wanted.mtu;
        let new = if learned {
            let flag = u64::from(destination::LEARNED_MTU) << 8;
            destination::with_mtu(words[META], destination::mtu(seen)) | flag
        } else {
            words[META]
        };
        match record[META].compare_exchange(seen, new, AcqRel, Acquire) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

/// Forgets a destination to which no flow refers any more.
pub fn withdraw(side: &impl Side, number: u32) {
    crate::loads::withdraw(side, number);
    if let Some(record) = side.record(Area::Destinations, number) {
        for word in record {
            word.store(0, Release);
        }
    }
}

/// Forgets the path MTU that was learned for a destination: the path may be wider again. `mtu` is what it was without.
pub fn forget_learned_mtu(side: &impl Side, number: u32, mtu: u16) {
    let Some(record) = side.record(Area::Destinations, number) else { return };
    let seen = record[META].load(Acquire);
    if destination::has(seen, destination::LEARNED_MTU) {
        let flag = u64::from(destination::LEARNED_MTU) << 8;
        let new = destination::with_mtu(seen, mtu) & !flag;
        // A packet that teaches it anew meanwhile is right.
        let _ = record[META].compare_exchange(seen, new, AcqRel, Acquire);
    }
}
