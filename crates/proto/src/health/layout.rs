//! Which servers a service is laid out with: what is desired, and the verdicts.

use super::{Monitor, group::Group, member::Member, reload::socket};
use relvs_model::{Server, Service, ServiceKey};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

impl Monitor {
    /// The servers that a service is to be laid out with in place of its own; none: with its own. A function of the service
    /// as it is desired and of the verdicts: ask it after [`Monitor::reload`] was told of the service.
    pub fn effective(&self, desired: &Service) -> Option<Vec<Server>> {
        let Some(group) = self.groups.get(&desired.key) else { return self.with_drained(desired) };
        let mut servers = Vec::with_capacity(desired.servers.len() + 1);
        for (index, server) in desired.servers.iter().enumerate() {
            match self.member(group, index, socket(server)).map(|member| group.place(member)) {
                Some(Some(weight)) => servers.push(Server { weight, ..server.clone() }),
                Some(None) => {}
                None => servers.push(server.clone()),
            }
        }
        if let (Some(sorry), Some(weight)) = (&group.health.sorry, group.place_sorry()) {
            servers.push(Server { weight, ..sorry.clone() });
        }
        Some(servers)
    }

    /// The member that is a server; it is looked for at the server's place first.
    fn member(&self, group: &Group, index: usize, server: SocketAddr) -> Option<&Member> {
        let at = |number: &u32| self.members.get(*number).filter(|member| member.socket() == server);
        group.members.get(index).and_then(at).or_else(|| group.members.iter().find_map(at))
    }

    /// The servers of a service that an administrator has drained.
    pub(super) fn drained_of(&self, service: ServiceKey) -> impl Iterator<Item = SocketAddr> {
        let lowest = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let from = self.drained.range((service, lowest)..);
        from.take_while(move |(known, _)| *known == service).map(|(_, server)| *server)
    }

    fn with_drained(&self, desired: &Service) -> Option<Vec<Server>> {
        self.drained_of(desired.key).next()?;
        let weight = |server: &Server| {
            if self.drained.contains(&(desired.key, socket(server))) { 0 } else { server.weight }
        };
        Some(desired.servers.iter().map(|server| Server { weight: weight(server), ..server.clone() }).collect())
    }

    /// Notes how a service is scheduled now; whether that is otherwise than it was noted last.
    pub(super) fn lay(&mut self, service: ServiceKey) -> bool {
        let Some(group) = self.groups.get_mut(&service) else { return false };
        let sorry = group.place_sorry();
        let mut changed = std::mem::replace(&mut group.laid_sorry, sorry) != sorry;
        let group = &*group;
        for number in &group.members {
            let Some(member) = self.members.get_mut(*number) else { continue };
            let place = group.place(member);
            changed |= std::mem::replace(&mut member.laid, place) != place;
        }
        changed
    }
}
