//! What differs between IPv4 and IPv6, so that everything else is written once.

use crate::{
    flow::control,
    wire::checksum,
    world::{Block, Constants, Tables, Zone},
};

/// An address family: how wide its addresses are, where its tables lie.
pub trait Family: Copy {
    /// An address, in memory order.
    type Address: Copy + PartialEq + core::fmt::Debug;
    /// A bucket of flows.
    type Bucket<T: Tables>: Block;
    /// Whether it is IPv6.
    const SIX: bool;
    /// Bytes of the IP header without options or extensions.
    const HEADER: usize;
    /// Words of a flow's record.
    const RECORD: usize;

    /// The flow hash: a multilinear hash with random multipliers, finished so that all its bits are good.
    fn hash(c: &Constants, source: Self::Address, destination: Self::Address, ports: u32) -> u64;
    /// A bucket of flows; `hash` is cut to the table's size.
    fn bucket<T: Tables>(t: &T, zone: Zone, bucket: u32) -> Option<Self::Bucket<T>>;
    /// Buckets - 1.
    fn mask(c: &Constants, zone: Zone) -> u32;
    /// Whether the record at `word` has these addresses.
    fn same<B: Block>(b: B, word: usize, source: Self::Address, destination: Self::Address) -> bool;
    /// Writes addresses into the record at `word`.
    fn write<B: Block>(b: B, word: usize, source: Self::Address, destination: Self::Address);
    /// Word of a record that holds the ports.
    const PORTS: usize;
    /// Word of a record that holds the link.
    const LINK: usize;
    /// What replacing an address adds to a sum.
    fn change(old: Self::Address, new: Self::Address) -> u64;
    /// As it stands in two words of a table.
    fn words(address: Self::Address) -> [u64; 2];
    /// From two words of a table.
    fn address(words: [u64; 2]) -> Self::Address;
    /// The value of the service entry with this key.
    fn entry<T: Tables>(
        t: &T,
        half: u32,
        multiplier: u64,
        c: &Constants,
        address: Self::Address,
        key: u64,
    ) -> Option<u64>;
    /// [`crate::director::open`], out of line.
    fn open<T: Tables>(t: &T) -> u64;
    /// [`crate::flow::insert`], out of line.
    fn insert<T: Tables>(t: &T) -> u64;
    /// [`crate::flow::settle`], out of line.
    fn settle<T: Tables>(t: &T) -> u64;
    /// [`crate::director::persist`], out of line.
    fn persist<T: Tables>(t: &T) -> u64;
    /// [`crate::director::template`], out of line.
    fn template<T: Tables>(t: &T) -> u64;
    /// The destination address of the record at `word`.
    fn read_destination<B: Block>(b: B, word: usize) -> Self::Address;
    /// The part of an address that a service's netmask leaves: `four` is IPv4's, in memory order, `six` IPv6's prefix.
    fn network(address: Self::Address, four: u32, six: u8) -> Self::Address;
    /// Whether no client can have this address.
    fn martian(address: Self::Address) -> bool;
}

/// IPv4.
#[derive(Clone, Copy, Debug)]
pub struct V4;
/// IPv6.
#[derive(Clone, Copy, Debug)]
pub struct V6;

/// The last steps of the flow hash.
#[inline(always)]
fn finish(c: &Constants, mut h: u64) -> u64 {
    h ^= h >> 32;
    h = h.wrapping_mul(c.multipliers[0]);
    h ^ h >> 29
}

/// The first bits of a word of an address, in memory order; all from 64 on.
#[inline(always)]
fn prefix(bits: u8) -> u64 {
    let bits = if bits > 64 { 64 } else { bits };
    if bits == 0 { 0 } else { (u64::MAX << (64 - u32::from(bits))).to_be() }
}

#[inline(always)]
fn zone(zone: Zone) -> usize {
    match zone {
        Zone::Settled => 0,
        Zone::Young => 1,
    }
}

