//! A destination: a real server of one service, with everything that a packet needs resolved by user space.
//!
//! ```text
//! word 0: method (8), flags (8), MTU (16), next hop reference (32): compared and exchanged as one
//! word 1: server's port (16; 0: the one that the client chose), service's port (16), constant part of the outer
//!         header's sum (16)
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
    /// The packet travels inside another.
    pub const TUN: u8 = 3;
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
    /// See [`method`].
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
        let ports =
            u64::from(self.server_port) | u64::from(self.service_port) << 16 | u64::from(self.outer_sum()) << 32;
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

/// The method of word 0.
#[inline(always)]
pub const fn method_of(meta: u64) -> u8 {
    meta as u8
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
