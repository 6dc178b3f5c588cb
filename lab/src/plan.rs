//! What a topology consists of: segments (switches), nodes, their ports, addresses and routes. Pure data; nothing is created here.
//!
//! Every segment is a bridge in the namespace of the node [`SWITCH`], so that any node can be unplugged, and a second director joins
//! without rewiring. Addresses come from the documentation prefixes (RFC 5737, RFC 3849) and 10.0.0.0/24.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail, ensure};
use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// The node that holds the bridges, one for each segment.
pub const SWITCH: &str = "sw";
/// The client.
pub const CLIENT: &str = "c";
/// The router between the client and the LAN (one-armed and wan).
pub const ROUTER: &str = "r";
/// The router between the LAN and the far server (wan).
pub const FAR_ROUTER: &str = "r2";
/// The server behind [`FAR_ROUTER`] (wan).
pub const FAR_SERVER: &str = "f1";

/// Servers a lab can have.
pub const SERVERS_MAX: u8 = 64;
/// Directors a lab can have.
pub const DIRECTORS_MAX: u8 = 2;

const HOST_ROUTER: u8 = 1;
const HOST_DIRECTOR: u8 = 2;
const HOST_FAR_ROUTER: u8 = 4;
const HOST_CLIENT: u8 = 10;
const HOST_SERVER: u8 = 11;
const HOST_VIP: u8 = 100;

/// How client, directors and servers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// client, router, LAN; directors and servers on the LAN.
    OneArmed,
    /// client, director, LAN with the servers; the director is their gateway.
    TwoArmed,
    /// As one-armed, and behind the LAN a second router, a link with a smaller MTU, and a far server.
    Wan,
}

/// Where a server sends what leaves the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// The router: replies bypass the director, as DR and TUN want it.
    Router,
    /// The first director: replies pass it, as NAT needs it.
    Director,
}

/// What a node is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Asks.
    Client,
    /// Forwards between segments by the kernel alone.
    Router,
    /// Holds the bridges.
    Switch,
    /// Where relvs runs.
    Director,
    /// Answers.
    Server,
}

/// The sizes of a topology, before addresses are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// How the nodes are connected.
    pub topology: Topology,
    /// Directors, 1 to [`DIRECTORS_MAX`].
    pub directors: u8,
    /// Servers on the LAN, 1 to [`SERVERS_MAX`].
    pub servers: u8,
    /// Every LAN server's gateway at first; in two-armed only [`Gateway::Director`] exists.
    pub gateway: Gateway,
    /// MTU of the LAN in bytes: above the clients' 1500, so that a tunnel's header fits.
    pub lan_mtu: u16,
    /// MTU in bytes of the link to the far server.
    pub far_mtu: u16,
}

/// One layer-2 network: a bridge, its prefixes and its MTU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Name of the bridge interface too.
    pub name: String,
    /// IPv4 prefix.
    pub v4: Ipv4Net,
    /// IPv6 prefix.
    pub v6: Ipv6Net,
    /// In bytes, without the Ethernet header, for the bridge and every port.
    pub mtu: u16,
}

/// An interface of a node on a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Interface name inside the node.
    pub interface: String,
    /// The segment's name.
    pub segment: String,
    /// The interface's own IPv4 address.
    pub v4: Ipv4Addr,
    /// The interface's own IPv6 address.
    pub v6: Ipv6Addr,
    /// Locally administered; the last octet is the host number, so that a capture is readable.
    pub mac: [u8; 6],
}

/// A static route, for one family each; `None` as prefix is the default route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Segment to reach; `None` for everything.
    pub to: Option<String>,
    /// Next hop.
    pub via_v4: Ipv4Addr,
    /// Next hop.
    pub via_v6: Ipv6Addr,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Short name: `c`, `r`, `d1`, `s1`.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// Its interfaces; none for the switch.
    pub ports: Vec<Port>,
    /// Its static routes.
    pub routes: Vec<Route>,
}

/// A whole topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How the nodes are connected.
    pub topology: Topology,
    /// The switch's bridges.
    pub segments: Vec<Segment>,
    /// Every node but the switch.
    pub nodes: Vec<NodePlan>,
}

impl Shape {
    /// One director and three servers, LAN MTU 1600, far link 1400, replies the way the topology is made for.
    #[must_use]
    pub fn new(topology: Topology) -> Self {
        let gateway = match topology {
            Topology::OneArmed | Topology::Wan => Gateway::Router,
            Topology::TwoArmed => Gateway::Director,
        };
        Self { topology, directors: 1, servers: 3, gateway, lan_mtu: 1600, far_mtu: 1400 }
    }

    /// The same with this number of directors.
    #[must_use]
    pub fn directors(self, directors: u8) -> Self {
        Self { directors, ..self }
    }

