//! What is packed into words comes out of them again, and checksums that are changed are those that are computed anew.

use proptest::prelude::*;
use relvs_core::{
    Block,
    flow::{Link, control},
    table::{
        active, destination,
        hop::{self, Hop},
        interface, load,
        rule::{self, Rule},
        service,
    },
    wire::{MAC, checksum},
};

/// A record that nobody else has.
#[derive(Clone, Copy)]
struct Words<'a>(&'a [u64]);

impl Block for Words<'_> {
    fn load(self, word: usize) -> u64 {
        self.0.get(word).copied().unwrap_or(0)
    }
    fn store(self, _: usize, _: u64) {
        unreachable!("only read")
    }
    fn compare_exchange(self, _: usize, _: u64, _: u64) -> Result<(), u64> {
        unreachable!("only read")
    }
    fn fetch_add(self, _: usize, _: u64) -> u64 {
        unreachable!("only read")
    }
}

/// The Internet checksum, the plainest way.
fn sum(words: &[u16]) -> u16 {
    words.iter().fold(0u32, |sum, word| {
        let sum = sum + u32::from(*word);
        (sum & 0xffff) + (sum >> 16)
    }) as u16
}

fn words(value: u32) -> [u16; 2] {
    [value as u16, (value >> 16) as u16]
}

