//! Towards a server, or back to a client: rewriting, encapsulation, the Ethernet header, and the way out.

use super::{
    DETAIL, Outcome,
    answer::{self, Answer},
    fragment,
    packet::{Fragment, Packet},
    trace,
};
use crate::{
    family::Family,
    flow::{Found, control},
    table::{
        destination::{self, method},
        hop::{self, Hop},
    },
    verdict::{Reason, Stage, Verdict},
    wire::{self, checksum, crc32c, ethertype, fragment as field, protocol, set_u16, set_u32, set_u64, u16_at, u32_at},
    world::{Block, Frame, Tables, Zone},
};

const NO_ROOM: Verdict = Verdict::Drop(Reason::NoRoom);
const INCONSISTENT: Verdict = Verdict::Drop(Reason::Inconsistent);

/// One end of a packet, to be written over another.
#[derive(Clone, Copy)]
pub(super) struct End<A: Family> {
    /// Its address.
    pub(super) address: A::Address,
    /// Its port.
    pub(super) port: u16,
}

impl<A: Family> End<A> {
    /// An address from two words of a destination's record, and a port.
    #[inline(always)]
    pub(super) fn of<B: Block>(record: B, word: usize, port: u16) -> Self {
        End { address: A::address([record.load(word), if A::SIX { record.load(word + 1) } else { 0 }]), port }
    }

    /// The server of a destination, for a packet to this port.
    #[inline(always)]
    pub(super) fn server<B: Block>(record: B, port: u16) -> Self {
        Self::of(record, destination::RIP, destination::server_port(record.load(destination::PORTS), port))
    }

    /// The service of a destination, as the replies' record `found` has it: where a service has many addresses or
    /// ports, it is the one that the client chose.
    #[inline(always)]
    pub(super) fn service<T: Tables>(
        t: &T,
        record: T::Line,
        found: &Found<A::Bucket<T>>,
        zone: Zone,
    ) -> Result<Self, Verdict> {
        if !destination::has(record.load(destination::META), destination::WILDCARD) {
            return Ok(Self::of(record, destination::VIP, (record.load(destination::PORTS) >> 16) as u16));
        }
        // Its client's record is gone: nobody knows any more what that was.
        const GONE: Verdict = Verdict::Pass(Reason::NoFlow);
        let (bucket, word, seen) = found.link.follow::<A, T>(t, zone).ok_or(GONE)?;
        let port = (bucket.load(word + A::PORTS) >> 16) as u16;
        let end = End { address: A::read_destination(bucket, word), port };
        if (bucket.load(word) ^ seen) & !control::MUTABLE != 0 { Err(GONE) } else { Ok(end) }
    }
}

/// Leaves a client's packet to the next stage, which delivers it to the destination of this number.
#[inline(always)]
pub(super) fn next<T: Tables, A: Family>(t: &T, number: u32) -> Outcome {
    let line = t.request().ok_or(INCONSISTENT)?;
    line.store(DETAIL, u64::from(number));
    trace::number(line, number);
    Ok(Verdict::Next(if A::SIX { Stage::Deliver6 } else { Stage::Deliver4 }))
}

/// Delivers to the destination that the request line names.
#[inline(always)]
pub(super) fn route<F: Frame, T: Tables, A: Family>(frame: &mut F, t: &T, p: &Packet<A>) -> Outcome {
    let number = t.request().ok_or(INCONSISTENT)?.load(DETAIL) as u32;
    let record = t.destination(number).ok_or(INCONSISTENT)?;
    to_server::<F, T, A, true>(frame, t, p, number, record)
}

