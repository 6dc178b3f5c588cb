//! How large the tables are.

/// How much the tables hold. Those of services have two halves; their figures are of one.
///
/// The default is nothing at all, by which everything is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Sets of service entries, of each address family: a power of two, at most [`Limits::MOST_SETS`].
    pub sets: u32,
    /// Services.
    pub services: u32,
    /// Bands of the services' rounds.
    pub bands: u32,
    /// Ring slots.
    pub ring: u32,
    /// Match rules: one for each pair of networks and range of ports that a rule names.
    pub rules: u32,
    /// Records of destinations, for both halves together. Number 0 is one of them and never used.
    pub destinations: u32,
}

impl Limits {
    /// More sets than these are not reached: a set's hash has 24 bits.
    pub const MOST_SETS: u32 = 1 << 24;
}
