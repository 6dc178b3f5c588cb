//! Telling user space what was decided, while it asks for that.
//!
//! While a bit of the switch is set, every frame takes the slow way, and every stage that decides leaves its verdict to
//! one more, which tells of it and hands it on. What stages know they leave in the request line, behind the packet.
//! [`crate::table::trace`] has filters and events. User space says until when it asks: should it end, this ends too.

use super::{DETAIL, Outcome, answer};
use crate::{
    flow::NO_SERVICE,
    table::{
        active,
        trace::{self, Asked, FORWARDED, LIMIT, LOST, SLOTS, TOLD, fate},
    },
    verdict::{Reason, Stage, Verdict},
    world::{Block, Frame, Tables},
};

pub(super) use trace::flow as kind;

/// Word of the request line: service's identity (32), match rule + 1 (16), flow (8), as an event has it.
const FACTS: usize = 16;
/// Word of the request line: the destination's number.
const NUMBER: usize = 17;
/// Word of the request line: what was decided (8, from bit 32), by which stage (8, from bit 48), and the reason or the
/// interface.
const VERDICT: usize = 18;
/// Word of the request line where the event begins.
pub const EVENT: usize = 20;
/// Words of the request line that are a packet's.
const PACKET: usize = 8;

/// Nothing is known yet.
#[inline(always)]
pub(super) fn begin<B: Block>(line: B) {
    line.store(FACTS, 0);
    line.store(NUMBER, 0);
}

/// What the fast path says of a packet that it could not read.
#[inline(always)]
pub(super) fn unread<T: Tables>(t: &T, verdict: Verdict) -> Verdict {
    if is_on(t) { Verdict::SLOW } else { verdict }
}

#[inline(always)]
fn is_on<T: Tables>(t: &T) -> bool {
    match t.active() {
        Some(line) => line.load(active::SWITCH) & active::TRACE != 0,
        None => false,
    }
}

/// The service of this index is the packet's, by a match rule from 1 on or by none.
#[inline(always)]
pub(super) fn service<T: Tables>(t: &T, switch: u64, index: u32, rule: u32) {
    if switch & active::TRACE == 0 || index == NO_SERVICE {
        return;
    }
    if let (Some(line), Some(record)) = (t.request(), t.service(index)) {
        line.store(FACTS, record.load(2) >> 32 | u64::from(rule & 0xffff) << 32);
    }
}

/// The destination of the packet.
#[inline(always)]
pub(super) fn number<B: Block>(line: B, number: u32) {
    line.store(NUMBER, u64::from(number));
}

/// The flow of the packet, and its destination.
#[inline(always)]
pub(super) fn flow<B: Block>(line: B, destination: u32, kind: u8) {
    number(line, destination);
    line.store(FACTS, line.load(FACTS) & !(0xff << 48) | u64::from(kind) << 48);
}

/// The same, where the switch is at hand: nobody else wants to know.
#[inline(always)]
pub(super) fn flow_if<T: Tables>(t: &T, switch: u64, destination: u32, kind: u8) {
    if switch & active::TRACE != 0
        && let Some(line) = t.request()
    {
        flow(line, destination, kind);
    }
}

/// A stage's verdict; or that it is to be told first.
#[inline(always)]
pub(super) fn conclude<T: Tables>(t: &T, stage: Stage, verdict: Verdict) -> Verdict {
    let (what, value) = match verdict {
        Verdict::Next(_) => return verdict,
        Verdict::Pass(reason) => (fate::PASSED, reason as u32),
        Verdict::Drop(reason) => (fate::DROPPED, reason as u32),
        Verdict::Transmit => (fate::TRANSMITTED, 0),
        Verdict::Redirect(interface) => (fate::REDIRECTED, interface),
    };
    if !is_on(t) {
        return verdict;
    }
    let Some(line) = t.request() else { return verdict };
    line.store(VERDICT, u64::from(value) | u64::from(what) << 32 | (stage as u64) << 48);
    Verdict::Next(Stage::Trace)
}

