//! Looking a destination up in a service's table, where a hash points: for sh, dh and mh.

use super::{has_thresholds, overloaded, slots};
use crate::{
    table::{
        destination,
        service::{self, flag},
    },
    world::{Block, Tables},
};

/// The destination in this slot, if it is available.
#[inline(always)]
pub(super) fn at<T: Tables>(t: &T, service: T::Line, place: u32) -> u32 {
    let (first, count) = slots(service);
    let slot = if place < count { t.ring(first.wrapping_add(place)) } else { 0 };
    let number = slot as u32;
    if slot >> 32 == 0 || has_thresholds(service) && overloaded(t, number) {
        return destination::NONE;
    }
    number
}

/// The destination in the slot that `place` gives for 0. With the flag of fallback, if that is not available: for each
/// number from there on, round the table, until one is.
#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, size: u32, place: impl Fn(u32) -> u32) -> u32 {
    let begin = place(0);
    let mut number = at(t, service, begin);
    if number == destination::NONE && slots(service).1 != 0 && service::has(service.load(0), flag::FALLBACK) {
        t.walk(size, &mut |offset| {
            number = at(t, service, place(offset.wrapping_add(begin).checked_rem(size).unwrap_or(0)));
            number == destination::NONE
        });
    }
    number
}
