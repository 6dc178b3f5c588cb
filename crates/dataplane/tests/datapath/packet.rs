//! Packets written down field by field, with checksums of this file's own making: what tests send and what they expect.

use crc::{CRC_32_ISCSI, Crc};
use std::net::IpAddr;

pub(crate) type Mac = [u8; 6];

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const SCTP: u8 = 132;
pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const OPTIONS: u8 = 60;

/// The one's complement sum of RFC 1071, not inverted.
pub(crate) fn sum(start: u32, bytes: &[u8]) -> u32 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// The sum of the pseudo header that TCP, UDP and ICMPv6 put before theirs.
pub(crate) fn pseudo(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> u32 {
    let rest = u32::from(protocol) + (length >> 16) as u32 + (length & 0xffff) as u32;
    sum(sum(rest, &octets(source)), &octets(destination))
}

/// SCTP's checksum as it stands in the header (RFC 9260, appendix A), over a packet whose field is zero.
pub(crate) fn crc32c(bytes: &[u8]) -> [u8; 4] {
    Crc::<u32>::new(&CRC_32_ISCSI).checksum(bytes).to_le_bytes()
}

/// Types of SCTP's chunks.
pub(crate) mod chunk {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const ABORT: u8 = 6;
    pub(crate) const SHUTDOWN: u8 = 7;
    pub(crate) const SHUTDOWN_ACK: u8 = 8;
    pub(crate) const COOKIE_ECHO: u8 = 10;
    pub(crate) const COOKIE_ACK: u8 = 11;
    pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// What the IP header carries.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Tcp {
        flags: u8,
        options: Vec<u8>,
    },
    /// With or without a checksum.
    Udp {
        checksum: bool,
    },
    /// Its chunks: type and value of each. The packet's data stand behind them.
    Sctp {
        chunks: Vec<(u8, Vec<u8>)>,
    },
    /// Type, code, the rest of the header.
    Icmp {
        kind: [u8; 2],
        rest: [u8; 4],
    },
    /// Another protocol, by its number.
    Other(u8),
}

/// A packet and the Ethernet header before it. The methods change one thing each.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) to: Mac,
    pub(crate) from: Mac,
    /// VLAN tags, outer first: EtherType and tag control.
    pub(crate) tags: Vec<(u16, u16)>,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ports: (u16, u16),
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) identification: u32,
    pub(crate) dont_fragment: bool,
    /// IPv4 options, a multiple of four bytes.
    pub(crate) options: Vec<u8>,
    /// IPv6 extension headers: kind, and what follows the first two bytes.
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
    /// Part of a fragmented packet: first byte, length, whether more follow. An IPv6 one with everything is "atomic".
    pub(crate) part: Option<(usize, usize, bool)>,
    pub(crate) body: Body,
    pub(crate) data: Vec<u8>,
    /// Ethernet's padding to 60 bytes.
    pub(crate) padded: bool,
}

impl Packet {
    pub(crate) fn new(source: (IpAddr, u16), destination: (IpAddr, u16), body: Body) -> Self {
        Packet {
            to: [0; 6],
            from: [0; 6],
            tags: Vec::new(),
            source: source.0,
            destination: destination.0,
            ports: (source.1, destination.1),
            ttl: 64,
            tos: 0,
            identification: 0,
            dont_fragment: true,
            options: Vec::new(),
            extensions: Vec::new(),
            part: None,
            body,
            data: Vec::new(),
            padded: false,
        }
    }

    pub(crate) fn tcp(source: (IpAddr, u16), destination: (IpAddr, u16), flags: u8) -> Self {
        Self::new(source, destination, Body::Tcp { flags, options: Vec::new() })
    }

