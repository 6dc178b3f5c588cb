//! Frames on the director's link: those that clients and servers send, and what those are that come out.
//!
//! One link carries everything: clients are behind a router, servers have a MAC each, which says who was chosen.
//! Sources: RFC 791, 8200, 793, 768, 9260 (SCTP and its CRC32c), 792, 4443.

use crate::{
    answer::{Answer, Way},
    case::{Flow, SCTP, Sent, TCP, UDP, director, server_number},
};
use std::net::{IpAddr, SocketAddr};

pub(crate) type Mac = [u8; 6];

/// Bytes before the IP header.
pub(crate) const ETHERNET: usize = 14;

/// The director's.
pub(crate) const DIRECTOR: Mac = [2, 0, 0, 0, 0, 1];
/// GRE's protocol number.
const GRE: u8 = 47;
/// The port of GUE tunnels.
pub(crate) const GUE_PORT: u16 = 6080;
/// The router that clients are behind.
pub(crate) const ROUTER: Mac = [2, 0, 0, 0, 1, 1];

/// A server's.
pub(crate) fn server_mac(server: IpAddr) -> Mac {
    [2, 0, 0, 0, 2, server_number(server)]
}

/// A client's packet.
pub(crate) fn from_client(flow: Flow, sent: Sent) -> Vec<u8> {
    frame(ROUTER, flow.client, flow.service, flow.protocol, sent)
}

/// What a server says to a client, that thinks so of itself: the director makes the service of it.
pub(crate) fn from_server(flow: Flow, server: SocketAddr, sent: Sent) -> Vec<u8> {
    frame(server_mac(server.ip()), server, flow.client, flow.protocol, sent)
}

fn frame(from: Mac, source: SocketAddr, destination: SocketAddr, protocol: u8, sent: Sent) -> Vec<u8> {
    let carried = segment(source, destination, protocol, sent);
    let mut bytes = [DIRECTOR, from].concat();
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.extend([8, 0]);
            let mut header = vec![0x45, 0];
            header.extend(((20 + carried.len()) as u16).to_be_bytes());
            header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            let check = !fold(sum(&header));
            header[10..12].copy_from_slice(&check.to_be_bytes());
            bytes.extend(header);
        }
        (source, destination) => {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            bytes.extend((carried.len() as u16).to_be_bytes());
            bytes.extend([protocol, 64]);
            bytes.extend(octets(source));
            bytes.extend(octets(destination));
        }
    }
    bytes.extend(carried);
    bytes
}

/// Transport header and data, with a right checksum.
fn segment(source: SocketAddr, destination: SocketAddr, protocol: u8, sent: Sent) -> Vec<u8> {
    let mut bytes = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    let check = match sent {
        Sent::Segment(flags) => {
            bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 5 << 4, flags, 0x20, 0, 0, 0, 0, 0]);
            if flags & crate::case::PSH != 0 {
                bytes.push(b'x');
            }
            16
        }
        Sent::Datagram => {
            bytes.extend([0, 9, 0, 0, b'x']);
            6
        }
        Sent::Chunk(chunk) => {
            bytes.extend([0, 0, 0, 7, 0, 0, 0, 0, chunk, 0, 0, 20]);
            bytes.extend([0; 16]);
            let crc = crc32c(&bytes);
            bytes[8..12].copy_from_slice(&crc.to_le_bytes());
            return bytes;
        }
    };
    let length = bytes.len() as u32;
    let pseudo = sum(&octets(source.ip())) + sum(&octets(destination.ip())) + u32::from(protocol) + length;
    let value = !fold(pseudo + sum(&bytes));
    bytes[check..check + 2].copy_from_slice(&value.to_be_bytes());
    bytes
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two.get(1).copied().unwrap_or(0))).sum()
}

fn fold(mut value: u32) -> u16 {
    while value > 0xffff {
        value = (value & 0xffff) + (value >> 16);
    }
    value as u16
}

/// RFC 9260 appendix A, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A packet that came out, as far as an answer needs it.
struct Seen {
    protocol: u8,
    source: SocketAddr,
    destination: SocketAddr,
    /// From the transport header on.
    carried: Vec<u8>,
}

fn read(packet: &[u8]) -> Option<Seen> {
    let (protocol, source, destination, carried): (u8, IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
            (*packet.get(9)?, address(12)?, address(16)?, packet.get(usize::from(packet[0] & 15) * 4..)?)
        }
        6 => {
            let address = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?));
            (*packet.get(6)?, address(8)?, address(24)?, packet.get(40..)?)
        }
        _ => return None,
    };
    let ports = matches!(protocol, TCP | UDP | SCTP);
    let port =
        |at: usize| if ports { Some(u16::from_be_bytes([*carried.get(at)?, *carried.get(at + 1)?])) } else { Some(0) };
    Some(Seen {
        protocol,
        source: SocketAddr::new(source, port(0)?),
        destination: SocketAddr::new(destination, port(2)?),
        carried: carried.to_vec(),
    })
}