    /// The same with this number of servers on the LAN.
    #[must_use]
    pub fn servers(self, servers: u8) -> Self {
        Self { servers, ..self }
    }

    /// The same with this gateway for every LAN server.
    #[must_use]
    pub fn gateway(self, gateway: Gateway) -> Self {
        Self { gateway, ..self }
    }

    /// Gives names, addresses and routes.
    ///
    /// # Errors
    /// A count or an MTU outside its range, or a gateway that the topology does not have.
    pub fn plan(&self) -> Result<Plan> {
        ensure!(
            (1..=DIRECTORS_MAX).contains(&self.directors),
            "directors: 1 to {DIRECTORS_MAX}, not {}",
            self.directors
        );
        ensure!((1..=SERVERS_MAX).contains(&self.servers), "servers: 1 to {SERVERS_MAX}, not {}", self.servers);
        // IPv6 needs 1280 on every link (RFC 8200 section 5); native XDP on veth ends at 3506.
        for (what, mtu) in [("LAN", self.lan_mtu), ("far link", self.far_mtu)] {
            ensure!((1280..=3506).contains(&mtu), "{what} MTU: 1280 to 3506, not {mtu}");
        }
        if self.topology == Topology::TwoArmed && self.gateway == Gateway::Router {
            bail!("two-armed has no router: its servers' gateway is the director");
        }
        Ok(match self.topology {
            Topology::OneArmed => self.one_armed(),
            Topology::TwoArmed => self.two_armed(),
            Topology::Wan => self.wan(),
        })
    }

    fn one_armed(&self) -> Plan {
        let outside = segment("outside", [198, 51, 100], 0x51, 1500);
        let lan = segment("lan", [192, 0, 2], 0x2, self.lan_mtu);
        let mut nodes = vec![
            NodePlan::new(CLIENT, Role::Client).port(0, 1, &outside, HOST_CLIENT).default_via(&outside, HOST_ROUTER),
            NodePlan::new(ROUTER, Role::Router).port(0, 1, &outside, HOST_ROUTER).port(1, 2, &lan, HOST_ROUTER),
        ];
        for n in 0..self.directors {
            let director = NodePlan::new(&format!("d{}", n + 1), Role::Director);
            nodes.push(director.port(0, 2, &lan, HOST_DIRECTOR + n).default_via(&lan, HOST_ROUTER));
        }
        nodes.extend(self.lan_servers(&lan));
        Plan { topology: self.topology, segments: vec![outside, lan], nodes }
    }

    fn two_armed(&self) -> Plan {
        let outside = segment("outside", [198, 51, 100], 0x51, 1500);
        let lan = segment("lan", [10, 0, 0], 0x10, self.lan_mtu);
        let mut nodes = vec![
            NodePlan::new(CLIENT, Role::Client).port(0, 1, &outside, HOST_CLIENT).default_via(&outside, HOST_DIRECTOR),
        ];
        for n in 0..self.directors {
            let director = NodePlan::new(&format!("d{}", n + 1), Role::Director);
            nodes.push(director.port(0, 1, &outside, HOST_DIRECTOR + n).port(1, 2, &lan, HOST_DIRECTOR + n));
        }
        nodes.extend(self.lan_servers(&lan));
        Plan { topology: self.topology, segments: vec![outside, lan], nodes }
    }

    fn wan(&self) -> Plan {
        let mut plan = self.one_armed();
        let far = segment("far", [203, 0, 113], 0x113, self.far_mtu);
        let lan = plan.segments[1].clone();
        for node in &mut plan.nodes {
            // Everything on the LAN knows the way itself, so that no redirect and no detour over the router blurs a measurement.
            if node.ports.iter().any(|port| port.segment == lan.name) {
                let (via_v4, via_v6) = lan.host(HOST_FAR_ROUTER);
                node.routes.push(Route { to: Some(far.name.clone()), via_v4, via_v6 });
            }
        }
        let router = NodePlan::new(FAR_ROUTER, Role::Router);
        let router = router.port(0, 2, &lan, HOST_FAR_ROUTER).port(1, 3, &far, HOST_ROUTER);
        plan.nodes.push(router.default_via(&lan, HOST_ROUTER));
        plan.nodes
            .push(NodePlan::new(FAR_SERVER, Role::Server).port(0, 3, &far, HOST_SERVER).default_via(&far, HOST_ROUTER));
        plan.segments.push(far);
        plan
    }

    fn lan_servers(&self, lan: &Segment) -> Vec<NodePlan> {
        let gateway = match self.gateway {
            Gateway::Router => HOST_ROUTER,
            Gateway::Director => HOST_DIRECTOR,
        };
        (0..self.servers)
            .map(|n| {
                let server = NodePlan::new(&format!("s{}", n + 1), Role::Server);
                server.port(0, 2, lan, HOST_SERVER + n).default_via(lan, gateway)
            })
            .collect()
    }
}