impl Family for V4 {
    type Address = u32;
    type Bucket<T: Tables> = T::Double;
    const SIX: bool = false;
    const HEADER: usize = 20;
    const RECORD: usize = 4;
    const PORTS: usize = 2;
    const LINK: usize = 3;

    #[inline(always)]
    fn hash(c: &Constants, source: u32, destination: u32, ports: u32) -> u64 {
        // Each by itself: a product carries nothing down, so what stands high in a word would be spread badly.
        let m = &c.multipliers;
        let sum = u64::from(source).wrapping_mul(m[1]).wrapping_add(u64::from(destination).wrapping_mul(m[3]));
        finish(c, sum.wrapping_add(u64::from(ports).wrapping_mul(m[2])))
    }
    #[inline(always)]
    fn bucket<T: Tables>(t: &T, zone: Zone, bucket: u32) -> Option<T::Double> {
        t.flows4(zone, bucket)
    }
    #[inline(always)]
    fn mask(c: &Constants, z: Zone) -> u32 {
        c.masks4[zone(z)]
    }
    #[inline(always)]
    fn same<B: Block>(b: B, word: usize, source: u32, destination: u32) -> bool {
        b.load(word + 1) == u64::from(source) | u64::from(destination) << 32
    }
    #[inline(always)]
    fn write<B: Block>(b: B, word: usize, source: u32, destination: u32) {
        b.store(word + 1, u64::from(source) | u64::from(destination) << 32);
    }
    #[inline(always)]
    fn change(old: u32, new: u32) -> u64 {
        checksum::change(old, new)
    }
    #[inline(always)]
    fn words(address: u32) -> [u64; 2] {
        [u64::from(address), 0]
    }
    #[inline(always)]
    fn address(words: [u64; 2]) -> u32 {
        words[0] as u32
    }
    #[inline(always)]
    fn entry<T: Tables>(t: &T, half: u32, multiplier: u64, c: &Constants, address: u32, key: u64) -> Option<u64> {
        let key = key | u64::from(address);
        let set = t.services4(half | crate::table::entry::set4(multiplier, key) & c.set_mask)?;
        if set.load(0) == key {
            Some(set.load(1))
        } else if set.load(2) == key {
            Some(set.load(3))
        } else if set.load(4) == key {
            Some(set.load(5))
        } else if set.load(6) == key {
            Some(set.load(7))
        } else {
            None
        }
    }
    #[inline(always)]
    fn open<T: Tables>(t: &T) -> u64 {
        t.open4()
    }
    #[inline(always)]
    fn insert<T: Tables>(t: &T) -> u64 {
        t.insert4()
    }
    #[inline(always)]
    fn settle<T: Tables>(t: &T) -> u64 {
        t.settle4()
    }
    #[inline(always)]
    fn persist<T: Tables>(t: &T) -> u64 {
        t.persist4()
    }
    #[inline(always)]
    fn template<T: Tables>(t: &T) -> u64 {
        t.template4()
    }
    #[inline(always)]
    fn read_destination<B: Block>(b: B, word: usize) -> u32 {
        (b.load(word + 1) >> 32) as u32
    }
    #[inline(always)]
    fn network(address: u32, four: u32, _: u8) -> u32 {
        address & four
    }
    #[inline(always)]
    fn martian(address: u32) -> bool {
        // 0.0.0.0/8, 127.0.0.0/8, and 224.0.0.0 to 255.255.255.255.
        let first = address as u8;
        first == 0 || first == 127 || first >= 224
    }
}

impl Family for V6 {
    type Address = [u64; 2];
    type Bucket<T: Tables> = T::Quadruple;
    const SIX: bool = true;
    const HEADER: usize = 40;
    const RECORD: usize = 8;
    const PORTS: usize = 5;
    const LINK: usize = 6;

