//! Frames that nobody sent, and what a frame says: Ethernet II, IPv4 (RFC 791), IPv6 (RFC 8200), TCP, UDP, SCTP.
//!
//! It knows what the director writes and no more: no options, no extension headers.

use super::Asked;
use relvs_core::{
    state::sctp::chunk,
    wire::{checksum, protocol},
};
use relvs_model::Protocol;
use relvs_net::Mac;
use std::net::{IpAddr, SocketAddr};

/// Where the packet of nobody comes from.
const SENDER: Mac = [2, 0, 0, 0, 0, 1];
/// TTL, or hop limit.
const TTL: u8 = 64;

/// Bytes of the smallest packet of this protocol, from its IP header on.
pub(super) fn least(protocol: Protocol, ipv4: bool) -> u16 {
    let header = if ipv4 { 20 } else { 40 };
    header
        + match protocol {
            Protocol::Tcp => 20,
            Protocol::Udp => 8,
            Protocol::Sctp => 32,
        }
}

/// The frame that is asked about, to the interface with this MAC.
pub(in crate::director) fn build(asked: &Asked, to: Mac) -> Vec<u8> {
    let (source, destination) = (asked.source, asked.destination);
    let four = source.is_ipv4();
    let header = if four { 20 } else { 40 };
    let mut body = vec![0; usize::from(asked.length) - header];
    body[..2].copy_from_slice(&source.port().to_be_bytes());
    body[2..4].copy_from_slice(&destination.port().to_be_bytes());
    let length = body.len() as u16;
    let at = match asked.protocol {
        Protocol::Tcp => {
            body[12] = 5 << 4;
            body[13] = asked.flags;
            Some(16)
        }
        Protocol::Udp => {
            body[4..6].copy_from_slice(&length.to_be_bytes());
            Some(6)
        }
        // Its checksum is of another kind, and no director looks at it.
        Protocol::Sctp => {
            body[12] = asked.flags;
            let rest = length - 12;
            body[14..16].copy_from_slice(&rest.to_be_bytes());
            None
        }
    };
    if let Some(at) = at {
        let pseudo = sum(&octets(source.ip())) + sum(&octets(destination.ip()));
        let pseudo = pseudo + u64::from(u16::from_be_bytes([0, asked.protocol.number()])) + u64::from(length);
        let value = !fold(pseudo + sum(&body));
        body[at..at + 2].copy_from_slice(&(if value == 0 { 0xffff } else { value }).to_be_bytes());
    }
    let mut frame = Vec::with_capacity(14 + usize::from(asked.length));
    frame.extend(to);
    frame.extend(SENDER);
    frame.extend(if four { [8, 0] } else { [0x86, 0xdd] });
    frame.extend(ip_header(asked));
    frame.extend(body);
    frame
}

fn ip_header(asked: &Asked) -> Vec<u8> {
    let (from, to) = (octets(asked.source.ip()), octets(asked.destination.ip()));
    if asked.source.is_ipv4() {
        let [high, low] = asked.length.to_be_bytes();
        // "Do not fragment", as today's senders set it.
        let mut header = vec![0x45, 0, high, low, 0, 0, 0x40, 0, TTL, asked.protocol.number(), 0, 0];
        header.extend(from);
        header.extend(to);
        let value = !fold(sum(&header));
        header[10..12].copy_from_slice(&value.to_be_bytes());
        return header;
    }
    let [high, low] = (asked.length - 40).to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, high, low, asked.protocol.number(), TTL];
    header.extend(from);
    header.extend(to);
    header
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// The sum of RFC 1071, not folded.
fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    bytes.chunks(2).map(word).sum()
}

fn fold(sum: u64) -> u16 {
    checksum::fold(sum)
}

/// What a frame says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) destination_mac: Mac,
    pub(super) source_mac: Mac,
    pub(super) vlans: Vec<u16>,
    /// Source and destination of the header that is around the packet, and the kind of tunnel, if there is one.
    pub(super) outer: Option<(IpAddr, IpAddr, String)>,
    /// Those of the packet, with their ports.
    pub(super) ends: Option<(SocketAddr, SocketAddr)>,
    pub(super) ttl: u8,
    /// Type and code, if it is ICMP.
    pub(super) icmp: Option<[u8; 2]>,
}

/// Reads a frame that the director has written. Of one that is inside another, `between` is how many bytes the tunnel has
/// besides its IP header.
pub(super) fn read(frame: &[u8], between: Option<usize>) -> Option<Read> {
    let mut read = Read {
        destination_mac: frame.get(..6)?.try_into().ok()?,
        source_mac: frame.get(6..12)?.try_into().ok()?,
        ..Read::default()
    };
    let mut at = 12;
    while let [0x81, 0] | [0x88, 0xa8] = frame.get(at..at + 2)? {
        read.vlans.push(u16::from_be_bytes(frame.get(at + 2..at + 4)?.try_into().ok()?) & 0xfff);
        at += 4;
    }
    let mut rest = frame.get(at + 2..)?;
    let mut header = ip(rest)?;
    if let Some(between) = between {
        let tunnel = match header.protocol {
            protocol::IPV4 | protocol::IPV6 => "ipip".to_owned(),
            protocol::GRE => "gre".to_owned(),
            _ => format!("gue:{}", u16::from_be_bytes(rest.get(header.size + 2..header.size + 4)?.try_into().ok()?)),
        };
        read.outer = Some((header.source, header.destination, tunnel));
        rest = rest.get(header.size + between..)?;
        header = ip(rest)?;
    }
    read.ttl = header.ttl;
    let body = rest.get(header.size..)?;
    if matches!(header.protocol, protocol::ICMP | protocol::ICMPV6) {
        read.icmp = body.get(..2)?.try_into().ok();
    }
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    read.ends = Some((SocketAddr::new(header.source, port(0)?), SocketAddr::new(header.destination, port(2)?)));
    Some(read)
}

