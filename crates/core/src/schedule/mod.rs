//! Choosing a destination for a new flow.
//!
//! User space prepares what can be prepared; a scheduler here takes the next choice from it. Each has a file of its
//! own and a line in [`pick`]; its number stands in the service's record.

mod round;

use crate::{
    verdict::Reason,
    world::{Block, Tables},
};

/// Goes through the round: rr and wrr, and all whose sequence is known beforehand.
pub const ROUND: u8 = 1;
/// The service was removed: it takes no new flows, and those that it had still find their destinations.
pub const REMOVED: u8 = 2;

/// The number of a destination for the next flow of the service at `index`.
///
/// # Errors
///
/// [`Reason::NoDestination`] if none is available, [`Reason::NoFlow`] if the service takes no new flows.
#[inline(always)]
pub fn pick<T: Tables>(t: &T, index: u32) -> Result<u32, Reason> {
    let service = t.service(index).ok_or(Reason::Inconsistent)?;
    match service.load(0) as u8 {
        ROUND => round::pick(t, service).ok_or(Reason::NoDestination),
        REMOVED => Err(Reason::NoFlow),
        _ => Err(Reason::NoDestination),
    }
}
