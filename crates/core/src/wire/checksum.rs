//! The Internet checksum (RFC 1071) and its change (RFC 1624, equation 3).
//!
//! Sums are of 16-bit words in memory order; one's complement addition does not mind the byte order.

/// A sum's 16 bits.
#[inline(always)]
pub fn fold(mut sum: u64) -> u16 {
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// What replacing `old` by `new` adds to a sum.
#[inline(always)]
pub fn change(old: u32, new: u32) -> u64 {
    u64::from(!old) + u64::from(new)
}

/// The same for 16 bits, which stand on an even offset.
#[inline(always)]
pub fn change16(old: u16, new: u16) -> u64 {
    u64::from(!old) + u64::from(new)
}

/// The same for an IPv6 address.
#[inline(always)]
pub fn change128(old: [u64; 2], new: [u64; 2]) -> u64 {
    change(old[0] as u32, new[0] as u32)
        + change((old[0] >> 32) as u32, (new[0] >> 32) as u32)
        + change(old[1] as u32, new[1] as u32)
        + change((old[1] >> 32) as u32, (new[1] >> 32) as u32)
}

/// A checksum after `change`s.
#[inline(always)]
pub fn adjust(checksum: u16, change: u64) -> u16 {
    !fold(u64::from(!checksum) + change)
}

/// A UDP checksum after `change`s: none (0) stays none, and one that becomes 0 is sent as all ones (RFC 768).
#[inline(always)]
pub fn adjust_udp(checksum: u16, change: u64) -> u16 {
    if checksum == 0 {
        return 0;
    }
    match adjust(checksum, change) {
        0 => 0xffff,
        sum => sum,
    }
}

/// An IPv4 header's checksum when its TTL is one less: the TTL is the first byte of its word.
#[inline(always)]
pub fn older(checksum: u16) -> u16 {
    // As [`adjust`] has it, but one carry is all that there can be.
    let sum = u32::from(!checksum) + u32::from(!1_u16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// Whether an IPv4 header without options has the checksum that it should.
#[inline(always)]
pub fn is_right(view: &[u8; 20]) -> bool {
    // Five words leave so small a carry that the last of [`fold`]'s steps changes nothing.
    let sum = header(view);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

/// The sum of an IPv4 header without options; a right one folds to all ones.
#[inline(always)]
pub fn header(view: &[u8; 20]) -> u64 {
    let word = |at| u64::from(super::u32_at(view, at));
    word(0) + word(4) + word(8) + word(12) + word(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hop_less_is_the_general_change() {
        for sum in 0..=u16::MAX {
            assert_eq!(older(sum), adjust(sum, change16(1, 0)), "{sum:#x}");
        }
    }

    #[test]
    fn a_right_header_folds_to_all_ones() {
        let mut random = 1_u64;
        let mut right = 0;
        for turn in 0..200_000_u32 {
            let mut view = [0xff; 20];
            // All ones, and next to them, carry the most.
            for byte in view.iter_mut().take(turn as usize % 21) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = if random >> 60 == 0 { 0xff } else { (random >> 32) as u8 };
            }
            if turn % 2 == 0 {
                crate::wire::set_u16(&mut view, 10, 0);
                let sum = !fold(header(&view));
                crate::wire::set_u16(&mut view, 10, sum);
            }
            assert_eq!(is_right(&view), fold(header(&view)) == 0xffff, "{view:02x?}");
            right += u32::from(is_right(&view));
        }
        assert!((100_000..200_000).contains(&right), "{right} of 200000 were right");
    }
}
