//! What a captured frame says, as far as assertions need it; parsed by etherparse, not by relvs's own code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::{Icmpv4Type, Icmpv6Type, NetSlice, SlicedPacket, TransportSlice};

/// Which way a frame passed the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// It came in.
    Received,
    /// It went out.
    Sent,
}

/// A captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// When it was read.
    pub at: SystemTime,
    /// The interface it passed.
    pub interface: String,
    /// Which way.
    pub heading: Heading,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// A reply, not a request.
    pub reply: bool,
    /// Who says so.
    pub sender_mac: [u8; 6],
    /// Whose address that is.
    pub sender: Ipv4Addr,
    /// The address asked for.
    pub target: Ipv4Addr,
}

impl Frame {
    fn sliced(&self) -> Option<SlicedPacket<'_>> {
        SlicedPacket::from_ethernet(&self.bytes).ok()
    }

    /// The sender's MAC.
    #[must_use]
    pub fn source_mac(&self) -> Option<[u8; 6]> {
        self.bytes.get(6..12)?.try_into().ok()
    }

    /// Source and destination of the outer IP header.
    #[must_use]
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        match self.sliced()?.net? {
            NetSlice::Ipv4(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
            NetSlice::Ipv6(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
            NetSlice::Arp(_) => None,
        }
    }

    /// Source and destination port of TCP or UDP directly in the outer IP.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.sliced()?.transport? {
            TransportSlice::Tcp(tcp) => Some((tcp.source_port(), tcp.destination_port())),
            TransportSlice::Udp(udp) => Some((udp.source_port(), udp.destination_port())),
            TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_) => None,
        }
    }

    /// The ARP packet, if it is one.
    #[must_use]
    pub fn arp(&self) -> Option<Arp> {
        let NetSlice::Arp(arp) = self.sliced()?.net? else { return None };
        let ipv4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
        Some(Arp {
            reply: arp.operation().0 == 2,
            sender_mac: arp.sender_hw_addr().try_into().ok()?,
            sender: ipv4(arp.sender_protocol_addr())?,
            target: ipv4(arp.target_protocol_addr())?,
        })
    }

    /// The address that an ARP reply, a gratuitous ARP or an IPv6 neighbour advertisement (RFC 4861) claims, with the sender's MAC.
    #[must_use]
    pub fn claims(&self) -> Option<(IpAddr, [u8; 6])> {
        if let Some(arp) = self.arp() {
            return (arp.reply || arp.sender == arp.target).then_some((arp.sender.into(), arp.sender_mac));
        }
        let TransportSlice::Icmpv6(icmp) = self.sliced()?.transport? else { return None };
        if !matches!(icmp.icmp_type(), Icmpv6Type::NeighborAdvertisement(_)) {
            return None;
        }
        let target: [u8; 16] = icmp.payload().get(..16)?.try_into().ok()?;
        Some((Ipv6Addr::from(target).into(), self.source_mac()?))
    }

    /// Who sent an ICMP fragmentation-needed or ICMPv6 packet-too-big, and the MTU it names (0 from a router older than RFC 1191).
    #[must_use]
    pub fn too_big(&self) -> Option<(IpAddr, u32)> {
        let (source, _) = self.addresses()?;
        match self.sliced()?.transport? {
            TransportSlice::Icmpv4(icmp) => {
                let Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded { next_hop_mtu }) =
                    icmp.icmp_type()
                else {
                    return None;
                };
                Some((source, next_hop_mtu.into()))
            }
            TransportSlice::Icmpv6(icmp) => {
                let Icmpv6Type::PacketTooBig { mtu } = icmp.icmp_type() else { return None };
                Some((source, mtu))
            }
            TransportSlice::Tcp(_) | TransportSlice::Udp(_) | TransportSlice::Igmp(_) => None,
        }
    }

    /// The protocol that the outer IP header carries, by its number.
    #[must_use]
    pub fn carried(&self) -> Option<u8> {
        match self.sliced()?.net? {
            NetSlice::Ipv4(ip) => Some(ip.header().protocol().0),
            NetSlice::Ipv6(ip) => Some(ip.payload().ip_number.0),
            NetSlice::Arp(_) => None,
        }
    }

    /// Whether it carries IP in IP, of whatever families.
    #[must_use]
    pub fn is_tunnelled(&self) -> bool {
        const IPIP: u8 = 4;
        const IPV6: u8 = 41;
        matches!(self.carried(), Some(IPIP | IPV6))
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn frame(bytes: Vec<u8>) -> Frame {
        Frame { at: SystemTime::UNIX_EPOCH, interface: "eth0".into(), heading: Heading::Received, bytes }
    }

    #[test]
    fn an_arp_reply_claims_its_sender() {
        let mut bytes = vec![0xff; 6];
        bytes.extend([2, 0, 0, 0, 2, 11]);
        bytes.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 2, 11, 192, 0, 2, 100, 2, 0, 0, 0, 2, 1, 192, 0, 2, 1]);
        let claim = frame(bytes.clone()).claims();
        assert_eq!(claim, Some((Ipv4Addr::new(192, 0, 2, 100).into(), [2, 0, 0, 0, 2, 11])));
        // The same as a request claims nothing.
        bytes[21] = 1;
        assert_eq!(frame(bytes).claims(), None);
    }

    #[test]
    fn too_big_names_sender_and_mtu() {
        let mut bytes = Vec::new();
        let header = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1380 };
        PacketBuilder::ethernet2([0; 6], [1; 6])
            .ipv4([192, 0, 2, 100], [198, 51, 100, 10], 64)
            .icmpv4(Icmpv4Type::DestinationUnreachable(header))
            .write(&mut bytes, &[0; 28])
            .unwrap();
        assert_eq!(frame(bytes).too_big(), Some((Ipv4Addr::new(192, 0, 2, 100).into(), 1380)));

        let mut bytes = Vec::new();
        PacketBuilder::ethernet2([0; 6], [1; 6])
            .ipv6([1; 16], [2; 16], 64)
            .icmpv6(Icmpv6Type::PacketTooBig { mtu: 1360 })
            .write(&mut bytes, &[0; 48])
            .unwrap();
        assert_eq!(frame(bytes).too_big(), Some((Ipv6Addr::from([1; 16]).into(), 1360)));
    }

    #[test]
    fn noise_is_nothing() {
        for length in 0..40 {
            let frame = frame(vec![0x55; length]);
            assert!(
                frame.claims().is_none()
                    && frame.too_big().is_none()
                    && frame.ports().is_none()
                    && !frame.is_tunnelled()
            );
        }
    }
}
