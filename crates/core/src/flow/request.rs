//! Opening a flow, step by step.
//!
//! Each step is a function of its own and tells which one comes next: they are called one after the other and not by
//! each other, since the stack of all callers together is 512 bytes. What they know they leave in the request line.

use super::{
    Key,
    control::{self, LIVE},
};
use crate::{
    family::Family,
    table::load,
    verdict::Reason,
    world::{Block, Tables},
};

/// The arguments of the steps, as they travel in [`Tables::request`].
///
/// ```text
/// words 0, 1: source   2, 3: destination   4: ports (32), protocol (8), TCP flags (8), now (16)
/// 5: service (32), template's place + 1 (32)
/// 6: destination (32), state (8)
/// 7: whether it is IPv6; of settle: the flow as it is
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<F: Family> {
    /// The client.
    pub source: F::Address,
    /// The VIP.
    pub destination: F::Address,
    /// As in a [`Key`].
    pub ports: u32,
    /// The IP header's number.
    pub protocol: u8,
    /// Of the TCP header.
    pub flags: u8,
    /// [`Tables::now`].
    pub now: u16,
}

impl<F: Family> Request<F> {
    /// Into the request line.
    #[inline(always)]
    pub fn store<B: Block>(&self, line: B) {
        let (source, destination) = (F::words(self.source), F::words(self.destination));
        line.store(0, source[0]);
        line.store(1, source[1]);
        line.store(2, destination[0]);
        line.store(3, destination[1]);
        line.store(7, u64::from(F::SIX));
        let rest = u64::from(self.protocol) | u64::from(self.flags) << 8 | u64::from(self.now) << 16;
        line.store(4, u64::from(self.ports) | rest << 32);
    }

    /// From the request line.
    #[inline(always)]
    pub fn load<B: Block>(line: B) -> Self {
        let word = |at| if F::SIX { line.load(at) } else { 0 };
        let rest = line.load(4);
        Request {
            source: F::address([line.load(0), word(1)]),
            destination: F::address([line.load(2), word(3)]),
            ports: rest as u32,
            protocol: (rest >> 32) as u8,
            flags: (rest >> 40) as u8,
            now: (rest >> 48) as u16,
        }
    }

    /// The key of the client's packets.
    #[inline(always)]
    pub fn key<T: Tables>(&self, t: &T) -> Key<F> {
        Key::new(&t.constants(), self.source, self.destination, self.ports, self.protocol, false)
    }
}

/// What of the request line is the service's index, and a template's place.
pub(crate) const SERVICE: usize = 5;
/// In place of TCP flags or an SCTP event: the packet is only quoted by an ICMP error, which says nothing of a state.
pub(crate) const QUOTED: u8 = 0x80;
/// No service: only a flow that there is goes on.
pub(crate) const NO_SERVICE: u32 = u32::MAX;

/// Step: [`super::insert`].
pub(crate) const INSERT: u64 = 16;
/// Step: [`crate::director::schedule`].
pub(crate) const SCHEDULE: u64 = 17;
/// Step: [`crate::director::persist`].
pub(crate) const PERSIST: u64 = 18;
/// Step: [`crate::director::template`].
pub(crate) const TEMPLATE: u64 = 19;
/// Step: [`super::settle`].
pub(crate) const SETTLE: u64 = 20;

/// Steps that are taken one after the other without another stage in between. There are three such turns, each in a
/// stage of its own, since the verifier goes through all that a stage may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A destination is chosen, and the flow inserted.
    Choice,
    /// A template says to which destination, or is made, and the flow inserted.
    Binding,
    /// A flow settles.
    Settling,
}

impl Turn {
    /// Whose turn this step is.
    #[inline(always)]
    pub(crate) const fn of(step: u64) -> Turn {
        match step & 0xff {
            PERSIST | TEMPLATE => Turn::Binding,
            SETTLE => Turn::Settling,
            _ => Turn::Choice,
        }
    }
}