/// Tells of a verdict, and gives it.
#[inline(always)]
pub(super) fn tell<F: Frame, T: Tables>(frame: &F, t: &T) -> Outcome {
    let line = t.request().ok_or(Verdict::Drop(Reason::Inconsistent))?;
    let decided = line.load(VERDICT);
    let active = t.active().ok_or(Verdict::Drop(Reason::Inconsistent))?;
    let (now, until) = (t.now(), active.load(active::TRACE_UNTIL) as u16);
    if until.wrapping_sub(now) > u16::MAX / 2 {
        // Nobody has asked for a while. If the word is changed just now, the next packet tries again.
        let switch = active.load(active::SWITCH);
        let _ = active.compare_exchange(active::SWITCH, switch, switch & !active::TRACE);
    } else {
        event(t, line, frame.ingress(), decided, now);
    }
    let value = decided as u32;
    Ok(match (decided >> 32) as u8 {
        fate::PASSED => Verdict::Pass(reason(value)),
        fate::DROPPED => Verdict::Drop(reason(value)),
        fate::REDIRECTED => Verdict::Redirect(value),
        _ => Verdict::Transmit,
    })
}

#[inline(always)]
fn reason(number: u32) -> Reason {
    let at = number as usize;
    if at < Reason::COUNT { Reason::ALL[at] } else { Reason::Inconsistent }
}

/// Makes the event in the request line, and gives it away if a filter lets it pass.
#[inline(always)]
fn event<T: Tables>(t: &T, line: T::Quadruple, ingress: u32, decided: u64, now: u16) {
    let (mut what, stage, value) = ((decided >> 32) as u8, (decided >> 48) as u8, decided as u32);
    let (mut why, mut egress) = (value, 0);
    if what == fate::REDIRECTED {
        (why, egress) = (0, value);
    } else if what == fate::TRANSMITTED && (stage == Stage::Answer4 as u8 || stage == Stage::Answer6 as u8) {
        (what, why) = (fate::ANSWERED, answer::reason_of(line.load(DETAIL)) as u32);
    }
    let sent = what == fate::TRANSMITTED || what == fate::REDIRECTED;
    // Stages of IPv6 have even numbers, and the first has none.
    let family = if stage == Stage::Parse as u8 {
        0
    } else if stage & 1 == 1 {
        4
    } else {
        6
    };
    let word = |at: usize| if family == 0 { 0 } else { line.load(PACKET + at) };
    let facts = line.load(FACTS);
    let asked = Asked {
        family,
        source: [word(0), word(1)],
        destination: [word(2), word(3)],
        service: facts as u32,
        reason: if sent { FORWARDED } else { 1 << (why & 63) },
    };
    let mut passed = 0;
    t.walk(SLOTS, &mut |slot| {
        if let Some(filter) = t.tracing(slot)
            && trace::passes(filter, &asked)
        {
            passed |= 1u64 << (slot & 7);
        }
        true
    });
    if passed == 0 {
        return;
    }
    line.store(EVENT, t.nanoseconds());
    line.store(EVENT + 1, word(0));
    line.store(EVENT + 2, word(1));
    line.store(EVENT + 3, word(2));
    line.store(EVENT + 4, word(3));
    line.store(EVENT + 5, word(4) & 0xffff_ffff_ffff | word(5) << 48);
    let outcome = u64::from(what) << 32 | u64::from(why & 0xff) << 40 | u64::from(stage) << 48;
    line.store(EVENT + 6, u64::from(ingress) | outcome | u64::from(family) << 56);
    line.store(EVENT + 7, u64::from(egress) | line.load(NUMBER) << 32);
    line.store(EVENT + 8, facts & 0xff_ffff_ffff_ffff | passed << 56);
    let Some(own) = t.answers() else { return };
    let seen = own.load(TOLD);
    let told = if seen >> 32 == u64::from(now) { seen & 0xffff_ffff } else { 0 };
    own.store(TOLD, u64::from(now) << 32 | (told + 1));
    if told >= LIMIT || !t.emit() {
        own.store(LOST, own.load(LOST) + 1);
    }
}
