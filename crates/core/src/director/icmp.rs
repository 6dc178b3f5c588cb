//! ICMP errors about a flow reach the end that sent the packet they quote.
//!
//! From the client's side they go to the flow's server, from a NAT server's side to the client, and the quoted packet
//! is rewritten as the flow is (ip_vs_nat_icmp in ip_vs_core.c). What may be about the director's own tunnel goes to
//! [`super::path`].

use super::{
    DETAIL, Outcome, SCHEDULED,
    deliver::{self, End, Side},
    for_us, forward,
    packet::Packet,
    reply, service_of, trace,
};
use crate::{
    family::Family,
    flow::{self, Key, NO_SERVICE, Request, control},
    table::{active, destination},
    verdict::{Reason, Stage, Verdict},
    wire::{checksum, fragment, protocol, set_u16, set_u32, set_u64, u16_at, u32_at, u64_at},
    world::{Block, Frame, Tables},
};

const UNRELATED: Verdict = Verdict::Pass(Reason::IcmpUnrelated);
const INCONSISTENT: Verdict = Verdict::Drop(Reason::Inconsistent);

/// The packet that an error quotes.
#[derive(Clone, Copy)]
pub(super) struct Quoted<A: Family> {
    pub(super) source: A::Address,
    pub(super) destination: A::Address,
    pub(super) protocol: u8,
    /// 0 if it is none of a flow's protocols.
    pub(super) ports: u32,
    /// Where its IP header begins in the frame.
    ip: usize,
    /// Where its transport header begins.
    pub(super) transport: usize,
}

impl<A: Family> Quoted<A> {
    /// Whether it may be of a flow: it has ports.
    #[inline(always)]
    pub(super) fn has_ports(&self) -> bool {
        matches!(self.protocol, protocol::TCP | protocol::UDP | protocol::SCTP)
    }
}

/// An ICMP packet.
#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let header = frame.view::<8>(p.transport).ok_or(Verdict::Pass(Reason::Malformed))?;
    let (kind, code) = (header[0], header[1]);
    // Unreachable, source quench, time exceeded; of ICMPv6 all errors.
    let is_error = if A::SIX { (1..=4).contains(&kind) } else { kind == 3 || kind == 4 || kind == 11 };
    if !is_error {
        return Err(Verdict::Pass(Reason::Protocol));
    }
    let too_big = if A::SIX { kind == 2 } else { kind == 3 && code == 4 };
    const PATH: [Outcome; 2] = [Ok(Verdict::Next(Stage::Path4)), Ok(Verdict::Next(Stage::Path6))];
    let end = p.ip + usize::from(p.length);
    let quoted = quoted::<F, A>(frame, p.transport + 8)?;
    // What lies behind the packet is padding.
    if quoted.transport + 8 > end {
        return Err(UNRELATED);
    }
    for_us(frame, t)?;
    if !quoted.has_ports() {
        return if too_big { PATH[usize::from(A::SIX)] } else { Err(UNRELATED) };
    }
    let ports = quoted.ports.rotate_left(16);
    let key = |reply| Key::<A>::new(&t.constants(), quoted.destination, quoted.source, ports, quoted.protocol, reply);
    let (found, _) = reply::locate(t, &key(false));
    if found.exists() {
        let number = control::destination(found.control);
        let record = t.destination(number).ok_or(INCONSISTENT)?;
        let meta = record.load(destination::META);
        if !destination::rewrites(meta) {
            return deliver::next::<T, A>(t, number);
        }
        trace::flow(t.request().ok_or(INCONSISTENT)?, number, trace::kind::KNOWN);
        if p.ttl < 2 {
            return Err(Verdict::Drop(Reason::TimeExceeded));
        }
        return to_nat_server(frame, t, p, &quoted, number, record);
    }
    let (found, zone) = reply::locate(t, &key(true));
    if found.exists() {
        if p.ttl < 2 {
            return Err(Verdict::Drop(Reason::TimeExceeded));
        }
        let number = control::destination(found.control);
        let record = t.destination(number).ok_or(INCONSISTENT)?;
        trace::flow(t.request().ok_or(INCONSISTENT)?, number, trace::kind::KNOWN);
        let vip = End::<A>::service(t, record, &found, zone)?;
        return to_client(frame, t, p, &quoted, number, vip);
    }
    match schedule::<T, A>(t, &quoted) {
        // Of no flow, so it may be a tunnel's.
        Err(UNRELATED) if too_big && quoted.protocol == protocol::UDP => PATH[usize::from(A::SIX)],
        outcome => outcome,
    }
}

