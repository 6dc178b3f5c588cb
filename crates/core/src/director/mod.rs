//! The director: one frame, from the wire to the verdict.
//!
//! [`fast`] is for what is common: untagged TCP and UDP without IP options, of flows that are settled or may open.
//! [`stage`] does everything, and is entered only when [`fast`] says so, having changed nothing.

mod answer;
mod deliver;
mod forward;
mod fragment;
mod icmp;
mod matching;
mod open;
mod packet;
mod parse;
mod path;
mod persist;
mod reply;
mod schedule;
mod trace;
mod tunnel;

pub use open::open;
pub use packet::{Fragment, Packet};
pub use persist::{persist, template};
pub use schedule::schedule;
pub use trace::EVENT;

use crate::{
    family::{Family, V4, V6},
    flow::{Key, NO_SERVICE, Turn},
    table::{
        active::{self, Active},
        entry, interface, service,
    },
    verdict::{Reason, Stage, Verdict},
    wire::{self, ethertype, port, protocol, u16_at, u64_at},
    world::{Block, Frame, Tables},
};

/// Word of the request line that tells a stage more than the packet: which destination, or which answer.
const DETAIL: usize = 15;
/// In that word: an ICMP error has opened its flow.
const SCHEDULED: u64 = u64::MAX;

/// What a step gives when it settles the frame's fate.
type Outcome = Result<Verdict, Verdict>;

/// The common way. Gives [`Verdict::SLOW`] for what [`stage`] must look at.
#[inline(always)]
pub fn fast<F: Frame, T: Tables>(frame: &mut F, t: &T) -> Verdict {
    let Some(header) = frame.view::<{ wire::ETHERNET }>(0) else { return Verdict::Pass(Reason::Malformed) };
    let outcome = match u16_at(header, 12) {
        ethertype::IPV4 => match parse::fast4(frame) {
            Ok(packet) => route::<F, T, V4, false>(frame, t, &packet),
            Err(verdict) => Err(trace::unread(t, verdict)),
        },
        ethertype::IPV6 => match parse::fast6(frame) {
            Ok(packet) => route::<F, T, V6, false>(frame, t, &packet),
            Err(verdict) => Err(trace::unread(t, verdict)),
        },
        ethertype::VLAN | ethertype::PROVIDER_VLAN => Err(Verdict::SLOW),
        // Of no interest to anybody who traces, and a look at the switch would cost it a third of its time.
        _ => Err(Verdict::Pass(Reason::NotIp)),
    };
    match outcome {
        Ok(verdict) | Err(verdict) => verdict,
    }
}

/// A stage of the slow way: everything that the fast one does, and tags, options, extension headers, fragments, ICMP,
/// answers, and the first replies of a flow.
#[inline(always)]
pub fn stage<F: Frame, T: Tables>(frame: &mut F, t: &T, stage: Stage) -> Verdict {
    // No closures: one that the compiler does not inline is more than the verifier takes.
    macro_rules! with {
        ($family:ty, $packet:ident => $step:expr) => {
            match loaded::<T, $family>(t) {
                Ok($packet) => $step,
                Err(verdict) => Err(verdict),
            }
        };
    }
    let outcome = match stage {
        Stage::Parse => examine(frame, t),
        Stage::Packet4 => with!(V4, p => route::<F, T, V4, true>(frame, t, &p)),
        Stage::Packet6 => with!(V6, p => route::<F, T, V6, true>(frame, t, &p)),
        Stage::Reply4 => with!(V4, p => reply::route::<F, T, V4, true>(frame, t, &p)),
        Stage::Reply6 => with!(V6, p => reply::route::<F, T, V6, true>(frame, t, &p)),
        Stage::Fragment4 => with!(V4, p => fragment::route(frame, t, &p)),
        Stage::Fragment6 => with!(V6, p => fragment::route(frame, t, &p)),
        Stage::Icmp4 => with!(V4, p => icmp::route(frame, t, &p)),
        Stage::Icmp6 => with!(V6, p => icmp::route(frame, t, &p)),
        Stage::Deliver4 => with!(V4, p => deliver::route(frame, t, &p)),
        Stage::Deliver6 => with!(V6, p => deliver::route(frame, t, &p)),
        Stage::Answer4 => with!(V4, p => answer::route(frame, t, &p)),
        Stage::Answer6 => with!(V6, p => answer::route(frame, t, &p)),
        Stage::Match4 => with!(V4, p => matching::route(frame, t, &p)),
        Stage::Match6 => with!(V6, p => matching::route(frame, t, &p)),
        Stage::Open4 => with!(V4, p => forward::steps(frame, t, &p, Turn::Choice)),
        Stage::Open6 => with!(V6, p => forward::steps(frame, t, &p, Turn::Choice)),
        Stage::Persist4 => with!(V4, p => forward::steps(frame, t, &p, Turn::Binding)),
        Stage::Persist6 => with!(V6, p => forward::steps(frame, t, &p, Turn::Binding)),
        Stage::Settle4 => with!(V4, p => forward::steps(frame, t, &p, Turn::Settling)),
        Stage::Settle6 => with!(V6, p => forward::steps(frame, t, &p, Turn::Settling)),
        Stage::Trace => trace::tell(frame, t),
        Stage::Tunnel4 => with!(V4, p => tunnel::route(frame, t, &p)),
        Stage::Tunnel6 => with!(V6, p => tunnel::route(frame, t, &p)),
        Stage::Path4 => with!(V4, p => path::route(frame, t, &p)),
        Stage::Path6 => with!(V6, p => path::route(frame, t, &p)),
    };
    match (stage, outcome) {
        (Stage::Trace, Ok(verdict) | Err(verdict)) => verdict,
        (_, Ok(verdict) | Err(verdict)) => trace::conclude(t, stage, verdict),
    }
}

