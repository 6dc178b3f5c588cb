//! A client's packet without a settled flow: a young flow goes on or settles, or a new one opens.
//!
//! Out of line: inlined, it would multiply the paths that the verifier walks.

use super::forward;
use crate::{
    family::Family,
    flow::{self, Found, Request, control},
    schedule,
    state::{self, Direction, State},
    table::destination::{self, method},
    verdict::Reason,
    wire::{protocol, tcp},
    world::{Block, Tables, Zone},
};

/// What [`Tables::open4`] and [`Tables::open6`] call: a control word, or a small number for what
/// comes next or for a reason.
#[inline(always)]
pub fn open<A: Family, T: Tables>(t: &T) -> u64 {
    match try_open::<A, T>(t) {
        Ok(control) => control,
        Err(reason) => flow::refuse(reason),
    }
}

#[inline(always)]
fn try_open<A: Family, T: Tables>(t: &T) -> Result<u64, Reason> {
    let line = t.request().ok_or(Reason::Inconsistent)?;
    let r = Request::<A>::load(line);
    let key = r.key(t);
    let young = flow::find(t, Zone::Young, &key);
    // A newer flow took the record of the replies: this one begins anew, or its server's answers would be nobody's.
    // Of any later segment it is settled, and gets both records again.
    let halved = r.flags & tcp::SYN != 0 && young.link.place().is_some() && young.link.dangles::<A, T>(t, Zone::Young);
    if halved || forward::begins_anew(r.protocol, r.flags, young.control) {
        flow::end::<A, T>(t, Zone::Young, &young);
    } else if let Some(bucket) = young.bucket {
        let control = advance(t, &r, bucket, &young, Zone::Young)?;
        // A second datagram, or a handshake's last segment: no flood does that.
        let settles = r.protocol == protocol::UDP || state::settled(control::state(control));
        return Ok(if settles { flow::order_settling(line, control) } else { control });
    }
    // It may have settled between the caller's look and ours.
    let settled = flow::find(t, Zone::Settled, &key);
    if forward::begins_anew(r.protocol, r.flags, settled.control) {
        flow::end::<A, T>(t, Zone::Settled, &settled);
    } else if let Some(bucket) = settled.bucket {
        return advance(t, &r, bucket, &settled, Zone::Settled);
    }
    if r.protocol == protocol::TCP && (r.flags & tcp::SYN == 0 || r.flags & tcp::RST != 0) {
        return Err(Reason::NoFlow);
    }
    if A::martian(r.source) {
        return Err(Reason::MartianSource);
    }
    let number = schedule::pick(t, line.load(5) as u32)?;
    let record = t.destination(number).ok_or(Reason::Inconsistent)?;
    let nat = destination::method_of(record.load(destination::META)) == method::NAT;
    let direction = if nat { Direction::Input } else { Direction::InputOnly };
    let none = State::None as u8;
    let state = if r.protocol == protocol::UDP { none } else { state::next(none, r.flags, direction) };
    Ok(flow::order(line, number, state))
}

/// A packet of a flow that there is.
#[inline(always)]
fn advance<A: Family, T: Tables>(
    t: &T,
    r: &Request<A>,
    bucket: A::Bucket<T>,
    found: &Found<A::Bucket<T>>,
    zone: Zone,
) -> Result<u64, Reason> {
    let record = t.destination(control::destination(found.control)).ok_or(Reason::Inconsistent)?;
    Ok(forward::advance::<T, A>(t, bucket, found, zone, record, r.protocol, r.flags, r.now))
}
