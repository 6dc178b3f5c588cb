//! A NAT server's packet back to its client.
//!
//! The way back is the kernel's: asked for a flow's first reply and again every few seconds, else remembered as the
//! number of a next hop.

use super::{
    Outcome,
    answer::{self, Answer},
    deliver::{self, End, Side},
    fragment, key,
    packet::Packet,
    server_of, trace,
};
use crate::{
    family::Family,
    flow::{self, Found, Key, NO_SERVICE, control, template},
    state::{self, Direction, sctp},
    table::{
        active, destination,
        hop::{self, Hop},
        load,
    },
    verdict::{Reason, Verdict},
    wire::{protocol, tcp},
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
        return if SLOW { unknown::<T, A>(t, p) } else { Err(Verdict::SLOW) };
    };
    let now = t.now();
    let number = control::destination(found.control);
    if SLOW && let Some(line) = t.request() {
        trace::flow(line, number, if zone == Zone::Young { trace::kind::YOUNG } else { trace::kind::KNOWN });
    }
    if p.ttl < 2 {
        return answer::due::<T, A>(t, p, Answer::TimeExceededReply(number));
    }
    let record = t.destination(number).ok_or(Verdict::Drop(Reason::Inconsistent))?;
    let vip = End::<A>::service(t, record, &found, zone)?;
    if !SLOW {
        let reference = found.link.hop();
        let hop = t.hop(hop::index(reference)).ok_or(Verdict::SLOW)?;
        let what = hop.load(2);
        let fresh = (now ^ control::seconds(found.control)) & !FRESH == 0;
        if !hop::is(what, reference) || hop::tags(what) != 0 || p.length > hop::mtu(what) || !fresh {
            return Err(Verdict::SLOW);
        }
        advance::<T, A>(t, bucket, &found, zone, p, now);
        deliver::translate(frame, p, p.source, p.source_port(), vip, Side::Source)?;
        count(t, p, number, record);
        return deliver::leave::<F, T>(frame, hop, 0, A::SIX);
    }
    let (hop, reference) = way::<T, A>(t, vip.address, p.destination)?;
    if p.length > hop.mtu {
        return answer::due::<T, A>(t, p, Answer::TooBigReply(hop.mtu, number));
    }
    advance::<T, A>(t, bucket, &found, zone, p, now);
    if p.protocol == protocol::UDP
        && let Some((other, word, _)) = found.link.follow::<A, T>(t, zone)
    {
        template::mark::<A, T>(t, flow::template_of::<A, _>(other, word), template::ASSURED);
    }
    if reference != found.link.hop() {
        let link = found.link.with_hop(reference);
        let word = found.slot * A::RECORD + A::LINK;
        let _ = bucket.compare_exchange(word, found.link.0, link.0);
    }
    fragment::remember(t, p, number, Some(vip.address));
    deliver::translate(frame, p, p.source, p.source_port(), vip, Side::Source)?;
    count(t, p, number, record);
    send(frame, p, &hop)
}

/// A packet of no flow is the stack's; with nat_icmp_send its server is told that there is none, unless it ends one.
#[inline(always)]
fn unknown<T: Tables, A: Family>(t: &T, p: &Packet<A>) -> Outcome {
    const UNKNOWN: Verdict = Verdict::Pass(Reason::NoFlow);
    let active = active::read(t.active().ok_or(UNKNOWN)?);
    let ends = match p.protocol {
        protocol::TCP => p.flags & tcp::RST != 0,
        protocol::SCTP => p.flags == sctp::event::ABORT,
        _ => false,
    };
    if ends || !active.has(active::NAT_ICMP_SEND) {
        return Err(UNKNOWN);
    }
    match server_of::<T, A>(t, &active, p.source, p.source_port(), p.protocol) {
        NO_SERVICE => Err(UNKNOWN),
        number => answer::due::<T, A>(t, p, Answer::NoFlowReply(number)),
    }
}

/// Counts a server's packet; a server that was removed is not counted any more (ip_vs_out_stats in ip_vs_core.c).
#[inline(always)]
pub(super) fn count<T: Tables, A: Family>(t: &T, p: &Packet<A>, number: u32, record: T::Line) {
    if destination::has(record.load(destination::META), destination::AVAILABLE) {
        t.count(number, u32::from(p.length), true);
    }
}

/// A packet whose addresses are right already, by this next hop.
#[inline(always)]
pub(super) fn send<F: Frame, A: Family>(frame: &mut F, p: &Packet<A>, hop: &Hop) -> Outcome {
    let tags = usize::from(hop.tags[0] != 0) + usize::from(hop.tags[1] != 0);
    deliver::shift(frame, deliver::link_length(tags) as i32 - p.ip as i32)?;
    deliver::leave_by::<F, A>(frame, hop)
}

/// The flow's state and time after a server's packet. The client's record decides on the state, as it counts.
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
    let kind = flow::kind(p.protocol);
    let mut state = control::state(found.control);
    let next = |state| state::next_of(kind, state, p.flags, Direction::Output);
    if next(state) != state
        && let Some((other, word, seen)) = found.link.follow::<A, T>(t, zone)
    {
        let (before, after) = flow::touch(other, word, seen, now, next);
        load::change(t, before, after);
        state = control::state(after);
        if state::established_of(kind, state) {
            template::mark::<A, T>(t, flow::template_of::<A, _>(other, word), template::ASSURED);
        }
    }
    flow::touch(bucket, word, found.control, now, |_| state);
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
