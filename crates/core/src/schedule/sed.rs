//! Shortest expected delay (ip_vs_sed.c): the fewest active flows, this one among them, for its weight.
//!
//! UDP's flows are never active, so all of them go to one server.

use super::{Arrival, walk};
use crate::world::Tables;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, _: &Arrival) -> u32 {
    walk::best(t, service, |_| true, walk::Candidate::sooner)
}
