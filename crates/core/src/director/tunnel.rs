//! Into a tunnel that the fast path does not know: GRE (RFC 2784), GUE (RFC 768 and draft-ietf-intarea-gue-09, variant
//! 0), and whatever has another address family outside than inside (RFC 4213, RFC 2473).
//!
//! As ip_vs_tunnel_xmit in ip_vs_xmit.c has it: TOS and TTL are the inner packet's, and of IPv4 in IPv4 "do not fragment"
//! too. It never fragments. That the packet fits, and that its destination is in service, was seen before.

use super::{
    DETAIL, Outcome,
    deliver::{leave, link_length, older, shift},
    packet::Packet,
};
use crate::{
    family::Family,
    table::{
        destination::{self, tunnel},
        hop,
    },
    verdict::{Reason, Verdict},
    wire::{self, checksum, ethertype, fragment, protocol, set_u16, set_u32, set_u64},
    world::{Block, Frame, Tables},
};

const NO_ROOM: Verdict = Verdict::Drop(Reason::NoRoom);
const INCONSISTENT: Verdict = Verdict::Drop(Reason::Inconsistent);
/// Source ports of GUE: Linux's ports for clients, out of which udp_flow_src_port chooses.
const PORTS: (u64, u64) = (32_768, 60_999);

/// A client's packet to the destination that the request line names.
#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let number = t.request().ok_or(INCONSISTENT)?.load(DETAIL) as u32;
    let record = t.destination(number).ok_or(INCONSISTENT)?;
    let meta = record.load(destination::META);
    let method = destination::method_of(meta);
    if !destination::tunnels(method) {
        return Err(INCONSISTENT);
    }
    let reference = destination::hop(meta);
    let hop = t.hop(hop::index(reference)).ok_or(INCONSISTENT)?;
    let what = hop.load(2);
    if !hop::is(what, reference) {
        return Err(Verdict::Drop(Reason::NextHopUnresolved));
    }
    let tags = hop::tags(what);
    let six = A::SIX != (method & tunnel::OTHER_FAMILY != 0);
    let between = destination::between(method);
    older(frame, p, None)?;
    let outer = link_length(tags);
    let inner = outer + if six { 40 } else { 20 } + between;
    shift(frame, inner as i32 - p.ip as i32)?;
    let length = p.length.wrapping_add(between as u16);
    let ends = [
        record.load(destination::DIP),
        record.load(destination::DIP + 1),
        record.load(destination::RIP),
        record.load(destination::RIP + 1),
    ];
    let sum = method & tunnel::CHECKSUM != 0;
    let carried = match method & tunnel::TYPE {
        tunnel::GRE => {
            gre::<F, A>(frame, p, inner - between, sum)?;
            protocol::GRE
        }
        tunnel::GUE => {
            let ports =
                source_port::<T, A>(t, p) | u32::from(destination::tunnel_port(record.load(destination::PORTS))) << 16;
            let pseudo = if six { ends } else { [ends[0] & 0xffff_ffff, 0, ends[2] & 0xffff_ffff, 0] };
            gue::<F, A>(frame, p, inner - between, ports, sum.then_some(pseudo))?;
            protocol::UDP
        }
        _ => inner_protocol::<A>(),
    };
    if six {
        outer6(frame, p, outer, length, carried, ends)?;
    } else {
        outer4(frame, p, outer, length, carried, ends)?;
    }
    t.count(number, u32::from(p.length), false);
    leave::<F, T>(frame, hop, tags, six)
}

/// What the outer header or GUE calls the packet inside.
#[inline(always)]
const fn inner_protocol<A: Family>() -> u8 {
    if A::SIX { protocol::IPV6 } else { protocol::IPV4 }
}

/// A port that is a flow's own, so that a receiver's queues get their share of flows; fragments have none of their ports.
#[inline(always)]
fn source_port<T: Tables, A: Family>(t: &T, p: &Packet<A>) -> u32 {
    let hash = A::hash(&t.constants(), p.source, p.destination, p.ports) >> 32;
    let (first, end) = PORTS;
    u32::from((((hash * (end - first)) >> 32) as u16).wrapping_add(first as u16).to_be())
}

