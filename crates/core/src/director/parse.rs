//! From a frame to a [`Packet`].
//!
//! What the stack would refuse is left to the stack: contradicting lengths, headers cut off, a wrong IPv4 header sum.

use super::packet::{Fragment, Packet};
use crate::{
    family::{V4, V6},
    state::sctp,
    verdict::{Reason, Verdict},
    wire::{self, checksum, ethertype, fragment, protocol, tcp, u16_at, u32_at, u64_at},
    world::Frame,
};

const MALFORMED: Verdict = Verdict::Pass(Reason::Malformed);
/// Extension headers that are looked through.
const EXTENSIONS: usize = 6;
/// Bytes of them.
const EXTENSION_BYTES: usize = 512;

/// IPv4 without tags and options.
#[inline(always)]
pub(super) fn fast4<F: Frame>(frame: &F) -> Result<Packet<V4>, Verdict> {
    const IP: usize = wire::ETHERNET;
    const TRANSPORT: usize = IP + 20;
    let header = frame.view::<20>(IP).ok_or(MALFORMED)?;
    let field = u16_at(header, 6);
    if header[0] != 0x45 || field & (fragment::MORE | fragment::OFFSET) != 0 {
        return Err(Verdict::SLOW);
    }
    let kind = header[9];
    if kind != protocol::TCP && kind != protocol::UDP {
        let ours = kind == protocol::ICMP || kind == protocol::SCTP;
        return Err(if ours { Verdict::SLOW } else { refused(frame, header) });
    }
    if !checksum::is_right(header) {
        return Err(refused(frame, header));
    }
    let length = u16::from_be(u16_at(header, 2));
    if usize::from(length) + IP > frame.length() {
        return Err(MALFORMED);
    }
    let mut packet = Packet {
        source: u32_at(header, 12),
        destination: u32_at(header, 16),
        ports: 0,
        protocol: kind,
        flags: 0,
        ttl: header[8],
        tos: header[1],
        length,
        ip: IP,
        transport: TRANSPORT,
        fragment_field: field,
        identification: u32::from(u16_at(header, 4)),
        fragment: Fragment::Whole,
    };
    (packet.ports, packet.flags) = transport(frame, TRANSPORT, kind, usize::from(length).wrapping_sub(20))?;
    Ok(packet)
}

/// Why [`fast4`] does not take a packet with this header: the first reason that [`slow4`] would find.
#[inline(always)]
fn refused<F: Frame>(frame: &F, header: &[u8; 20]) -> Verdict {
    let length = usize::from(u16::from_be(u16_at(header, 2)));
    if length < 20 || length + wire::ETHERNET > frame.length() {
        MALFORMED
    } else if !checksum::is_right(header) {
        Verdict::Pass(Reason::HeaderChecksum)
    } else {
        Verdict::Pass(Reason::Protocol)
    }
}

/// IPv6 without tags and extension headers.
#[inline(always)]
pub(super) fn fast6<F: Frame>(frame: &F) -> Result<Packet<V6>, Verdict> {
    const IP: usize = wire::ETHERNET;
    const TRANSPORT: usize = IP + 40;
    let mut packet = fixed6(frame, IP)?;
    match packet.protocol {
        protocol::TCP | protocol::UDP => {}
        protocol::HOP_BY_HOP
        | protocol::ROUTING
        | protocol::FRAGMENT
        | protocol::DESTINATION_OPTIONS
        | protocol::SCTP
        | protocol::ICMPV6 => return Err(Verdict::SLOW),
        _ => return Err(Verdict::Pass(Reason::Protocol)),
    }
    let payload = usize::from(packet.length) - 40;
    (packet.ports, packet.flags) = transport(frame, TRANSPORT, packet.protocol, payload)?;
    Ok(packet)
}