    pub(crate) fn udp(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Self {
        Self::new(source, destination, Body::Udp { checksum: true })
    }

    /// One chunk with a value of four bytes.
    pub(crate) fn sctp(source: (IpAddr, u16), destination: (IpAddr, u16), chunk: u8) -> Self {
        Self::new(source, destination, Body::Sctp { chunks: vec![(chunk, vec![1, 2, 3, 4])] })
    }

    pub(crate) fn icmp(source: IpAddr, destination: IpAddr, kind: [u8; 2], rest: [u8; 4], data: Vec<u8>) -> Self {
        Packet { data, ..Self::new((source, 0), (destination, 0), Body::Icmp { kind, rest }) }
    }

    pub(crate) fn link(self, to: Mac, from: Mac) -> Self {
        Packet { to, from, ..self }
    }

    pub(crate) fn data(self, data: impl Into<Vec<u8>>) -> Self {
        Packet { data: data.into(), ..self }
    }

    pub(crate) fn ttl(self, ttl: u8) -> Self {
        Packet { ttl, ..self }
    }

    pub(crate) fn tags(self, tags: &[(u16, u16)]) -> Self {
        Packet { tags: tags.to_vec(), ..self }
    }

    pub(crate) fn part(self, first: usize, length: usize, more: bool) -> Self {
        Packet { part: Some((first, length, more)), ..self }
    }

    pub(crate) fn six(&self) -> bool {
        self.source.is_ipv6()
    }

    fn protocol(&self) -> u8 {
        match &self.body {
            Body::Tcp { .. } => TCP,
            Body::Udp { .. } => UDP,
            Body::Sctp { .. } => SCTP,
            Body::Icmp { .. } => {
                if self.six() {
                    58
                } else {
                    1
                }
            }
            Body::Other(protocol) => *protocol,
        }
    }

    /// The transport header and the data, with a right checksum.
    pub(crate) fn segment(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ports = [self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes()].concat();
        let field = match &self.body {
            Body::Tcp { flags, options } => {
                bytes.extend(ports);
                bytes.extend([
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    2,
                    ((5 + options.len() / 4) << 4) as u8,
                    *flags,
                    0x20,
                    0,
                    0,
                    0,
                    0,
                    0,
                ]);
                bytes.extend(options);
                Some(16)
            }
            Body::Udp { checksum } => {
                bytes.extend(ports);
                bytes.extend(((8 + self.data.len()) as u16).to_be_bytes());
                bytes.extend([0, 0]);
                checksum.then_some(6)
            }
            Body::Sctp { chunks } => {
                bytes.extend(ports);
                // The verification tag, and room for the checksum.
                bytes.extend([0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, 0]);
                for (kind, value) in chunks {
                    bytes.extend([*kind, 0]);
                    bytes.extend(((4 + value.len()) as u16).to_be_bytes());
                    bytes.extend(value);
                    bytes.resize(bytes.len().next_multiple_of(4), 0);
                }
                bytes.extend(&self.data);
                let sum = crc32c(&bytes);
                bytes[8..12].copy_from_slice(&sum);
                return bytes;
            }
            Body::Icmp { kind, rest } => {
                bytes.extend(kind);
                bytes.extend([0, 0]);
                bytes.extend(rest);
                Some(2)
            }
            Body::Other(_) => None,
        };
        bytes.extend(&self.data);
        if let Some(at) = field {
            let plain = matches!(self.body, Body::Icmp { .. }) && !self.six();
            let before = if plain { 0 } else { pseudo(self.source, self.destination, self.protocol(), bytes.len()) };
            let mut value = !(sum(before, &bytes) as u16);
            if value == 0 && matches!(self.body, Body::Udp { .. }) {
                value = 0xffff;
            }
            bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    /// From the IP header on.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut carried = self.segment();
        if let Some((first, length, _)) = self.part {
            let end = (first + length).min(carried.len());
            carried = carried[first.min(end)..end].to_vec();
        }
        let mut bytes = Vec::new();
        if self.six() {
            let mut next = self.protocol();
            let mut headers = self.extensions.clone();
            if let Some((first, _, more)) = self.part {
                let mut rest = (first as u16 | u16::from(more)).to_be_bytes().to_vec();
                rest.extend(self.identification.to_be_bytes());
                headers.push((44, rest));
            }
            let mut chain = Vec::new();
            for (kind, rest) in headers.iter().rev() {
                let units = if *kind == 44 { 0 } else { ((rest.len() + 2) / 8 - 1) as u8 };
                chain = [vec![next, units], rest.clone(), chain].concat();
                next = *kind;
            }
            bytes.extend([0x60 | self.tos >> 4, self.tos << 4, 0, 0]);
            bytes.extend(((chain.len() + carried.len()) as u16).to_be_bytes());
            bytes.extend([next, self.ttl]);
            bytes.extend(octets(self.source));
            bytes.extend(octets(self.destination));
            bytes.extend(chain);
        } else {
            let size = 20 + self.options.len();
            bytes.extend([0x40 | (size / 4) as u8, self.tos]);
            bytes.extend(((size + carried.len()) as u16).to_be_bytes());
            bytes.extend((self.identification as u16).to_be_bytes());
            let (first, more) = self.part.map_or((0, false), |(first, _, more)| (first, more));
            let field = (first / 8) as u16 | u16::from(more) << 13 | u16::from(self.dont_fragment) << 14;
            bytes.extend(field.to_be_bytes());
            bytes.extend([self.ttl, self.protocol(), 0, 0]);
            bytes.extend(octets(self.source));
            bytes.extend(octets(self.destination));
            bytes.extend(&self.options);
            let value = !(sum(0, &bytes) as u16);
            bytes[10..12].copy_from_slice(&value.to_be_bytes());
        }
        bytes.extend(carried);
        bytes
    }

    /// The frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let kind: u16 = if self.six() { 0x86dd } else { 0x0800 };
        ethernet(self.to, self.from, &self.tags, kind, &self.bytes(), self.padded)
    }
}

/// An Ethernet frame around a packet.
pub(crate) fn ethernet(to: Mac, from: Mac, tags: &[(u16, u16)], kind: u16, packet: &[u8], padded: bool) -> Vec<u8> {
    let mut frame = [to, from].concat();
    for (kind, control) in tags {
        frame.extend(kind.to_be_bytes());
        frame.extend(control.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    if padded && frame.len() < 60 {
        frame.resize(60, 0);
    }
    frame
}

/// What a packet is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tunnel {
    Ip,
    Gre {
        sum: bool,
    },
    /// From a port, to a port.
    Gue {
        ports: (u16, u16),
        sum: bool,
    },
}

/// `inner` inside IPv4 or IPv6, as a tunnel of RFC 2003 or 2473.
pub(crate) fn tunnelled(inner: &Packet, source: IpAddr, destination: IpAddr) -> Packet {
    inside(inner, Tunnel::Ip, source, destination)
}

/// `inner` in a tunnel between addresses of whichever family (RFC 2003, 2473, 2784, 4213; draft-ietf-intarea-gue-09).
pub(crate) fn inside(inner: &Packet, tunnel: Tunnel, source: IpAddr, destination: IpAddr) -> Packet {
    let number = if inner.six() { 41 } else { 4 };
    // IPv6 is not fragmented on its way, so what is around it is not either.
    let whole = inner.dont_fragment || inner.six() && source.is_ipv4();
    let around = |protocol, data| Packet {
        ttl: inner.ttl,
        tos: inner.tos,
        dont_fragment: whole,
        identification: if whole { 0 } else { inner.identification },
        data,
        ..Packet::new((source, 0), (destination, 0), Body::Other(protocol))
    };
    match tunnel {
        Tunnel::Ip => around(number, inner.bytes()),
        Tunnel::Gre { sum: with } => {
            let kind: [u8; 2] = if inner.six() { [0x86, 0xdd] } else { [8, 0] };
            let mut data = if with { vec![0x80, 0] } else { vec![0, 0] };
            data.extend(kind);
            data.extend(if with { &[0; 4][..] } else { &[] });
            data.extend(inner.bytes());
            if with {
                let value = !(sum(0, &data) as u16);
                data[4..6].copy_from_slice(&value.to_be_bytes());
            }
            around(47, data)
        }
        Tunnel::Gue { ports, sum: with } => {
            let packet = inner.bytes();
            let mut data = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
            data.extend((packet.len() as u16 + 12).to_be_bytes());
            data.extend([0, 0, 0, number, 0, 0]);
            data.extend(packet);
            if with {
                let value = !(sum(pseudo(source, destination, UDP, data.len()), &data) as u16);
                data[6..8].copy_from_slice(&(if value == 0 { 0xffff } else { value }).to_be_bytes());
            }
            around(UDP, data)
        }
    }
}
