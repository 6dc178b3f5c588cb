//! Persistence templates: which server a client's network belongs to (ip_vs_sched_persist in ip_vs_core.c).
//!
//! A template is a record of the settled table whose key has no client's port. Its time is that of the last flow that
//! was opened by it; packets do not touch it. Flows say by which one they are controlled: the place + 1 of its record.

use super::{Key, Link, claim::claim, control, publish::publish};
use crate::{
    family::Family,
    state,
    table::load,
    world::{Block, Tables, Zone},
};

/// State: a TCP or SCTP flow of it was established, or a UDP flow of it answered; as IPVS lists it.
pub const ASSURED: u8 = 1;
/// State: its time was over while it controlled flows, so it lives for [`EXTENSION_S`] more from its time on.
pub const EXTENDED: u8 = 2;
/// State: a flow of it has settled, so a flood does not displace it.
pub const SETTLED: u8 = 4;
/// Seconds that a template lives on while it still controls flows.
pub const EXTENSION_S: u32 = 60;

/// What was made, or was there.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    /// Its control word; 0 if there was no room.
    pub(crate) control: u64,
    /// Its place + 1.
    pub(crate) reference: u32,
}

/// Makes a template for this destination, unless another CPU was first.
#[inline(always)]
pub(crate) fn keep<F: Family, T: Tables>(t: &T, key: &Key<F>, number: u32, now: u16) -> Kept {
    let mine = claim(t, Zone::Settled, key, now);
    if !mine.exists() {
        return Kept { control: 0, reference: 0 };
    }
    let body = control::body(number, 0, now);
    load::bind(t, key.name | body);
    let published = publish(t, Zone::Settled, key, &mine, Link::default(), body, 0);
    if !published.mine {
        load::unbind(t, key.name | body);
    }
    Kept { control: published.control, reference: (published.bucket_index << 2 | published.slot as u32) + 1 }
}

/// Adds to the state of the template that a flow refers to.
#[inline(always)]
pub(crate) fn mark<F: Family, T: Tables>(t: &T, reference: u32, bit: u8) {
    let Some(place) = reference.checked_sub(1) else { return };
    let Some(bucket) = F::bucket(t, Zone::Settled, place >> 2) else { return };
    let word = (place & 3) as usize * F::RECORD;
    let seen = bucket.load(word);
    let live = seen & control::PHASE == control::LIVE && control::protocol(seen) == state::TEMPLATE;
    if live && control::state(seen) & bit == 0 {
        // If another CPU is first, it has done the same or restarted its time: the next flow tries again.
        let _ = bucket.compare_exchange(word, seen, control::with_state(seen, control::state(seen) | bit));
    }
}
