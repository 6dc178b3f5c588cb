//! The round: choices whose sequence user space has laid out (rr and wrr, ip_vs_rr.c and ip_vs_wrr.c).
//!
//! All CPUs share one cursor, so that connections one after another go through the round in its order, whatever CPU
//! they arrive on. A choice whose server is overloaded is skipped: [`skip`].

mod skip;

use super::{Arrival, has_thresholds, overloaded};
use crate::{
    table::{destination, service},
    world::{Block, Tables},
};

/// Halvings that find a band among the most that a service may have.
const HALVINGS: u32 = service::BANDS.ilog2();

/// Bit of the cursor: all servers were overloaded, for which IPVS's wrr went to the head of its list and to the greatest
/// weight. The next choice is the round's first either way, but a change of the servers finds another current weight.
pub const HEAD: u64 = 1 << 63;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, _: &Arrival) -> u32 {
    let round = service.load(1);
    if round == 0 {
        return destination::NONE;
    }
    let cursor = service.fetch_add(service::CURSOR, 1);
    let choice = (cursor & !HEAD) % round;
    let Some(band) = band(t, service, choice) else { return destination::NONE };
    let number = band.number(t, band.within(choice));
    if has_thresholds(service) {
        if overloaded(t, number) {
            return skip::pick(t, service, cursor, choice, band);
        }
        if cursor & HEAD != 0 {
            move_cursor(service, cursor, (cursor + 1) & !HEAD);
        }
    }
    number
}

/// A band: where it begins in the round, its ring and the ring's length, which is not 0.
#[derive(Clone, Copy)]
struct Band {
    begin: u64,
    ring: u32,
    length: u32,
}

impl Band {
    /// How far into its ring a choice is.
    #[inline(always)]
    fn within(&self, choice: u64) -> u32 {
        // Never 0, which the compiler does not see everywhere: it would call a panic that no verifier takes.
        (choice.wrapping_sub(self.begin)).checked_rem(u64::from(self.length)).unwrap_or(0) as u32
    }

    /// The destination at a place of its ring.
    #[inline(always)]
    fn number<T: Tables>(&self, t: &T, place: u32) -> u32 {
        t.ring(self.ring.wrapping_add(place)) as u32
    }
}

/// The band that a choice is in.
#[inline(always)]
fn band<T: Tables>(t: &T, service: T::Line, choice: u64) -> Option<Band> {
    let bands = (service.load(0) >> 32) as u32;
    let (ring, length) = super::slots(service);
    let band = if bands <= 1 {
        Band { begin: 0, ring, length }
    } else {
        let base = service.load(2) as u32;
        let at = first(t, base, bands, |[end, _]| end <= choice)?;
        let begin = if at == 0 { 0 } else { t.band(base.wrapping_add(at - 1))?[0] };
        let [_, ring] = t.band(base.wrapping_add(at))?;
        Band { begin, ring: ring as u32, length: (ring >> 32) as u32 }
    };
    if band.length == 0 { None } else { Some(band) }
}

/// The first band that is not `before` what is sought.
#[inline(always)]
fn first<T: Tables>(t: &T, base: u32, bands: u32, before: impl Fn([u64; 2]) -> bool) -> Option<u32> {
    let (mut low, mut high) = (0, bands);
    // As a walk, and not a loop of its own: each turn of that the verifier would follow both ways.
    t.walk(HALVINGS + 1, &mut |_| {
        if low >= high {
            return false;
        }
        let middle = low + (high - low) / 2;
        let Some(band) = t.band(base.wrapping_add(middle)) else { return false };
        if before(band) {
            low = middle + 1;
        } else {
            high = middle;
        }
        true
    });
    Some(low)
}

/// Moves the cursor, which was advanced by one from `cursor`. If another CPU has advanced it since, it stays.
#[inline(always)]
fn move_cursor<B: Block>(service: B, cursor: u64, to: u64) {
    let _ = service.compare_exchange(service::CURSOR, cursor.wrapping_add(1), to);
}