/// A client's packet to the destination of this number, whose record it is.
#[inline(always)]
pub(super) fn to_server<F: Frame, T: Tables, A: Family, const SLOW: bool>(
    frame: &mut F,
    t: &T,
    p: &Packet<A>,
    number: u32,
    record: T::Line,
) -> Outcome {
    let meta = record.load(destination::META);
    if !destination::has(meta, destination::AVAILABLE) {
        return Err(Verdict::Drop(Reason::DestinationGone));
    }
    if destination::has(meta, destination::LOCAL) {
        t.count(number, u32::from(p.length), false);
        return Err(Verdict::Pass(Reason::Local));
    }
    if p.ttl < 2 {
        return answer::due::<T, A>(t, p, Answer::TimeExceeded);
    }
    let mtu = destination::mtu(meta);
    if p.length > mtu {
        return answer::due::<T, A>(t, p, Answer::TooBig(mtu));
    }
    let reference = destination::hop(meta);
    let hop = t.hop(hop::index(reference)).ok_or(INCONSISTENT)?;
    let what = hop.load(2);
    if !hop::is(what, reference) {
        return Err(Verdict::Drop(Reason::NextHopUnresolved));
    }
    let tags = if SLOW { hop::tags(what) } else { 0 };
    if !SLOW && hop::tags(what) != 0 {
        // Not the slow way from its beginning: to a flow that has just opened this would be its second packet.
        p.store(t.request().ok_or(INCONSISTENT)?);
        return next::<T, A>(t, number);
    }
    if SLOW {
        fragment::remember(t, p, number, None);
    }
    match destination::method_of(meta) {
        method::DR => {
            older(frame, p, None)?;
            shift(frame, link_length(tags) as i32 - p.ip as i32)?;
        }
        method::NAT => {
            translate(
                frame,
                p,
                p.destination,
                p.destination_port(),
                End::server(record, p.destination_port()),
                Side::Destination,
            )?;
            shift(frame, link_length(tags) as i32 - p.ip as i32)?;
        }
        method::TUN => {
            older(frame, p, None)?;
            shift(frame, (link_length(tags) + A::HEADER) as i32 - p.ip as i32)?;
            wrap(frame, p, record, link_length(tags))?;
        }
        // Another tunnel.
        _ => {
            let line = t.request().ok_or(INCONSISTENT)?;
            if !SLOW {
                p.store(line);
            }
            line.store(DETAIL, u64::from(number));
            return Ok(Verdict::Next(if A::SIX { Stage::Tunnel6 } else { Stage::Tunnel4 }));
        }
    }
    t.count(number, u32::from(p.length), false);
    leave::<F, T>(frame, hop, tags, A::SIX)
}

/// A packet whose addresses are right already, to the server of this record. Only on the slow way.
#[inline(always)]
pub(super) fn by_record<F: Frame, T: Tables, A: Family>(
    frame: &mut F,
    t: &T,
    p: &Packet<A>,
    record: T::Line,
) -> Outcome {
    let reference = destination::hop(record.load(destination::META));
    let hop = t.hop(hop::index(reference)).ok_or(INCONSISTENT)?;
    let what = hop.load(2);
    if !hop::is(what, reference) {
        return Err(Verdict::Drop(Reason::NextHopUnresolved));
    }
    let tags = hop::tags(what);
    shift(frame, link_length(tags) as i32 - p.ip as i32)?;
    leave::<F, T>(frame, hop, tags, A::SIX)
}

/// Bytes of an Ethernet header with tags.
#[inline(always)]
pub(super) const fn link_length(tags: usize) -> usize {
    wire::ETHERNET + tags * wire::VLAN
}

/// Makes the frame longer or shorter in front, if need be.
#[inline(always)]
pub(super) fn shift<F: Frame>(frame: &mut F, by: i32) -> Result<(), Verdict> {
    if by == 0 { Ok(()) } else { frame.grow_front(by).ok_or(NO_ROOM) }
}

/// One hop less, and what a `change` of addresses adds to an IPv4 header's sum.
#[inline(always)]
pub(super) fn older<F: Frame, A: Family>(frame: &mut F, p: &Packet<A>, change: Option<u64>) -> Result<(), Verdict> {
    if A::SIX {
        let header = frame.view_mut::<8>(p.ip).ok_or(INCONSISTENT)?;
        header[7] = p.ttl.wrapping_sub(1);
    } else {
        let header = frame.view_mut::<12>(p.ip).ok_or(INCONSISTENT)?;
        header[8] = p.ttl.wrapping_sub(1);
        let sum = u16_at(header, 10);
        let sum = match change {
            None => checksum::older(sum),
            // TTL is the first byte of its 16-bit word, so one less is one less of the word in memory order.
            Some(change) => checksum::adjust(sum, change + checksum::change16(1, 0)),
        };
        set_u16(header, 10, sum);
    }
    Ok(())
}