/// The fixed header of IPv6.
#[inline(always)]
fn fixed6<F: Frame>(frame: &F, ip: usize) -> Result<Packet<V6>, Verdict> {
    let header = frame.view::<40>(ip).ok_or(MALFORMED)?;
    let payload = u16::from_be(u16_at(header, 4));
    // A packet of 65,496 bytes and more is a jumbogram's business, as is one of none (RFC 2675).
    if header[0] >> 4 != 6 || payload > 0xffff - 40 || usize::from(payload) + 40 + ip > frame.length() {
        return Err(MALFORMED);
    }
    Ok(Packet {
        source: [u64_at(header, 8), u64_at(header, 16)],
        destination: [u64_at(header, 24), u64_at(header, 32)],
        ports: 0,
        protocol: header[6],
        flags: 0,
        ttl: header[7],
        tos: header[0] << 4 | header[1] >> 4,
        length: payload + 40,
        ip,
        transport: ip + 40,
        fragment_field: fragment::DONT,
        identification: 0,
        fragment: Fragment::Whole,
    })
}

/// Ports and TCP flags, of a TCP or UDP header with `payload` bytes from its beginning to the packet's end.
#[inline(always)]
fn transport<F: Frame>(frame: &F, at: usize, kind: u8, payload: usize) -> Result<(u32, u8), Verdict> {
    if kind == protocol::TCP {
        let header = frame.view::<20>(at).ok_or(MALFORMED)?;
        if !(20..=0xffff).contains(&payload) || header[12] < 5 << 4 {
            return Err(MALFORMED);
        }
        Ok((u32_at(header, 0), header[13] & tcp::FLAGS))
    } else {
        let header = frame.view::<8>(at).ok_or(MALFORMED)?;
        if !(8..=0xffff).contains(&payload) {
            return Err(MALFORMED);
        }
        Ok((u32_at(header, 0), 0))
    }
}

/// Ports, and the event of the first chunk, of an SCTP packet.
#[inline(always)]
fn chunks<F: Frame>(frame: &F, at: usize, payload: usize) -> Result<(u32, u8), Verdict> {
    let header = frame.view::<16>(at).ok_or(MALFORMED)?;
    if !(16..=0xffff).contains(&payload) {
        return Err(MALFORMED);
    }
    let ports = u32_at(header, 0);
    let event = sctp::event(header[12]);
    let second = usize::from(sctp::second(u32_at(header, 12)));
    if second != 0 && 12 + second + 4 <= payload {
        // An ABORT behind a cookie is what counts.
        if let Some(chunk) = frame.view::<4>(at + 12 + second)
            && chunk[0] == sctp::chunk::ABORT
        {
            return Ok((ports, sctp::event::ABORT));
        }
    }
    Ok((ports, event))
}

/// EtherType behind up to two VLAN tags, and where its header begins.
#[inline(always)]
pub(super) fn link<F: Frame>(frame: &F) -> Result<(u16, usize), Verdict> {
    let mut kind = u16_at(frame.view::<{ wire::ETHERNET }>(0).ok_or(MALFORMED)?, 12);
    let mut at = wire::ETHERNET;
    let mut tags = 0;
    while tags < 2 && (kind == ethertype::VLAN || kind == ethertype::PROVIDER_VLAN) {
        kind = u16_at(frame.view::<{ wire::VLAN }>(at).ok_or(MALFORMED)?, 2);
        at += wire::VLAN;
        tags += 1;
    }
    Ok((kind, at))
}

