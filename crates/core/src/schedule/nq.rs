//! Never queue (ip_vs_nq.c): the first without an active flow; if there is none, the shortest expected delay.

use super::{Arrival, walk};
use crate::world::Tables;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, _: &Arrival) -> u32 {
    // IPVS ends its search at the first idle one: here it is kept.
    walk::best(t, service, |_| true, |server, best| best.active() != 0 && (server.active() == 0 || server.sooner(best)))
}
