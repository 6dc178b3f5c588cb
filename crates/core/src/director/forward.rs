//! A client's packet: its flow, or a new one, and the flow's destination.

use super::{
    Outcome,
    answer::{self, Answer},
    deliver, key,
    packet::Packet,
};
use crate::{
    family::Family,
    flow::{self, Found, Request, control},
    state::{self, Direction},
    table::destination::{self, method},
    verdict::{Reason, Verdict},
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
) -> Outcome {
    if p.ttl < 2 {
        return answer::due::<T, A>(t, p, Answer::TimeExceeded);
    }
    let now = t.now();
    let mut found = flow::find(t, Zone::Settled, &key(t, p, false));
    if begins_anew(p.protocol, p.flags, found.control) {
        found.bucket = None;
    }
    let (number, record) = match found.bucket {
        Some(bucket) => {
            let number = control::destination(found.control);
            let record = t.destination(number).ok_or(INCONSISTENT)?;
            advance::<T, A>(t, bucket, &found, Zone::Settled, record, p.protocol, p.flags, now);
            (number, record)
        }
        None => {
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
            line.store(5, u64::from(service));
            match flow::request::<A, T>(t) {
                Ok(control) => {
                    let number = control::destination(control);
                    (number, t.destination(number).ok_or(INCONSISTENT)?)
                }
                Err(Reason::NoDestination) => {
                    return answer::due::<T, A>(t, p, Answer::NoDestination);
                }
                Err(reason @ (Reason::NoFlow | Reason::MartianSource)) => return Err(Verdict::Pass(reason)),
                Err(reason) => return Err(Verdict::Drop(reason)),
            }
        }
    };
    if SLOW {
        return deliver::next::<T, A>(t, number);
    }
    deliver::to_server::<F, T, A, false>(frame, t, p, number, record)
}

/// Whether a SYN uses the ports of a connection that is over: it is scheduled like any other, and the old flow ends.
#[inline(always)]
pub(super) fn begins_anew(protocol: u8, flags: u8, control: u64) -> bool {
    flags & (tcp::SYN | tcp::RST) == tcp::SYN && protocol == protocol::TCP && state::over(control::state(control))
}

/// The flow's state and time after a client's packet; gives the control word. `record` is its destination's. A change
/// of state is told to the replies' record.
#[allow(clippy::too_many_arguments, reason = "a structure would be built on BPF's small stack")]
#[inline(always)]
pub(super) fn advance<T: Tables, A: Family>(
    t: &T,
    bucket: A::Bucket<T>,
    found: &Found<A::Bucket<T>>,
    zone: Zone,
    record: T::Line,
    protocol: u8,
    flags: u8,
    now: u16,
) -> u64 {
    let word = found.slot * A::RECORD;
    if protocol == protocol::UDP {
        return flow::touch(bucket, word, found.control, now, |state| state);
    }
    let nat = destination::method_of(record.load(destination::META)) == method::NAT;
    let direction = if nat { Direction::Input } else { Direction::InputOnly };
    let control = flow::touch(bucket, word, found.control, now, |state| state::next(state, flags, direction));
    if nat && control::state(control) != control::state(found.control) {
        tell::<T, A>(t, found, zone, control);
    }
    control
}

/// Both records of a NAT flow carry its state.
#[inline(always)]
pub(super) fn tell<T: Tables, A: Family>(t: &T, found: &Found<A::Bucket<T>>, zone: Zone, control: u64) {
    if let Some((bucket, word, seen)) = found.link.follow::<A, T>(t, zone) {
        let told = seen & !control::MUTABLE | control & control::MUTABLE;
        let _ = bucket.compare_exchange(word, seen, told);
    }
}
