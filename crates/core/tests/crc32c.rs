//! The change of SCTP's checksum against the checksum of the changed packet, by another implementation.

use crc::{CRC_32_ISCSI, Crc};
use proptest::prelude::*;
use relvs_core::wire::crc32c::adjust;

const REFERENCE: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The checksum field of this packet, in memory order; its own four bytes count as zero. RFC 9260, appendix A: the
/// sum's lowest byte stands first.
fn field(packet: &[u8]) -> u32 {
    let mut digest = REFERENCE.digest();
    digest.update(&packet[..8]);
    digest.update(&[0; 4]);
    digest.update(&packet[12..]);
    u32::from_ne_bytes(digest.finalize().to_le_bytes())
}

/// The packet with other ports, its checksum changed and not computed anew.
fn readdressed(packet: &[u8], ports: [u8; 4]) -> Vec<u8> {
    let word = |at: usize| u32::from_ne_bytes(packet[at..at + 4].try_into().unwrap_or_default());
    let change = word(0) ^ u32::from_ne_bytes(ports);
    let sum = adjust(word(8), change, packet.len() as u32 - 4);
    [&ports, &packet[4..8], &sum.to_ne_bytes(), &packet[12..]].concat()
}

fn right(mut packet: Vec<u8>) -> Vec<u8> {
    let sum = field(&packet);
    packet[8..12].copy_from_slice(&sum.to_ne_bytes());
    packet
}

#[test]
fn every_length_of_a_packet() {
    let mut random = 1_u64;
    let bytes: Vec<u8> = (0..9000)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        })
        .collect();
    for length in (12..1600).chain((1600..9000).step_by(97)).chain([9000]) {
        let packet = right(bytes[..length].to_vec());
        let other = readdressed(&packet, [packet[0], packet[1], !packet[2], packet[3] ^ 1]);
        assert_eq!(other, right(other.clone()), "{length} bytes");
    }
}

#[test]
fn each_bit_of_the_ports_and_each_of_the_length() {
    for length in (0..17).map(|bit| 1_usize << bit).chain([65_535 + 4]).filter(|length| *length >= 12) {
        let packet = right(vec![0x5a; length]);
        for bit in 0..32 {
            let mut ports: [u8; 4] = packet[..4].try_into().unwrap_or_default();
            ports[bit / 8] ^= 1 << (bit % 8);
            let other = readdressed(&packet, ports);
            assert_eq!(other[8..12], field(&other).to_ne_bytes(), "bit {bit} of {length} bytes");
        }
    }
}

#[test]
fn the_same_ports_keep_the_sum_and_a_wrong_one_stays_as_wrong() {
    assert_eq!(adjust(0x1234_5678, 0, 1000), 0x1234_5678);
    let packet = right(vec![7; 64]);
    let mut wrong = packet.clone();
    wrong[9] ^= 0x40;
    let (after, wrong_after) = (readdressed(&packet, [1, 2, 3, 4]), readdressed(&wrong, [1, 2, 3, 4]));
    assert_ne!(after, packet);
    assert_eq!(after[8..12], field(&wrong_after).to_ne_bytes());
    assert_eq!((wrong_after[8], wrong_after[9], wrong_after[10]), (after[8], after[9] ^ 0x40, after[10]));
}

/// RFC 3720, appendix B.4, has 32 bytes of zeros: ties the reference to the polynomial.
#[test]
fn the_reference_is_castagnolis() {
    assert_eq!(REFERENCE.checksum(&[0; 32]), 0x8a91_36aa);
}

proptest! {
    #[test]
    fn there_and_back(bytes in prop::collection::vec(any::<u8>(), 12..9001), ports in any::<[u8; 4]>()) {
        let packet = right(bytes);
        let other = readdressed(&packet, ports);
        prop_assert_eq!(&other[8..12], &field(&other).to_ne_bytes());
        let back = readdressed(&other, [packet[0], packet[1], packet[2], packet[3]]);
        prop_assert_eq!(back, packet);
    }
}
