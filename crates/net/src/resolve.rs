//! From a destination address to the frame header that reaches it: route, interface, tags, neighbour.
//!
//! It follows the kernel's own choice and never makes one. A bridge or a bond is taken as the interface itself.

use std::{collections::HashMap, net::IpAddr};

use crate::{Error, Link, Mac, Neighbour, Network, Route, RouteKind, Vlan};

/// The depth of VLANs on VLANs that the forwarding core can write.
const TAGS_MAX: usize = 2;

/// All that a frame towards a destination needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The index of the interface that carries the frames: of a VLAN the one underneath.
    pub interface: u32,
    /// The index of the interface that the route names. Its neighbour table and events are the ones that count.
    pub route_interface: u32,
    /// The tags to be written, the outermost first.
    pub vlans: Vec<Vlan>,
    /// The route's interface's MAC address.
    pub source_mac: Mac,
    /// The neighbour's MAC address.
    pub destination_mac: Mac,
    /// The largest IP packet, in bytes: the smaller of the path's and the interface's.
    pub mtu: u16,
    /// The source address that the kernel prefers towards the destination; for a real server this is the DIP.
    pub source: IpAddr,
    /// Whose MAC address it is: the gateway, or the destination itself.
    pub neighbour: IpAddr,
}

/// What is known about the way to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The destination is an address of this host.
    Local,
    /// There is no way now.
    Unreachable {
        /// Why, and what would help; half a sentence.
        why: String,
    },
    /// The neighbour's MAC address is not known yet; the kernel has been told to ask for it.
    Pending {
        /// The index of the interface where it is asked for.
        interface: u32,
        /// The gateway, or the destination itself.
        neighbour: IpAddr,
    },
    /// Frames can be sent.
    Ready(NextHop),
}

impl Network {
    /// How to reach a destination now. Call again after events about its route, interface or neighbour.
    pub fn resolve(&mut self, destination: IpAddr) -> Result<Resolution, Error> {
        self.resolve_with(destination, &mut Seen::default())
    }

    /// The same of many destinations, in their order. Each interface and neighbour is asked for once, so of thousands that
    /// share a router only the route is asked for again and again.
    pub fn resolve_all(&mut self, destinations: &[IpAddr]) -> Result<Vec<Resolution>, Error> {
        let mut seen = Seen::default();
        destinations.iter().map(|destination| self.resolve_with(*destination, &mut seen)).collect()
    }

    fn resolve_with(&mut self, destination: IpAddr, seen: &mut Seen) -> Result<Resolution, Error> {
        if is_link_local(destination) {
            return Ok(unreachable("a link-local address does not say on which interface; use a routable one"));
        }
        let route = self.route(destination)?;
        let way = match way(&route) {
            Ok(way) => way,
            Err(resolution) => return Ok(resolution),
        };
        let egress = match seen.egresses.get(&way.interface) {
            Some(egress) => egress.clone(),
            None => {
                let egress = self.egress(way.interface)?;
                seen.egresses.insert(way.interface, egress.clone());
                egress
            }
        };
        let egress = match egress {
            Ok(egress) => egress,
            Err(resolution) => return Ok(resolution),
        };
        let neighbour = way.gateway.unwrap_or(destination);
        let at = (way.interface, neighbour);
        let known = match seen.neighbours.get(&at) {
            Some(known) => *known,
            None => {
                let known = self.neighbour(way.interface, neighbour)?.as_ref().and_then(Neighbour::resolved);
                if known.is_none() {
                    // If it is being asked for already this changes nothing.
                    self.solicit(way.interface, neighbour)?;
                }
                seen.neighbours.insert(at, known);
                known
            }
        };
        let Some(destination_mac) = known else {
            return Ok(Resolution::Pending { interface: way.interface, neighbour });
        };
        let mtu = route.mtu.unwrap_or(u32::MAX).min(egress.mtu);
        Ok(Resolution::Ready(NextHop {
            interface: egress.interface,
            route_interface: way.interface,
            vlans: egress.vlans,
            source_mac: egress.mac,
            destination_mac,
            mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
            source: way.source,
            neighbour,
        }))
    }

    /// How frames leave by this interface, or why they cannot.
    fn egress(&mut self, interface: u32) -> Result<Result<Egress, Resolution>, Error> {
        match self.path(interface) {
            Ok(path) => Ok(egress(&path)),
            // It went away since the route was looked up.
            Err(Error::NoInterface { name }) => Ok(Err(unreachable(format!("interface {name} is gone")))),
            Err(error) => Err(error),
        }
    }

    /// The interface and those underneath it, down to the one without a VLAN.
    fn path(&mut self, interface: u32) -> Result<Vec<Link>, Error> {
        let mut path = vec![self.link(interface)?];
        while let Some(parent) = path.last().filter(|link| link.vlan.is_some()).and_then(|link| link.parent) {
            if path.len() > TAGS_MAX {
                break;
            }
            path.push(self.link(parent)?);
        }
        Ok(path)
    }
}

