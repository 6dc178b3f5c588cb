//! A NAT server's packet back to its client.
//!
//! The way back is the kernel's: asked for a flow's first reply and again every few seconds, else remembered as the
//! number of a next hop.

use super::{
    Outcome,
    answer::{self, Answer},
    deliver::{self, End, Side},
    forward, fragment, key,
    packet::Packet,
};
use crate::{
    family::Family,
    flow::{self, Found, Key, control},
    state::{self, Direction},
    table::{
        destination,
        hop::{self, Hop},
    },
    verdict::{Reason, Verdict},
    wire::protocol,
    world::{Block, Frame, Route, Tables, Zone},
};

/// The way back is asked for anew when the time of a flow's last packet changes in more than these low bits.
const FRESH: u16 = 7;

#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family, const SLOW: bool>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let (found, zone) = if SLOW {
        locate(t, &key(t, p, true))
    } else {
        (flow::find(t, Zone::Settled, &key(t, p, true)), Zone::Settled)
    };
    let Some(bucket) = found.bucket else {
        return Err(if SLOW { Verdict::Pass(Reason::NoFlow) } else { Verdict::SLOW });
    };
    let now = t.now();
    let number = control::destination(found.control);
    if p.ttl < 2 {
        return answer::due::<T, A>(t, p, Answer::TimeExceededReply(number));
    }
    let record = t.destination(number).ok_or(Verdict::Drop(Reason::Inconsistent))?;
    if !SLOW {
        let reference = found.link.hop();
        let hop = t.hop(hop::index(reference)).ok_or(Verdict::SLOW)?;
        let what = hop.load(2);
        let fresh = (now ^ control::seconds(found.control)) & !FRESH == 0;
        if !hop::is(what, reference) || hop::tags(what) != 0 || p.length > hop::mtu(what) || !fresh {
            return Err(Verdict::SLOW);
        }
        advance::<T, A>(t, bucket, &found, zone, p, now);
        deliver::translate(frame, p, p.source, p.source_port(), End::service(record), Side::Source)?;
        t.count(number, u32::from(p.length), true);
        return deliver::leave::<F, T, A>(frame, hop, 0);
    }
    let vip = End::<A>::service(record);
    let (hop, reference) = way::<T, A>(t, vip.address, p.destination)?;
    if p.length > hop.mtu {
        return answer::due::<T, A>(t, p, Answer::TooBigReply(hop.mtu, number));
    }
    advance::<T, A>(t, bucket, &found, zone, p, now);
    if reference != found.link.hop() {
        let link = found.link.with_hop(reference);
        let word = found.slot * A::RECORD + A::LINK;
        let _ = bucket.compare_exchange(word, found.link.0, link.0);
    }
    fragment::remember(t, p, number, true);
    deliver::translate(frame, p, p.source, p.source_port(), vip, Side::Source)?;
    t.count(number, u32::from(p.length), true);
    send(frame, p, &hop)
}

/// A packet whose addresses are right already, by this next hop.
#[inline(always)]
pub(super) fn send<F: Frame, A: Family>(frame: &mut F, p: &Packet<A>, hop: &Hop) -> Outcome {
    let tags = usize::from(hop.tags[0] != 0) + usize::from(hop.tags[1] != 0);
    deliver::shift(frame, deliver::link_length(tags) as i32 - p.ip as i32)?;
    deliver::leave_by::<F, A>(frame, hop)
}

/// The flow's state and time after a server's packet.
#[inline(always)]
fn advance<T: Tables, A: Family>(
    t: &T,
    bucket: A::Bucket<T>,
    found: &Found<A::Bucket<T>>,
    zone: Zone,
    p: &Packet<A>,
    now: u16,
) {
    let word = found.slot * A::RECORD;
    if p.protocol == protocol::UDP {
        flow::touch(bucket, word, found.control, now, |state| state);
        return;
    }
    let next = |state| state::next(state, p.flags, Direction::Output);
    let control = flow::touch(bucket, word, found.control, now, next);
    if control::state(control) != control::state(found.control) {
        forward::tell::<T, A>(t, found, zone, control);
    }
}

/// The flow of this key, wherever it is: settled, young, or settled between the two looks.
#[inline(always)]
pub(super) fn locate<T: Tables, A: Family>(t: &T, key: &Key<A>) -> (Found<A::Bucket<T>>, Zone) {
    let settled = flow::find(t, Zone::Settled, key);
    if settled.exists() {
        return (settled, Zone::Settled);
    }
    let young = flow::find(t, Zone::Young, key);
    if young.exists() {
        return (young, Zone::Young);
    }
    (flow::find(t, Zone::Settled, key), Zone::Settled)
}

/// The way to a client, by the kernel; and the reference of its record, if it has one.
#[inline(always)]
pub(super) fn way<T: Tables, A: Family>(t: &T, source: A::Address, client: A::Address) -> Result<(Hop, u32), Verdict> {
    match t.route(A::SIX, A::words(source), A::words(client)) {
        Route::Found { interface, destination, source } => {
            let reference = t.hop_of(interface, destination);
            if reference != 0 {
                let record = t.hop(hop::index(reference)).ok_or(Verdict::Drop(Reason::Inconsistent))?;
                if hop::is(record.load(2), reference) {
                    return Ok((hop::read(record), reference));
                }
            }
            Ok((Hop { destination, source, interface, mtu: u16::MAX, tags: [0; 2], generation: 0 }, 0))
        }
        Route::NoNeighbour => {
            t.want(A::words(client));
            Err(Verdict::Drop(Reason::NoNeighbour))
        }
        Route::None => Err(Verdict::Drop(Reason::NoRoute)),
    }
}

/// Where the director's own messages to a destination come from.
#[inline(always)]
pub(super) fn director_address<T: Tables, A: Family>(t: &T, number: u32) -> Option<A::Address> {
    Some(End::<A>::of(t.destination(number)?, destination::DIP, 0).address)
}