    #[inline(always)]
    fn hash(c: &Constants, source: [u64; 2], destination: [u64; 2], ports: u32) -> u64 {
        let m = &c.multipliers;
        let sum = source[0].wrapping_mul(m[1]);
        let sum = sum.wrapping_add(source[1].wrapping_mul(m[2]));
        let sum = sum.wrapping_add(destination[0].wrapping_mul(m[3]));
        let sum = sum.wrapping_add(destination[1].wrapping_mul(m[4]));
        let sum = sum.wrapping_add(u64::from(ports).wrapping_mul(m[5]));
        // The last bytes of an address are the highest of its words, and a product carries nothing down from there:
        // without a second round, neighbouring clients would share few buckets.
        finish(c, (sum ^ sum >> 32).wrapping_mul(m[1]))
    }
    #[inline(always)]
    fn bucket<T: Tables>(t: &T, zone: Zone, bucket: u32) -> Option<T::Quadruple> {
        t.flows6(zone, bucket)
    }
    #[inline(always)]
    fn mask(c: &Constants, z: Zone) -> u32 {
        c.masks6[zone(z)]
    }
    #[inline(always)]
    fn same<B: Block>(b: B, word: usize, source: [u64; 2], destination: [u64; 2]) -> bool {
        b.load(word + 2) == source[1]
            && b.load(word + 1) == source[0]
            && b.load(word + 4) == destination[1]
            && b.load(word + 3) == destination[0]
    }
    #[inline(always)]
    fn write<B: Block>(b: B, word: usize, source: [u64; 2], destination: [u64; 2]) {
        b.store(word + 1, source[0]);
        b.store(word + 2, source[1]);
        b.store(word + 3, destination[0]);
        b.store(word + 4, destination[1]);
    }
    #[inline(always)]
    fn change(old: [u64; 2], new: [u64; 2]) -> u64 {
        checksum::change128(old, new)
    }
    #[inline(always)]
    fn words(address: [u64; 2]) -> [u64; 2] {
        address
    }
    #[inline(always)]
    fn address(words: [u64; 2]) -> [u64; 2] {
        words
    }
    #[inline(always)]
    fn entry<T: Tables>(t: &T, half: u32, multiplier: u64, c: &Constants, a: [u64; 2], key: u64) -> Option<u64> {
        let set = t.services6(half | crate::table::entry::set6(multiplier, a, key) & c.set_mask)?;
        let at =
            |slot: usize| set.load(slot * 4) == key && set.load(slot * 4 + 2) == a[1] && set.load(slot * 4 + 1) == a[0];
        if at(0) {
            Some(set.load(3))
        } else if at(1) {
            Some(set.load(7))
        } else if at(2) {
            Some(set.load(11))
        } else if at(3) {
            Some(set.load(15))
        } else {
            None
        }
    }
    #[inline(always)]
    fn open<T: Tables>(t: &T) -> u64 {
        t.open6()
    }
    #[inline(always)]
    fn insert<T: Tables>(t: &T) -> u64 {
        t.insert6()
    }
    #[inline(always)]
    fn settle<T: Tables>(t: &T) -> u64 {
        t.settle6()
    }
    #[inline(always)]
    fn persist<T: Tables>(t: &T) -> u64 {
        t.persist6()
    }
    #[inline(always)]
    fn template<T: Tables>(t: &T) -> u64 {
        t.template6()
    }
    #[inline(always)]
    fn read_destination<B: Block>(b: B, word: usize) -> [u64; 2] {
        [b.load(word + 3), b.load(word + 4)]
    }
    #[inline(always)]
    fn network(address: [u64; 2], _: u32, six: u8) -> [u64; 2] {
        [address[0] & prefix(six), address[1] & prefix(six.saturating_sub(64))]
    }
    #[inline(always)]
    fn martian(address: [u64; 2]) -> bool {
        // ff00::/8, :: and ::1.
        address[0] as u8 == 0xff || address[0] == 0 && address[1] & !(1 << 56) == 0
    }
}

const _: () = assert!(V4::RECORD * control::SLOTS == 16 && V6::RECORD * control::SLOTS == 32);