/// The GRE header at `at`, in front of the packet.
#[inline(always)]
fn gre<F: Frame, A: Family>(frame: &mut F, p: &Packet<A>, at: usize, sum: bool) -> Result<(), Verdict> {
    let kind = u32::from(if A::SIX { ethertype::IPV6 } else { ethertype::IPV4 }) << 16;
    if !sum {
        set_u32(frame.view_mut::<4>(at).ok_or(NO_ROOM)?, 0, kind);
        return Ok(());
    }
    let first = kind | u32::from(wire::GRE_CHECKSUM);
    let total = u64::from(first) + frame.sum(at + 8, usize::from(p.length)).ok_or(INCONSISTENT)?;
    let header = frame.view_mut::<8>(at).ok_or(NO_ROOM)?;
    set_u32(header, 0, first);
    set_u32(header, 4, u32::from(!checksum::fold(total)));
    Ok(())
}

/// The UDP and the GUE header at `at`. `pseudo` has the outer addresses if there is to be a checksum.
#[inline(always)]
fn gue<F: Frame, A: Family>(
    frame: &mut F,
    p: &Packet<A>,
    at: usize,
    ports: u32,
    pseudo: Option<[u64; 4]>,
) -> Result<(), Verdict> {
    let length = p.length.wrapping_add(tunnel::GUE_HEADER as u16).to_be();
    // Variant, no control message and no options: 0; then what is inside; no flags.
    let kind = u32::from(inner_protocol::<A>()) << 8;
    let sum = match pseudo {
        None => 0,
        Some(addresses) => {
            let [a, b, c, d] = addresses.map(|word| (word & 0xffff_ffff) + (word >> 32));
            let udp = u64::from(u16::from_be_bytes([0, protocol::UDP]).to_be()) + 2 * u64::from(length);
            let inside = frame.sum(at + tunnel::GUE_HEADER, usize::from(p.length)).ok_or(INCONSISTENT)?;
            match !checksum::fold(a + b + c + d + udp + u64::from(ports) + u64::from(kind) + inside) {
                0 => 0xffff,
                sum => sum,
            }
        }
    };
    let header = frame.view_mut::<12>(at).ok_or(NO_ROOM)?;
    set_u32(header, 0, ports);
    set_u32(header, 4, u32::from(length) | u32::from(sum) << 16);
    set_u32(header, 8, kind);
    Ok(())
}

/// The outer IPv4 header at `at`; `length` is that of what follows it, `ends` are source and destination. IPv6 inside may
/// not be fragmented on its way, so neither may what is around it.
#[inline(always)]
fn outer4<F: Frame, A: Family>(
    frame: &mut F,
    p: &Packet<A>,
    at: usize,
    length: u16,
    carried: u8,
    ends: [u64; 4],
) -> Result<(), Verdict> {
    let whole = if A::SIX { fragment::DONT } else { p.fragment_field & fragment::DONT };
    let identification = if whole != 0 { 0 } else { p.identification as u16 };
    let length = length.wrapping_add(20).to_be();
    let header = frame.view_mut::<20>(at).ok_or(NO_ROOM)?;
    set_u32(header, 0, 0x45 | u32::from(p.tos) << 8 | u32::from(length) << 16);
    set_u32(header, 4, u32::from(identification) | u32::from(whole) << 16);
    set_u32(header, 8, u32::from(p.ttl.wrapping_sub(1)) | u32::from(carried) << 8);
    set_u32(header, 12, ends[0] as u32);
    set_u32(header, 16, ends[2] as u32);
    let sum = !checksum::fold(checksum::header(header));
    set_u16(header, 10, sum);
    Ok(())
}

/// The outer IPv6 header, likewise.
#[inline(always)]
fn outer6<F: Frame, A: Family>(
    frame: &mut F,
    p: &Packet<A>,
    at: usize,
    length: u16,
    carried: u8,
    ends: [u64; 4],
) -> Result<(), Verdict> {
    let header = frame.view_mut::<40>(at).ok_or(NO_ROOM)?;
    set_u32(header, 0, u32::from_ne_bytes([0x60 | p.tos >> 4, p.tos << 4, 0, 0]));
    set_u16(header, 4, length.to_be());
    set_u16(header, 6, u16::from_ne_bytes([carried, p.ttl.wrapping_sub(1)]));
    set_u64(header, 8, ends[0]);
    set_u64(header, 16, ends[1]);
    set_u64(header, 24, ends[2]);
    set_u64(header, 32, ends[3]);
    Ok(())
}
