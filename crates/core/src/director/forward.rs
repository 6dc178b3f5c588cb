//! A client's packet: its flow, or a new one, and the flow's destination.

use super::{
    DETAIL, Outcome, SCHEDULED,
    answer::{self, Answer},
    deliver, key, matching,
    packet::Packet,
    trace,
};
use crate::{
    family::Family,
    flow::{self, Found, Request, Turn, control, template},
    state::{self, Direction, State, sctp},
    table::{active, destination, load},
    verdict::{Reason, Stage, Verdict},
    wire::{protocol, tcp},
    world::{Block, Frame, Tables, Zone},
};

const INCONSISTENT: Verdict = Verdict::Drop(Reason::Inconsistent);

#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family, const SLOW: bool>(
    frame: &mut F,
    t: &T,
    p: &Packet<A>,
    service: u32,
    switch: u64,
) -> Outcome {
    let now = t.now();
    let found = flow::find(t, Zone::Settled, &key(t, p, false));
    if let Some(bucket) = found.bucket {
        let number = control::destination(found.control);
        let record = t.destination(number).ok_or(INCONSISTENT)?;
        let meta = record.load(destination::META);
        if SLOW {
            trace::flow_if(t, switch, number, trace::kind::KNOWN);
        }
        if !ends::<T, A>(switch, p.protocol, p.flags, bucket, &found, meta) {
            if !destination::has(meta, destination::AVAILABLE) {
                // Neither its state nor its time changes.
                return Err(Verdict::Drop(Reason::DestinationGone));
            }
            advance::<T, A>(t, bucket, &found, Zone::Settled, meta, p.protocol, p.flags, now);
            if SLOW {
                return deliver::next::<T, A>(t, number);
            }
            return deliver::to_server::<F, T, A, false>(frame, t, p, number, record);
        }
    }
    if !SLOW && switch & active::RULES != 0 {
        p.store(t.request().ok_or(INCONSISTENT)?);
        return matching::due::<T, A>(t, service);
    }
    let line = t.request().ok_or(INCONSISTENT)?;
    let request = Request::<A> {
        source: p.source,
        destination: p.destination,
        ports: p.ports,
        protocol: p.protocol,
        flags: p.flags,
        now,
    };
    request.store(line);
    line.store(flow::SERVICE, u64::from(service));
    let word = A::open(t);
    if flow::is_step(word) {
        if !SLOW {
            p.store(line);
        }
        return due::<T, A>(line, word);
    }
    let number = number_of::<T, A>(t, p, flow::answer(word))?;
    if SLOW {
        trace::flow_if(t, switch, number, trace::kind::YOUNG);
        return deliver::next::<T, A>(t, number);
    }
    let record = t.destination(number).ok_or(INCONSISTENT)?;
    deliver::to_server::<F, T, A, false>(frame, t, p, number, record)
}

/// The stage whose turn this step is takes it.
#[inline(always)]
pub(super) fn due<T: Tables, A: Family>(line: T::Quadruple, step: u64) -> Outcome {
    line.store(DETAIL, step);
    Ok(Verdict::Next(match Turn::of(step) {
        Turn::Choice => {
            if A::SIX {
                Stage::Open6
            } else {
                Stage::Open4
            }
        }
        Turn::Binding => {
            if A::SIX {
                Stage::Persist6
            } else {
                Stage::Persist4
            }
        }
        Turn::Settling => {
            if A::SIX {
                Stage::Settle6
            } else {
                Stage::Settle4
            }
        }
    }))
}

/// The steps that a new flow takes, or one that settles, as far as it is their turn. Behind the last one the packet is
/// delivered.
#[inline(always)]
pub(super) fn steps<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>, turn: Turn) -> Outcome {
    let step = t.request().ok_or(INCONSISTENT)?.load(DETAIL);
    let word = flow::take::<A, T>(t, turn, step);
    // Asked for again: what is kept over the steps takes room on the stack.
    let line = t.request().ok_or(INCONSISTENT)?;
    if flow::is_step(word) {
        return due::<T, A>(line, word);
    }
    let number = number_of::<T, A>(t, p, flow::answer(word))?;
    trace::flow(line, number, if flow::settles(line.load(DETAIL)) { trace::kind::SETTLES } else { trace::kind::NEW });
    if p.is_icmp() {
        // The error's own stage now finds the flow that it opened.
        line.store(DETAIL, SCHEDULED);
        return Ok(Verdict::Next(if A::SIX { Stage::Icmp6 } else { Stage::Icmp4 }));
    }
    let record = t.destination(number).ok_or(INCONSISTENT)?;
    deliver::to_server::<F, T, A, true>(frame, t, p, number, record)
}

