//! Tables that are filled with the servers in turn, again and again (ip_vs_sh.c, ip_vs_dh.c).
//!
//! With any change they are filled anew, and most slots may be another server's.

use super::{Full, Round, Servers};
use relvs_core::schedule::sh::SLOTS;

/// For each server as many slots as its weight, and one for a weight of 0, where nobody will be served.
pub(super) fn weighted(servers: Servers<'_>, round: &mut Round) -> Result<(), Full> {
    let slots = |weight: u32| weight.clamp(1, SLOTS) as usize;
    fill(servers.list().flat_map(|(at, server)| std::iter::repeat_n(at, slots(server.weight))), round)
}

/// For each server one slot.
pub(super) fn equal(servers: Servers<'_>, round: &mut Round) -> Result<(), Full> {
    fill(servers.list().map(|(at, _)| at), round)
}

fn fill(turn: impl Iterator<Item = usize> + Clone, round: &mut Round) -> Result<(), Full> {
    round.band(1, turn.cycle().take(SLOTS as usize))
}
