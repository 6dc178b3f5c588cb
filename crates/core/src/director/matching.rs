//! Match rules: which mark's service an unknown packet belongs to.
//!
//! Netfilter's marks come after XDP, so these rules stand in their place. As in IPVS the service of a mark comes before
//! one of an address; a packet that no rule matches goes on to the one that was found by its address, if any.

use super::{DETAIL, Outcome, forward, packet::Packet, trace};
use crate::{
    family::Family,
    flow::NO_SERVICE,
    table::{active, rule},
    verdict::{Reason, Stage, Verdict},
    world::{Block, Frame, Tables},
};

/// Rules that a director may have at the most, of one half.
const LIMIT: u32 = 1 << 14;

/// The next stage asks the rules. `service` was found by the address.
#[inline(always)]
pub(super) fn due<T: Tables, A: Family>(t: &T, service: u32) -> Outcome {
    t.request().ok_or(Verdict::Drop(Reason::Inconsistent))?.store(DETAIL, u64::from(service));
    Ok(Verdict::Next(if A::SIX { Stage::Match6 } else { Stage::Match4 }))
}

#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let by_address = t.request().ok_or(Verdict::Drop(Reason::Inconsistent))?.load(DETAIL) as u32;
    let line = t.active().ok_or(Verdict::Drop(Reason::Inconsistent))?;
    let active = active::read(line);
    let rules = line.load(active::RULES_OF + active.half as usize) as u32;
    let rules = if rules < LIMIT { rules } else { LIMIT };
    let (source, destination) = (A::words(p.source), A::words(p.destination));
    let mut service = by_address;
    let mut by = 0;
    let first = active.half * t.constants().rules;
    t.walk(rules, &mut |i| match t.rule(first.wrapping_add(i)) {
        Some(record) if rule::matches(record, A::SIX, source, destination, p.protocol, p.destination_port()) => {
            let named = record.load(1);
            if named & rule::NOBODY == 0 {
                service = named as u32;
                by = i.wrapping_add(1);
            }
            false
        }
        Some(_) => true,
        None => false,
    });
    trace::service(t, active.switch, service, by);
    forward::route::<F, T, A, true>(frame, t, p, service, active.switch)
}

const _: () = assert!(NO_SERVICE > LIMIT);