#[inline(always)]
fn examine<F: Frame, T: Tables>(frame: &F, t: &T) -> Outcome {
    let line = t.request().ok_or(Verdict::Drop(Reason::Inconsistent))?;
    line.store(DETAIL, 0);
    trace::begin(line);
    Ok(Verdict::Next(match parse::link(frame)? {
        (ethertype::IPV4, at) => {
            let packet = parse::slow4(frame, at)?;
            packet.store(line);
            match packet.fragment {
                Fragment::Later => Stage::Fragment4,
                Fragment::Whole | Fragment::First if packet.is_icmp() => Stage::Icmp4,
                Fragment::Whole | Fragment::First => Stage::Packet4,
            }
        }
        (ethertype::IPV6, at) => {
            let packet = parse::slow6(frame, at)?;
            packet.store(line);
            match packet.fragment {
                Fragment::Later => Stage::Fragment6,
                Fragment::Whole | Fragment::First if packet.is_icmp() => Stage::Icmp6,
                Fragment::Whole | Fragment::First => Stage::Packet6,
            }
        }
        _ => return Err(Verdict::Pass(Reason::NotIp)),
    }))
}

/// The packet that the stage before has left.
#[inline(always)]
fn loaded<T: Tables, A: Family>(t: &T) -> Result<Packet<A>, Verdict> {
    Ok(Packet::load(t.request().ok_or(Verdict::Drop(Reason::Inconsistent))?))
}

/// A packet with ports: for a service, from a NAT server, of a mark's flow, or not ours.
#[inline(always)]
fn route<F: Frame, T: Tables, A: Family, const SLOW: bool>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let active = active::read(t.active().ok_or(Verdict::Pass(Reason::NotOurs))?);
    if !SLOW && active.has(active::TRACE) {
        return Err(Verdict::SLOW);
    }
    let service = service_of::<T, A>(t, &active, p.destination, p.destination_port(), p.protocol);
    if service == NO_SERVICE {
        if active.has(active::NAT) && server_of::<T, A>(t, &active, p.source, p.source_port(), p.protocol) != NO_SERVICE
        {
            for_us(frame, t)?;
            if SLOW {
                return Ok(Verdict::Next(if A::SIX { Stage::Reply6 } else { Stage::Reply4 }));
            }
            return reply::route::<F, T, A, false>(frame, t, p);
        }
        if !active.has(active::RULES) {
            return Err(Verdict::Pass(Reason::NotOurs));
        }
    }
    for_us(frame, t)?;
    if SLOW {
        trace::service(t, active.switch, service, 0);
    }
    if SLOW && active.has(active::RULES) {
        return matching::due::<T, A>(t, service);
    }
    forward::route::<F, T, A, SLOW>(frame, t, p, service, active.switch)
}

/// The service of an address and port, by its own or by any; [`NO_SERVICE`] if there is none.
#[inline(always)]
fn service_of<T: Tables, A: Family>(t: &T, active: &Active, address: A::Address, port: u16, protocol: u8) -> u32 {
    let exact = entry_of::<T, A>(t, active, address, entry::key(port, protocol));
    if exact != NO_SERVICE || !active.has(active::ANY_PORT) {
        return exact;
    }
    // A client's data connection to an FTP server (ip_vs_service_find).
    if protocol == protocol::TCP && (port == port::FTP_DATA || u16::from_be(port) >= port::UNPRIVILEGED) {
        let ftp = entry_of::<T, A>(t, active, address, entry::key(port::FTP, protocol));
        let persistent = match t.service(ftp) {
            Some(record) => service::has(record.load(0), service::flag::PERSISTENT),
            None => false,
        };
        if persistent {
            return ftp;
        }
    }
    entry_of::<T, A>(t, active, address, entry::key(0, protocol))
}

/// The number of a NAT destination that sends its replies from here; [`NO_SERVICE`] if none does.
#[inline(always)]
fn server_of<T: Tables, A: Family>(t: &T, active: &Active, address: A::Address, port: u16, protocol: u8) -> u32 {
    let exact = entry_of::<T, A>(t, active, address, entry::key(port, protocol) | entry::SERVER);
    if exact != NO_SERVICE || !active.has(active::ANY_PORT) {
        return exact;
    }
    entry_of::<T, A>(t, active, address, entry::key(0, protocol) | entry::SERVER)
}

#[inline(always)]
fn entry_of<T: Tables, A: Family>(t: &T, active: &Active, address: A::Address, key: u64) -> u32 {
    let constants = t.constants();
    let half = active.half * (constants.set_mask + 1);
    match A::entry(t, half, active.multiplier, &constants, address, key) {
        Some(index) => index as u32,
        None => NO_SERVICE,
    }
}

/// Whether the frame is addressed to the interface it came in on. A switch may flood it to others too.
#[inline(always)]
fn for_us<F: Frame, T: Tables>(frame: &F, t: &T) -> Result<(), Verdict> {
    let ingress = frame.ingress();
    let mac = u64_at(frame.view::<8>(0).ok_or(Verdict::Pass(Reason::Malformed))?, 0) & wire::MAC;
    let record = t.interface(ingress).ok_or(Verdict::Pass(Reason::OtherHost))?;
    if interface::accepts(record, ingress, mac) { Ok(()) } else { Err(Verdict::Pass(Reason::OtherHost)) }
}

/// The key of a packet in its own direction.
#[inline(always)]
fn key<T: Tables, A: Family>(t: &T, p: &Packet<A>, reply: bool) -> Key<A> {
    Key::new(&t.constants(), p.source, p.destination, p.ports, p.protocol, reply)
}
