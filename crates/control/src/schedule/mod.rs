//! What each scheduler needs laid out, and where in its sequence a changed service goes on.
//!
//! What a scheduler wants is said in `relvs_core::schedule`'s table, and there it takes its choices from it; a layout
//! is a file here and a line in [`preparation`].

mod buckets;
mod list;
mod maglev;
mod round;
mod rr;
mod wrr;

pub(crate) use round::{Full, Round};

use relvs_core::schedule::{Layout, SCHEDULERS};
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

/// What is laid out.
#[derive(Clone, Copy)]
pub(crate) struct Servers<'a> {
    /// In the order in which they were added.
    pub(crate) servers: &'a [Server],
    /// Of each, its latest weight that was not 0.
    pub(crate) last_weights: &'a [u32],
}

impl<'a> Servers<'a> {
    /// With their indices, in the order in which IPVS goes through them: a new one is put at the list's head.
    fn list(&self) -> impl Iterator<Item = (usize, &'a Server)> + Clone {
        list(self.servers)
    }
}

/// How a scheduler's tables are prepared.
pub(crate) struct Preparation {
    /// Its number in the service's record.
    pub(crate) number: u8,
    /// Lays out the round, list or table of these servers.
    pub(crate) lay_out: fn(Servers<'_>, &mut Round) -> Result<(), Full>,
    /// Where the sequence goes on when the servers change. A new service was without servers before.
    pub(crate) resume: fn(&Before<'_>, &[Server]) -> Start,
}

/// The preparation for a scheduler. One that the core does not know never finds a server.
pub(crate) fn preparation(scheduler: Scheduler) -> Preparation {
    let line = SCHEDULERS.iter().find(|line| line.name == scheduler.name());
    let (number, layout) = line.map_or((0, Layout::List), |line| (line.number, line.layout));
    let has_no_sequence = |_: &Before<'_>, _: &[Server]| Start::default();
    match layout {
        Layout::List => Preparation { number, lay_out: list::lay_out, resume: has_no_sequence },
        Layout::Turns => Preparation { number, lay_out: rr::lay_out, resume: rr::resume },
        Layout::WeightedTurns => Preparation { number, lay_out: wrr::lay_out, resume: wrr::resume },
        Layout::WeightedSlots => Preparation { number, lay_out: buckets::weighted, resume: has_no_sequence },
        Layout::Slots => Preparation { number, lay_out: buckets::equal, resume: has_no_sequence },
        Layout::Maglev => Preparation { number, lay_out: maglev::lay_out, resume: has_no_sequence },
    }
}

/// The servers with their indices in the order in which IPVS goes through them.
fn list(servers: &[Server]) -> impl Iterator<Item = (usize, &Server)> + Clone {
    servers.iter().enumerate().rev()
}

fn endpoint(server: &Server) -> SocketAddr {
    SocketAddr::new(server.address, server.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_knows_every_scheduler_and_no_other() {
        for scheduler in Scheduler::ALL {
            assert_ne!(preparation(scheduler).number, 0, "{scheduler}");
        }
        for line in SCHEDULERS {
            assert!(line.name.parse::<Scheduler>().is_ok(), "{}", line.name);
        }
        assert_eq!(SCHEDULERS.len(), Scheduler::ALL.len());
    }
}
