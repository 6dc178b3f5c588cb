//! Opening a flow: claiming a record, publishing it against rivals, and for NAT the record of the replies first.

use super::{
    Found, Key, Link,
    control::{self, GENERATION, LIVE, MUTABLE, NAME, PHASE, SLOTS, TENTATIVE},
    end, find, free,
};
use crate::{
    family::Family,
    state::{self, State},
    table::destination::{self, method},
    verdict::Reason,
    world::{Block, Tables, Zone},
};

/// The arguments of [`insert`] and [`crate::director::open`], as they travel in [`Tables::request`].
///
/// ```text
/// words 0, 1: source   2, 3: destination   4: ports (32), protocol (8), TCP flags (8), now (16)
/// 5: service (of open)   6: destination (32), state (8), zone (bit 40)   7: the flow as it is, if it has one (of insert)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<F: Family> {
    /// The client.
    pub source: F::Address,
    /// The VIP.
    pub destination: F::Address,
    /// As in a [`Key`].
    pub ports: u32,
    /// The IP header's number.
    pub protocol: u8,
    /// Of the TCP header.
    pub flags: u8,
    /// [`Tables::now`].
    pub now: u16,
}

impl<F: Family> Request<F> {
    /// Into the request line.
    #[inline(always)]
    pub fn store<B: Block>(&self, line: B) {
        let (source, destination) = (F::words(self.source), F::words(self.destination));
        line.store(0, source[0]);
        line.store(2, destination[0]);
        if F::SIX {
            line.store(1, source[1]);
            line.store(3, destination[1]);
        }
        let rest = u64::from(self.protocol) | u64::from(self.flags) << 8 | u64::from(self.now) << 16;
        line.store(4, u64::from(self.ports) | rest << 32);
    }

    /// From the request line.
    #[inline(always)]
    pub fn load<B: Block>(line: B) -> Self {
        let word = |at| if F::SIX { line.load(at) } else { 0 };
        let rest = line.load(4);
        Request {
            source: F::address([line.load(0), word(1)]),
            destination: F::address([line.load(2), word(3)]),
            ports: rest as u32,
            protocol: (rest >> 32) as u8,
            flags: (rest >> 40) as u8,
            now: (rest >> 48) as u16,
        }
    }

    /// The key of the client's packets.
    #[inline(always)]
    pub fn key<T: Tables>(&self, t: &T) -> Key<F> {
        Key::new(&t.constants(), self.source, self.destination, self.ports, self.protocol, false)
    }
}

/// How publishing a record ended. All fields have a value: see [`Found`].
#[derive(Clone, Copy)]
struct Published {
    /// The control word in the table: ours, or that of another CPU that was first. 0: the record changed hands.
    control: u64,
    /// Whether it is ours.
    mine: bool,
    /// Bucket of the other's record.
    bucket_index: u32,
    /// Its place there.
    slot: usize,
}