/// With schedule_icmp an error about no flow opens the one that it is about, as the client's next packet would. Once:
/// what does not leave a flow is not asked for again.
#[inline(always)]
fn schedule<T: Tables, A: Family>(t: &T, quoted: &Quoted<A>) -> Outcome {
    let line = t.request().ok_or(INCONSISTENT)?;
    let active = active::read(t.active().ok_or(UNRELATED)?);
    if !active.has(active::SCHEDULE_ICMP) || line.load(DETAIL) == SCHEDULED {
        return Err(UNRELATED);
    }
    let service = service_of::<T, A>(t, &active, quoted.source, quoted.ports as u16, quoted.protocol);
    if service == NO_SERVICE {
        return Err(UNRELATED);
    }
    let request = Request::<A> {
        source: quoted.destination,
        destination: quoted.source,
        ports: quoted.ports.rotate_left(16),
        protocol: quoted.protocol,
        flags: flow::QUOTED,
        now: t.now(),
    };
    request.store(line);
    line.store(flow::SERVICE, u64::from(service));
    let step = A::open(t);
    if !flow::is_step(step) {
        return Err(UNRELATED);
    }
    forward::due::<T, A>(line, step)
}

/// The IP header at `at`, and the ports behind it.
#[inline(always)]
pub(super) fn quoted<F: Frame, A: Family>(frame: &F, at: usize) -> Result<Quoted<A>, Verdict> {
    let mut quoted = if A::SIX {
        let header = frame.view::<40>(at).ok_or(UNRELATED)?;
        if header[0] >> 4 != 6 {
            return Err(UNRELATED);
        }
        Quoted {
            source: A::address([u64_at(header, 8), u64_at(header, 16)]),
            destination: A::address([u64_at(header, 24), u64_at(header, 32)]),
            protocol: header[6],
            ports: 0,
            ip: at,
            transport: at + 40,
        }
    } else {
        let header = frame.view::<20>(at).ok_or(UNRELATED)?;
        let size = usize::from(header[0] & 15) * 4;
        if header[0] >> 4 != 4 || size < 20 || u16_at(header, 6) & fragment::OFFSET != 0 {
            return Err(UNRELATED);
        }
        Quoted {
            source: A::address([u64::from(u32_at(header, 12)), 0]),
            destination: A::address([u64::from(u32_at(header, 16)), 0]),
            protocol: header[9],
            ports: 0,
            ip: at,
            transport: at + size,
        }
    };
    if A::SIX && quoted.protocol == protocol::FRAGMENT {
        let header = frame.view::<8>(quoted.transport).ok_or(UNRELATED)?;
        if u16::from_be(u16_at(header, 2)) >> 3 != 0 {
            return Err(UNRELATED);
        }
        quoted.protocol = header[0];
        quoted.transport += 8;
    }
    match quoted.protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            quoted.ports = u32_at(frame.view::<8>(quoted.transport).ok_or(UNRELATED)?, 0);
            Ok(quoted)
        }
        protocol::IPV4 | protocol::IPV6 | protocol::GRE => Ok(quoted),
        _ => Err(UNRELATED),
    }
}

