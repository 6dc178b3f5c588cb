//! Claiming a record's place in the flow table.

use super::{
    Found, Key, Link,
    control::{self, LIVE, PHASE, SLOTS},
    template,
};
use crate::{
    family::Family,
    state,
    table::load,
    verdict::Reason,
    world::{Block, Tables, Zone},
};

/// A free record. Of the first bucket, unless one is left there and the second is emptier; where both are full, one
/// that is given up.
#[inline(always)]
pub(super) fn claim<F: Family, T: Tables>(t: &T, zone: Zone, key: &Key<F>, now: u16) -> Found<F::Bucket<T>> {
    let mask = F::mask(&t.constants(), zone);
    let (first, second) = (key.first & mask, key.second & mask);
    let (here, there) = (vacant::<F, T>(t, zone, first), vacant::<F, T>(t, zone, second));
    let other = here <= 1 && there > here;
    let (near, far) = if other { (second, first) } else { (first, second) };
    let found = claim_in(t, zone, near, key, now, false);
    if found.exists() {
        return found;
    }
    let found = claim_in(t, zone, far, key, now, false);
    if found.exists() {
        return found;
    }
    let found = claim_in(t, zone, first, key, now, true);
    if found.exists() {
        t.note(Reason::Displaced);
    }
    found
}

#[inline(always)]
fn vacant<F: Family, T: Tables>(t: &T, zone: Zone, bucket: u32) -> usize {
    let Some(bucket) = F::bucket(t, zone, bucket) else { return 0 };
    let mut free = 0;
    let mut slot = 0;
    while slot < SLOTS {
        free += usize::from(bucket.load(slot * F::RECORD) & PHASE == control::FREE);
        slot += 1;
    }
    free
}

/// Claims a free record, in the order of the key's places; or with `displace` one that may be given up, in turn.
///
/// Each claim raises one of a bucket's generations by one, so their sum says whose turn it is: under a flood a record
/// stays until as many others have come as the bucket has places. Were it chosen by chance, one in four would fall to the
/// very next packet, and with it many a handshake that only wants its last segment.
#[inline(always)]
fn claim_in<F: Family, T: Tables>(
    t: &T,
    zone: Zone,
    bucket_index: u32,
    key: &Key<F>,
    now: u16,
    displace: bool,
) -> Found<F::Bucket<T>> {
    let Some(bucket) = F::bucket(t, zone, bucket_index) else { return Found::NOTHING };
    let mut turn = 0;
    let mut i = 0;
    while displace && i < SLOTS {
        turn += usize::from(control::generation(bucket.load(i * F::RECORD)));
        i += 1;
    }
    i = 0;
    while i < SLOTS {
        let slot = if displace { (turn + i) % SLOTS } else { key.slot(i) };
        let word = slot * F::RECORD;
        let seen = bucket.load(word);
        let phase = seen & PHASE;
        let takes = if displace { phase == LIVE && gives_up(zone, seen) } else { phase == control::FREE };
        if takes {
            let control = control::claimed(seen, now);
            if bucket.compare_exchange(word, seen, control).is_ok() {
                if displace {
                    load::unbind(t, seen);
                }
                return Found { bucket: Some(bucket), bucket_index, slot, control, link: Link::default() };
            }
        }
        i += 1;
    }
    Found::NOTHING
}

/// Whether a live record gives its place to a newer one. Of young flows all do but those that are established, which
/// are here only while the settled table is full; of what is settled, templates whose flows have never settled: a flood makes such.
#[inline(always)]
fn gives_up(zone: Zone, seen: u64) -> bool {
    let (kind, state) = (control::protocol(seen), control::state(seen));
    match zone {
        Zone::Young => !state::established_of(kind, state),
        Zone::Settled => kind == state::TEMPLATE && state & (template::ASSURED | template::SETTLED) == 0,
    }
}

/// Gives a claimed or tentative record back.
#[inline(always)]
pub(super) fn release<B: Block>(bucket: B, word: usize, control: u64) {
    let _ = bucket.compare_exchange(word, control, control::freed(control));
}