impl NodePlan {
    fn new(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, ports: Vec::new(), routes: Vec::new() }
    }

    fn port(mut self, number: u8, segment_id: u8, segment: &Segment, host: u8) -> Self {
        let (v4, v6) = segment.host(host);
        let mac = [0x02, 0, 0, 0, segment_id, host];
        let interface = format!("eth{number}");
        self.ports.push(Port { interface, segment: segment.name.clone(), v4, v6, mac });
        self
    }

    fn default_via(mut self, segment: &Segment, host: u8) -> Self {
        let (via_v4, via_v6) = segment.host(host);
        self.routes.push(Route { to: None, via_v4, via_v6 });
        self
    }

    /// Whether the kernel forwards here.
    #[must_use]
    pub fn forwards(&self) -> bool {
        matches!(self.role, Role::Router | Role::Director)
    }
}

impl Segment {
    /// The address of host number `host` in both families; the decimal digits read the same in IPv6 (`.100`, `::100`).
    #[must_use]
    pub fn host(&self, host: u8) -> (Ipv4Addr, Ipv6Addr) {
        let [a, b, c, _] = self.v4.network().octets();
        let mut words = self.v6.network().segments();
        let host16 = u16::from(host);
        words[7] = ((host16 / 100) << 8) | ((host16 / 10 % 10) << 4) | (host16 % 10);
        (Ipv4Addr::new(a, b, c, host), Ipv6Addr::from(words))
    }
}

impl Port {
    /// The interface of the switch at the other end.
    #[must_use]
    pub fn peer(&self, node: &str) -> String {
        format!("{node}.{}", self.interface)
    }
}

impl Plan {
    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodePlan> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The segment of that name.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == name)
    }

    /// The n-th virtual address (from 0) in both families: on the LAN in one-armed and wan, on the clients' side in two-armed.
    #[must_use]
    pub fn vip(&self, n: u8) -> (IpAddr, IpAddr) {
        let (v4, v6) = self.vip_segment().host(HOST_VIP + n);
        (v4.into(), v6.into())
    }

    /// The segment on which a director owns the virtual addresses.
    #[must_use]
    pub fn vip_segment(&self) -> &Segment {
        match self.topology {
            Topology::OneArmed | Topology::Wan => &self.segments[1],
            Topology::TwoArmed => &self.segments[0],
        }
    }
}

fn segment(name: &str, v4: [u8; 3], v6: u16, mtu: u16) -> Segment {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(v4[0], v4[1], v4[2], 0), 24);
    let v6 = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, v6, 0, 0, 0, 0, 0), 64);
    Segment { name: name.to_owned(), v4, v6, mtu }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plans() -> Vec<Plan> {
        [Topology::OneArmed, Topology::TwoArmed, Topology::Wan]
            .map(|topology| Shape::new(topology).directors(2).servers(5).plan().unwrap())
            .to_vec()
    }

    #[test]
    fn addresses_are_unique_and_inside_their_segment() {
        for plan in plans() {
            let mut seen = BTreeSet::new();
            for port in plan.nodes.iter().flat_map(|node| &node.ports) {
                let segment = plan.segment(&port.segment).unwrap();
                assert!(segment.v4.contains(&port.v4) && segment.v6.contains(&port.v6), "{port:?}");
                assert!(seen.insert(IpAddr::from(port.v4)) && seen.insert(port.v6.into()), "{port:?} twice");
            }
            let (vip4, vip6) = plan.vip(0);
            assert!(!seen.contains(&vip4) && !seen.contains(&vip6));
        }
    }

    #[test]
    fn every_next_hop_is_on_a_segment_of_its_node() {
        for plan in plans() {
            for node in &plan.nodes {
                for route in &node.routes {
                    let direct = |port: &Port| plan.segment(&port.segment).unwrap().v4.contains(&route.via_v4);
                    assert!(node.ports.iter().any(direct), "{}: {route:?}", node.name);
                }
            }
        }
    }

    #[test]
    fn host_numbers_read_the_same_in_both_families() {
        let lan = segment("lan", [192, 0, 2], 2, 1500);
        assert_eq!(lan.host(100).0.to_string(), "192.0.2.100");
        assert_eq!(lan.host(100).1.to_string(), "2001:db8:2::100");
        assert_eq!(lan.host(11).1.to_string(), "2001:db8:2::11");
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        for plan in plans() {
            for node in &plan.nodes {
                for port in &node.ports {
                    assert!(port.peer(&node.name).len() <= 15);
                }
            }
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let one = Shape::new(Topology::OneArmed);
        assert!(one.clone().servers(0).plan().is_err());
        assert!(one.clone().directors(3).plan().is_err());
        assert!(Shape { lan_mtu: 1200, ..one }.plan().is_err());
        assert!(Shape::new(Topology::TwoArmed).gateway(Gateway::Router).plan().is_err());
    }
}
