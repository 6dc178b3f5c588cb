//! A destination for a new flow that no template binds.

use super::forward;
use crate::{
    flow::{self, control},
    schedule::{Arrival, pick},
    state::{self, State},
    table::{
        active, destination, load,
        service::{self, flag},
    },
    verdict::Reason,
    wire::protocol,
    world::{Block, Tables},
};

/// What [`Tables::schedule`] calls: what comes next, a control word, or a reason, as [`super::open`] gives them.
#[inline(always)]
pub fn schedule<T: Tables>(t: &T) -> u64 {
    match try_schedule(t) {
        Ok(word) => word,
        Err(reason) => flow::refuse(reason),
    }
}

#[inline(always)]
fn try_schedule<T: Tables>(t: &T) -> Result<u64, Reason> {
    let line = t.request().ok_or(Reason::Inconsistent)?;
    let index = line.load(flow::SERVICE) as u32;
    let flags = t.service(index).ok_or(Reason::Inconsistent)?.load(0);
    let rest = line.load(4);
    let arrival = Arrival {
        source: [line.load(0), line.load(1)],
        destination: [line.load(2), line.load(3)],
        source_port: rest as u16,
        six: line.load(7) != 0,
        now: (rest >> 48) as u16,
    };
    match pick(t, index, &arrival) {
        Ok(number) if service::has(flags, flag::PERSISTENT) => {
            line.store(6, u64::from(number));
            Ok(flow::TEMPLATE)
        }
        Ok(number) => begin(t, line, flags, number, 0),
        Err(Reason::NoDestination) if service::has(flags, flag::MARK) && bypasses(t) => Err(Reason::Bypassed),
        Err(reason) => Err(reason),
    }
}

#[inline(always)]
fn bypasses<T: Tables>(t: &T) -> bool {
    match t.active() {
        Some(line) => line.load(active::SWITCH) & active::CACHE_BYPASS != 0,
        None => false,
    }
}

/// Orders the flow to this destination. One datagram that is scheduled by itself is no flow: it counts, and is gone.
#[inline(always)]
pub(super) fn begin<T: Tables>(
    t: &T,
    line: T::Quadruple,
    flags: u64,
    number: u32,
    template: u32,
) -> Result<u64, Reason> {
    let record = t.destination(number).ok_or(Reason::Inconsistent)?;
    let rest = line.load(4) >> 32;
    let (protocol, segment) = (rest as u8, (rest >> 8) as u8);
    let kind = flow::kind(protocol);
    if protocol == protocol::UDP && service::has(flags, flag::ONE_PACKET) {
        let word = control::LIVE | control::of_protocol(state::UDP) | control::body(number, 0, 0);
        load::bind(t, word);
        t.count_flow(number);
        load::unbind(t, word);
        return Ok(word);
    }
    let none = State::None as u8;
    let direction = forward::direction(record.load(destination::META));
    let says = kind != state::UDP && segment != flow::QUOTED;
    let state = if says { state::next_of(kind, none, segment, direction) } else { none };
    Ok(flow::order(line, number, state, template))
}
