//! Overflow (ip_vs_ovf.c): the greatest weight among those that have no more active flows than their weight.
//!
//! UDP's flows are never active, so nothing overflows.

use super::{Arrival, walk};
use crate::world::Tables;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, _: &Arrival) -> u32 {
    walk::best(t, service, |server| !server.busy(), |server, best| server.weight > best.weight)
}
