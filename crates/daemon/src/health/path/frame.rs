//! Packets between the namespace and the wire: whose they are, their checksums, what goes around them.
//!
//! Bytes only. A packet that is cut off or is a later fragment is nobody's. Sources: RFC 791, RFC 8200, RFC 2003, RFC 2473, RFC 2784,
//! RFC 1071.

use relvs_model::Tunnel;
use std::net::IpAddr;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
const IPV4_IN: u8 = 4;
const IPV6_IN: u8 = 41;
const GRE: u8 = 47;
/// Where probes in GUE come from: one of Linux's ports for clients, as those of the data path are.
const GUE_SOURCE: u16 = 40_000;

/// Ethernet's type of a packet.
pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
/// The same for IPv6.
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;

/// A packet's header as far as it matters here.
struct Head {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// Where the transport header begins ...
    at: usize,
    /// ... and the packet ends.
    end: usize,
}

fn head(packet: &[u8]) -> Option<Head> {
    match packet.first()? >> 4 {
        4 => {
            let at = usize::from(packet.first()? & 0x0f) * 4;
            let end = usize::from(word(packet, 2)?);
            let fragment = word(packet, 6)? & 0x1fff;
            let source = IpAddr::from(*packet.get(12..)?.first_chunk::<4>()?);
            let destination = IpAddr::from(*packet.get(16..)?.first_chunk::<4>()?);
            let head = Head { source, destination, protocol: *packet.get(9)?, at, end };
            (fragment == 0 && at >= 20 && end >= at).then_some(head)
        }
        6 => {
            let source = IpAddr::from(*packet.get(8..)?.first_chunk::<16>()?);
            let destination = IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?);
            let end = 40 + usize::from(word(packet, 4)?);
            Some(Head { source, destination, protocol: *packet.get(6)?, at: 40, end })
        }
        _ => None,
    }
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

/// The VIP and the port of the probe that sends this packet.
pub(super) fn sender(packet: &[u8]) -> Option<(IpAddr, u16)> {
    let head = head(packet)?;
    let port = match head.protocol {
        TCP | UDP => word(packet, head.at)?,
        ICMP | ICMP6 => word(packet, head.at + 4)?,
        _ => return None,
    };
    Some((head.destination, port))
}

/// The VIP and the port of the probe that this packet is for: an answer, or an error about what it sent.
pub(super) fn receiver(packet: &[u8]) -> Option<(IpAddr, u16)> {
    /// Echo replies of ICMP and ICMPv6.
    const REPLIES: [(u8, u8); 2] = [(ICMP, 0), (ICMP6, 129)];
    let head = head(packet)?;
    match head.protocol {
        TCP | UDP => Some((head.source, word(packet, head.at + 2)?)),
        ICMP | ICMP6 => {
            if REPLIES.contains(&(head.protocol, *packet.get(head.at)?)) {
                return Some((head.source, word(packet, head.at + 4)?));
            }
            // What an error is about follows its eight bytes. Its end may be missing.
            sender(packet.get(head.at + 8..)?)
        }
        _ => None,
    }
}

