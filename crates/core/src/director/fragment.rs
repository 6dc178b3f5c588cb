//! Fragments find their flow by what the first one said.
//!
//! A first fragment is forwarded like a whole packet and remembered by addresses and identification (RFC 791, RFC
//! 8200 4.5); the later ones follow it. One that comes before its first is passed to the director's own stack, as
//! nothing says yet for whom it is: that packet is lost, and its sender has to repeat it.

use super::{
    Outcome,
    deliver::{self, End, Side},
    for_us,
    packet::{Fragment, Packet},
    reply, trace,
};
use crate::{
    family::Family,
    table::destination::LIMIT,
    verdict::{Reason, Verdict},
    world::{Block, Frame, Tables},
};

const REPLY: u64 = 1 << 31;
/// Seconds until a first fragment is forgotten (RFC 791 proposes 15; Linux waits 30).
const LIFETIME_S: u16 = 30;

#[inline(always)]
fn key<A: Family>(p: &Packet<A>) -> [u64; 5] {
    let (source, destination) = (A::words(p.source), A::words(p.destination));
    // An IPv6 fragment's next header is only in the first what the packet's is.
    let protocol = if A::SIX { 0 } else { u64::from(p.protocol) };
    let rest = u64::from(p.identification) | protocol << 32 | u64::from(A::SIX) << 40;
    [source[0], source[1], destination[0], destination[1], rest]
}

/// Remembers where the first fragment of a packet went; of a reply also the VIP that it came from.
#[inline(always)]
pub(super) fn remember<T: Tables, A: Family>(t: &T, p: &Packet<A>, number: u32, vip: Option<A::Address>) {
    if p.fragment == Fragment::First {
        let (reply, vip) = match vip {
            Some(vip) => (REPLY, A::words(vip)),
            None => (0, [0; 2]),
        };
        t.remember_fragment(&key(p), &[u64::from(number) | reply | u64::from(t.now()) << 32, vip[0], vip[1], 0]);
    }
}

/// A later fragment.
#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let known = t.fragment(&key(p)).ok_or(Verdict::Pass(Reason::FragmentEarly))?;
    let value = known.load(0);
    if t.now().wrapping_sub((value >> 32) as u16) > LIFETIME_S {
        return Err(Verdict::Pass(Reason::FragmentEarly));
    }
    for_us(frame, t)?;
    let number = value as u32 & (LIMIT - 1);
    if value & REPLY == 0 {
        return deliver::next::<T, A>(t, number);
    }
    trace::number(t.request().ok_or(Verdict::Drop(Reason::Inconsistent))?, number);
    if p.ttl < 2 {
        return Err(Verdict::Drop(Reason::TimeExceeded));
    }
    let vip = End::<A> { address: A::address([known.load(1), known.load(2)]), port: 0 };
    let (hop, _) = reply::way::<T, A>(t, vip.address, p.destination)?;
    if p.length > hop.mtu {
        return Err(Verdict::Drop(Reason::TooBig));
    }
    deliver::translate(frame, p, p.source, 0, vip, Side::Source)?;
    reply::count(t, p, number, t.destination(number).ok_or(Verdict::Drop(Reason::Inconsistent))?);
    reply::send(frame, p, &hop)
}
