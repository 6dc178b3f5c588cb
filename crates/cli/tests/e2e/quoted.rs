//! ICMP errors in captured frames, with the packet that they quote; parsed without relvs's own code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use relvs_lab::capture::Frame;

/// An ICMP or ICMPv6 error (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IcmpError {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    /// Type and code.
    pub(crate) kind: (u8, u8),
    /// The ends of the quoted packet.
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

/// What the frame carries, if it is an error that quotes a packet with ports, and its checksum is right.
pub(crate) fn icmp_error(frame: &Frame) -> Option<IcmpError> {
    let sliced = SlicedPacket::from_ethernet(&frame.bytes).ok()?;
    let (from, to): (IpAddr, IpAddr) = frame.addresses()?;
    match (sliced.net?, sliced.transport?) {
        (NetSlice::Ipv4(_), TransportSlice::Icmpv4(icmp)) => {
            let kind = (icmp.type_u8(), icmp.code_u8());
            let right = icmp.icmp_type().calc_checksum(icmp.payload()) == icmp.checksum();
            let (source, destination) = ends4(icmp.payload()).filter(|_| matches!(kind.0, 3 | 11) && right)?;
            Some(IcmpError { from, to, kind, source, destination })
        }
        (NetSlice::Ipv6(ip), TransportSlice::Icmpv6(icmp)) => {
            let kind = (icmp.type_u8(), icmp.code_u8());
            let right = icmp.is_checksum_valid(ip.header().source(), ip.header().destination());
            let (source, destination) = ends6(icmp.payload()).filter(|_| kind.0 < 128 && right)?;
            Some(IcmpError { from, to, kind, source, destination })
        }
        _ => None,
    }
}

fn ends4(packet: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let header = usize::from(packet.first()? & 15) * 4;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    ends(address(12)?.into(), address(16)?.into(), packet.get(header..)?)
}

fn ends6(packet: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    const FRAGMENT: u8 = 44;
    let transport = if *packet.get(6)? == FRAGMENT { 48 } else { 40 };
    let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
    ends(address(8)?.into(), address(24)?.into(), packet.get(transport..)?)
}

fn ends(source: IpAddr, destination: IpAddr, transport: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let port = |at: usize| Some(u16::from_be_bytes(transport.get(at..at + 2)?.try_into().ok()?));
    Some((SocketAddr::new(source, port(0)?), SocketAddr::new(destination, port(2)?)))
}