proptest! {
    #[test]
    fn a_hop(
        destination in 0..=MAC, source in 0..=MAC, interface: u32, mtu: u16, tags: [u32; 2], generation in 0u16..0x1000,
    ) {
        // The inner tag is there only behind an outer one.
        let tags = if tags[0] == 0 { [0; 2] } else { tags };
        let hop = Hop { destination, source, interface, mtu, tags, generation };
        let packed = hop.pack();
        prop_assert_eq!(hop::read(Words(&packed)), hop);
        prop_assert_eq!(hop::tags(packed[2]), usize::from(tags[0] != 0) + usize::from(tags[1] != 0));
        for index in [0, 1, u16::MAX] {
            let reference = hop::reference(index, generation);
            prop_assert_eq!(hop::index(reference), u32::from(index));
            prop_assert!(hop::is(packed[2], reference));
            prop_assert!(!hop::is(packed[2], hop::reference(index, generation ^ 1)));
            prop_assert!(!hop::is(hop::invalid(generation)[2], reference));
            prop_assert_eq!(Link::to(7, 9).with_hop(reference).hop(), reference);
        }
    }

    #[test]
    fn a_link(place in 0u32..1 << 27, generation: u8, reference in 0u32..1 << 28) {
        let link = Link::to(place, generation).with_hop(reference);
        prop_assert_eq!((link.place(), link.generation(), link.hop()), (Some(place), generation, reference));
        prop_assert_eq!(link.with_hop(0), Link::to(place, generation));
        prop_assert_eq!(Link::default().place(), None);
    }

    #[test]
    fn a_control_word(number in 0..destination::LIMIT, state in 0u8..11, now: u16, rest: u64) {
        let body = control::body(number, state, now);
        let outside = control::GENERATION | control::PHASE | control::NAME;
        prop_assert_eq!(body & outside, 0);
        let word = body | rest & outside;
        prop_assert_eq!((control::destination(word), control::state(word), control::seconds(word)), (number, state, now));
        prop_assert_eq!(control::generation(word), (rest >> 56) as u8);
        prop_assert_eq!(control::freed(word) & !control::GENERATION, 0);
        let claimed = control::claimed(word, now);
        prop_assert_eq!(control::generation(claimed), control::generation(word).wrapping_add(1));
        prop_assert_eq!(claimed & control::PHASE, control::CLAIMED);
    }

    #[test]
    fn a_destination(method in 1u8..4, flags: u8, mtu: u16, hop: u32, other: u16) {
        let record = destination::Destination { method, flags, mtu, hop, ..Default::default() };
        let meta = record.meta();
        prop_assert_eq!(record.pack()[destination::META], meta);
        prop_assert_eq!(destination::method_of(meta), method);
        prop_assert_eq!(destination::has(meta, destination::AVAILABLE), flags & 1 != 0);
        prop_assert_eq!((destination::mtu(meta), destination::hop(meta)), (mtu, hop));
        let changed = destination::with_mtu(meta, other);
        prop_assert_eq!(destination::mtu(changed), other);
        prop_assert_eq!(destination::with_mtu(changed, mtu), meta);
    }

    #[test]
    fn an_interface(mac in 0..=MAC, index: u32, other in 0..=MAC) {
        let record = [interface::first(mac), u64::from(index)];
        prop_assert!(interface::accepts(Words(&record), index, mac));
        prop_assert_eq!(interface::accepts(Words(&record), index, other), mac == other);
        prop_assert!(!interface::accepts(Words(&record), index ^ 256, mac));
        prop_assert!(!interface::accepts(Words(&[0, 0]), 0, 0));
    }

    #[test]
    fn a_virtual_router(id: u8, six: bool, other in 0..=MAC, byte in 0usize..6, change in 1..=u8::MAX) {
        let bytes = [0x00, 0x00, 0x5e, 0x00, if six { 2 } else { 1 }, id];
        let word = |[a, b, c, d, e, f]: [u8; 6]| u64::from_ne_bytes([a, b, c, d, e, f, 0, 0]);
        let mut record = [0; 16];
        (record[0], record[1]) = (interface::first(7), 3);
        let (at, bit) = interface::router(six, id);
        prop_assert!((interface::BITS..interface::WORDS).contains(&at));
        prop_assert!(!interface::accepts(Words(&record), 3, word(bytes)));
        record[at] = bit;
        prop_assert!(interface::accepts(Words(&record), 3, word(bytes)));
        prop_assert!(interface::accepts(Words(&record), 3, 7));
        let mut near = bytes;
        near[byte] ^= change;
        for other in [other, word(near)] {
            prop_assert_eq!(interface::accepts(Words(&record), 3, other), other == 7 || other == word(bytes));
        }
        prop_assert!(!interface::accepts(Words(&record), 259, word(bytes)));
        record[0] = 0;
        prop_assert!(!interface::accepts(Words(&record), 3, word(bytes)), "an interface that is not served");
    }

    #[test]
    fn a_changed_checksum(mut packet in prop::collection::vec(any::<u16>(), 4..64), at in 0usize..62, new: u32) {
        let at = at % (packet.len() - 2) + 1;
        packet[0] = 0;
        let before = !sum(&packet);
        let old = u32::from(packet[at]) | u32::from(packet.get(at + 1).copied().unwrap_or(0)) << 16;
        let [low, high] = words(new);
        packet[at] = low;
        let changed = if let Some(word) = packet.get_mut(at + 1) {
            *word = high;
            checksum::change(old, new)
        } else {
            checksum::change16(old as u16, low)
        };
        let after = checksum::adjust(before, changed);
        packet[0] = after;
        // Right: with it, all sums up to ones.
        prop_assert_eq!(sum(&packet), if packet.iter().all(|word| *word == 0) { 0 } else { 0xffff });
        let udp = checksum::adjust_udp(before, changed);
        prop_assert_eq!(udp == 0, before == 0);
        prop_assert!(before == 0 || udp == after || (udp, after) == (0xffff, 0));
    }

    #[test]
    fn an_ipv6_address_in_a_sum(old: [u64; 2], new: [u64; 2], rest: [u16; 3]) {
        let all = |address: [u64; 2]| {
            let mut words = rest.to_vec();
            words.extend(address.iter().flat_map(|half| (0..4).map(move |i| (half >> (16 * i)) as u16)));
            words
        };
        let after = checksum::adjust(!sum(&all(old)), checksum::change128(old, new));
        let mut whole = all(new);
        whole.push(after);
        prop_assert!(sum(&whole) == 0xffff || whole.iter().all(|word| *word == 0));
    }

    #[test]
    fn a_sum_folds(value: u64) {
        let parts: Vec<u16> = (0..4).map(|i| (value >> (16 * i)) as u16).collect();
        prop_assert_eq!(checksum::fold(value), sum(&parts));
    }
}

#[test]
fn a_service() {
    let record = service::Service {
        scheduler: 1,
        flags: 2,
        netmask6: 64,
        bands: 3,
        round: 1 << 40,
        band: 5,
        identity: 9,
        ring: 6,
        ring_length: 7,
        netmask4: 0x00ff_ffff,
        mark: 0x0700_0000,
        own: 11,
        beginning: 12,
        cursor: 8,
    };
    let first = 1 | 2 << 8 | 64 << 16 | 3 << 32;
    let masks = 0x00ff_ffff | 0x0700_0000 << 32;
    assert_eq!(record.pack(), [first, 1 << 40, 5 | 9 << 32, 6 | 7 << 32, masks, 11, 12, 8]);
    assert!(service::has(first, 2) && !service::has(first, 1));
    assert_eq!(service::band(9, 6, 7), [9, 6 | 7 << 32]);
    assert_eq!(service::slot(9, 6), 9 | 6 << 32);
}