/// Cuts off what follows the packet, and completes its transport checksum: the stack leaves it to a network card that is not there. One
/// that is wrong already would be made right, but the card that it came by has looked at it before.
pub(super) fn complete(packet: &mut Vec<u8>) -> Option<()> {
    let head = head(packet)?;
    (head.end <= packet.len()).then_some(())?;
    packet.truncate(head.end);
    let place = head.at
        + match head.protocol {
            TCP => 16,
            UDP => 6,
            ICMP6 => 2,
            // Its checksum has no pseudo header, and is complete.
            ICMP => return Some(()),
            _ => return None,
        };
    let length = packet.len() - head.at;
    let pseudo =
        u64::from(head.protocol) + u64::try_from(length).ok()? + addresses(head.source) + addresses(head.destination);
    packet.get_mut(place..place + 2)?.fill(0);
    let sum = !fold(pseudo + sum(packet.get(head.at..)?));
    // In UDP 0 would be no checksum.
    let sum = if head.protocol == UDP && sum == 0 { u16::MAX } else { sum };
    packet.get_mut(place..place + 2)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// A packet around this one, from the director to the server.
pub(super) fn wrap(packet: &[u8], tunnel: Tunnel, from: IpAddr, to: IpAddr) -> Option<Vec<u8>> {
    let inner = if packet.first()? >> 4 == 4 { IPV4_IN } else { IPV6_IN };
    let (carried, mut body) = match tunnel {
        Tunnel::Ipip => (inner, Vec::new()),
        Tunnel::Gre { checksum } => {
            let kind = if inner == IPV4_IN { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 }.to_be_bytes();
            let first = if checksum { [0x80, 0] } else { [0; 2] };
            let rest: &[u8] = if checksum { &[0; 4] } else { &[] };
            (GRE, [&first, &kind, rest].concat())
        }
        Tunnel::Gue { port, .. } => {
            let length = u16::try_from(packet.len()).ok()?.checked_add(12)?.to_be_bytes();
            let source = GUE_SOURCE.to_be_bytes();
            (UDP, [&source[..], &port.to_be_bytes(), &length, &[0; 2], &[0, inner, 0, 0]].concat())
        }
    };
    body.extend_from_slice(packet);
    let length = u16::try_from(body.len()).ok()?;
    match tunnel {
        Tunnel::Gre { checksum: true } => {
            let sum = !fold(sum(&body));
            body.get_mut(4..6)?.copy_from_slice(&sum.to_be_bytes());
        }
        Tunnel::Gue { checksum: true, .. } => {
            let pseudo = addresses(from) + addresses(to) + u64::from(UDP) + u64::from(length);
            let sum = !fold(pseudo + sum(&body));
            body.get_mut(6..8)?.copy_from_slice(&if sum == 0 { u16::MAX } else { sum }.to_be_bytes());
        }
        Tunnel::Ipip | Tunnel::Gre { .. } | Tunnel::Gue { .. } => {}
    }
    let mut outer = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut outer = vec![0x45, 0];
            outer.extend(length.checked_add(20)?.to_be_bytes());
            // No identification: it is not to be fragmented.
            outer.extend([0, 0, 0x40, 0, 64, carried, 0, 0]);
            outer.extend(from.octets());
            outer.extend(to.octets());
            let sum = !fold(sum(&outer));
            outer.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
            outer
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut outer = vec![0x60, 0, 0, 0];
            outer.extend(length.to_be_bytes());
            outer.extend([carried, 64]);
            outer.extend(from.octets());
            outer.extend(to.octets());
            outer
        }
        _ => return None,
    };
    outer.extend(body);
    Some(outer)
}

/// A frame around a packet.
pub(super) fn ethernet(destination: [u8; 6], source: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet.first().is_some_and(|first| first >> 4 == 4) { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
    let mut frame = Vec::with_capacity(14 + packet.len());
    frame.extend(destination);
    frame.extend(source);
    frame.extend(ethertype.to_be_bytes());
    frame.extend_from_slice(packet);
    frame
}

fn addresses(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(four) => sum(&four.octets()),
        IpAddr::V6(six) => sum(&six.octets()),
    }
}

