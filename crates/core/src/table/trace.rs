//! Tracing: whose decisions user space wants to see, and how it is told of one.
//!
//! A filter, of which there are [`SLOTS`]:
//!
//! ```text
//! word 0: 1 if it is in use; address family (8, from bit 8: 4, 6, or 0 for any)
//! word 1: identity of a service; 0: any
//! word 2: reasons, a bit for each by its number; [`FORWARDED`] for frames that are sent on
//! word 4, 5: network that the source or the destination is in    word 6, 7: its mask
//! ```
//!
//! An event:
//!
//! ```text
//! word 0: nanoseconds since the machine started
//! word 1, 2: source   3, 4: destination   5: ports (32), protocol (8), TCP flags (8), length (16)
//! word 6: ingress (32), what became of it (8), reason (8), stage (8), family (8: 4, 6, or 0 where it was not read)
//! word 7: egress (32), number of the destination (32)
//! word 8: identity of the service (32), match rule + 1 (16), flow (8), which filters it passed (8)
//! ```

use crate::world::Block;

/// Filters that there are.
pub const SLOTS: u32 = 4;
/// Words of an event.
pub const EVENT: usize = 9;
/// Bit of a filter's reasons: frames that are sent on.
pub const FORWARDED: u64 = 1 << 63;
/// Events a second on each CPU at the most; what is more is counted and not told.
pub const LIMIT: u64 = 1000;
/// Word of [`crate::Tables::answers`] that has the second and how many events it had, and of what was not told.
pub const TOLD: usize = 1;
/// See [`TOLD`].
pub const LOST: usize = 2;

/// A filter, unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// 4 or 6; 0 is any.
    pub family: u8,
    /// A service's identity; 0 is any.
    pub service: u32,
    /// Bits of reasons.
    pub reasons: u64,
    /// An address, in memory order.
    pub network: [u64; 2],
    /// Which of its bits count.
    pub mask: [u64; 2],
}

impl Filter {
    /// The record.
    pub const fn pack(&self) -> [u64; 8] {
        let ([a, b], [m, n]) = (self.network, self.mask);
        [1 | (self.family as u64) << 8, self.service as u64, self.reasons, 0, a & m, b & n, m, n]
    }
}

/// What became of a frame.
pub mod fate {
    /// It is the stack's.
    pub const PASSED: u8 = 1;
    /// Nobody's.
    pub const DROPPED: u8 = 2;
    /// Out of the interface that it came in on.
    pub const TRANSMITTED: u8 = 3;
    /// Out of another.
    pub const REDIRECTED: u8 = 4;
    /// Its sender got an answer.
    pub const ANSWERED: u8 = 5;
}

/// Which flow a packet was of.
pub mod flow {
    /// Of none.
    pub const NONE: u8 = 0;
    /// It opened one.
    pub const NEW: u8 = 1;
    /// One that has not settled yet.
    pub const YOUNG: u8 = 2;
    /// It made its flow a settled one.
    pub const SETTLES: u8 = 3;
    /// Of a settled one.
    pub const KNOWN: u8 = 4;
}

/// An event, unpacked. Addresses and ports are in memory order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since the machine started.
    pub at: u64,
    /// 4, 6, or 0 if the packet could not be read.
    pub family: u8,
    /// Source address.
    pub source: [u64; 2],
    /// Destination address.
    pub destination: [u64; 2],
    /// Source port in the low half.
    pub ports: u32,
    /// The IP header's number.
    pub protocol: u8,
    /// Of the TCP header; of SCTP the event of [`crate::state::sctp`].
    pub flags: u8,
    /// Bytes from the IP header on.
    pub length: u16,
    /// Index of the interface it came in on.
    pub ingress: u32,
    /// See [`fate`].
    pub fate: u8,
    /// Number of the reason, unless it was sent on.
    pub reason: u8,
    /// The stage that decided.
    pub stage: u8,
    /// Index of the interface it left by, if that is another.
    pub egress: u32,
    /// Number of the destination; 0 if there was none.
    pub number: u32,
    /// Identity of the service; 0 if none was looked for.
    pub service: u32,
    /// The match rule that decided, from 1; 0 is none.
    pub rule: u16,
    /// See [`flow`].
    pub flow: u8,
    /// Which filters it passed, a bit for each.
    pub filters: u8,
}

impl Event {
    /// From its words.
    pub const fn unpack(words: &[u64; EVENT]) -> Self {
        let [at, a, b, c, d, packet, frame, way, facts] = *words;
        Event {
            at,
            family: (frame >> 56) as u8,
            source: [a, b],
            destination: [c, d],
            ports: packet as u32,
            protocol: (packet >> 32) as u8,
            flags: (packet >> 40) as u8,
            length: (packet >> 48) as u16,
            ingress: frame as u32,
            fate: (frame >> 32) as u8,
            reason: (frame >> 40) as u8,
            stage: (frame >> 48) as u8,
            egress: way as u32,
            number: (way >> 32) as u32,
            service: facts as u32,
            rule: (facts >> 32) as u16,
            flow: (facts >> 48) as u8,
            filters: (facts >> 56) as u8,
        }
    }
}

/// What a filter is asked about.
#[derive(Clone, Copy)]
pub struct Asked {
    /// 4, 6, or 0.
    pub family: u8,
    /// Source address.
    pub source: [u64; 2],
    /// Destination address.
    pub destination: [u64; 2],
    /// Identity of the service; 0 if none was looked for.
    pub service: u32,
    /// The bit of its reason.
    pub reason: u64,
}

/// Whether a filter lets it pass. What is of no service that is known here, but may be of one, is left to user space.
#[inline(always)]
pub fn passes<B: Block>(filter: B, asked: &Asked) -> bool {
    let first = filter.load(0);
    let (family, service) = ((first >> 8) as u8, filter.load(1) as u32);
    let ([a, b], [m, n]) = ([filter.load(4), filter.load(5)], [filter.load(6), filter.load(7)]);
    let within = |address: [u64; 2]| address[0] & m == a && address[1] & n == b;
    first & 1 != 0
        && (family == 0 || family == asked.family)
        && (service == 0 || asked.service == 0 || service == asked.service)
        && filter.load(2) & asked.reason != 0
        && (within(asked.source) || within(asked.destination))
}