#[test]
fn the_switch() {
    for (switch, half, nat) in [(0, 0, false), (active::SECOND, 1, false), (active::SECOND | active::NAT, 1, true)] {
        let seen = active::read(Words(&[switch, 11, 13]));
        assert_eq!((seen.half, seen.has(active::NAT), seen.multiplier), (half, nat, [11, 13][half as usize]));
    }
}

/// IPVS's rule of thresholds: reached is overloaded; below the lower one, or three quarters of the upper, is not.
#[test]
fn thresholds() {
    for (upper, lower, rises, falls) in [
        (0, 0, None, Some(u32::MAX)),
        (4, 0, Some(4), Some(2)),
        (3, 0, Some(3), Some(2)),
        (4, 2, Some(4), Some(1)),
        (4, 4, Some(4), Some(3)),
        (i32::MAX as u32, 0, Some(i32::MAX as u32), Some(1_610_612_735)),
    ] {
        let word = load::thresholds(upper, lower);
        // The least number with which it is overloaded, and the greatest with which it is no longer.
        if let Some(at) = rises {
            assert!(load::rises(word, at) && !load::rises(word, at - 1), "{upper} {lower}");
        } else {
            assert!(!load::rises(word, u32::MAX));
        }
        if let Some(at) = falls {
            assert!(load::falls(word, at), "{upper} {lower}");
            assert!(at == u32::MAX || !load::falls(word, at + 1), "{upper} {lower}");
        }
    }
}

proptest! {
    /// Against the plainest reading of a rule.
    #[test]
    fn a_rule(
        six: bool, packet_six: bool, protocol in 0u8..3, packet_protocol in 1u8..3,
        first in 0u16..6, last in 0u16..6, port in 0u16..6,
        bits in prop::array::uniform2(0u32..=128), networks: [u128; 2], flips in prop::array::uniform2(0u32..256),
    ) {
        let width = if six { 128 } else { 32 };
        let narrow = |address: u128| if six { address } else { address & u128::from(u32::MAX) };
        let words = |address: u128| {
            if six {
                [(address >> 64) as u64, address as u64].map(|half| u64::from_ne_bytes(half.to_be_bytes()))
            } else {
                [u64::from(u32::from_ne_bytes((address as u32).to_be_bytes())), 0]
            }
        };
        let prefix = bits.map(|bits| bits.min(width));
        let mask = prefix.map(|bits| if bits == 0 { 0 } else { narrow(u128::MAX << (width - bits)) });
        let networks = networks.map(narrow);
        // The packet's addresses: the network's, with one bit flipped or none.
        let packet = [0, 1].map(|at| if flips[at] < width { networks[at] ^ 1 << flips[at] } else { networks[at] });
        let rule = Rule {
            six, protocol, first, last, service: Some(7),
            source: [words(networks[0]), words(mask[0])],
            destination: [words(networks[1]), words(mask[1])],
        };
        let wanted = six == packet_six
            && (protocol == 0 || protocol == packet_protocol)
            && (first..=last).contains(&port)
            && (0..2).all(|at| packet[at] & mask[at] == networks[at] & mask[at]);
        let [source, destination] = packet.map(words);
        let packed = rule.pack();
        prop_assert_eq!(packed[1], 7);
        let seen = rule::matches(Words(&packed), packet_six, source, destination, packet_protocol, port.to_be());
        prop_assert_eq!(seen, wanted);
    }
}

/// An outer header made of the destination's constant part has a right sum, whatever the packet: RFC 2003.
#[test]
fn the_constant_part_of_an_outer_header() {
    let record = destination::Destination { rip: [0x0201_0a0a, 0], dip: [0x0100_0a0a, 0], ..Default::default() };
    let constant = record.pack()[destination::PORTS] >> 32;
    let whole = [0x45_u16, 0x0400, 0x0a0a, 0x0201, 0x0a0a, 0x0100].map(u64::from);
    assert_eq!(checksum::fold(constant), checksum::fold(whole.iter().sum()));
}