/// IPv4 at `ip`, whatever it carries.
#[inline(always)]
pub(super) fn slow4<F: Frame>(frame: &F, ip: usize) -> Result<Packet<V4>, Verdict> {
    let header = frame.view::<20>(ip).ok_or(MALFORMED)?;
    let size = usize::from(header[0] & 15) * 4;
    let length = u16::from_be(u16_at(header, 2));
    if header[0] >> 4 != 4 || size < 20 || usize::from(length) < size || usize::from(length) + ip > frame.length() {
        return Err(MALFORMED);
    }
    let mut sum = checksum::header(header);
    let mut at = 20;
    while at < 60 && at < size {
        sum += u64::from(u32_at(frame.view::<4>(ip + at).ok_or(MALFORMED)?, 0));
        at += 4;
    }
    if checksum::fold(sum) != 0xffff {
        return Err(Verdict::Pass(Reason::HeaderChecksum));
    }
    let header = frame.view::<20>(ip).ok_or(MALFORMED)?;
    let field = u16_at(header, 6);
    let kind = header[9];
    let part = if field & fragment::OFFSET != 0 {
        Fragment::Later
    } else if field & fragment::MORE != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    };
    let mut packet = Packet {
        source: u32_at(header, 12),
        destination: u32_at(header, 16),
        ports: 0,
        protocol: kind,
        flags: 0,
        ttl: header[8],
        tos: header[1],
        length,
        ip,
        transport: ip + size,
        fragment_field: field,
        identification: u32::from(u16_at(header, 4)),
        fragment: part,
    };
    let payload = usize::from(length) - size;
    match kind {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            if part != Fragment::Later {
                (packet.ports, packet.flags) = ports_of(frame, packet.transport, kind, payload, part)?;
            }
        }
        protocol::ICMP if part == Fragment::Whole => {}
        _ => return Err(Verdict::Pass(Reason::Protocol)),
    }
    Ok(packet)
}

/// IPv6 at `ip`, through its extension headers.
#[inline(always)]
pub(super) fn slow6<F: Frame>(frame: &F, ip: usize) -> Result<Packet<V6>, Verdict> {
    let mut packet = fixed6(frame, ip)?;
    let end = ip + usize::from(packet.length);
    let mut at = ip + 40;
    let mut kind = packet.protocol;
    let mut seen = 0;
    while seen < EXTENSIONS {
        match kind {
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS => {
                let header = frame.view::<8>(at).ok_or(MALFORMED)?;
                kind = header[0];
                at += (usize::from(header[1]) + 1) * 8;
            }
            protocol::FRAGMENT => {
                let header = frame.view::<8>(at).ok_or(MALFORMED)?;
                kind = header[0];
                let field = u16::from_be(u16_at(header, 2));
                packet.identification = u32_at(header, 4);
                packet.fragment = match (field >> 3, field & 1) {
                    (0, 0) => Fragment::Whole,
                    (0, _) => Fragment::First,
                    _ => Fragment::Later,
                };
                at += 8;
                // What follows a later fragment's header is data.
                if packet.fragment == Fragment::Later {
                    break;
                }
            }
            _ => break,
        }
        if at > ip + 40 + EXTENSION_BYTES {
            return Err(Verdict::Pass(Reason::HeaderChain));
        }
        seen += 1;
    }
    if at > end {
        return Err(MALFORMED);
    }
    packet.protocol = kind;
    packet.transport = at;
    if packet.fragment == Fragment::Later {
        return Ok(packet);
    }
    match kind {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            (packet.ports, packet.flags) = ports_of(frame, at, kind, end - at, packet.fragment)?;
        }
        protocol::ICMPV6 if packet.fragment == Fragment::Whole => {}
        protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS | protocol::FRAGMENT => {
            return Err(Verdict::Pass(Reason::HeaderChain));
        }
        _ => return Err(Verdict::Pass(Reason::Protocol)),
    }
    Ok(packet)
}

/// The same as [`transport`], of SCTP too; but a first fragment without a whole header is nobody's (RFC 1858).
#[inline(always)]
fn ports_of<F: Frame>(frame: &F, at: usize, kind: u8, payload: usize, part: Fragment) -> Result<(u32, u8), Verdict> {
    let whole = if kind == protocol::SCTP { chunks(frame, at, payload) } else { transport(frame, at, kind, payload) };
    match whole {
        Err(_) if part == Fragment::First => Err(Verdict::Drop(Reason::FragmentTiny)),
        other => other,
    }
}
