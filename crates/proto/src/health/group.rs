//! One service: which of its servers are scheduled with which weight, by their verdicts and the quorum.

use super::member::Member;
use relvs_model::{Scheduler, SchedulerFlags, Service, health::ServiceHealth};
use std::{net::SocketAddr, sync::Arc, time::Duration};

#[derive(Clone, Debug)]
pub(super) struct Group {
    /// As it was said last.
    pub(super) base: Arc<Service>,
    pub(super) health: Arc<ServiceHealth>,
    /// The numbers of its servers, in their order.
    pub(super) members: Vec<u32>,
    /// It has its quorum.
    pub(super) won: bool,
    pub(super) since: Duration,
    /// The sum of weights of servers that are up.
    pub(super) weight: u64,
    /// The sorry server takes the flows.
    pub(super) sorry: bool,
    /// No checks are made.
    pub(super) suspended: bool,
    /// The end was told.
    pub(super) ended: bool,
    /// It is in the list of those whose quorum is to be judged.
    pub(super) unsettled: bool,
    /// The weight by which the sorry server was last said to be scheduled.
    pub(super) laid_sorry: Option<u32>,
}

impl Group {
    fn is_sorry(&self, socket: SocketAddr) -> bool {
        self.health.sorry.as_ref().is_some_and(|sorry| SocketAddr::new(sorry.address, sorry.port) == socket)
    }

    /// The weight by which a server is scheduled; none: it is not.
    ///
    /// A server that has to make way for the sorry server keeps its flows with weight 0 (keepalived removes it), unless the
    /// scheduler would go on choosing it, in vain.
    pub(super) fn place(&self, member: &Member) -> Option<u32> {
        if self.sorry && self.is_sorry(member.socket()) {
            return None;
        }
        match (self.sorry, member.up) {
            (false, true) => Some(member.weight_now()),
            (true, true) => (member.inhibits() || member.weight() == 0 || self.passes_over_zero()).then_some(0),
            (_, false) => member.inhibits().then_some(0),
        }
    }

    /// The weight of the sorry server.
    pub(super) fn place_sorry(&self) -> Option<u32> {
        let sorry = self.health.sorry.as_ref()?;
        if self.sorry {
            return Some(sorry.weight.max(1));
        }
        let is_server =
            self.base.servers.iter().any(|server| self.is_sorry(SocketAddr::new(server.address, server.port)));
        (self.health.inhibit_sorry && !is_server).then_some(0)
    }

    /// Whether the scheduler takes another server when it meets one with weight 0. Those by tables do not, unless told.
    fn passes_over_zero(&self) -> bool {
        match self.base.scheduler {
            Scheduler::Sh | Scheduler::Mh => self.base.flags.has(SchedulerFlags::FALLBACK),
            Scheduler::Dh => false,
            Scheduler::Rr
            | Scheduler::Wrr
            | Scheduler::Lc
            | Scheduler::Wlc
            | Scheduler::Lblc
            | Scheduler::Lblcr
            | Scheduler::Sed
            | Scheduler::Nq
            | Scheduler::Fo
            | Scheduler::Ovf
            | Scheduler::Twos => true,
        }
    }
}
