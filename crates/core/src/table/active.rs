//! The line that says which half of the service tables is in use. Changing its first word is the switch.

use crate::world::Block;

/// Word 0: the switch. Word `MULTIPLIER + half`: the odd multiplier that places that half's service entries.
pub const SWITCH: usize = 0;
/// See [`SWITCH`].
pub const MULTIPLIER: usize = 1;

/// Bit of the switch: the second half is in use.
pub const SECOND: u64 = 1;
/// Bit of the switch: some destination uses NAT, so a frame may be a reply.
pub const NAT: u64 = 2;

/// What one look at the line says.
#[derive(Clone, Copy, Debug)]
pub struct Active {
    /// 0 or 1.
    pub half: u32,
    /// Whether a frame may be a NAT server's reply.
    pub nat: bool,
    /// Places the service entries of this half.
    pub multiplier: u64,
}

/// Reads the line.
#[inline(always)]
pub fn read<B: Block>(line: B) -> Active {
    let switch = line.load(SWITCH);
    let second = switch & SECOND != 0;
    let multiplier = if second { line.load(MULTIPLIER + 1) } else { line.load(MULTIPLIER) };
    Active { half: u32::from(second), nat: switch & NAT != 0, multiplier }
}
