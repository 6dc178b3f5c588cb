//! A service: how a destination is chosen for a new flow.
//!
//! ```text
//! word 0: scheduler (8), flags (8), IPv6 netmask of persistence (8), number of bands (from bit 32)
//! word 1: length of the round: how many choices until the sequence repeats; 0 if no destination is available
//! word 2: index of the first band (32), the service's identity (32)
//! word 3: first slot (32), slots (32): of the first band's ring, of the list, or of the table
//! word 4: IPv4 netmask of persistence (32), mark (32), both in memory order
//! word 5: the scheduler's own
//! word 6: the cursor's beginning
//! word 7: the cursor: how many choices were made; shared by all CPUs
//! ```
//!
//! A round is made of bands. In a band the same ring of destinations is gone through again and again, until the
//! choice number where the band ends. Round robin is one band; weighted round robin has one for each distinct weight.
//! Other schedulers have a list of all destinations, or a table that a hash points into. A slot is a destination's
//! number (32 low) and its weight (32 high).

/// Word of the scheduler's own.
pub const OWN: usize = 5;
/// Word of the cursor's beginning.
pub const BEGINNING: usize = 6;
/// Word of the cursor.
pub const CURSOR: usize = 7;
/// Bands that a service may have at the most.
pub const BANDS: u32 = 1 << 16;

/// Flags.
pub mod flag {
    /// A client stays with its server.
    pub const PERSISTENT: u8 = 1;
    /// Each datagram is scheduled by itself.
    pub const ONE_PACKET: u8 = 2;
    /// Some server has an upper threshold.
    pub const THRESHOLDS: u8 = 4;
    /// sh-fallback, mh-fallback.
    pub const FALLBACK: u8 = 8;
    /// sh-port, mh-port.
    pub const PORT: u8 = 16;
    /// It is a mark's, and so are its templates.
    pub const MARK: u8 = 32;
    /// Its templates are of all ports: it has port 0, or FTP's.
    pub const ANY_PORT: u8 = 64;
    /// It takes so many new flows a second: [`crate::table::limit`].
    pub const LIMITED: u8 = 128;
}

/// A service, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Which scheduler: see [`crate::schedule`].
    pub scheduler: u8,
    /// See [`flag`].
    pub flags: u8,
    /// Persistence: bits of a client's IPv6 address that count.
    pub netmask6: u8,
    /// Bands of the round.
    pub bands: u32,
    /// Length of the round.
    pub round: u64,
    /// Index of the first band.
    pub band: u32,
    /// The same for this service in both halves, and no other's.
    pub identity: u32,
    /// Index of the first slot.
    pub ring: u32,
    /// Slots.
    pub ring_length: u32,
    /// Persistence: the part of a client's IPv4 address that counts; memory order.
    pub netmask4: u32,
    /// In memory order; 0 if it is no mark's.
    pub mark: u32,
    /// The scheduler's own.
    pub own: u64,
    /// What the cursor was when the round was laid out.
    pub beginning: u64,
    /// Choices made so far.
    pub cursor: u64,
}

impl Service {
    /// The record.
    pub const fn pack(&self) -> [u64; 8] {
        let small = self.scheduler as u64 | (self.flags as u64) << 8 | (self.netmask6 as u64) << 16;
        [
            small | (self.bands as u64) << 32,
            self.round,
            self.band as u64 | (self.identity as u64) << 32,
            self.ring as u64 | (self.ring_length as u64) << 32,
            self.netmask4 as u64 | (self.mark as u64) << 32,
            self.own,
            self.beginning,
            self.cursor,
        ]
    }
}

/// Whether word 0 has this flag.
#[inline(always)]
pub const fn has(first: u64, flag: u8) -> bool {
    first & (flag as u64) << 8 != 0
}

/// A band: where it ends in the round, and its ring.
pub const fn band(end: u64, ring: u32, length: u32) -> [u64; 2] {
    [end, ring as u64 | (length as u64) << 32]
}

/// A slot.
pub const fn slot(number: u32, weight: u32) -> u64 {
    number as u64 | (weight as u64) << 32
}
