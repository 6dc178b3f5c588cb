//! A destination: a real server of one service, with everything that a packet needs resolved by user space.
//!
//! ```text
//! word 0: method and kind of tunnel (8), flags (8), MTU (16), next hop reference (32): compared and exchanged as one
//! word 1: server's port (16; 0: the one that the client chose), service's port (16), constant part of the outer
//!         header's sum (16), port of a GUE tunnel (16)
//! word 2, 3: RIP        word 4, 5: VIP        word 6, 7: DIP
//! ```
//!
//! Addresses and ports are in memory order; an IPv4 address is in the low half of its first word.

use crate::wire::{checksum, protocol};

/// No destination has this number.
pub const NONE: u32 = 0;
/// Destinations that a director may have at the most: 20 bits of a flow's control word.
pub const LIMIT: u32 = 1 << 20;

/// Methods.
pub mod method {
    /// The destination is rewritten.
    pub const NAT: u8 = 1;
    /// Only the MAC changes.
    pub const DR: u8 = 2;
    /// The packet travels inside another: in IP of its own family, unless [`super::tunnel`] has bits that say otherwise.
    pub const TUN: u8 = 3;
}

/// What packets of [`method::TUN`] travel in, as bits beside the method. None: IP in IP of one family, which the fast path
/// knows; the others have a stage of their own.
pub mod tunnel {
    /// GRE (RFC 2784).
    pub const GRE: u8 = 1 << 3;
    /// Generic UDP encapsulation (draft-ietf-intarea-gue, as Linux's fou has it).
    pub const GUE: u8 = 2 << 3;
    /// Which of these two, or 0.
    pub const TYPE: u8 = 3 << 3;
    /// It has a checksum: of the GRE header and what follows, or UDP's.
    pub const CHECKSUM: u8 = 1 << 5;
    /// The server's address is of the other family than the packet.
    pub const OTHER_FAMILY: u8 = 1 << 6;
    /// Bytes of a GRE header without a checksum.
    pub const GRE_HEADER: usize = 4;
    /// Bytes that a checksum adds to it.
    pub const GRE_CHECKSUM: usize = 4;
    /// Bytes of the UDP header and of the GUE header without options.
    pub const GUE_HEADER: usize = 12;
}

/// Flag: in service. Without it flows that refer to this destination are dropped.
pub const AVAILABLE: u8 = 1;
/// Flag: a smaller path MTU was learned from an ICMP error.
pub const LEARNED_MTU: u8 = 2;
/// Flag: its weight is 0.
pub const QUIESCED: u8 = 4;
/// Flag: of a mark's service or of one of any port: what its flows were sent to is what their packets say.
pub const WILDCARD: u8 = 8;
/// Flag: it is the director itself.
pub const LOCAL: u8 = 16;

/// Word of the method, flags, MTU and next hop.
pub const META: usize = 0;
/// Word of the ports and the outer header's sum.
pub const PORTS: usize = 1;
/// First word of the RIP.
pub const RIP: usize = 2;
/// First word of the VIP.
pub const VIP: usize = 4;
/// First word of the DIP.
pub const DIP: usize = 6;

/// A destination, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// See [`method`] and [`tunnel`].
    pub method: u8,
    /// See [`AVAILABLE`] and [`LEARNED_MTU`].
    pub flags: u8,
    /// Bytes that a packet may have before anything is put around it.
    pub mtu: u16,
    /// See [`super::hop::reference`].
    pub hop: u32,
    /// The server's port.
    pub server_port: u16,
    /// The service's port.
    pub service_port: u16,
    /// The port of a GUE tunnel.
    pub tunnel_port: u16,
    /// The server's address.
    pub rip: [u64; 2],
    /// The service's.
    pub vip: [u64; 2],
    /// The director's, towards the server.
    pub dip: [u64; 2],
}

impl Destination {
    /// Word 0.
    pub const fn meta(&self) -> u64 {
        self.method as u64 | (self.flags as u64) << 8 | (self.mtu as u64) << 16 | (self.hop as u64) << 32
    }

    /// The record.
    pub fn pack(&self) -> [u64; 8] {
        let ports = u64::from(self.server_port) | u64::from(self.service_port) << 16;
        let ports = ports | u64::from(self.outer_sum()) << 32 | u64::from(self.tunnel_port) << 48;
        [self.meta(), ports, self.rip[0], self.rip[1], self.vip[0], self.vip[1], self.dip[0], self.dip[1]]
    }

    /// What of an outer IPv4 header's sum does not change from packet to packet: version, protocol and addresses.
    fn outer_sum(&self) -> u16 {
        let first = 0x45;
        let protocol = u64::from(u16::from_ne_bytes([0, protocol::IPV4]));
        checksum::fold(first + protocol + (self.rip[0] & 0xffff_ffff) + (self.dip[0] & 0xffff_ffff))
    }
}

/// The server's port of word 1: its own, or the one that the client chose.
#[inline(always)]
pub const fn server_port(ports: u64, chosen: u16) -> u16 {
    let own = ports as u16;
    if own == 0 { chosen } else { own }
}

/// The method of word 0, with the bits that say more about a tunnel.
#[inline(always)]
pub const fn method_of(meta: u64) -> u8 {
    meta as u8
}

/// Whether packets travel inside others by this method, of whatever kind.
#[inline(always)]
pub const fn tunnels(method: u8) -> bool {
    method & 7 == method::TUN
}

/// Bytes between the outer IP header and the packet inside.
#[inline(always)]
pub const fn between(method: u8) -> usize {
    match method & tunnel::TYPE {
        tunnel::GRE if method & tunnel::CHECKSUM != 0 => tunnel::GRE_HEADER + tunnel::GRE_CHECKSUM,
        tunnel::GRE => tunnel::GRE_HEADER,
        tunnel::GUE => tunnel::GUE_HEADER,
        _ => 0,
    }
}

/// Bytes that this method puts in front of a packet to a server with an IPv6 address (`six`) or an IPv4 one.
#[inline(always)]
pub const fn overhead(method: u8, six: bool) -> u16 {
    if !tunnels(method) {
        return 0;
    }
    (if six { 40 } else { 20 }) + between(method) as u16
}

/// The port of a GUE tunnel of word 1.
#[inline(always)]
pub const fn tunnel_port(ports: u64) -> u16 {
    (ports >> 48) as u16
}

/// Whether word 0 has this flag.
#[inline(always)]
pub const fn has(meta: u64, flag: u8) -> bool {
    meta & (flag as u64) << 8 != 0
}

/// Whether packets are rewritten, so that replies come back: NAT to another machine.
#[inline(always)]
pub const fn rewrites(meta: u64) -> bool {
    method_of(meta) == method::NAT && !has(meta, LOCAL)
}

/// The MTU of word 0.
#[inline(always)]
pub const fn mtu(meta: u64) -> u16 {
    (meta >> 16) as u16
}

/// Word 0 with another MTU.
#[inline(always)]
pub const fn with_mtu(meta: u64, mtu: u16) -> u64 {
    meta & !(0xffff << 16) | (mtu as u64) << 16
}

/// The next hop of word 0.
#[inline(always)]
pub const fn hop(meta: u64) -> u32 {
    (meta >> 32) as u32
}
