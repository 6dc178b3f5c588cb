//! The servers that have a weight, for schedulers that compare them all.

use super::{Full, Round, Servers};

pub(super) fn lay_out(servers: Servers<'_>, round: &mut Round) -> Result<(), Full> {
    round.band(1, servers.list().filter(|(_, server)| server.weight > 0).map(|(at, _)| at))
}