/// Which end of a packet is rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A reply's.
    Source,
    /// A client's packet's.
    Destination,
}

/// Writes an end's address and port over the old ones, and one hop less, with all checksums.
#[inline(always)]
pub(super) fn translate<F: Frame, A: Family>(
    frame: &mut F,
    p: &Packet<A>,
    old: A::Address,
    old_port: u16,
    new: End<A>,
    side: Side,
) -> Result<(), Verdict> {
    let change = A::change(old, new.address);
    if p.fragment != Fragment::Later {
        let both = change + checksum::change16(old_port, new.port);
        let at = if side == Side::Source { 0 } else { 2 };
        if p.protocol == protocol::TCP {
            let header = frame.view_mut::<18>(p.transport).ok_or(INCONSISTENT)?;
            let sum = checksum::adjust(u16_at(header, 16), both);
            set_u16(header, 16, sum);
            set_u16(header, at, new.port);
        } else if p.protocol == protocol::SCTP {
            sctp_port(frame, p, old_port, new.port, at)?;
        } else {
            let header = frame.view_mut::<8>(p.transport).ok_or(INCONSISTENT)?;
            let sum = checksum::adjust_udp(u16_at(header, 6), both);
            set_u16(header, 6, sum);
            set_u16(header, at, new.port);
        }
    }
    older(frame, p, Some(change))?;
    readdress(frame, p, new.address, side)
}

/// Writes a port of an SCTP header. Its checksum covers the whole packet, but no address (RFC 9260 6.8).
#[inline(always)]
fn sctp_port<F: Frame, A: Family>(frame: &mut F, p: &Packet<A>, old: u16, new: u16, at: usize) -> Result<(), Verdict> {
    if old == new {
        return Ok(());
    }
    if p.fragment != Fragment::Whole {
        return Err(Verdict::Drop(Reason::SctpFragment));
    }
    let behind = u32::from(p.length).wrapping_sub((p.transport - p.ip) as u32 + 4);
    let header = frame.view_mut::<12>(p.transport).ok_or(INCONSISTENT)?;
    let before = u32_at(header, 0);
    set_u16(header, at, new);
    let sum = crc32c::adjust(u32_at(header, 8), before ^ u32_at(header, 0), behind);
    set_u32(header, 8, sum);
    Ok(())
}

/// Writes an address, without regard to checksums.
#[inline(always)]
pub(super) fn readdress<F: Frame, A: Family>(
    frame: &mut F,
    p: &Packet<A>,
    address: A::Address,
    side: Side,
) -> Result<(), Verdict> {
    let words = A::words(address);
    if A::SIX {
        let header = frame.view_mut::<40>(p.ip).ok_or(INCONSISTENT)?;
        let at = if side == Side::Source { 8 } else { 24 };
        set_u64(header, at, words[0]);
        set_u64(header, at + 8, words[1]);
    } else {
        let header = frame.view_mut::<20>(p.ip).ok_or(INCONSISTENT)?;
        set_u32(header, if side == Side::Source { 12 } else { 16 }, words[0] as u32);
    }
    Ok(())
}

