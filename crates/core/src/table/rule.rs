//! A match rule: which new flows belong to the service of a mark.
//!
//! ```text
//! word 0: family (8: 4 or 6), protocol (8; 0: any), first and last destination port (16 each, host order)
//! word 1: index of the service (32), or bit 32: the rule's mark has no service
//! word 2, 3: source network    word 4, 5: its mask    word 6, 7: destination network    word 8, 9: its mask
//! ```
//!
//! The first rule that matches decides. Addresses and masks are in memory order, as everywhere.

use crate::world::Block;

/// Words of a record.
pub const WORDS: usize = 16;
/// Bit of word 1: nobody's.
pub const NOBODY: u64 = 1 << 32;

/// A rule, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Whether it is about IPv6.
    pub six: bool,
    /// The IP header's number; 0 is any.
    pub protocol: u8,
    /// First destination port, in host order.
    pub first: u16,
    /// Last one.
    pub last: u16,
    /// Index of the service, if its mark has one.
    pub service: Option<u32>,
    /// Address and mask.
    pub source: [[u64; 2]; 2],
    /// Address and mask.
    pub destination: [[u64; 2]; 2],
}

impl Rule {
    /// The record.
    pub const fn pack(&self) -> [u64; WORDS] {
        let family: u64 = if self.six { 6 } else { 4 };
        let ports = (self.first as u64) << 16 | (self.last as u64) << 32;
        let service = match self.service {
            Some(index) => index as u64,
            None => NOBODY,
        };
        let ([from, from_mask], [to, to_mask]) = (self.source, self.destination);
        [
            family | (self.protocol as u64) << 8 | ports,
            service,
            from[0] & from_mask[0],
            from[1] & from_mask[1],
            from_mask[0],
            from_mask[1],
            to[0] & to_mask[0],
            to[1] & to_mask[1],
            to_mask[0],
            to_mask[1],
            0,
            0,
            0,
            0,
            0,
            0,
        ]
    }
}

/// Whether a packet matches. The port is in memory order.
#[inline(always)]
pub fn matches<B: Block>(rule: B, six: bool, source: [u64; 2], destination: [u64; 2], protocol: u8, port: u16) -> bool {
    let what = rule.load(0);
    let (first, last) = ((what >> 16) as u16, (what >> 32) as u16);
    let wanted = (what >> 8) as u8;
    let port = u16::from_be(port);
    what as u8 == if six { 6 } else { 4 }
        && (wanted == 0 || wanted == protocol)
        && first <= port
        && port <= last
        && source[0] & rule.load(4) == rule.load(2)
        && source[1] & rule.load(5) == rule.load(3)
        && destination[0] & rule.load(8) == rule.load(6)
        && destination[1] & rule.load(9) == rule.load(7)
}