struct Header {
    size: usize,
    protocol: u8,
    ttl: u8,
    source: IpAddr,
    destination: IpAddr,
}

fn ip(bytes: &[u8]) -> Option<Header> {
    let four = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
    let six = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?));
    Some(if bytes.first()? >> 4 == 4 {
        let (protocol, ttl) = (*bytes.get(9)?, *bytes.get(8)?);
        Header { size: usize::from(bytes[0] & 15) * 4, protocol, ttl, source: four(12)?, destination: four(16)? }
    } else {
        let (protocol, ttl) = (*bytes.get(6)?, *bytes.get(7)?);
        Header { size: 40, protocol, ttl, source: six(8)?, destination: six(24)? }
    })
}

/// TCP's flags that count.
const FLAGS: [(&str, u8); 4] = [("fin", 1), ("syn", 2), ("rst", 4), ("ack", 16)];
/// SCTP's chunks that count, and one of the others.
const CHUNKS: [(&str, u8); 10] = [
    ("data", 0),
    ("init", chunk::INIT),
    ("init-ack", chunk::INIT_ACK),
    ("abort", chunk::ABORT),
    ("shutdown", chunk::SHUTDOWN),
    ("shutdown-ack", chunk::SHUTDOWN_ACK),
    ("error", chunk::ERROR),
    ("cookie-echo", chunk::COOKIE_ECHO),
    ("cookie-ack", chunk::COOKIE_ACK),
    ("shutdown-complete", chunk::SHUTDOWN_COMPLETE),
];

/// TCP's flags of a list of names, or the type of SCTP's first chunk. None said: what opens a flow.
pub(crate) fn flags(protocol: Protocol, text: Option<&str>) -> Result<u8, String> {
    let names = |known: &[(&str, u8)]| known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    match (protocol, text) {
        (Protocol::Tcp, None) => Ok(2),
        (Protocol::Sctp, None) => Ok(chunk::INIT),
        (Protocol::Udp, None) => Ok(0),
        (Protocol::Tcp, Some(text)) => text.split(',').try_fold(0, |all, name| {
            let known = FLAGS.iter().find(|(known, _)| *known == name.trim());
            known.map(|(_, bit)| all | bit).ok_or_else(|| format!("flags: `{name}`: TCP has {}", names(&FLAGS)))
        }),
        (Protocol::Sctp, Some(text)) => {
            let known = CHUNKS.iter().find(|(known, _)| *known == text.trim());
            known.map(|(_, kind)| *kind).ok_or_else(|| format!("flags: `{text}`: chunks are {}", names(&CHUNKS)))
        }
        (Protocol::Udp, Some(_)) => Err("flags: UDP has none".to_owned()),
    }
}

/// The other way.
pub(crate) fn flag_names(protocol: Protocol, flags: u8) -> Option<String> {
    match protocol {
        Protocol::Udp => None,
        Protocol::Tcp => {
            let set: Vec<&str> = FLAGS.iter().filter(|(_, bit)| flags & bit != 0).map(|(name, _)| *name).collect();
            Some(set.join(","))
        }
        Protocol::Sctp => CHUNKS.iter().find(|(_, kind)| *kind == flags).map(|(name, _)| (*name).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(protocol: Protocol, source: &str, destination: &str, length: u16) -> Asked {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        Asked { source, destination, protocol, flags: flags(protocol, None).unwrap(), interface: None, length }
    }

    #[test]
    fn a_frame_is_read_as_it_was_built() {
        for protocol in Protocol::ALL {
            for (source, destination) in
                [("198.51.100.7:40000", "192.0.2.1:80"), ("[2001:db8::7]:1", "[2001:db8::1]:2")]
            {
                let four = source.starts_with('1');
                for length in [least(protocol, four), 1500] {
                    let asked = asked(protocol, source, destination, length);
                    let frame = build(&asked, [2, 0, 0, 0, 0, 9]);
                    assert_eq!(frame.len(), 14 + usize::from(length));
                    let read = read(&frame, None).unwrap();
                    assert_eq!(read.ends, Some((asked.source, asked.destination)));
                    assert_eq!((read.destination_mac, read.source_mac), ([2, 0, 0, 0, 0, 9], SENDER));
                    assert!(read.outer.is_none());
                    assert_eq!((read.icmp, read.ttl, read.vlans.len()), (None, TTL, 0));
                    if protocol != Protocol::Sctp {
                        let body = &frame[14 + if four { 20 } else { 40 }..];
                        let ends = sum(&octets(asked.source.ip())) + sum(&octets(asked.destination.ip()));
                        let pseudo = ends + u64::from(protocol.number()) + body.len() as u64;
                        assert_eq!(fold(pseudo + sum(body)), 0xffff);
                    }
                }
            }
        }
    }

    #[test]
    fn flags_are_read_as_they_are_shown() {
        for text in ["syn", "fin,ack", "rst", "fin,syn,rst,ack"] {
            let bits = flags(Protocol::Tcp, Some(text)).unwrap();
            assert_eq!(flag_names(Protocol::Tcp, bits).unwrap(), text);
        }
        for (name, kind) in CHUNKS {
            assert_eq!(flags(Protocol::Sctp, Some(name)), Ok(kind));
            assert_eq!(flag_names(Protocol::Sctp, kind).unwrap(), name);
        }
        for (protocol, text) in
            [(Protocol::Tcp, "psh"), (Protocol::Tcp, ""), (Protocol::Sctp, "syn"), (Protocol::Udp, "syn")]
        {
            assert!(flags(protocol, Some(text)).is_err(), "{text}");
        }
    }
}
