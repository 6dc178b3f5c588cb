//! A service: how a destination is chosen for a new flow.
//!
//! ```text
//! word 0: scheduler (8), number of bands (from bit 32)
//! word 1: length of the round: how many choices until the sequence repeats; 0 if no destination is available
//! word 2: index of the first band
//! word 3: the first band's ring (32), its length (32)
//! word 7: the cursor: how many choices were made; shared by all CPUs
//! ```
//!
//! A round is made of bands. In a band the same ring of destinations is gone through again and again, until the
//! choice number where the band ends. Round robin is one band; weighted round robin has one for each distinct weight.

/// Word of the cursor.
pub const CURSOR: usize = 7;
/// Bands that a service may have at the most.
pub const BANDS: u32 = 1 << 16;

/// A service, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Which scheduler: see [`crate::schedule`].
    pub scheduler: u8,
    /// Bands of the round.
    pub bands: u32,
    /// Length of the round.
    pub round: u64,
    /// Index of the first band.
    pub band: u32,
    /// Index of the first band's ring.
    pub ring: u32,
    /// Length of the first band's ring.
    pub ring_length: u32,
    /// Choices made so far.
    pub cursor: u64,
}

impl Service {
    /// The record.
    pub const fn pack(&self) -> [u64; 8] {
        [
            self.scheduler as u64 | (self.bands as u64) << 32,
            self.round,
            self.band as u64,
            self.ring as u64 | (self.ring_length as u64) << 32,
            0,
            0,
            0,
            self.cursor,
        ]
    }
}

/// A band: where it ends in the round, and its ring.
pub const fn band(end: u64, ring: u32, length: u32) -> [u64; 2] {
    [end, ring as u64 | (length as u64) << 32]
}
