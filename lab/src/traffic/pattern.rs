//! Deterministic pseudo-random bytes of any length, computable from any offset: sender and receiver need to share only a seed.

use sha2::{Digest, Sha256};

/// Bytes of one piece in which a long pattern is made and compared.
pub(crate) const PIECE: usize = 64 * 1024;

/// SplitMix64 (Steele, Lea, Flood 2014) as a counter-based stream, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    seed: u64,
}

impl Pattern {
    /// The stream of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    fn word(self, index: u64) -> u64 {
        let mut z = self.seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Fills `buffer` with the stream from `offset`.
    pub fn fill(self, offset: u64, buffer: &mut [u8]) {
        let mut index = offset / 8;
        let skip = usize::try_from(offset % 8).unwrap_or(0);
        let head = buffer.len().min((8 - skip) % 8);
        let (first, rest) = buffer.split_at_mut(head);
        if head > 0 {
            first.copy_from_slice(&self.word(index).to_le_bytes()[skip..skip + head]);
            index += 1;
        }
        for piece in rest.chunks_mut(8) {
            piece.copy_from_slice(&self.word(index).to_le_bytes()[..piece.len()]);
            index += 1;
        }
    }

    /// The offset in the stream of the first byte of `found`, which begins at `offset`, that is not the stream's.
    #[must_use]
    pub fn first_difference(self, offset: u64, found: &[u8]) -> Option<u64> {
        let mut expected = vec![0; found.len()];
        self.fill(offset, &mut expected);
        if expected == found {
            return None;
        }
        let position = expected.iter().zip(found).position(|(a, b)| a != b)?;
        Some(offset + position as u64)
    }

    /// SHA-256 of the first `length` bytes, in hexadecimal.
    #[must_use]
    pub fn sha256(self, length: u64) -> String {
        let mut digest = Sha256::new();
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        while at < length {
            let size = piece_at(at, length);
            self.fill(at, &mut buffer[..size]);
            digest.update(&buffer[..size]);
            at += size as u64;
        }
        hex(&digest.finalize())
    }
}

/// Bytes of the next piece when `at` of `length` are done.
pub(crate) fn piece_at(at: u64, length: u64) -> usize {
    usize::try_from(length - at).unwrap_or(PIECE).min(PIECE)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_at_any_offset_are_the_same_stream() {
        let pattern = Pattern::new(7);
        let mut whole = vec![0; 1000];
        pattern.fill(0, &mut whole);
        for (offset, length) in [(0, 1000), (1, 7), (3, 2), (5, 3), (7, 900), (8, 8), (993, 7), (17, 0)] {
            let mut part = vec![0; length];
            pattern.fill(offset as u64, &mut part);
            assert_eq!(part, whole[offset..offset + length], "{offset} {length}");
            assert_eq!(pattern.first_difference(offset as u64, &part), None);
        }
        assert_ne!(whole[..8], whole[8..16]);
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        let pattern = Pattern::new(1);
        let mut bytes = vec![0; 100];
        pattern.fill(40, &mut bytes);
        bytes[33] ^= 1;
        assert_eq!(pattern.first_difference(40, &bytes), Some(73));
        assert!(Pattern::new(2).first_difference(40, &bytes).is_some());
    }

    #[test]
    fn the_digest_is_sha256() {
        // SHA-256 of nothing, FIPS 180-4.
        assert_eq!(Pattern::new(0).sha256(0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