/// The destination of a flow, or what becomes of a packet without one.
#[inline(always)]
fn number_of<T: Tables, A: Family>(t: &T, p: &Packet<A>, flow: Result<u64, Reason>) -> Result<u32, Verdict> {
    match flow {
        Ok(control) => Ok(control::destination(control)),
        Err(Reason::NoDestination) => Err(answer::verdict::<T, A>(t, p, Answer::NoDestination)),
        Err(reason @ (Reason::NoFlow | Reason::MartianSource | Reason::NotOurs | Reason::Bypassed)) => {
            Err(Verdict::Pass(reason))
        }
        Err(reason) => Err(Verdict::Drop(reason)),
    }
}

/// Whether a flow ends with this packet, which is then one of no flow (ip_vs_in_hook in ip_vs_core.c). `meta` is its
/// destination's.
#[inline(always)]
pub(super) fn ends<T: Tables, A: Family>(
    switch: u64,
    protocol: u8,
    flags: u8,
    bucket: A::Bucket<T>,
    found: &Found<A::Bucket<T>>,
    meta: u64,
) -> bool {
    let expires = switch & active::EXPIRE_NODEST_CONN != 0;
    if expires && !destination::has(meta, destination::AVAILABLE) {
        return true;
    }
    if !begins(protocol, flags) {
        return false;
    }
    if expires && destination::has(meta, destination::QUIESCED) {
        return true;
    }
    // A client that a template binds would get the same server again.
    if switch & active::REUSE == 0 || flow::template_of::<A, _>(bucket, found.slot * A::RECORD) != 0 {
        return false;
    }
    let (kind, state) = (flow::kind(protocol), control::state(found.control));
    let half_closed = kind == state::TCP
        && state == State::FinWait as u8
        && switch & active::REUSE_FIN_WAIT != 0
        && !destination::rewrites(meta);
    half_closed || state::over_of(kind, state)
}

/// Whether a packet with these flags begins a connection.
#[inline(always)]
pub(super) fn begins(protocol: u8, flags: u8) -> bool {
    match protocol {
        protocol::TCP => flags & (tcp::SYN | tcp::RST) == tcp::SYN,
        protocol::SCTP => sctp::begins(flags),
        _ => false,
    }
}

/// What a client's packet of such a destination is to the state tables.
#[inline(always)]
pub(super) fn direction(meta: u64) -> Direction {
    if destination::rewrites(meta) { Direction::Input } else { Direction::InputOnly }
}

/// The flow's state and time after a client's packet; gives the control word. `meta` is its destination's. A change
/// of state is told to the replies' record.
#[allow(clippy::too_many_arguments, reason = "a structure would be built on BPF's small stack")]
#[inline(always)]
pub(super) fn advance<T: Tables, A: Family>(
    t: &T,
    bucket: A::Bucket<T>,
    found: &Found<A::Bucket<T>>,
    zone: Zone,
    meta: u64,
    protocol: u8,
    flags: u8,
    now: u16,
) -> u64 {
    let word = found.slot * A::RECORD;
    if protocol == protocol::UDP {
        return flow::touch(bucket, word, found.control, now, |state| state).1;
    }
    let (kind, direction) = (flow::kind(protocol), direction(meta));
    let next = |state| state::next_of(kind, state, flags, direction);
    let (before, after) = flow::touch(bucket, word, found.control, now, next);
    if control::state(before) != control::state(after) {
        load::change(t, before, after);
        if state::established_of(kind, control::state(after)) {
            template::mark::<A, T>(t, flow::template_of::<A, _>(bucket, word), template::ASSURED);
        }
        // Both records of a NAT flow carry its state.
        if let Some((other, word, seen)) = found.link.follow::<A, T>(t, zone) {
            flow::touch(other, word, seen, now, |_| control::state(after));
        }
    }
    after
}
