//! The servers: whether their method can reach them from here, whether packets fit the way, and whether answers come back.

use super::{Finding, Place, machine::View};
use relvs_model::{Method, Server, Service};
use relvs_net::{NextHop, Resolution};
use std::net::IpAddr;

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, service) in view.state.services.iter().enumerate() {
        for (number, server) in service.servers.iter().enumerate() {
            let there = There { view, service, server, place: Place::Server(index, number) };
            found.extend(there.judge());
        }
    }
    found
}

/// One server of one service.
struct There<'a> {
    view: &'a View<'a>,
    service: &'a Service,
    server: &'a Server,
    place: Place,
}

impl There<'_> {
    fn judge(&self) -> Vec<Finding> {
        let address = self.server.address;
        match self.view.machine.ways.get(&address) {
            None => Vec::new(),
            Some(Resolution::Local) => self.local().into_iter().collect(),
            Some(Resolution::Unreachable { why }) => {
                let message = format!("the server {address} cannot be reached: {why}");
                vec![Finding::error(
                    self.place,
                    message,
                    format!("`ip route get {address}` shows its way; give its network one"),
                )]
            }
            Some(Resolution::Pending { interface, neighbour }) => {
                let mut found = self.on_the_way(*interface, *neighbour);
                // Of one that cannot be reached at all it does not matter whether its router answers.
                if found.iter().all(|finding| finding.severity == relvs_config::Severity::Warning) {
                    found.push(self.silent(*interface, *neighbour));
                }
                found
            }
            Some(Resolution::Ready(hop)) => {
                let mut found = self.on_the_way(hop.route_interface, hop.neighbour);
                found.extend(self.fits(hop));
                found
            }
        }
    }

    /// What the interface and the neighbour that lead to the server mean for its method.
    fn on_the_way(&self, interface: u32, neighbour: IpAddr) -> Vec<Finding> {
        let (view, address, method) = (self.view, self.server.address, self.server.method);
        let name = view.name(interface);
        let mut found = Vec::new();
        if method == Method::Dr && neighbour != address {
            found.push(Finding::error(
                self.place,
                format!(
                    "a dr server must be on a network of this director, but {address} is behind {neighbour}, which would get packets \
                     for the VIP"
                ),
                "write method = \"tun\" or \"nat\", or bring the server to this director's network",
            ));
        }
        if !view.served.is_empty() && view.served_for(interface).is_none() {
            let add = format!("add \"{name}\" to [director] interfaces");
            found.push(match method {
                Method::Nat => Finding::error(
                    self.place,
                    format!("answers of the nat server {address} come in on {name}, which is not served, so clients never get them"),
                    add,
                ),
                Method::Dr | Method::Tun => Finding::warning(
                    self.place,
                    format!(
                        "packets for the server {address} leave on {name}, which is not served: some drivers send none then, and path \
                         MTUs are not learned"
                    ),
                    add,
                ),
            });
        }
        if method == Method::Nat {
            found.extend(self.comes_back(interface));
        }
        found
    }

    fn silent(&self, interface: u32, neighbour: IpAddr) -> Finding {
        let (address, name) = (self.server.address, self.view.name(interface));
        let question = if neighbour.is_ipv4() { "ARP" } else { "neighbour discovery" };
        let message = if neighbour == address {
            format!("the server {address} does not answer {question} on {name}; its packets are dropped until it does")
        } else {
            format!(
                "the router {neighbour} to the server {address} does not answer {question} on {name}; its packets are dropped until \
                 it does"
            )
        };
        Finding::warning(self.place, message, "see that it is on, and on this link with this address")
    }

    /// Whether a NAT server's answers find their way through this director.
    fn comes_back(&self, interface: u32) -> Vec<Finding> {
        let (view, address) = (self.view, self.server.address);
        let four = address.is_ipv4();
        let mut found = Vec::new();
        if !view.machine.forwarding.contains(&(interface, four)) {
            let name = view.name(interface);
            let (switch, all) = if four {
                (format!("net/ipv4/conf/{name}/forwarding"), "net.ipv4.ip_forward")
            } else {
                (format!("net/ipv6/conf/{name}/forwarding"), "net.ipv6.conf.all.forwarding")
            };
            found.push(Finding::error(
                self.place,
                format!("the kernel does not forward from {name} ({switch} is 0), so answers of nat servers find no way to clients"),
                format!("`sysctl -w {all}=1`"),
            ));
        }
        let vip = self.service.key.address();
        let shared = vip.and_then(|vip| {
            let (ours, theirs) = (view.networks(vip), view.networks(address));
            ours.into_iter().find(|link| theirs.iter().any(|other| other.index == link.index))
        });
        if let (Some(vip), Some(link)) = (vip, shared) {
            found.push(Finding::warning(
                self.place,
                format!(
                    "the nat server {address} is on the network of the VIP {vip}: clients on {} get its answers without this \
                     director, and refuse them",
                    link.name
                ),
                "right if no client is there and the server's default route leads here; else write method = \"dr\"",
            ));
        }
        found
    }

    /// Whether packets of the size that clients send fit the way.
    fn fits(&self, hop: &NextHop) -> Option<Finding> {
        let (view, address) = (self.view, self.server.address);
        let overhead = u32::from(relvs_control::overhead(self.server));
        let (way, room) = (u32::from(hop.mtu), u32::from(hop.mtu).saturating_sub(overhead));
        let vip = self.service.key.address();
        let near = vip.map(|vip| view.networks(vip)).unwrap_or_default();
        let near: Vec<_> = near.into_iter().filter(|link| view.served_for(link.index).is_some()).collect();
        let from = if near.is_empty() { view.served.clone() } else { near };
        let largest = from.into_iter().max_by_key(|link| link.mtu).filter(|link| link.mtu > room)?;
        let (size, name) = (largest.mtu, &largest.name);
        let tunnel = if overhead > 0 { format!(", less {overhead} for the tunnel") } else { String::new() };
        let headers = if address.is_ipv4() { 40 } else { 60 };
        let message = format!(
            "packets of up to {size} bytes come in on {name}, but only {room} fit the way to {address} (MTU {way}{tunnel}): longer \
             ones are answered with \"too big\""
        );
        let remedy = format!(
            "raise the MTU of {} and of the network behind it to {}, or have the server ask for smaller segments (on it: `ip route \
             change default via ROUTER advmss {}`)",
            view.name(hop.route_interface),
            size + overhead,
            room.saturating_sub(headers),
        );
        Some(Finding::warning(self.place, message, remedy))
    }

    /// The director as its own server.
    fn local(&self) -> Option<Finding> {
        let (server, key) = (self.server, self.service.key);
        let address = server.address;
        let other_port = server.method == Method::Nat && server.port != 0 && server.port != key.port();
        if other_port && key.address().is_some() {
            return Some(Finding::error(
                self.place,
                format!("{address} is this director itself, which cannot rewrite a port for its own stack"),
                "leave the port out, or write the service's own",
            ));
        }
        let vip = key.address().filter(|vip| self.view.holders(*vip).is_empty())?;
        Some(Finding::error(
            self.place,
            format!(
                "{address} is this director itself, but the VIP {vip} is not one of its addresses: its stack does not take the packets"
            ),
            "give it the VIP, or remove this server",
        ))
    }
}