/// What a frame that came out is an answer to this flow, or nothing if it is none of it.
pub(crate) fn classify(flow: Flow, frame: &[u8]) -> Option<Answer> {
    let to = frame.get(..6)?;
    if !matches!(frame.get(12..14)?, [8, 0] | [0x86, 0xdd]) {
        return None;
    }
    let seen = read(frame.get(14..)?)?;
    if to[..5] == [2, 0, 0, 0, 2] {
        if let Some(packet) = inside(frame.get(14..)?, &seen) {
            return Some(Answer::Inside { number: to[5], packet });
        }
        let (way, port) = match seen.protocol {
            4 | 41 => (Way::Tunnel, read(&seen.carried)?.destination.port()),
            _ if seen.destination.ip() == flow.service.ip() => (Way::Direct, seen.destination.port()),
            _ => (Way::Nat, seen.destination.port()),
        };
        return Some(Answer::Server { number: to[5], way, port });
    }
    if to != ROUTER {
        return None;
    }
    match (seen.protocol, seen.carried.first()?, seen.carried.get(1)?) {
        (1, 3, 3) | (58, 1, 4) => Some(Answer::Unreachable),
        // Of SCTP, which the director's stack does not speak: protocol unreachable, or unknown next header.
        (1, 3, 2) | (58, 4, 1) => Some(Answer::Reset),
        (1 | 58, kind, code) => Some(Answer::Icmp(*kind, *code)),
        (TCP, ..) if is_of_the_stack(flow, &seen) => Some(Answer::Reset),
        _ => Some(Answer::Client(seen.source)),
    }
}

/// A packet of the director's own with another inside, but for IP in IP of one family: its digits.
fn inside(packet: &[u8], seen: &Seen) -> Option<String> {
    let four = packet[0] >> 4 == 4;
    let tunnel = matches!((seen.protocol, four), (GRE, _) | (4, false) | (41, true))
        || seen.protocol == UDP && seen.destination.port() == GUE_PORT && seen.source.ip() == director(!four);
    if !tunnel {
        return None;
    }
    let mut packet = packet.to_vec();
    if four {
        assert_eq!(fold(sum(&packet[..20])), 0xffff, "the outer header's checksum: {packet:02x?}");
        // Identification and checksum.
        packet[4..6].fill(0);
        packet[10..12].fill(0);
        let six = match seen.protocol {
            GRE => seen.carried.get(2..4)? == [0x86, 0xdd],
            UDP => *seen.carried.get(9)? == 41,
            protocol => protocol == 41,
        };
        if six {
            // IPv6 in IPv4 is not to be fragmented by relvs (docs/differences.md, whole-6in4), and may be by IPVS.
            packet[6] &= !0x40;
        }
    }
    if seen.protocol == GRE && seen.carried.first() == Some(&0x80) {
        // IPVS says that there is one and leaves it 0 (docs/differences.md, gre-checksum).
        let check = seen.carried.get(4..6)?;
        assert!(check == [0, 0] || fold(sum(&seen.carried)) == 0xffff, "the tunnel's checksum: {packet:02x?}");
        let at = if four { 20 } else { 40 } + 4;
        packet[at..at + 2].fill(0);
    }
    if seen.protocol == UDP {
        assert!((32_768..60_999).contains(&seen.source.port()), "from port {}", seen.source.port());
        let at = if four { 20 } else { 40 };
        let length = seen.carried.len() as u32;
        let pseudo = sum(&octets(seen.source.ip())) + sum(&octets(seen.destination.ip())) + u32::from(UDP) + length;
        let check = u16::from_be_bytes([packet[at + 6], packet[at + 7]]);
        // A card that is not there would complete what the kernel leaves to it: the sum of the pseudo header alone.
        let right = fold(pseudo + sum(&seen.carried)) == 0xffff || check == fold(pseudo);
        assert!(check == 0 || right, "the tunnel's checksum: {packet:02x?}");
        packet[at..at + 2].fill(0);
        packet[at + 6..at + 8].fill(if check == 0 { 0 } else { 0xff });
    }
    Some(packet.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A reset from the service's address whose sequence number is what the client acknowledged, 2, or 0: the packets of
/// [`segment`] that servers send have 1.
fn is_of_the_stack(flow: Flow, seen: &Seen) -> bool {
    let sequence = seen.carried.get(4..8);
    let reset = seen.carried.get(13).is_some_and(|flags| flags & crate::case::RST != 0);
    reset && seen.source == flow.service && sequence != Some(&[0, 0, 0, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sctp_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn checksums_add_up() {
        let flow =
            Flow { protocol: TCP, client: "10.1.0.1:1000".parse().unwrap(), service: "192.0.2.1:80".parse().unwrap() };
        let bytes = from_client(flow, Sent::Segment(2));
        assert_eq!(fold(sum(&bytes[14..34])), 0xffff, "of the IPv4 header");
        let pseudo = sum(&bytes[26..34]) + u32::from(TCP) + (bytes.len() - 34) as u32;
        assert_eq!(fold(pseudo + sum(&bytes[34..])), 0xffff, "of the segment");
    }
}
