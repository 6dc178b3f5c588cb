//! New flows of a persistent service: the client's template says to which destination (ip_vs_sched_persist in
//! ip_vs_core.c, ip_vs_check_template in ip_vs_conn.c).

use super::schedule::begin;
use crate::{
    family::Family,
    flow::{self, Key, Request, control, template as templates},
    state,
    table::{
        active, destination,
        service::{self, flag},
    },
    verdict::Reason,
    world::{Block, Tables, Zone},
};

/// What [`Tables::persist4`] and [`Tables::persist6`] call: the flow to the template's destination, or, without one
/// that holds, the next step. As [`super::open`] gives them.
#[inline(always)]
pub fn persist<A: Family, T: Tables>(t: &T) -> u64 {
    match try_persist::<A, T>(t) {
        Ok(word) => word,
        Err(reason) => flow::refuse(reason),
    }
}

#[inline(always)]
fn try_persist<A: Family, T: Tables>(t: &T) -> Result<u64, Reason> {
    let line = t.request().ok_or(Reason::Inconsistent)?;
    let service = t.service(line.load(flow::SERVICE) as u32).ok_or(Reason::Inconsistent)?;
    let r = Request::<A>::load(line);
    let found = flow::find(t, Zone::Settled, &key::<A, T>(t, service, &r));
    let Some(bucket) = found.bucket else { return Ok(flow::SCHEDULE) };
    let number = control::destination(found.control);
    let meta = t.destination(number).ok_or(Reason::Inconsistent)?.load(destination::META);
    let switch = t.active().ok_or(Reason::Inconsistent)?.load(active::SWITCH);
    let leaves = destination::has(meta, destination::QUIESCED) && switch & active::EXPIRE_QUIESCENT_TEMPLATE != 0;
    if leaves || !destination::has(meta, destination::AVAILABLE) {
        flow::end::<A, T>(t, Zone::Settled, &found);
        return Ok(flow::SCHEDULE);
    }
    // One that was extended keeps the extension's time: its own is given once, when it is made.
    flow::touch(bucket, found.slot * A::RECORD, found.control, r.now, |state| state);
    bound::<A, T>(t, line, service.load(0), number, found.place() + 1)
}

/// What [`Tables::template4`] and [`Tables::template6`] call: a template to the destination that was chosen, then the
/// flow.
#[inline(always)]
pub fn template<A: Family, T: Tables>(t: &T) -> u64 {
    match try_template::<A, T>(t) {
        Ok(word) => word,
        Err(reason) => flow::refuse(reason),
    }
}

#[inline(always)]
fn try_template<A: Family, T: Tables>(t: &T) -> Result<u64, Reason> {
    let line = t.request().ok_or(Reason::Inconsistent)?;
    let service = t.service(line.load(flow::SERVICE) as u32).ok_or(Reason::Inconsistent)?;
    let flags = service.load(0);
    let r = Request::<A>::load(line);
    let kept = templates::keep::<A, T>(t, &key::<A, T>(t, service, &r), line.load(6) as u32, r.now);
    if kept.control == 0 {
        return Err(Reason::TableFull);
    }
    // Another CPU's, if it was first.
    bound::<A, T>(t, line, flags, control::destination(kept.control), kept.reference)
}

/// Orders the flow. One that begins as established, for a packet from its midst, shows at once what it is controlled by.
#[inline(always)]
fn bound<A: Family, T: Tables>(
    t: &T,
    line: T::Quadruple,
    flags: u64,
    number: u32,
    template: u32,
) -> Result<u64, Reason> {
    let step = begin(t, line, flags, number, template)?;
    let kind = flow::kind((line.load(4) >> 32) as u8);
    if step == flow::INSERT && state::established_of(kind, (line.load(6) >> 32) as u8) {
        templates::mark::<A, T>(t, template, templates::ASSURED);
    }
    Ok(step)
}

/// The template's key: the client's network, and what it is bound for.
#[inline(always)]
fn key<A: Family, T: Tables>(t: &T, service: T::Line, r: &Request<A>) -> Key<A> {
    let (flags, fourth) = (service.load(0), service.load(4));
    let client = A::network(r.source, fourth as u32, (flags >> 16) as u8);
    if service::has(flags, flag::MARK) {
        return Key::template(&t.constants(), client, A::address([fourth >> 32, 0]), 0);
    }
    let port = if service::has(flags, flag::ANY_PORT) { 0 } else { r.ports >> 16 };
    Key::template(&t.constants(), client, r.destination, u32::from(r.protocol) | port << 16)
}
