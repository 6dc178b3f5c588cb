//! A next hop: everything that is written in front of the IP header, and where the frame leaves.
//!
//! ```text
//! word 0: destination MAC (6), source MAC (first 2)
//! word 1: source MAC (last 4), interface (4)
//! word 2: MTU (16), number of tags (8), generation (12, from bit 32), valid (bit 63)
//! word 3: two VLAN tags as they stand in a frame
//! ```
//!
//! A record that is given to another neighbour gets the next generation: a flow that remembers it no longer finds it.

use crate::{wire::MAC, world::Block};

/// Words of a record.
pub const WORDS: usize = 4;
const VALID: u64 = 1 << 63;
const GENERATION: u64 = 0xfff;

/// A next hop, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// The neighbour's MAC, in the low 48 bits.
    pub destination: u64,
    /// The interface's own, likewise.
    pub source: u64,
    /// Index of the interface that carries the frame.
    pub interface: u32,
    /// Bytes that an IP packet may have on this way.
    pub mtu: u16,
    /// VLAN tags, outer first, as they stand in a frame: EtherType and tag control. 0: none.
    pub tags: [u32; 2],
    /// How often the record has changed hands; 12 bits.
    pub generation: u16,
}

impl Hop {
    /// The record.
    pub const fn pack(&self) -> [u64; WORDS] {
        let tags = (self.tags[0] != 0) as u64 + (self.tags[1] != 0) as u64;
        [
            self.destination & MAC | self.source << 48,
            (self.source & MAC) >> 16 | (self.interface as u64) << 32,
            self.mtu as u64 | tags << 16 | (self.generation as u64 & GENERATION) << 32 | VALID,
            self.tags[0] as u64 | (self.tags[1] as u64) << 32,
        ]
    }
}

/// A record that no flow finds valid; its generation stays.
pub const fn invalid(generation: u16) -> [u64; WORDS] {
    [0, 0, (generation as u64 & GENERATION) << 32, 0]
}

/// How a flow or a destination refers to a next hop: the index in the low 16 bits, the generation above. 0: to none.
#[inline(always)]
pub const fn reference(index: u16, generation: u16) -> u32 {
    index as u32 | (generation as u32 & GENERATION as u32) << 16
}

/// The index of a reference.
#[inline(always)]
pub const fn index(reference: u32) -> u32 {
    reference & 0xffff
}

/// Whether the record is the one that the reference means.
#[inline(always)]
pub fn is(record: u64, reference: u32) -> bool {
    record >> 32 == VALID >> 32 | u64::from(reference >> 16 & GENERATION as u32)
}

/// The MTU of word 2.
#[inline(always)]
pub const fn mtu(record: u64) -> u16 {
    record as u16
}

/// The number of tags of word 2.
#[inline(always)]
pub const fn tags(record: u64) -> usize {
    (record >> 16) as usize & 3
}

/// Reads a record whole.
#[inline(always)]
pub fn read<B: Block>(record: B) -> Hop {
    let [a, b, c, d] = [record.load(0), record.load(1), record.load(2), record.load(3)];
    Hop {
        destination: a & MAC,
        source: (a >> 48 | b << 16) & MAC,
        interface: (b >> 32) as u32,
        mtu: mtu(c),
        tags: [d as u32, (d >> 32) as u32],
        generation: (c >> 32) as u16 & GENERATION as u16,
    }
}
