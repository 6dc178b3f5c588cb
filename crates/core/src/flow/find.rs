//! Finding a flow's record, and marking it as used.

use super::{
    Key, Link,
    control::{self, LIVE, MUTABLE, NAME, PHASE, SLOTS},
};
use crate::{
    family::Family,
    table::load,
    world::{Block, Tables, Zone},
};

/// A record that was found or claimed, or nothing.
///
/// It is no `Option`: the verifier refuses to copy what was never written, even if nobody looks at it, so every field
/// has a value, and the bucket alone says whether there is a record.
#[derive(Clone, Copy)]
pub struct Found<B> {
    /// The bucket; none if there is no record.
    pub bucket: Option<B>,
    /// Number of its bucket, masked.
    pub bucket_index: u32,
    /// Its place in the bucket.
    pub slot: usize,
    /// What its control word said.
    pub control: u64,
    /// What its link said at the same time.
    pub link: Link,
}

impl<B: Block> Found<B> {
    /// No record.
    pub(super) const NOTHING: Self = Found { bucket: None, bucket_index: 0, slot: 0, control: 0, link: Link(0) };

    /// Whether there is a record.
    #[inline(always)]
    pub fn exists(&self) -> bool {
        self.bucket.is_some()
    }

    /// Its place in the table.
    #[inline(always)]
    pub fn place(&self) -> u32 {
        self.bucket_index << 2 | self.slot as u32
    }
}

/// The place of `key`'s live record in a bucket, its control word and its link. A control word of 0: there is none.
#[inline(always)]
fn scan<F: Family, B: Block>(bucket: B, key: &Key<F>) -> (usize, u64, u64) {
    let mut i = 0;
    while i < SLOTS {
        let slot = key.slot(i);
        let word = slot * F::RECORD;
        let seen = bucket.load(word);
        if seen & (NAME | PHASE) == key.name | LIVE
            && F::same(bucket, word, key.source, key.destination)
            && bucket.load(word + F::PORTS) as u32 == key.ports
        {
            let link = bucket.load(word + F::LINK);
            if (bucket.load(word) ^ seen) & !MUTABLE == 0 {
                return (slot, seen, link);
            }
        }
        i += 1;
    }
    (0, 0, 0)
}

/// The live record of `key`, or nothing.
#[inline(always)]
pub fn find<F: Family, T: Tables>(t: &T, zone: Zone, key: &Key<F>) -> Found<F::Bucket<T>> {
    let mask = F::mask(&t.constants(), zone);
    let mut bucket_index = key.first & mask;
    let mut bucket = F::bucket(t, zone, bucket_index);
    let (mut slot, mut control, mut link) = match bucket {
        Some(bucket) => scan(bucket, key),
        None => (0, 0, 0),
    };
    if control == 0 {
        bucket_index = key.second & mask;
        bucket = F::bucket(t, zone, bucket_index);
        (slot, control, link) = match bucket {
            Some(bucket) => scan(bucket, key),
            None => (0, 0, 0),
        };
    }
    if control == 0 {
        bucket = None;
    }
    Found { bucket, bucket_index, slot, control, link: Link(link) }
}

/// The place + 1 of the template that controls a flow, by its client's record; 0: of none.
#[inline(always)]
pub(crate) fn template_of<F: Family, B: Block>(bucket: B, word: usize) -> u32 {
    (bucket.load(word + F::PORTS) >> 32) as u32
}

/// Writes state and time, if they differ; gives up when the record has changed hands. Gives the control word before
/// and after.
#[inline(always)]
pub fn touch<B: Block>(bucket: B, word: usize, control: u64, now: u16, next: impl Fn(u8) -> u8) -> (u64, u64) {
    let mut seen = control;
    let mut tries = 0;
    while tries < 3 {
        let new = seen & !MUTABLE | control::mutable(next(control::state(seen)), now);
        if new == seen {
            return (seen, new);
        }
        match bucket.compare_exchange(word, seen, new) {
            Ok(()) => return (seen, new),
            Err(other) if (other ^ control) & !MUTABLE != 0 => return (seen, seen),
            Err(other) => seen = other,
        }
        tries += 1;
    }
    (seen, seen)
}

/// Frees a record unless it has changed hands since `control` was read. Gives its last control word; 0 if it had.
#[inline(always)]
pub fn free<B: Block>(bucket: B, word: usize, control: u64) -> u64 {
    let mut seen = control;
    let mut tries = 0;
    while tries < 3 {
        match bucket.compare_exchange(word, seen, control::freed(seen)) {
            Ok(()) => return seen,
            Err(other) if (other ^ control) & !MUTABLE != 0 => return 0,
            Err(other) => seen = other,
        }
        tries += 1;
    }
    0
}

/// Ends a flow that was found: both its records, and what it counts for. Gives the last control word of the record
/// that was found; 0 if it was not there any more.
#[inline(always)]
pub fn end<F: Family, T: Tables>(t: &T, zone: Zone, found: &Found<F::Bucket<T>>) -> u64 {
    let last = remove::<F, T>(t, zone, found);
    if last != 0 {
        load::unbind(t, last);
    }
    last
}

/// The same, but what the record that was found counts for stays: another has taken its place.
#[inline(always)]
pub(crate) fn remove<F: Family, T: Tables>(t: &T, zone: Zone, found: &Found<F::Bucket<T>>) -> u64 {
    if let Some((bucket, word, seen)) = found.link.follow::<F, T>(t, zone) {
        let last = free(bucket, word, seen);
        if last != 0 {
            load::unbind(t, last);
        }
    }
    match found.bucket {
        Some(bucket) => free(bucket, found.slot * F::RECORD, found.control),
        None => 0,
    }
}
