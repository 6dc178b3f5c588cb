//! Destination hashing (ip_vs_dh.c): the address that the packet was sent to points into a table.

use super::{Arrival, fold, sh, table};
use crate::world::Tables;

#[inline(always)]
pub(super) fn pick<T: Tables>(t: &T, service: T::Line, arrival: &Arrival) -> u32 {
    table::at(t, service, sh::hash(fold(arrival.destination)))
}
