//! The control word of a flow's record.
//!
//! ```text
//! 63..56 generation  55..54 phase  53 reply  52..51 protocol  50..47 state  46..31 seconds  30..11 destination  10..0 tag
//! ```

/// Records to a bucket.
pub const SLOTS: usize = 4;

/// Nobody's.
pub const FREE: u64 = 0;
/// Its owner writes it.
pub const CLAIMED: u64 = 1 << 54;
/// Inserters see it. This bit stands in LIVE too.
pub const TENTATIVE: u64 = 2 << 54;
/// Everybody sees it.
pub const LIVE: u64 = 3 << 54;
/// The phase.
pub const PHASE: u64 = 3 << 54;
/// A server's packets to a client, of NAT.
pub const REPLY: u64 = 1 << 53;
/// Bits of the protocol.
pub const PROTOCOL: u64 = 3 << PROTOCOL_SHIFT;
const PROTOCOL_SHIFT: u32 = 51;
const STATE_SHIFT: u32 = 47;
const SECONDS_SHIFT: u32 = 31;
const DESTINATION_SHIFT: u32 = 11;
/// Bits of the state.
pub const STATE: u64 = 15 << STATE_SHIFT;
/// Bits of the time of the last packet.
pub const SECONDS: u64 = 0xffff << SECONDS_SHIFT;
/// Bits of the hash, so that hardly a record is compared in vain.
pub const TAG: u64 = 0x7ff;
/// Bits of the generation.
pub const GENERATION: u64 = 0xff << 56;
/// What of a control word names the flow.
pub const NAME: u64 = TAG | PROTOCOL | REPLY;
/// What of a control word packets change.
pub const MUTABLE: u64 = STATE | SECONDS;

/// The flow's state.
#[inline(always)]
pub const fn state(control: u64) -> u8 {
    (control >> STATE_SHIFT) as u8 & 15
}

/// When its last packet came, in [`crate::Tables::now`]'s seconds.
#[inline(always)]
pub const fn seconds(control: u64) -> u16 {
    (control >> SECONDS_SHIFT) as u16
}

/// The number of its destination.
#[inline(always)]
pub const fn destination(control: u64) -> u32 {
    (control >> DESTINATION_SHIFT) as u32 & (crate::table::destination::LIMIT - 1)
}

/// How often the record was claimed.
#[inline(always)]
pub const fn generation(control: u64) -> u8 {
    (control >> 56) as u8
}

/// [`crate::state::TCP`], and the others there.
#[inline(always)]
pub const fn protocol(control: u64) -> u64 {
    (control & PROTOCOL) >> PROTOCOL_SHIFT
}

/// The bits of a protocol.
#[inline(always)]
pub const fn of_protocol(protocol: u64) -> u64 {
    protocol << PROTOCOL_SHIFT
}

/// State, time and destination.
#[inline(always)]
pub const fn body(destination: u32, state: u8, now: u16) -> u64 {
    (destination as u64) << DESTINATION_SHIFT | mutable(state, now)
}

/// State and time.
#[inline(always)]
pub const fn mutable(state: u8, now: u16) -> u64 {
    (state as u64) << STATE_SHIFT | (now as u64) << SECONDS_SHIFT
}

/// The same with another state.
#[inline(always)]
pub const fn with_state(control: u64, state: u8) -> u64 {
    control & !STATE | (state as u64) << STATE_SHIFT
}

/// What a free record keeps.
#[inline(always)]
pub const fn freed(control: u64) -> u64 {
    control & GENERATION
}

/// What a free or displaced record becomes when it is claimed.
#[inline(always)]
pub const fn claimed(control: u64, now: u16) -> u64 {
    (control & GENERATION).wrapping_add(1 << 56) | CLAIMED | (now as u64) << SECONDS_SHIFT
}
