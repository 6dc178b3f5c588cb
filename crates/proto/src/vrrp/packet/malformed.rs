//! Why bytes are no advert.

use thiserror::Error;

/// Bytes that are no advert of RFC 9568 or RFC 3768.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Malformed {
    /// Not even the fixed header.
    #[error("{0} bytes, too short for a header")]
    TooShort(usize),
    /// Neither version 2 nor 3.
    #[error("version {0}")]
    Version(u8),
    /// Version 2 has no IPv6.
    #[error("version 2 over IPv6")]
    Family,
    /// Not an advert.
    #[error("type {0}, not an advert")]
    Type(u8),
    /// Another length than the count of addresses gives.
    #[error("{found} bytes, not the {expected} that the count of addresses gives")]
    Length {
        /// By the count of addresses.
        expected: usize,
        /// As received.
        found: usize,
    },
    /// The checksum is wrong in both forms.
    #[error("wrong checksum")]
    Checksum,
    /// An interval of 0: a backup would take over at once, again and again.
    #[error("interval 0")]
    Interval,
}
