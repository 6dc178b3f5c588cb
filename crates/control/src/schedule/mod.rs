//! What each scheduler needs laid out: the sequence of its choices, and where in it a changed service goes on.
//!
//! A scheduler is a file here and a line in [`preparation`]; how the core takes a choice from what is laid out is
//! `relvs_core::schedule`'s.

mod round;
mod rr;
mod wrr;

pub(crate) use round::{Full, Round};

use relvs_model::{Scheduler, Server};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Where a service's sequence was when its round was laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The cursor that its record began with. As long as it is there, no choice has been made.
    pub(crate) cursor: u64,
    /// The server that was chosen last, for schedulers that go on after it even if it is no longer to be chosen.
    pub(crate) last: Option<SocketAddr>,
}

/// A service before a change.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    /// Its servers.
    pub(crate) servers: &'a [Server],
    /// Where its sequence began.
    pub(crate) start: &'a Start,
    /// Its cursor now.
    pub(crate) cursor: u64,
}

/// How a scheduler's tables are prepared.
pub(crate) struct Preparation {
    /// Its number in the service's record.
    pub(crate) number: u8,
    /// Lays out the round of these servers.
    pub(crate) lay_out: fn(&[Server], &mut Round) -> Result<(), Full>,
    /// Where the sequence goes on when the servers change. A new service was without servers before.
    pub(crate) resume: fn(&Before<'_>, &[Server]) -> Start,
}

/// The preparation for a scheduler.
pub(crate) fn preparation(scheduler: Scheduler) -> Preparation {
    use relvs_core::schedule::ROUND;
    match scheduler {
        Scheduler::Rr => Preparation { number: ROUND, lay_out: rr::lay_out, resume: rr::resume },
        Scheduler::Wrr => Preparation { number: ROUND, lay_out: wrr::lay_out, resume: wrr::resume },
    }
}

/// The servers with their indices in the order in which IPVS goes through them: a new one is put at the list's head.
fn list(servers: &[Server]) -> impl Iterator<Item = (usize, &Server)> {
    servers.iter().enumerate().rev()
}

fn endpoint(server: &Server) -> SocketAddr {
    SocketAddr::new(server.address, server.port)
}
