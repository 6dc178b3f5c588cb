//! Weighted failover (ip_vs_fo.c): the greatest weight, and of equal ones the first.

use super::{Arrival, walk};
use crate::world::Tables;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, _: &Arrival) -> u32 {
    walk::best(t, service, |_| true, |server, best| server.weight > best.weight)
}