/// A client's error about what a NAT server sent: the server knows itself by its own address.
#[inline(always)]
fn to_nat_server<F: Frame, T: Tables, A: Family>(
    frame: &mut F,
    t: &T,
    p: &Packet<A>,
    quoted: &Quoted<A>,
    number: u32,
    record: T::Line,
) -> Outcome {
    // The server quotes its own end as source: the one that the client chose, unless it has a port of its own.
    let server = End::<A>::server(record, quoted.ports as u16);
    // Everything that could still refuse the packet comes before it is changed.
    if !destination::has(record.load(destination::META), destination::AVAILABLE) {
        return Err(Verdict::Drop(Reason::DestinationGone));
    }
    rewrite_quoted(frame, p, quoted, server, Side::Source, A::change(p.destination, server.address))?;
    // The outer addresses are now the server's business: delivered as if directly.
    let change = A::change(p.destination, server.address);
    deliver::older(frame, p, Some(change))?;
    deliver::readdress(frame, p, server.address, Side::Destination)?;
    t.count(number, u32::from(p.length), false);
    deliver::by_record::<F, T, A>(frame, t, p, record)
}

/// A server's error about what its client sent, or a router's between them.
#[inline(always)]
fn to_client<F: Frame, T: Tables, A: Family>(
    frame: &mut F,
    t: &T,
    p: &Packet<A>,
    quoted: &Quoted<A>,
    number: u32,
    vip: End<A>,
) -> Outcome {
    let (hop, _) = reply::way::<T, A>(t, vip.address, p.destination)?;
    rewrite_quoted(frame, p, quoted, vip, Side::Destination, A::change(p.source, vip.address))?;
    deliver::older(frame, p, Some(A::change(p.source, vip.address)))?;
    deliver::readdress(frame, p, vip.address, Side::Source)?;
    reply::count(t, p, number, t.destination(number).ok_or(Verdict::Drop(Reason::Inconsistent))?);
    reply::send(frame, p, &hop)
}

/// Writes an end into the quoted packet, with its checksums and the error's own. `outer` is what the new outer
/// address adds to a sum.
#[inline(always)]
fn rewrite_quoted<F: Frame, A: Family>(
    frame: &mut F,
    p: &Packet<A>,
    quoted: &Quoted<A>,
    new: End<A>,
    side: Side,
    outer: u64,
) -> Result<(), Verdict> {
    let (old, old_port) = match side {
        Side::Source => (quoted.source, quoted.ports as u16),
        Side::Destination => (quoted.destination, (quoted.ports >> 16) as u16),
    };
    let address = A::change(old, new.address);
    let both = address + checksum::change16(old_port, new.port);
    // The error's checksum covers all that changes in the quoted packet; of ICMPv6 the outer addresses too.
    let mut total = both + if A::SIX { outer } else { 0 };
    let words = A::words(new.address);
    if A::SIX {
        let header = frame.view_mut::<40>(quoted.ip).ok_or(INCONSISTENT)?;
        let at = if side == Side::Source { 8 } else { 24 };
        set_u64(header, at, words[0]);
        set_u64(header, at + 8, words[1]);
    } else {
        let header = frame.view_mut::<20>(quoted.ip).ok_or(INCONSISTENT)?;
        set_u32(header, if side == Side::Source { 12 } else { 16 }, words[0] as u32);
        let before = u16_at(header, 10);
        let after = checksum::adjust(before, address);
        set_u16(header, 10, after);
        total += checksum::change16(before, after);
    }
    let header = frame.view_mut::<8>(quoted.transport).ok_or(INCONSISTENT)?;
    set_u16(header, if side == Side::Source { 0 } else { 2 }, new.port);
    let end = p.ip + usize::from(p.length);
    if quoted.protocol == protocol::UDP {
        let before = u16_at(header, 6);
        let after = checksum::adjust_udp(before, both);
        set_u16(header, 6, after);
        total += checksum::change16(before, after);
    } else if quoted.protocol == protocol::TCP && quoted.transport + 18 <= end {
        // Often only eight bytes of the segment are quoted, and what lies behind is padding.
        let header = frame.view_mut::<18>(quoted.transport).ok_or(INCONSISTENT)?;
        let before = u16_at(header, 16);
        let after = checksum::adjust(before, both);
        set_u16(header, 16, after);
        total += checksum::change16(before, after);
    }
    let header = frame.view_mut::<8>(p.transport).ok_or(INCONSISTENT)?;
    let sum = checksum::adjust(u16_at(header, 2), total);
    set_u16(header, 2, sum);
    Ok(())
}
