//! What is known as numbers, without words: for metrics, and for whoever asks whether all servers were asked.

use super::{Monitor, group::Group, member::Member, quorum::Quorum};
use relvs_model::ServiceKey;
use std::{net::SocketAddr, time::Duration};

/// A service that has anything to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFigures {
    /// The service.
    pub service: ServiceKey,
    /// It has its quorum.
    pub up: bool,
    /// Since this moment, from 1970.
    pub since: Duration,
    /// The sum of weights of servers that are up.
    pub weight: u64,
    /// The sum that keeps it up, or that it needs to come up again.
    pub needed: u64,
    /// The sorry server takes the flows.
    pub sorry: bool,
    /// No checks are made: its VIP is not on this machine.
    pub suspended: bool,
    /// Its servers, and those that are up.
    pub servers: u32,
    /// See there.
    pub servers_up: u32,
}

/// A server of such a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFigures {
    /// Its service, by its place among those that are given with it.
    pub service: u32,
    /// Address and port.
    pub server: SocketAddr,
    /// All its checks say that it is up, and it is not held down.
    pub up: bool,
    /// Since this moment, from 1970.
    pub since: Duration,
    /// An administrator has drained it.
    pub drained: bool,
    /// So many probes ended since the daemon began; one that servers share counts for each.
    pub probes: u64,
    /// So many of them failed.
    pub failed: u64,
    /// How long the last probe took, from its start to its outcome: the longest of all checks. None: there was none.
    pub took: Option<Duration>,
}

impl Monitor {
    /// All services with anything to be checked, in the order of their keys, and their servers, those of one service together.
    pub fn figures(&self) -> (Vec<ServiceFigures>, Vec<ServerFigures>) {
        let (mut services, mut servers) = (Vec::with_capacity(self.groups.len()), Vec::new());
        for (group, place) in self.groups.values().zip(0..) {
            let before = servers.len();
            servers.extend(self.members_of(group).map(|member| self.server_figures(place, member)));
            let its = servers.get(before..).unwrap_or_default();
            services.push(ServiceFigures {
                service: group.base.key,
                up: group.won,
                since: group.since,
                weight: group.weight,
                needed: Quorum::of(&group.health).needed(group.won),
                sorry: group.sorry,
                suspended: group.suspended,
                servers: count(its.len()),
                servers_up: count(its.iter().filter(|server| server.up).count()),
            });
        }
        (services, servers)
    }

    fn server_figures(&self, service: u32, member: &Member) -> ServerFigures {
        let asks = || member.seats.iter().filter_map(|seat| self.asks.get(seat.ask));
        ServerFigures {
            service,
            server: member.socket(),
            up: member.up,
            since: member.since,
            drained: member.drained,
            probes: asks().map(|ask| ask.made).sum(),
            failed: asks().map(|ask| ask.failed).sum(),
            took: asks().filter_map(|ask| ask.took).max(),
        }
    }

    /// The services some of whose servers have a check without an outcome yet, with the number of these servers. Those whose
    /// checks are suspended are none of them.
    pub fn unasked(&self) -> impl Iterator<Item = (ServiceKey, u32)> {
        let checked = self.groups.values().filter(|group| !group.suspended);
        checked.filter_map(|group| {
            let unasked = |member: &&Member| member.seats.iter().any(|seat| !seat.tally.known);
            let number = count(self.members_of(group).filter(unasked).count());
            (number > 0).then_some((group.base.key, number))
        })
    }

    fn members_of(&self, group: &Group) -> impl Iterator<Item = &Member> {
        group.members.iter().filter_map(|number| self.members.get(*number))
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
