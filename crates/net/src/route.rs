//! The route to one destination, as the kernel itself would choose it for its own packets (RTM_GETROUTE).

use std::{collections::BTreeSet, net::IpAddr};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia},
};
use nix::errno::Errno;

use crate::{
    Error, Network,
    address::{family, full_prefix},
};

/// What a route does with its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// Sends them to a gateway or to a neighbour.
    Unicast,
    /// The destination is this host.
    Local,
    /// The destination is a broadcast address of a link.
    Broadcast,
    /// The destination is a multicast group.
    Multicast,
    /// Drops them in silence.
    Blackhole,
    /// Answers that the host is unreachable.
    Unreachable,
    /// Answers that it is forbidden.
    Prohibit,
    /// No route matches.
    None,
    /// Another kind, by its number in rtnetlink(7).
    Other(u8),
}

/// The route to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What happens to the packets.
    pub kind: RouteKind,
    /// The index of the interface they leave by.
    pub interface: Option<u32>,
    /// The next router; without one the destination is a neighbour. An IPv4 route may have an IPv6 gateway (RFC 8950).
    pub gateway: Option<IpAddr>,
    /// The source address that the kernel prefers there.
    pub source: Option<IpAddr>,
    /// The path's MTU in bytes, if the route or path MTU discovery says one.
    pub mtu: Option<u32>,
}

impl Route {
    fn without_way(kind: RouteKind) -> Self {
        Route { kind, interface: None, gateway: None, source: None, mtu: None }
    }

    pub(crate) fn from_message(message: &RouteMessage) -> Route {
        let mut route = Route::without_way(kind(message.header.kind));
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Oif(index) => route.interface = Some(*index),
                RouteAttribute::Gateway(gateway) => route.gateway = ip(gateway),
                RouteAttribute::Via(RouteVia::Inet(gateway)) => route.gateway = Some(IpAddr::V4(*gateway)),
                RouteAttribute::Via(RouteVia::Inet6(gateway)) => route.gateway = Some(IpAddr::V6(*gateway)),
                RouteAttribute::PrefSource(source) => route.source = ip(source),
                RouteAttribute::Metrics(metrics) => {
                    route.mtu = metrics.iter().find_map(|metric| match metric {
                        RouteMetric::Mtu(mtu) if *mtu > 0 => Some(*mtu),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        route
    }
}

impl Network {
    /// The route to a destination. That there is none is an answer ([`RouteKind::None`]), not an error.
    pub fn route(&mut self, destination: IpAddr) -> Result<Route, Error> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(destination);
        message.header.destination_prefix_length = full_prefix(destination);
        message.attributes.push(RouteAttribute::Destination(destination.into()));
        let action = format!("find the route to {destination}");
        match self.connection.get(&RouteNetlinkMessage::GetRoute(message), &action) {
            Ok(RouteNetlinkMessage::NewRoute(message)) => Ok(Route::from_message(&message)),
            Ok(_) => Err(Error::Malformed { action, reason: "it is no route".into() }),
            Err(error) => refusal(&error).map(Route::without_way).ok_or(error),
        }
    }
}

impl Network {
    /// The next routers of all unicast routes, each with the interface that leads to it.
    pub fn gateways(&mut self) -> Result<BTreeSet<(u32, IpAddr)>, Error> {
        let mut found = BTreeSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            for answer in self.connection.dump(&RouteNetlinkMessage::GetRoute(message), "list the routes")? {
                if let RouteNetlinkMessage::NewRoute(message) = answer
                    && message.header.kind == RouteType::Unicast
                {
                    let route = Route::from_message(&message);
                    found.extend(route.interface.zip(route.gateway));
                    found.extend(several(&message.attributes));
                }
            }
        }
        Ok(found)
    }
}

/// The gateways of a route with several next hops.
fn several(attributes: &[RouteAttribute]) -> impl Iterator<Item = (u32, IpAddr)> {
    let hops = attributes.iter().filter_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops),
        _ => None,
    });
    hops.flatten().filter_map(|hop| {
        let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Gateway(gateway) => ip(gateway),
            RouteAttribute::Via(RouteVia::Inet(gateway)) => Some(IpAddr::V4(*gateway)),
            RouteAttribute::Via(RouteVia::Inet6(gateway)) => Some(IpAddr::V6(*gateway)),
            _ => None,
        });
        Some((hop.interface_index, gateway?))
    })
}

/// The kernel answers a lookup that ends in no unicast route with the error that a sender would get
/// (fib_props in net/ipv4/fib_semantics.c, fib6_prop in net/ipv6/route.c).
fn refusal(error: &Error) -> Option<RouteKind> {
    if !matches!(error, Error::Refused { .. }) {
        return None;
    }
    match error.errno()? {
        Errno::ENETUNREACH => Some(RouteKind::None),
        Errno::EHOSTUNREACH => Some(RouteKind::Unreachable),
        Errno::EACCES => Some(RouteKind::Prohibit),
        Errno::EINVAL => Some(RouteKind::Blackhole),
        _ => None,
    }
}

fn kind(kind: RouteType) -> RouteKind {
    match kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::Local | RouteType::Anycast => RouteKind::Local,
        RouteType::Broadcast => RouteKind::Broadcast,
        RouteType::Multicast => RouteKind::Multicast,
        RouteType::BlackHole => RouteKind::Blackhole,
        RouteType::Unreachable => RouteKind::Unreachable,
        RouteType::Prohibit => RouteKind::Prohibit,
        other => RouteKind::Other(other.into()),
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_route_may_have_an_ipv6_gateway_and_an_mtu() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![
            RouteAttribute::Oif(3),
            RouteAttribute::Via(RouteVia::Inet6("fe80::1".parse().unwrap())),
            RouteAttribute::PrefSource(RouteAddress::Inet("10.0.0.1".parse().unwrap())),
            RouteAttribute::Metrics(vec![RouteMetric::Hoplimit(3), RouteMetric::Mtu(1400)]),
        ];
        let route = Route::from_message(&message);
        assert_eq!(route.gateway, Some("fe80::1".parse().unwrap()));
        assert_eq!(route.source, Some("10.0.0.1".parse().unwrap()));
        assert_eq!((route.kind, route.interface, route.mtu), (RouteKind::Unicast, Some(3), Some(1400)));
    }

    #[test]
    fn an_error_of_the_lookup_is_a_kind_of_route_and_any_other_stays_an_error() {
        let refused = |errno: Errno| Error::Refused { action: "find".into(), source: errno.into() };
        assert_eq!(refusal(&refused(Errno::ENETUNREACH)), Some(RouteKind::None));
        assert_eq!(refusal(&refused(Errno::EINVAL)), Some(RouteKind::Blackhole));
        assert_eq!(refusal(&refused(Errno::EPERM)), None);
        assert_eq!(refusal(&Error::socket("x", Errno::EINVAL)), None);
    }
}
