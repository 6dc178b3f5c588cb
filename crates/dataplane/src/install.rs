//! Service tables: the half that is not in use is written, then one store switches to it.

use crate::{Area, Side};
use relvs_core::table::{active, service};
use std::sync::atomic::Ordering::{Acquire, Release};

/// Everything that one half of the service tables holds. Indices inside the records are of the whole table.
#[derive(Clone, Copy, Debug)]
pub struct Half<'a> {
    /// Sets of IPv4 entries.
    pub sets4: &'a [[u64; 8]],
    /// Sets of IPv6 entries.
    pub sets6: &'a [[u64; 16]],
    /// Services.
    pub services: &'a [[u64; 8]],
    /// Bands.
    pub bands: &'a [[u64; 2]],
    /// Ring slots.
    pub rings: &'a [u64],
    /// What the entries are placed by; odd.
    pub multiplier: u64,
    /// Match rules.
    pub rules: &'a [[u64; 16]],
    /// Bits of the switch: what there is, and settings ([`relvs_core::table::active`]).
    pub switch: u64,
}

/// The half that is not in use: 0 or 1.
pub fn inactive_half(side: &impl Side) -> u32 {
    let switch = side.area(Area::Active)[active::SWITCH].load(Acquire);
    if switch & active::SECOND != 0 { 0 } else { 1 }
}

/// Writes the half that is not in use and switches to it. No packet sees a half-written one, if the caller lets those
/// that still read it from before finish: a moment between two calls is enough.
pub fn install(side: &impl Side, image: &Half<'_>) {
    let half = inactive_half(side);
    let at = |records: u32| (half * records) as usize;
    let sizes = *side.sizes();
    copy(side, Area::Services4, at(sizes.sets), image.sets4);
    copy(side, Area::Services6, at(sizes.sets), image.sets6);
    copy(side, Area::Services, at(sizes.services), image.services);
    copy(side, Area::Bands, at(sizes.bands), image.bands);
    copy(side, Area::Rules, at(sizes.rules), image.rules);
    for (word, value) in side.area(Area::Rings)[at(sizes.ring)..].iter().zip(image.rings) {
        word.store(*value, Release);
    }
    let line = side.area(Area::Active);
    line[active::MULTIPLIER + half as usize].store(image.multiplier, Release);
    line[active::RULES_OF + half as usize].store(image.rules.len() as u64, Release);
    // Whoever traces goes on.
    let traced = line[active::SWITCH].load(Acquire) & active::TRACE;
    let switch = image.switch & !(active::SECOND | active::TRACE);
    line[active::SWITCH].store((u64::from(half) * active::SECOND) | switch | traced, Release);
}

/// How many choices the service at `index` of the half in use has made.
pub fn cursor(side: &impl Side, index: u32) -> u64 {
    let first = (1 - inactive_half(side)) * side.sizes().services;
    side.record(Area::Services, first + index).map_or(0, |record| record[service::CURSOR].load(Acquire))
}

fn copy<const N: usize>(side: &impl Side, area: Area, first: usize, records: &[[u64; N]]) {
    let words = side.area(area)[first * area.words()..].iter();
    for (word, value) in words.zip(records.iter().flatten()) {
        word.store(*value, Release);
    }
}
