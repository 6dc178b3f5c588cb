//! What a parse gives: the fields of a packet that decide its way, and where its headers are.

use crate::{family::Family, wire::protocol, world::Block};

/// Where a packet begins in the request line; what is before belongs to [`crate::flow::Request`].
const LINE: usize = 8;

/// Which part of a fragmented packet this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// It is whole.
    Whole,
    /// The first, with the transport header.
    First,
    /// A later one, without ports.
    Later,
}

/// A packet's fields. Lengths and offsets are in bytes; the rest is in memory order.
#[derive(Clone, Copy, Debug)]
pub struct Packet<A: Family> {
    /// Source address.
    pub source: A::Address,
    /// Destination address.
    pub destination: A::Address,
    /// Source port in the low half, destination port in the high one. 0 without a transport header.
    pub ports: u32,
    /// Of the transport header.
    pub protocol: u8,
    /// Of the TCP header.
    pub flags: u8,
    /// TTL, or hop limit.
    pub ttl: u8,
    /// Type of service, or traffic class.
    pub tos: u8,
    /// The packet's length, from its IP header on.
    pub length: u16,
    /// Where the IP header begins in the frame.
    pub ip: usize,
    /// Where the transport header begins.
    pub transport: usize,
    /// Flags and offset of the IPv4 header.
    pub fragment_field: u16,
    /// Identification of a packet: 16 bits of IPv4, 32 of an IPv6 fragment header.
    pub identification: u32,
    /// Which part of a fragmented packet this is.
    pub fragment: Fragment,
}

impl<A: Family> Packet<A> {
    /// Whether it is ICMP of its family.
    #[inline(always)]
    pub fn is_icmp(&self) -> bool {
        self.protocol == if A::SIX { protocol::ICMPV6 } else { protocol::ICMP }
    }

    /// Source port.
    #[inline(always)]
    pub fn source_port(&self) -> u16 {
        self.ports as u16
    }

    /// Destination port.
    #[inline(always)]
    pub fn destination_port(&self) -> u16 {
        (self.ports >> 16) as u16
    }

    /// Into the request line, for the next stage.
    #[inline(always)]
    pub(super) fn store<B: Block>(&self, line: B) {
        let (source, destination) = (A::words(self.source), A::words(self.destination));
        line.store(LINE, source[0]);
        line.store(LINE + 1, source[1]);
        line.store(LINE + 2, destination[0]);
        line.store(LINE + 3, destination[1]);
        let rest = [self.protocol, self.flags, self.ttl, self.tos];
        line.store(LINE + 4, u64::from(self.ports) | u64::from(u32::from_ne_bytes(rest)) << 32);
        let places = (self.ip as u64) << 16 | (self.transport as u64) << 32;
        line.store(LINE + 5, u64::from(self.length) | places | u64::from(self.fragment_field) << 48);
        let part = match self.fragment {
            Fragment::Whole => 0,
            Fragment::First => 1,
            Fragment::Later => 2,
        };
        line.store(LINE + 6, u64::from(self.identification) | part << 32);
    }

    /// From the request line.
    #[inline(always)]
    pub(super) fn load<B: Block>(line: B) -> Self {
        let (ports, places, rest) = (line.load(LINE + 4), line.load(LINE + 5), line.load(LINE + 6));
        Packet {
            source: A::address([line.load(LINE), line.load(LINE + 1)]),
            destination: A::address([line.load(LINE + 2), line.load(LINE + 3)]),
            ports: ports as u32,
            protocol: (ports >> 32) as u8,
            flags: (ports >> 40) as u8,
            ttl: (ports >> 48) as u8,
            tos: (ports >> 56) as u8,
            length: places as u16,
            ip: (places >> 16) as usize & 31,
            transport: (places >> 32) as usize & 0x3ff,
            fragment_field: (places >> 48) as u16,
            identification: rest as u32,
            fragment: match rest >> 32 {
                0 => Fragment::Whole,
                1 => Fragment::First,
                _ => Fragment::Later,
            },
        }
    }
}
