//! The director as one of its own servers (IPVS's local node), and what is said of ways.
//!
//! A packet for a server whose address is the director's own goes to its stack as it came in: its destination is the
//! VIP, which must be an address of the director for that, and somebody must listen there. That is what DR and TUN want;
//! for NAT it will do as long as the port stays. Whether an address is the director's own may change at any moment.

use super::{Director, Error};
use relvs_api::Way;
use relvs_core::table::destination::{Destination, method, overhead};
use relvs_model::Server;
use relvs_net::Resolution;
use std::net::IpAddr;

/// Why the director cannot serve this itself.
const OTHER_PORT: &str = "it is this director itself, which can be a server by dr, or by nat to the service's own port";

/// Whether the director's own stack can take this destination's packets as they come in.
pub(super) fn serves(record: &Destination) -> bool {
    record.method != method::NAT || record.server_port == 0 || record.server_port == record.service_port
}

impl Director {
    /// The way to a server of the destination of this record.
    pub(super) fn way(&self, server: &Server, record: &Destination) -> Way {
        match self.ways.known(server.address) {
            Some(Resolution::Ready(hop)) => Way::Ready {
                interface: self.ways.interface(hop.interface),
                neighbour: hop.neighbour,
                mac: relvs_net::mac_text(&hop.destination_mac),
                mtu: hop.mtu.saturating_sub(overhead(record.method, server.address.is_ipv6())),
            },
            Some(Resolution::Pending { neighbour, .. }) => Way::Pending { neighbour: *neighbour },
            Some(Resolution::Unreachable { why }) => Way::Unreachable { why: why.clone() },
            Some(Resolution::Local) if serves(record) => Way::Local,
            Some(Resolution::Local) => Way::Unreachable { why: OTHER_PORT.to_owned() },
            None => Way::Unreachable { why: "it was not asked for".to_owned() },
        }
    }

    /// Says in the log what is known of the way to a server.
    pub(super) fn say(&mut self, server: IpAddr) -> Result<(), Error> {
        match self.ways.known(server) {
            Some(Resolution::Ready(hop)) => {
                let (interface, mac) = (self.ways.interface(hop.interface), relvs_net::mac_text(&hop.destination_mac));
                tracing::info!("server {server}: by {} ({mac}) on {interface}", hop.neighbour);
            }
            Some(Resolution::Pending { neighbour, .. }) => {
                tracing::warn!(
                    "server {server}: {neighbour} does not answer ARP or neighbour discovery; its packets are dropped until it does"
                );
            }
            Some(Resolution::Unreachable { why }) => tracing::warn!("server {server}: {why}; its packets are dropped"),
            Some(Resolution::Local) => self.say_local(server)?,
            None => {}
        }
        Ok(())
    }

    fn say_local(&mut self, server: IpAddr) -> Result<(), Error> {
        tracing::info!("server {server}: is this director itself; its stack gets the packets");
        let of_it: Vec<_> = (self.control.destinations().zip(self.control.records()))
            .filter(|((.., there, retired), _)| there.address == server && !retired)
            .map(|((_, service, ..), (_, record))| (service, serves(&record)))
            .collect();
        for (service, serves) in of_it {
            if !serves {
                tracing::warn!("server {server} of {service}: {OTHER_PORT}; its packets are dropped");
            } else if let Some(vip) = service.address()
                && !self.shares(vip)
                && !self.ways.is_local(vip)?
            {
                tracing::warn!(
                    "server {server} of {service}: is this director itself, but the VIP is not one of its addresses: its \
                     stack will not take the packets"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nat_to_another_port_cannot_be_served() {
        let record = |method, service_port, server_port| Destination {
            method,
            service_port,
            server_port,
            ..Destination::default()
        };
        assert!(serves(&record(method::DR, 80, 80)) && serves(&record(method::TUN, 0, 0)));
        assert!(serves(&record(method::NAT, 80, 80)), "the same port");
        assert!(serves(&record(method::NAT, 0, 0)), "the port that the client chose");
        assert!(!serves(&record(method::NAT, 80, 8080)) && !serves(&record(method::NAT, 0, 80)));
    }
}