/// The outer header of a tunnel at `at` (RFC 2003, RFC 2473): TOS, TTL and "do not fragment" are the inner one's.
#[inline(always)]
fn wrap<F: Frame, A: Family, B: Block>(frame: &mut F, p: &Packet<A>, record: B, at: usize) -> Result<(), Verdict> {
    let ttl = p.ttl.wrapping_sub(1);
    if A::SIX {
        let header = frame.view_mut::<40>(at).ok_or(NO_ROOM)?;
        let first = [0x60 | p.tos >> 4, p.tos << 4, 0, 0];
        set_u32(header, 0, u32::from_ne_bytes(first));
        set_u16(header, 4, p.length.to_be());
        set_u16(header, 6, u16::from_ne_bytes([protocol::IPV6, ttl]));
        set_u64(header, 8, record.load(destination::DIP));
        set_u64(header, 16, record.load(destination::DIP + 1));
        set_u64(header, 24, record.load(destination::RIP));
        set_u64(header, 32, record.load(destination::RIP + 1));
    } else {
        let whole = p.fragment_field & field::DONT;
        // What may not be fragmented needs no identification (RFC 6864); else it takes the inner one's.
        let identification = if whole != 0 { 0 } else { p.identification as u16 };
        let length = p.length.wrapping_add(20).to_be();
        let constant = record.load(destination::PORTS) >> 32 & 0xffff;
        let sum = constant
            + (u64::from(p.tos) << 8)
            + u64::from(length)
            + u64::from(identification)
            + u64::from(whole)
            + u64::from(ttl);
        let sum = !checksum::fold(sum);
        let header = frame.view_mut::<20>(at).ok_or(NO_ROOM)?;
        set_u32(header, 0, 0x45 | u32::from(p.tos) << 8 | u32::from(length) << 16);
        set_u32(header, 4, u32::from(identification) | u32::from(whole) << 16);
        set_u32(header, 8, u32::from(ttl) | u32::from(protocol::IPV4) << 8 | u32::from(sum) << 16);
        set_u32(header, 12, record.load(destination::DIP) as u32);
        set_u32(header, 16, record.load(destination::RIP) as u32);
    }
    Ok(())
}

/// The Ethernet header of a next hop's record in front of a packet of IPv6 or IPv4, and the way out.
#[inline(always)]
pub(super) fn leave<F: Frame, T: Tables>(frame: &mut F, hop: T::Half, tags: usize, six: bool) -> Outcome {
    let (first, second) = (hop.load(0), hop.load(1));
    let interface = (second >> 32) as u32;
    let ingress = frame.ingress();
    let kind = if six { ethertype::IPV6 } else { ethertype::IPV4 };
    if tags == 0 {
        let header = frame.view_mut::<{ wire::ETHERNET }>(0).ok_or(NO_ROOM)?;
        set_u64(header, 0, first);
        set_u32(header, 8, second as u32);
        set_u16(header, 12, kind);
    } else {
        tagged(frame, &hop::read(hop), kind)?;
    }
    Ok(if interface == ingress { Verdict::Transmit } else { Verdict::Redirect(interface) })
}

/// The same for a next hop that is no record.
#[inline(always)]
pub(super) fn leave_by<F: Frame, A: Family>(frame: &mut F, hop: &Hop) -> Outcome {
    let ingress = frame.ingress();
    tagged(frame, hop, if A::SIX { ethertype::IPV6 } else { ethertype::IPV4 })?;
    Ok(if hop.interface == ingress { Verdict::Transmit } else { Verdict::Redirect(hop.interface) })
}

/// An Ethernet header with as many tags as the next hop has.
#[inline(always)]
fn tagged<F: Frame>(frame: &mut F, hop: &Hop, kind: u16) -> Result<(), Verdict> {
    let header = frame.view_mut::<{ wire::ETHERNET }>(0).ok_or(NO_ROOM)?;
    set_u64(header, 0, hop.destination | hop.source << 48);
    set_u32(header, 8, (hop.source >> 16) as u32);
    if hop.tags[0] == 0 {
        set_u16(header, 12, kind);
    } else if hop.tags[1] == 0 {
        let header = frame.view_mut::<18>(0).ok_or(NO_ROOM)?;
        set_u32(header, 12, hop.tags[0]);
        set_u16(header, 16, kind);
    } else {
        let header = frame.view_mut::<22>(0).ok_or(NO_ROOM)?;
        set_u32(header, 12, hop.tags[0]);
        set_u32(header, 16, hop.tags[1]);
        set_u16(header, 20, kind);
    }
    Ok(())
}
