//! A client's packet without a settled flow: a young flow goes on or settles, or a new one is to open.
//!
//! Out of line: inlined, it would multiply the paths that the verifier walks.

use super::forward;
use crate::{
    family::Family,
    flow::{self, Found, Request, control, template},
    state::{self, sctp},
    table::{
        active, destination, limit, load,
        service::{self, flag},
    },
    verdict::Reason,
    wire::{port, protocol, tcp},
    world::{Block, Tables, Zone},
};

/// Word of this CPU's own line: how many packets that open a flow are left until one is dropped.
const LEFT: usize = 3;

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
    let switch = t.active().ok_or(Reason::Inconsistent)?.load(active::SWITCH);
    let r = Request::<A>::load(line);
    let key = r.key(t);
    let mut last = 0;
    let young = flow::find(t, Zone::Young, &key);
    if let Some(bucket) = young.bucket {
        // A newer flow took the record of the replies: this one begins anew, or its server's answers would be nobody's.
        // Of any later segment it is settled, and gets both records again.
        let halved = forward::begins(r.protocol, r.flags)
            && young.link.place().is_some()
            && young.link.dangles::<A, T>(t, Zone::Young);
        if halved || ends::<A, T>(t, switch, &r, bucket, &young)? {
            last = flow::remove::<A, T>(t, Zone::Young, &young);
        } else {
            let control = advance(t, &r, bucket, &young, Zone::Young)?;
            // A second datagram, or a handshake's last segment: no flood does that.
            if !state::settled_of(flow::kind(r.protocol), control::state(control)) {
                return Ok(control);
            }
            let reference = flow::template_of::<A, _>(bucket, young.slot * A::RECORD);
            template::mark::<A, T>(t, reference, template::SETTLED);
            return Ok(flow::order_settling(line, control, reference));
        }
    }
    // It may have settled between the caller's look and ours.
    let settled = flow::find(t, Zone::Settled, &key);
    if let Some(bucket) = settled.bucket {
        if last != 0 {
            // Of two records the settled one is the flow's.
            load::unbind(t, last);
        }
        if ends::<A, T>(t, switch, &r, bucket, &settled)? {
            last = flow::remove::<A, T>(t, Zone::Settled, &settled);
        } else {
            return advance(t, &r, bucket, &settled, Zone::Settled);
        }
    }
    match next::<A, T>(t, line, switch, &r) {
        Ok(step) => Ok(flow::owing(step, last)),
        Err(reason) => {
            if last != 0 {
                load::unbind(t, last);
            }
            Err(reason)
        }
    }
}

/// What comes next for a packet of no flow.
#[inline(always)]
fn next<A: Family, T: Tables>(t: &T, line: T::Quadruple, switch: u64, r: &Request<A>) -> Result<u64, Reason> {
    let index = line.load(flow::SERVICE) as u32;
    if index == flow::NO_SERVICE {
        return Err(Reason::NotOurs);
    }
    if !may_open(switch, r.protocol, r.flags) || r.ports as u16 == port::FTP_DATA {
        return Err(Reason::NoFlow);
    }
    if A::martian(r.source) {
        return Err(Reason::MartianSource);
    }
    let flags = t.service(index).ok_or(Reason::Inconsistent)?.load(0);
    if switch & active::DROP_PACKET != 0 && drops(t) {
        return Err(Reason::DropPacket);
    }
    if service::has(flags, flag::LIMITED) && !limit::admits(t, index, r.now) {
        return Err(Reason::NewFlowsLimited);
    }
    Ok(if service::has(flags, flag::PERSISTENT) { flow::PERSIST } else { flow::SCHEDULE })
}

/// Whether it is the turn of this packet that would open a flow to be dropped (ip_vs_todrop in ip_vs.h). Each CPU counts
/// its own.
#[inline(always)]
fn drops<T: Tables>(t: &T) -> bool {
    let (Some(active), Some(own)) = (t.active(), t.answers()) else { return false };
    let rate = active.load(active::DROP_RATE);
    if rate == 0 {
        return false;
    }
    let left = own.load(LEFT);
    own.store(LEFT, if left > 1 { left - 1 } else { rate });
    left <= 1
}

/// Whether a packet of no flow may open one (tcp_conn_schedule, sctp_conn_schedule).
#[inline(always)]
fn may_open(switch: u64, protocol: u8, flags: u8) -> bool {
    if flags == flow::QUOTED {
        return true;
    }
    match protocol {
        protocol::TCP => flags & tcp::RST == 0 && (flags & tcp::SYN != 0 || switch & active::SLOPPY_TCP != 0),
        protocol::SCTP => {
            let sloppy = switch & active::SLOPPY_SCTP != 0 && flags != sctp::event::ABORT && flags != sctp::event::NONE;
            sloppy || forward::begins(protocol, flags)
        }
        _ => true,
    }
}

/// See [`forward::ends`].
#[inline(always)]
fn ends<A: Family, T: Tables>(
    t: &T,
    switch: u64,
    r: &Request<A>,
    bucket: A::Bucket<T>,
    found: &Found<A::Bucket<T>>,
) -> Result<bool, Reason> {
    let record = t.destination(control::destination(found.control)).ok_or(Reason::Inconsistent)?;
    Ok(forward::ends::<T, A>(switch, r.protocol, r.flags, bucket, found, record.load(destination::META)))
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
    let meta = record.load(destination::META);
    if !destination::has(meta, destination::AVAILABLE) {
        // Neither its state nor its time changes.
        return Err(Reason::DestinationGone);
    }
    Ok(forward::advance::<T, A>(t, bucket, found, zone, meta, r.protocol, r.flags, r.now))
}