/// What was found while many destinations are looked up, and holds for the others of them.
#[derive(Default)]
struct Seen {
    /// By interface.
    egresses: HashMap<u32, Result<Egress, Resolution>>,
    /// By interface and address.
    neighbours: HashMap<(u32, IpAddr), Option<Mac>>,
}

/// What a usable route says.
struct Way {
    interface: u32,
    gateway: Option<IpAddr>,
    source: IpAddr,
}

fn way(route: &Route) -> Result<Way, Resolution> {
    match route.kind {
        RouteKind::Unicast => {}
        RouteKind::Local => return Err(Resolution::Local),
        RouteKind::Broadcast | RouteKind::Multicast => return Err(unreachable("it is no address of one host")),
        RouteKind::None => return Err(unreachable("no route leads there")),
        RouteKind::Blackhole => return Err(unreachable("a blackhole route covers it")),
        RouteKind::Unreachable => return Err(unreachable("an unreachable route covers it")),
        RouteKind::Prohibit => return Err(unreachable("a prohibit route covers it")),
        RouteKind::Other(number) => return Err(unreachable(format!("a route of kind {number} covers it"))),
    }
    let interface = route.interface.ok_or_else(|| unreachable("its route names no interface"))?;
    let source = route
        .source
        .ok_or_else(|| unreachable("this host has no source address towards it; give its interface one"))?;
    Ok(Way { interface, gateway: route.gateway, source })
}

/// How frames leave by the first interface of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Egress {
    interface: u32,
    mac: Mac,
    mtu: u32,
    vlans: Vec<Vlan>,
}

fn egress(path: &[Link]) -> Result<Egress, Resolution> {
    let (Some(upper), Some(lowest)) = (path.first(), path.last()) else {
        return Err(unreachable("its route names no interface"));
    };
    for link in path {
        let state = if !link.up {
            "is down"
        } else if !link.running {
            "has no carrier"
        } else {
            continue;
        };
        return Err(unreachable(format!("interface {} {state}", link.name)));
    }
    if lowest.vlan.is_some() {
        return Err(unreachable(format!(
            "interface {} has more than {TAGS_MAX} VLAN tags, or stands on one in another namespace",
            upper.name
        )));
    }
    let mac = upper.mac.ok_or_else(|| unreachable(format!("interface {} carries no Ethernet frames", upper.name)))?;
    // The lowest VLAN interface adds the outermost tag.
    let vlans = path.iter().rev().filter_map(|link| link.vlan).collect();
    Ok(Egress { interface: lowest.index, mac, mtu: upper.mtu, vlans })
}

fn unreachable(why: impl Into<String>) -> Resolution {
    Resolution::Unreachable { why: why.into() }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, vlan: Option<Vlan>) -> Link {
        Link {
            index,
            name: format!("x{index}"),
            mac: Some([2, 0, 0, 0, 0, u8::try_from(index).unwrap()]),
            mtu: 1500 - 4 * index,
            up: true,
            running: true,
            loopback: false,
            kind: None,
            parent: None,
            vlan,
            master: None,
            peer: None,
            xdp_attached: false,
        }
    }

    const INNER: Vlan = Vlan { tpid: 0x8100, id: 10 };
    const OUTER: Vlan = Vlan { tpid: 0x88a8, id: 20 };

    #[test]
    fn a_vlan_on_a_vlan_writes_the_lower_ones_tag_first() {
        let path = [link(3, Some(INNER)), link(2, Some(OUTER)), link(1, None)];
        let egress = egress(&path).unwrap();
        assert_eq!(egress, Egress { interface: 1, mac: [2, 0, 0, 0, 0, 3], mtu: 1488, vlans: vec![OUTER, INNER] });
    }

    #[test]
    fn a_vlan_without_its_parent_cannot_be_written() {
        assert!(matches!(egress(&[link(3, Some(INNER))]), Err(Resolution::Unreachable { .. })));
    }

    #[test]
    fn an_interface_without_carrier_below_a_vlan_is_named() {
        let mut path = [link(2, Some(INNER)), link(1, None)];
        path[1].running = false;
        assert_eq!(egress(&path), Err(Resolution::Unreachable { why: "interface x1 has no carrier".into() }));
    }

    #[test]
    fn a_route_without_a_source_address_is_no_way() {
        let mut route = Route {
            kind: RouteKind::Unicast,
            interface: Some(2),
            gateway: None,
            source: Some("10.0.0.1".parse().unwrap()),
            mtu: None,
        };
        assert!(way(&route).is_ok());
        route.source = None;
        assert!(way(&route).is_err_and(|r| matches!(r, Resolution::Unreachable { .. })));
        route.kind = RouteKind::Local;
        assert!(way(&route).is_err_and(|r| r == Resolution::Local));
    }
}
