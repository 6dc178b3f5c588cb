//! What is known, for people and programs to read.

use super::{Monitor, group::Group, member::Seat, memory::millis, quorum::Quorum};
use relvs_model::{
    ServiceKey,
    health::{CheckStatus, ServerStatus, ServiceStatus},
};

impl Monitor {
    /// What is known of every service that has anything to be checked, in the order of their keys.
    pub fn shown(&self) -> Vec<ServiceStatus> {
        self.groups.values().map(|group| self.service_status(group)).collect()
    }

    /// What is known of one service; none, if it has nothing to be checked.
    pub fn shown_of(&self, service: ServiceKey) -> Option<ServiceStatus> {
        self.groups.get(&service).map(|group| self.service_status(group))
    }

    fn service_status(&self, group: &Group) -> ServiceStatus {
        ServiceStatus {
            service: group.base.key,
            up: group.won,
            since_ms: millis(group.since),
            weight: group.weight,
            needed: Quorum::of(&group.health).needed(group.won),
            sorry: group.sorry,
            suspended: group.suspended,
            servers: group.members.iter().filter_map(|number| self.server_status(group, *number)).collect(),
        }
    }

    fn server_status(&self, group: &Group, number: u32) -> Option<ServerStatus> {
        let member = self.members.get(number)?;
        Some(ServerStatus {
            address: member.base.address,
            port: member.base.port,
            up: member.up,
            since_ms: millis(member.since),
            // A check that fails may say something else by now than when it took the server down.
            why: if member.up { member.why.to_string() } else { self.reason(number).to_string() },
            weight: group.place(member),
            drained: member.drained,
            slow_start: member.ramp.is_some(),
            held_until_ms: member.held_until.map(millis),
            checks: member.seats.iter().filter_map(|seat| self.check_status(seat)).collect(),
        })
    }

    fn check_status(&self, seat: &Seat) -> Option<CheckStatus> {
        let ask = self.asks.get(seat.ask)?;
        let tally = &seat.tally;
        Some(CheckStatus {
            name: ask.subject.question.to_string(),
            up: tally.up,
            since_ms: millis(tally.since),
            known: tally.known,
            failures: tally.failures,
            successes: tally.successes,
            probes: ask.made,
            failed: ask.failed,
            error: tally.error.as_ref().map(|error| error.why.to_string()),
            error_ms: tally.error.as_ref().map(|error| millis(error.at)),
        })
    }
}
