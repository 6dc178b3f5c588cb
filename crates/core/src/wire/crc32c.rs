//! SCTP's checksum, CRC32c (RFC 9260, appendix A; Castagnoli's polynomial), and its change when ports change.
//!
//! Never reads the packet: the sum is linear, so that of a change is the change times a power of x, as many as bits
//! follow it. Powers are constants, so a change costs a multiplication for each bit that is set in the length.
//!
//! A value's highest bit is the coefficient of x^0, as the bits of a byte go into the sum lowest first. The field holds
//! the sum with its lowest byte first, so that both are the same number in memory order.

/// Castagnoli's polynomial without x^32.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial 1.
const ONE: u32 = 1 << 31;

/// `value` times x.
#[inline(always)]
const fn times_x(value: u32) -> u32 {
    value >> 1 ^ POLYNOMIAL & 0_u32.wrapping_sub(value & 1)
}

/// The product of two polynomials. No step depends on a bit by a branch: paths would multiply for the verifier.
#[inline(always)]
const fn times(a: u32, b: u32) -> u32 {
    let (mut rest, mut shifted, mut product) = (a, b, 0);
    let mut step = 0;
    while step < 32 {
        product ^= shifted & 0_u32.wrapping_sub(rest >> 31);
        rest <<= 1;
        shifted = times_x(shifted);
        step += 1;
    }
    product
}

/// x to the power of 8 * 2^k: what 2^k bytes are worth.
const fn power(k: u32) -> u32 {
    let mut power = ONE;
    let mut bit = 0;
    while bit < 8 {
        power = times_x(power);
        bit += 1;
    }
    let mut squared = 0;
    while squared < k {
        power = times(power, power);
        squared += 1;
    }
    power
}

/// `value` moved through 2^K bytes, if that is part of `bytes`.
#[inline(always)]
const fn moved<const K: u32>(value: u32, bytes: u32) -> u32 {
    if bytes >> K & 1 != 0 { times(value, const { power(K) }) } else { value }
}

/// The checksum field of a packet whose first four bytes (source port, destination port) have changed, from the `old`
/// one. `change` is the XOR of the old and the new four bytes; both are in memory order. `following` bytes stand behind
/// the four, up to the end of the SCTP packet: 8 to 65,535. A wrong sum stays as wrong as it was.
///
/// Of a fragment it is not known how many follow.
#[inline(always)]
pub const fn adjust(old: u32, change: u32, following: u32) -> u32 {
    if change == 0 {
        return old;
    }
    // The sum itself is a remainder after multiplication by x^32: four bytes more.
    let bytes = following.wrapping_add(4);
    let value = moved::<0>(change, bytes);
    let value = moved::<1>(value, bytes);
    let value = moved::<2>(value, bytes);
    let value = moved::<3>(value, bytes);
    let value = moved::<4>(value, bytes);
    let value = moved::<5>(value, bytes);
    let value = moved::<6>(value, bytes);
    let value = moved::<7>(value, bytes);
    let value = moved::<8>(value, bytes);
    let value = moved::<9>(value, bytes);
    let value = moved::<10>(value, bytes);
    let value = moved::<11>(value, bytes);
    let value = moved::<12>(value, bytes);
    let value = moved::<13>(value, bytes);
    let value = moved::<14>(value, bytes);
    let value = moved::<15>(value, bytes);
    old ^ moved::<16>(value, bytes)
}