/// The sum of 16-bit words, the last one filled up with a zero.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |&byte| u64::from(byte) << 8);
    words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum::<u64>() + last
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN from 10.0.0.1:64512 to 192.0.2.100:80 with its right checksums (as scapy computes them).
    const SYN: [u8; 40] = [
        0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0xae, 0x6b, 10, 0, 0, 1, 192, 0, 2, 100, 0xfc, 0, 0, 80, 0, 0, 0, 0, 0, 0,
        0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0,
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Whether all of a packet's transport part, with its pseudo header, sums up to what it must.
    fn is_right(packet: &[u8]) -> bool {
        let head = head(packet).unwrap();
        let pseudo = u64::from(head.protocol) + (packet.len() - head.at) as u64;
        fold(pseudo + addresses(head.source) + addresses(head.destination) + sum(&packet[head.at..])) == 0xffff
    }

    #[test]
    fn a_packet_belongs_to_a_probe() {
        assert_eq!(sender(&SYN), Some((ip("192.0.2.100"), 0xfc00)));
        let mut answer = SYN;
        answer[12..20].copy_from_slice(&[192, 0, 2, 100, 10, 0, 0, 1]);
        answer[20..24].copy_from_slice(&[0, 80, 0xfc, 0]);
        assert_eq!(receiver(&answer), Some((ip("192.0.2.100"), 0xfc00)));
        // Port unreachable, from a router, with the packet's first 28 bytes.
        let mut error = vec![0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1, 3, 3, 0, 0, 0, 0, 0, 0];
        error.extend(&SYN[..28]);
        assert_eq!(receiver(&error), Some((ip("192.0.2.100"), 0xfc00)));
        for length in 0..24 {
            assert_eq!((sender(&SYN[..length.min(21)]), receiver(&SYN[..length.min(23)])), (None, None));
        }
        let mut fragment = SYN;
        fragment[7] = 1;
        assert_eq!(sender(&fragment), None);
    }

    #[test]
    fn checksums_are_completed_and_padding_goes() {
        let mut packet = SYN.to_vec();
        packet.extend([0; 6]);
        complete(&mut packet).unwrap();
        assert!(packet.len() == 40 && is_right(&packet));
        packet[30] ^= 1;
        assert!(!is_right(&packet));
        assert_eq!(complete(&mut SYN[..39].to_vec()), None, "cut off");
        let mut six = vec![0x60, 0, 0, 0, 0, 9, UDP, 64];
        six.extend([1; 32]);
        six.extend([0xfc, 0, 0, 53, 0, 9, 0, 0, 7]);
        complete(&mut six).unwrap();
        assert!(is_right(&six));
    }

    #[test]
    fn a_packet_goes_around_another_of_the_same_family() {
        let outer = wrap(&SYN, Tunnel::Ipip, ip("10.0.0.1"), ip("10.0.0.2")).unwrap();
        assert_eq!((outer.len(), outer[9], sum(&outer[..20]) % 0xffff), (60, IPV4_IN, 0));
        assert_eq!(outer[20..], SYN);
        let outer = wrap(&[0x60; 40], Tunnel::Ipip, ip("2001:db8::1"), ip("2001:db8::2")).unwrap();
        assert_eq!((outer.len(), outer[6], word(&outer, 4)), (80, IPV6_IN, Some(40)));
        assert_eq!(wrap(&SYN, Tunnel::Ipip, ip("10.0.0.1"), ip("2001:db8::2")), None);
        assert_eq!(ethernet([1; 6], [2; 6], &SYN)[12..14], [8, 0]);
    }

    #[test]
    fn every_tunnel_has_its_headers_and_checksums() {
        for (from, to) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
            let (from, to) = (ip(from), ip(to));
            let outer = if from.is_ipv4() { 20 } else { 40 };
            for (text, carried, between) in [
                ("ipip", IPV4_IN, 0),
                ("gre", GRE, 4),
                ("gre+checksum", GRE, 8),
                ("gue:6080", UDP, 12),
                ("gue:6080+checksum", UDP, 12),
            ] {
                let packet = wrap(&SYN, text.parse().unwrap(), from, to).unwrap();
                let head = head(&packet).unwrap();
                assert_eq!((head.source, head.destination, head.protocol), (from, to, carried), "{text}");
                assert_eq!((head.at, head.end), (outer, packet.len()), "{text}");
                let body = &packet[outer..];
                assert_eq!(body[between..], SYN, "{text}");
                let pseudo = addresses(from) + addresses(to) + u64::from(UDP) + body.len() as u64;
                match text {
                    "gre" => assert_eq!(body[..4], [0, 0, 8, 0]),
                    "gre+checksum" => assert_eq!((&body[..4], fold(sum(body))), (&[0x80, 0, 8, 0][..], 0xffff)),
                    "gue:6080" => assert_eq!((word(body, 2), word(body, 6)), (Some(6080), Some(0))),
                    "gue:6080+checksum" => {
                        assert_eq!((&body[8..12], fold(pseudo + sum(body))), (&[0, 4, 0, 0][..], 0xffff));
                        assert_eq!(word(body, 4).map(usize::from), Some(body.len()));
                    }
                    _ => {}
                }
            }
        }
    }
}
