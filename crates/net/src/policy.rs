//! Routes and rules that are added and removed as they are told (RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE).
//!
//! They bear keepalived's number for who made them (`RTPROT_KEEPALIVED`), which ip(8) shows: so what is removed is never
//! someone else's that happens to look alike.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType},
    rule::{RuleAction, RuleAttribute, RuleMessage},
};

use crate::{Error, Network, RouteKind, Scope, address::family};

/// A route to be added or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoute {
    /// Where to: an address and how many of its bits count.
    pub to: (IpAddr, u8),
    /// What becomes of the packets; [`RouteKind::Unicast`] for those that go their way.
    pub kind: RouteKind,
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// The index of the interface.
    pub interface: Option<u32>,
    /// The source address of this machine's own packets.
    pub source: Option<IpAddr>,
    /// The number of the routing table; none is the main one.
    pub table: Option<u32>,
    /// Among routes to the same the lowest counts.
    pub metric: Option<u32>,
    /// How far it is; none is by what else is said.
    pub scope: Option<Scope>,
    /// The path's MTU.
    pub mtu: Option<u32>,
    /// The next router is on the link, whatever its address.
    pub on_link: bool,
}

/// A rule to be added or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRule {
    /// About IPv6.
    pub is_ipv6: bool,
    /// Where packets come from.
    pub from: Option<(IpAddr, u8)>,
    /// Where they go.
    pub to: Option<(IpAddr, u8)>,
    /// By which interface they came, by its name.
    pub input: Option<String>,
    /// By which interface they go.
    pub output: Option<String>,
    /// Their mark.
    pub mark: Option<u32>,
    /// The lowest counts first; none is the kernel's choice.
    pub priority: Option<u32>,
    /// What becomes of them; [`RouteKind::Unicast`]: the table says.
    pub kind: RouteKind,
    /// The number of the routing table.
    pub table: Option<u32>,
}

impl Network {
    /// Adds a route. [`Error::is_present`] tells that it is there already.
    pub fn add_route(&mut self, new: &NewRoute) -> Result<(), Error> {
        let action = format!("add a route to {}/{}", new.to.0, new.to.1);
        self.connection.change(&RouteNetlinkMessage::NewRoute(route(new)), NLM_F_CREATE | NLM_F_EXCL, &action)
    }

    /// Removes a route. [`Error::is_absent`] tells that it was not there.
    pub fn remove_route(&mut self, old: &NewRoute) -> Result<(), Error> {
        let action = format!("remove the route to {}/{}", old.to.0, old.to.1);
        self.connection.change(&RouteNetlinkMessage::DelRoute(route(old)), 0, &action)
    }

    /// Adds a rule. [`Error::is_present`] tells that it is there already.
    pub fn add_rule(&mut self, new: &NewRule) -> Result<(), Error> {
        self.connection.change(&RouteNetlinkMessage::NewRule(rule(new)), NLM_F_CREATE | NLM_F_EXCL, "add a rule")
    }

    /// Removes a rule. [`Error::is_absent`] tells that it was not there.
    pub fn remove_rule(&mut self, old: &NewRule) -> Result<(), Error> {
        self.connection.change(&RouteNetlinkMessage::DelRule(rule(old)), 0, "remove a rule")
    }
}

fn route(new: &NewRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    let (to, prefix) = new.to;
    message.header.address_family = family(to);
    message.header.destination_prefix_length = prefix;
    // Tables above 255 have no room in the header.
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message.header.protocol = RouteProtocol::KeepAlived;
    message.header.kind = match new.kind {
        RouteKind::Blackhole => RouteType::BlackHole,
        RouteKind::Unreachable => RouteType::Unreachable,
        RouteKind::Prohibit => RouteType::Prohibit,
        _ => RouteType::Unicast,
    };
    message.header.scope = match new.scope {
        Some(Scope::Global) => RouteScope::Universe,
        Some(Scope::Site) => RouteScope::Site,
        Some(Scope::Link) => RouteScope::Link,
        Some(Scope::Host) => RouteScope::Host,
        Some(Scope::Other(number)) => RouteScope::Other(number),
        // As ip-route(8): what needs no router is on the link. IPv6 has no scopes.
        None if new.kind == RouteKind::Unicast && new.gateway.is_none() && to.is_ipv4() => RouteScope::Link,
        None => RouteScope::Universe,
    };
    message.header.flags.set(RouteFlags::Onlink, new.on_link);
    if prefix != 0 {
        message.attributes.push(RouteAttribute::Destination(to.into()));
    }
    message.attributes.push(RouteAttribute::Table(new.table.unwrap_or(RouteHeader::RT_TABLE_MAIN.into())));
    message.attributes.extend(new.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
    message.attributes.extend(new.interface.map(RouteAttribute::Oif));
    message.attributes.extend(new.source.map(|source| RouteAttribute::PrefSource(source.into())));
    message.attributes.extend(new.metric.map(RouteAttribute::Priority));
    message.attributes.extend(new.mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
    message
}

fn rule(new: &NewRule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = if new.is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.action = match new.kind {
        RouteKind::Blackhole => RuleAction::Blackhole,
        RouteKind::Unreachable => RuleAction::Unreachable,
        RouteKind::Prohibit => RuleAction::Prohibit,
        _ => RuleAction::ToTable,
    };
    if let Some((from, prefix)) = new.from {
        message.header.src_len = prefix;
        message.attributes.push(RuleAttribute::Source(from));
    }
    if let Some((to, prefix)) = new.to {
        message.header.dst_len = prefix;
        message.attributes.push(RuleAttribute::Destination(to));
    }
    message.attributes.extend(new.input.clone().map(RuleAttribute::Iifname));
    message.attributes.extend(new.output.clone().map(RuleAttribute::Oifname));
    message.attributes.extend(new.mark.map(RuleAttribute::FwMark));
    message.attributes.extend(new.priority.map(RuleAttribute::Priority));
    message.attributes.extend(new.table.map(RuleAttribute::Table));
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::KeepAlived));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: &str, prefix: u8) -> NewRoute {
        let to = (address.parse().unwrap(), prefix);
        let (kind, gateway, interface) = (RouteKind::Unicast, None, Some(3));
        let (source, table, metric, scope, mtu) = (None, None, None, None, None);
        NewRoute { to, kind, gateway, interface, source, table, metric, scope, mtu, on_link: false }
    }

    #[test]
    fn a_route_without_a_router_is_on_the_link() {
        assert_eq!(route(&to("198.51.100.0", 24)).header.scope, RouteScope::Link);
        assert_eq!(route(&to("2001:db8::", 32)).header.scope, RouteScope::Universe);
        let by = NewRoute { gateway: "192.0.2.1".parse().ok(), ..to("0.0.0.0", 0) };
        let message = route(&by);
        assert_eq!(message.header.scope, RouteScope::Universe);
        assert!(!message.attributes.iter().any(|a| matches!(a, RouteAttribute::Destination(_))), "all of them");
        assert!(message.attributes.contains(&RouteAttribute::Table(254)));
        let dropped = NewRoute { kind: RouteKind::Blackhole, interface: None, ..to("198.51.100.0", 24) };
        assert_eq!(route(&dropped).header.scope, RouteScope::Universe);
    }
}
