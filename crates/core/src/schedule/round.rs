//! The round: choices whose sequence user space has laid out (rr and wrr, ip_vs_rr.c and ip_vs_wrr.c).
//!
//! All CPUs share one cursor, so that connections one after another go through the round in its order, whatever CPU
//! they arrive on.

use crate::{
    table::{destination, service},
    world::{Block, Tables},
};

/// Halvings that find a band among the most that a service may have.
const HALVINGS: u32 = service::BANDS.ilog2();

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line) -> Option<u32> {
    let round = service.load(1);
    if round == 0 {
        return None;
    }
    let choice = service.fetch_add(service::CURSOR, 1) % round;
    let bands = (service.load(0) >> 32) as u32;
    let first = service.load(3);
    let (begin, ring, length) = if bands <= 1 {
        (0, first as u32, (first >> 32) as u32)
    } else {
        band(t, service.load(2) as u32, bands, choice)?
    };
    if length == 0 {
        return None;
    }
    let within = (choice - begin) % u64::from(length);
    match t.ring(ring.wrapping_add(within as u32)) {
        destination::NONE => None,
        number => Some(number),
    }
}

/// The first band that ends after `choice`: where it begins in the round, its ring and the ring's length.
#[inline(always)]
fn band<T: Tables>(t: &T, base: u32, bands: u32, choice: u64) -> Option<(u64, u32, u32)> {
    let (mut low, mut high) = (0, bands);
    let mut turn = 0;
    while turn <= HALVINGS && low < high {
        let middle = low + (high - low) / 2;
        if t.band(base.wrapping_add(middle))?[0] <= choice {
            low = middle + 1;
        } else {
            high = middle;
        }
        turn += 1;
    }
    let begin = if low == 0 { 0 } else { t.band(base.wrapping_add(low - 1))?[0] };
    let [_, ring] = t.band(base.wrapping_add(low))?;
    Some((begin, ring as u32, (ring >> 32) as u32))
}
