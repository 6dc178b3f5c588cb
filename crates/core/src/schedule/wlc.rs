//! Weighted least connection (ip_vs_wlc.c): the least overhead for its weight, and of equal ones the first.

use super::{Arrival, walk};
use crate::world::Tables;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, _: &Arrival) -> u32 {
    walk::best(t, service, |_| true, walk::Candidate::lighter)
}