/// A step, and behind it what a flow that has ended still counts for: it does until its successor counts, as in IPVS.
/// `last` is the ended flow's last control word; 0 if there is none.
#[inline(always)]
pub(crate) const fn owing(step: u64, last: u64) -> u64 {
    if last == 0 {
        return step;
    }
    let state = control::state(last) as u64;
    step | (1 | control::protocol(last) << 1 | state << 3 | (control::destination(last) as u64) << 7) << 8
}

/// What a flow that has ended counted for is counted no more. `owed` is what [`owing`] has put behind a step.
#[inline(always)]
fn settle_debt<T: Tables>(t: &T, owed: u64) {
    if owed != 0 {
        let state = (owed >> 3) as u8 & 15;
        load::unbind(t, control::of_protocol(owed >> 1 & 3) | control::body((owed >> 7) as u32, state, 0));
    }
}

/// Whether [`crate::director::open`] has named a step, not given the flow or a reason.
#[inline(always)]
pub(crate) const fn is_step(word: u64) -> bool {
    word & LIVE == 0 && INSERT <= word & 0xff && word & 0xff <= SETTLE
}

/// Whether this step, which [`crate::director::open`] has named, is a flow's that settles; else it is a new one's.
#[inline(always)]
pub(crate) const fn settles(step: u64) -> bool {
    step & 0xff == SETTLE
}

/// Takes this step and those that follow from it in the same turn. Gives the flow's control word, a reason in its
/// place, or the step that is another turn's.
#[inline(always)]
pub(crate) fn take<F: Family, T: Tables>(t: &T, turn: Turn, step: u64) -> u64 {
    let mut word = step & 0xff;
    match turn {
        Turn::Choice => {
            if word == SCHEDULE {
                word = t.schedule();
            }
        }
        Turn::Binding => {
            if word == PERSIST {
                word = F::persist(t);
            }
            if word == TEMPLATE {
                word = F::template(t);
            }
        }
        Turn::Settling => {
            if word == SETTLE {
                word = F::settle(t);
            }
        }
    }
    if turn != Turn::Settling && word == INSERT {
        word = F::insert(t);
    }
    if is_step(word) {
        return word | step & !0xff;
    }
    settle_debt(t, step >> 8);
    word
}

/// Orders a new flow of [`super::insert`]. `template` is the place + 1 of what it is controlled by.
#[inline(always)]
pub(crate) fn order<B: Block>(line: B, number: u32, state: u8, template: u32) -> u64 {
    line.store(SERVICE, u64::from(template) << 32);
    line.store(6, u64::from(number) | u64::from(state) << 32);
    INSERT
}

/// Orders that a young flow settles, by [`super::settle`].
#[inline(always)]
pub(crate) fn order_settling<B: Block>(line: B, control: u64, template: u32) -> u64 {
    line.store(SERVICE, u64::from(template) << 32);
    line.store(6, u64::from(control::destination(control)) | u64::from(control::state(control)) << 32);
    line.store(7, control);
    SETTLE
}

/// A control word, or a reason in its place: a live record's word is never that small.
#[inline(always)]
pub(crate) fn answer(word: u64) -> Result<u64, Reason> {
    if word & LIVE != 0 {
        return Ok(word);
    }
    Err(match word {
        1 => Reason::TableFull,
        2 => Reason::Collision,
        3 => Reason::NoFlow,
        4 => Reason::MartianSource,
        5 => Reason::NoDestination,
        6 => Reason::DestinationGone,
        7 => Reason::NotOurs,
        8 => Reason::Bypassed,
        10 => Reason::NewFlowsLimited,
        11 => Reason::DropPacket,
        _ => Reason::Inconsistent,
    })
}

/// The other way.
#[inline(always)]
pub(crate) fn refuse(reason: Reason) -> u64 {
    #[allow(clippy::wildcard_enum_match_arm, reason = "few reasons come this way, and `answer` names them")]
    match reason {
        Reason::TableFull => 1,
        Reason::Collision => 2,
        Reason::NoFlow => 3,
        Reason::MartianSource => 4,
        Reason::NoDestination => 5,
        Reason::DestinationGone => 6,
        Reason::NotOurs => 7,
        Reason::Bypassed => 8,
        Reason::NewFlowsLimited => 10,
        Reason::DropPacket => 11,
        _ => 9,
    }
}
