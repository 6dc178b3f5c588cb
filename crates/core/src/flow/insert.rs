//! Inserting a flow: a new one into the young table, a young one into the settled; for NAT the record of the replies
//! first.
//!
//! A record counts from before it is published until it is freed, and a flow that settles counts once: so the counts
//! never run ahead of what there is, nor behind.

use super::{
    Key, Link,
    claim::{claim, release},
    control,
    find::{end, find, free, remove},
    publish::publish,
    request::{Request, SERVICE, refuse},
};
use crate::{
    family::Family,
    state,
    table::{destination, load},
    verdict::Reason,
    world::{Block, Tables, Zone},
};

/// Opens the flow that the request line describes: what [`Tables::insert4`] and [`Tables::insert6`] call.
#[inline(always)]
pub fn insert<F: Family, T: Tables>(t: &T) -> u64 {
    let Some(line) = t.request() else { return refuse(Reason::Inconsistent) };
    let what = line.load(6);
    let request = Request::<F>::load(line);
    let key = request.key(t);
    let body = control::body(what as u32, (what >> 32) as u8, request.now);
    let mut mine = false;
    load::bind(t, key.name | body);
    let word = place(t, line, &request, &key, Zone::Young, body, &mut mine);
    if !mine {
        load::unbind(t, key.name | body);
        return word;
    }
    // Another CPU may have opened and settled it since this one looked. It settles before it leaves the young
    // table, where this one would have met it; so now one look is enough.
    let settled = find(t, Zone::Settled, &key).control;
    if settled == 0 {
        t.count_flow(control::destination(word));
        return word;
    }
    end::<F, T>(t, Zone::Young, &find(t, Zone::Young, &key));
    settled
}

/// Settles the young flow that the request line describes: what [`Tables::settle4`] and [`Tables::settle6`] call.
/// Without room it stays where it is.
#[inline(always)]
pub fn settle<F: Family, T: Tables>(t: &T) -> u64 {
    let Some(line) = t.request() else { return refuse(Reason::Inconsistent) };
    let (what, young) = (line.load(6), line.load(7));
    let request = Request::<F>::load(line);
    let key = request.key(t);
    let body = control::body(what as u32, (what >> 32) as u8, request.now);
    let mut mine = false;
    let word = place(t, line, &request, &key, Zone::Settled, body, &mut mine);
    if word & control::LIVE == 0 {
        return young;
    }
    if mine {
        let last = remove::<F, T>(t, Zone::Young, &find(t, Zone::Young, &key));
        if last == 0 {
            // A newer flow had taken its place, and what it counted for.
            load::bind(t, word);
        } else {
            load::change(t, last, word);
        }
    }
    word
}

/// The control word of the flow's record, or a reason; and whether it is ours.
#[inline(always)]
fn place<F: Family, T: Tables>(
    t: &T,
    line: T::Quadruple,
    request: &Request<F>,
    key: &Key<F>,
    zone: Zone,
    body: u64,
    ours: &mut bool,
) -> u64 {
    let now = request.now;
    let template = (line.load(SERVICE) >> 32) as u32;
    let Some(record) = t.destination(control::destination(body)) else { return refuse(Reason::Inconsistent) };

    let mine = claim(t, zone, key, now);
    let Some(bucket) = mine.bucket else { return refuse(Reason::TableFull) };
    let word = mine.slot * F::RECORD;
    if !destination::rewrites(record.load(destination::META)) {
        let published = publish(t, zone, key, &mine, Link::default(), body, template);
        *ours = published.mine;
        return if published.control == 0 { refuse(Reason::Inconsistent) } else { published.control };
    }

    let rip = F::address([record.load(destination::RIP), if F::SIX { record.load(destination::RIP + 1) } else { 0 }]);
    let port = destination::server_port(record.load(destination::PORTS), (request.ports >> 16) as u16);
    let ports = u32::from(port) | request.ports << 16;
    let reply = Key::<F>::new(&t.constants(), rip, request.source, ports, request.protocol, true);
    // A settled flow of another service may have this reply's name.
    if zone == Zone::Young {
        let settled = find(t, Zone::Settled, &reply);
        if settled.exists() && !settled.link.dangles::<F, T>(t, Zone::Settled) {
            if !gives_way(settled.control) {
                release(bucket, word, mine.control);
                return refuse(Reason::Collision);
            }
            end::<F, T>(t, Zone::Settled, &settled);
        }
    }
    let other = claim(t, zone, &reply, now);
    let Some(other_bucket) = other.bucket else {
        release(bucket, word, mine.control);
        return refuse(Reason::TableFull);
    };
    let back = Link::to(mine.place(), control::generation(mine.control));
    let there = Link::to(other.place(), control::generation(other.control));
    let replies = publish(t, zone, &reply, &other, back, body, 0);
    if replies.mine {
        let published = publish(t, zone, key, &mine, there, body, template);
        *ours = published.mine;
        if !published.mine {
            free(other_bucket, other.slot * F::RECORD, replies.control);
        }
        return if published.control == 0 { refuse(Reason::Inconsistent) } else { published.control };
    }
    release(bucket, word, mine.control);
    if replies.control == 0 {
        return refuse(Reason::Inconsistent);
    }
    // The same flow, opened by another CPU; or a flow of another service; or what a displaced flow left.
    let same = find(t, zone, key);
    if same.exists() {
        return same.control;
    }
    if let Some(rival) = F::bucket(t, zone, replies.bucket_index) {
        let word = replies.slot * F::RECORD;
        if gives_way(replies.control) || Link(rival.load(word + F::LINK)).dangles::<F, T>(t, zone) {
            free(rival, word, replies.control);
        }
    }
    refuse(Reason::Collision)
}

/// Whether a flow leaves its replies' name to a newer one of another service: one that is over, and any of UDP, of
/// which nobody knows when it is (IPVS finds the newest first).
#[inline(always)]
fn gives_way(control: u64) -> bool {
    control::protocol(control) == state::UDP || state::over_of(control::protocol(control), control::state(control))
}