/// A free record. Of the first bucket, unless one is left there and the second is emptier; in the young table, where
/// both may be full, else one that is given up.
#[inline(always)]
fn claim<F: Family, T: Tables>(t: &T, zone: Zone, key: &Key<F>, now: u16) -> Found<F::Bucket<T>> {
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
    if found.exists() || zone == Zone::Settled {
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

/// Claims a free record, or with `displace` one whose flow is not established, in the order of the key's places.
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
    let mut i = 0;
    while i < SLOTS {
        let slot = key.slot(i);
        let word = slot * F::RECORD;
        let seen = bucket.load(word);
        let phase = seen & PHASE;
        // An established TCP flow is here only while the settled table is full.
        let takes = if displace {
            phase == LIVE && control::state(seen) != State::Established as u8
        } else {
            phase == control::FREE
        };
        if takes {
            let control = control::claimed(seen, now);
            if bucket.compare_exchange(word, seen, control).is_ok() {
                return Found { bucket: Some(bucket), bucket_index, slot, control, link: Link::default() };
            }
        }
        i += 1;
    }
    Found::NOTHING
}

/// Gives a claimed or tentative record back.
#[inline(always)]
fn release<B: Block>(bucket: B, word: usize, control: u64) {
    let _ = bucket.compare_exchange(word, control, control::freed(control));
}

/// Publishes a claimed record under `key`, unless somebody else has or does.
#[inline(always)]
fn publish<F: Family, T: Tables>(
    t: &T,
    zone: Zone,
    key: &Key<F>,
    mine: &Found<F::Bucket<T>>,
    link: Link,
    body: u64,
) -> Published {
    const LOST: Published = Published { control: 0, mine: false, bucket_index: 0, slot: 0 };
    let Some(bucket) = mine.bucket else { return LOST };
    let word = mine.slot * F::RECORD;
    F::write(bucket, word, key.source, key.destination);
    bucket.store(word + F::PORTS, u64::from(key.ports));
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

/// What [`crate::director::open`] gives when [`insert`] is to be called next. They are called one after the other and
/// not by each other, since the stack of all callers together is 512 bytes.
const INSERT: u64 = 8;

/// Orders a new flow of [`insert`].
#[inline(always)]
pub(crate) fn order<B: Block>(line: B, number: u32, state: u8) -> u64 {
    line.store(6, u64::from(number) | u64::from(state) << 32 | 1 << 40);
    line.store(7, 0);
    INSERT
}

/// Orders that a young flow settles. If there is no room it stays where it is.
#[inline(always)]
pub(crate) fn order_settling<B: Block>(line: B, control: u64) -> u64 {
    line.store(6, u64::from(control::destination(control)) | u64::from(control::state(control)) << 32);
    line.store(7, control);
    INSERT
}

/// Finds, opens or settles the flow that the request line describes.
#[inline(always)]
pub(crate) fn request<F: Family, T: Tables>(t: &T) -> Result<u64, Reason> {
    let word = F::open(t);
    answer(if word == INSERT { F::insert(t) } else { word })
}

/// A control word, or a reason in its place: a live record's word is never that small.
#[inline(always)]
fn answer(word: u64) -> Result<u64, Reason> {
    if word & LIVE != 0 {
        return Ok(word);
    }
    Err(match word {
        1 => Reason::TableFull,
        2 => Reason::Collision,
        3 => Reason::NoFlow,
        4 => Reason::MartianSource,
        5 => Reason::NoDestination,
        6 => Reason::DestinationGone,
        _ => Reason::Inconsistent,
    })
}

/// The other way.
#[inline(always)]
pub(crate) fn refuse(reason: Reason) -> u64 {
    #[allow(clippy::wildcard_enum_match_arm, reason = "few reasons come this way, and `answer` names them")]
    match reason {
        Reason::TableFull => 1,
        Reason::Collision => 2,
        Reason::NoFlow => 3,
        Reason::MartianSource => 4,
        Reason::NoDestination => 5,
        Reason::DestinationGone => 6,
        _ => 7,
    }
}

/// Opens the flow that the request line describes: what [`Tables::insert4`] and [`Tables::insert6`] call.
#[inline(always)]
pub fn insert<F: Family, T: Tables>(t: &T) -> u64 {
    let Some(line) = t.request() else { return refuse(Reason::Inconsistent) };
    let young = line.load(7);
    match try_insert::<F, T>(t, line) {
        Ok(control) => control,
        Err(_) if young != 0 => young,
        Err(reason) => refuse(reason),
    }
}

#[inline(always)]
fn try_insert<F: Family, T: Tables>(t: &T, line: T::Double) -> Result<u64, Reason> {
    let request = Request::<F>::load(line);
    let what = line.load(6);
    let zone = if what >> 40 & 1 != 0 { Zone::Young } else { Zone::Settled };
    let (number, now) = (what as u32, request.now);
    let body = control::body(number, (what >> 32) as u8, now);
    let record = t.destination(number).ok_or(Reason::Inconsistent)?;
    let key = request.key(t);

    let mine = claim(t, zone, &key, now);
    let Some(bucket) = mine.bucket else { return Err(Reason::TableFull) };
    let word = mine.slot * F::RECORD;
    if destination::method_of(record.load(destination::META)) != method::NAT {
        return settle(t, zone, &key, publish(t, zone, &key, &mine, Link::default(), body));
    }

    let rip = F::address([record.load(destination::RIP), if F::SIX { record.load(destination::RIP + 1) } else { 0 }]);
    let ports = record.load(destination::PORTS) as u32 & 0xffff | request.ports << 16;
    let reply = Key::<F>::new(&t.constants(), rip, request.source, ports, request.protocol, true);
    // A settled flow of another service may have this reply's name.
    if zone == Zone::Young {
        let settled = find(t, Zone::Settled, &reply);
        if settled.exists() && !settled.link.dangles::<F, T>(t, Zone::Settled) {
            if !gives_way(settled.control) {
                release(bucket, word, mine.control);
                return Err(Reason::Collision);
            }
            end::<F, T>(t, Zone::Settled, &settled);
        }
    }
    let other = claim(t, zone, &reply, now);
    let Some(other_bucket) = other.bucket else {
        release(bucket, word, mine.control);
        return Err(Reason::TableFull);
    };
    let back = Link::to(mine.place(), control::generation(mine.control));
    let there = Link::to(other.place(), control::generation(other.control));
    let replies = publish(t, zone, &reply, &other, back, body);
    if replies.mine {
        let published = publish(t, zone, &key, &mine, there, body);
        if !published.mine {
            free(other_bucket, other.slot * F::RECORD, replies.control);
        }
        return settle(t, zone, &key, published);
    }
    release(bucket, word, mine.control);
    if replies.control == 0 {
        return Err(Reason::Inconsistent);
    }
    // The same flow, opened by another CPU; or a flow of another service; or what a displaced flow left.
    let same = find(t, zone, &key);
    if same.exists() {
        return Ok(same.control);
    }
    if let Some(rival) = F::bucket(t, zone, replies.bucket_index) {
        let word = replies.slot * F::RECORD;
        if gives_way(replies.control) || Link(rival.load(word + F::LINK)).dangles::<F, T>(t, zone) {
            free(rival, word, replies.control);
        }
    }
    Err(Reason::Collision)
}

/// Whether a flow leaves its replies' name to a newer one of another service: one that is over, and any of UDP, of
/// which nobody knows when it is (IPVS finds the newest first).
#[inline(always)]
fn gives_way(control: u64) -> bool {
    control::protocol(control) == state::UDP || state::over(control::state(control))
}

/// The control word of what was published.
#[inline(always)]
fn settle<F: Family, T: Tables>(t: &T, zone: Zone, key: &Key<F>, published: Published) -> Result<u64, Reason> {
    if published.control == 0 {
        return Err(Reason::Inconsistent);
    }
    Ok(if published.mine { opened(t, zone, key, published.control) } else { published.control })
}

/// A new flow is counted; one that has settled leaves the young table.
#[inline(always)]
fn opened<F: Family, T: Tables>(t: &T, zone: Zone, key: &Key<F>, control: u64) -> u64 {
    let settled = match zone {
        Zone::Settled => control,
        // Another CPU may have opened and settled it since this one looked. It settles before it leaves the young
        // table, where this one would have met it; so now one look is enough.
        Zone::Young => find(t, Zone::Settled, key).control,
    };
    if settled == 0 {
        t.count_flow(control::destination(control));
        return control;
    }
    end::<F, T>(t, Zone::Young, &find(t, Zone::Young, key));
    settled
}
