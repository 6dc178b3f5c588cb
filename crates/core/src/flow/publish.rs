//! Publishing a claimed record against rivals for the same key.

use super::{
    Found, Key, Link,
    claim::release,
    control::{self, GENERATION, LIVE, MUTABLE, NAME, PHASE, SLOTS, TENTATIVE},
    find,
};
use crate::{
    family::Family,
    world::{Block, Tables, Zone},
};

/// How publishing a record ended. All fields have a value: see [`Found`].
#[derive(Clone, Copy)]
pub(super) struct Published {
    /// The control word in the table: ours, or that of another CPU that was first. 0: the record changed hands.
    pub(super) control: u64,
    /// Whether it is ours.
    pub(super) mine: bool,
    /// Bucket of the other's record.
    pub(super) bucket_index: u32,
    /// Its place there.
    pub(super) slot: usize,
}

/// Publishes a claimed record under `key`, unless somebody else has or does.
///
/// `template` is the place + 1 of the template that controls it.
#[inline(always)]
pub(super) fn publish<F: Family, T: Tables>(
    t: &T,
    zone: Zone,
    key: &Key<F>,
    mine: &Found<F::Bucket<T>>,
    link: Link,
    body: u64,
    template: u32,
) -> Published {
    const LOST: Published = Published { control: 0, mine: false, bucket_index: 0, slot: 0 };
    let Some(bucket) = mine.bucket else { return LOST };
    let word = mine.slot * F::RECORD;
    F::write(bucket, word, key.source, key.destination);
    bucket.store(word + F::PORTS, u64::from(key.ports) | u64::from(template) << 32);
    bucket.store(word + F::LINK, link.0);
    let named = mine.control & GENERATION | key.name | body;
    if bucket.compare_exchange(word, mine.control, named | TENTATIVE).is_err() {
        return LOST;
    }
    let mask = F::mask(&t.constants(), zone);
    let mut turn = 0;
    while turn < 2 {
        let bucket_index = if turn == 0 { key.first & mask } else { key.second & mask };
        let rival = rival_in(t, zone, bucket_index, key, mine);
        if let Some(other) = rival.bucket {
            let mut winner = rival.control;
            if rival.control & PHASE == TENTATIVE && mine.place() < rival.place() {
                winner = match other.compare_exchange(
                    rival.slot * F::RECORD,
                    rival.control,
                    control::freed(rival.control),
                ) {
                    Err(now) if (now ^ rival.control) & !(MUTABLE | PHASE) == 0 && now & PHASE == LIVE => now,
                    _ => 0,
                };
            }
            if winner != 0 {
                release(bucket, word, named | TENTATIVE);
                return Published { control: winner, mine: false, bucket_index, slot: rival.slot };
            }
        }
        turn += 1;
    }
    if bucket.compare_exchange(word, named | TENTATIVE, named | LIVE).is_ok() {
        return Published { control: named | LIVE, mine: true, bucket_index: mine.bucket_index, slot: mine.slot };
    }
    let other = find(t, zone, key);
    Published { control: other.control, mine: false, bucket_index: other.bucket_index, slot: other.slot }
}

#[inline(always)]
fn rival_in<F: Family, T: Tables>(
    t: &T,
    zone: Zone,
    bucket_index: u32,
    key: &Key<F>,
    mine: &Found<F::Bucket<T>>,
) -> Found<F::Bucket<T>> {
    let Some(bucket) = F::bucket(t, zone, bucket_index) else { return Found::NOTHING };
    let mut slot = 0;
    while slot < SLOTS {
        let word = slot * F::RECORD;
        let seen = bucket.load(word);
        if seen & NAME == key.name
            && seen & TENTATIVE != 0
            && !(bucket_index == mine.bucket_index && slot == mine.slot)
            && F::same(bucket, word, key.source, key.destination)
            && bucket.load(word + F::PORTS) as u32 == key.ports
            && (bucket.load(word) ^ seen) & !(MUTABLE | PHASE) == 0
        {
            return Found { bucket: Some(bucket), bucket_index, slot, control: seen, link: Link::default() };
        }
        slot += 1;
    }
    Found::NOTHING
}
