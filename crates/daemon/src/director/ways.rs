//! The ways to servers: resolved over netlink before they are used, and kept fresh after.
//!
//! Destinations with the same address share one. The kernel's neighbour tables are mirrored into the next hops too,
//! so that NAT's replies to clients find theirs without asking the kernel for each packet.

use super::{Error, local};
use crate::decapsulator::words;
use relvs_core::table::destination::{Destination, LOCAL, overhead};
use relvs_dataplane::{HopTable, Kernel, Neighbour};
use relvs_net::{Event, Link, Network, NextHop, Resolution, RouteKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// The ways to all servers, and the next hops behind them.
pub(super) struct Ways {
    network: Network,
    hops: HopTable,
    links: BTreeMap<u32, Link>,
    known: BTreeMap<IpAddr, Resolution>,
    /// Those of `known` whose neighbour does not answer yet.
    pending: BTreeSet<IpAddr>,
}

impl Ways {
    /// Over the next hops that an earlier daemon left.
    pub(super) fn adopt(kernel: &Kernel) -> Result<Self, Error> {
        let mut network = Network::open()?;
        let links = network.links()?.into_iter().map(|link| (link.index, link)).collect();
        Ok(Ways { network, hops: HopTable::adopt(kernel), links, known: BTreeMap::new(), pending: BTreeSet::new() })
    }

    /// The interfaces that there are.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The name of an interface.
    pub(super) fn interface(&self, index: u32) -> String {
        self.links.get(&index).map_or_else(|| index.to_string(), |link| link.name.clone())
    }

    /// Reads the interfaces again.
    pub(super) fn refresh_links(&mut self) -> Result<(), Error> {
        self.links = self.network.links()?.into_iter().map(|link| (link.index, link)).collect();
        Ok(())
    }

    /// Asks for the ways to servers. Gives those to which it is another than before.
    pub(super) fn resolve(&mut self, servers: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        let mut changed = Vec::new();
        for (server, found) in servers.iter().zip(self.network.resolve_all(servers)?) {
            if matches!(found, Resolution::Pending { .. }) {
                self.pending.insert(*server);
            } else {
                self.pending.remove(server);
            }
            if self.known.get(server) != Some(&found) {
                self.known.insert(*server, found);
                changed.push(*server);
            }
        }
        Ok(changed)
    }

    /// What is known of the way to a server.
    pub(super) fn known(&self, server: IpAddr) -> Option<&Resolution> {
        self.known.get(&server)
    }

    /// What is known of the ways to all servers.
    pub(super) fn all(&self) -> impl Iterator<Item = &Resolution> {
        self.known.values()
    }

    /// All addresses of this machine.
    pub(super) fn addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        Ok(self.network.addresses()?.into_iter().map(|address| address.address).collect())
    }

    /// Whether an address is the director's own now.
    pub(super) fn is_local(&mut self, address: IpAddr) -> Result<bool, Error> {
        Ok(self.network.route(address)?.kind == RouteKind::Local)
    }

    /// Forgets a server.
    pub(super) fn forget(&mut self, server: IpAddr) {
        self.known.remove(&server);
        self.pending.remove(&server);
    }

    /// The servers whose way an event may have changed.
    pub(super) fn touched(&self, events: &[Event]) -> Vec<IpAddr> {
        let all = events.iter().any(|e| !matches!(e, Event::Neighbour { .. }));
        let neighbours: BTreeSet<IpAddr> = events
            .iter()
            .filter_map(|e| match e {
                Event::Neighbour { address, .. } => Some(*address),
                Event::Overrun | Event::Link(_) | Event::Address { .. } | Event::Route => None,
            })
            .collect();
        let by = |way: &Resolution| match way {
            Resolution::Ready(hop) => neighbours.contains(&hop.neighbour),
            Resolution::Pending { neighbour, .. } => neighbours.contains(neighbour),
            Resolution::Local | Resolution::Unreachable { .. } => false,
        };
        self.known.iter().filter(|(_, way)| all || by(way)).map(|(address, _)| *address).collect()
    }

    /// The servers whose neighbour does not answer yet.
    pub(super) fn pending(&self) -> &BTreeSet<IpAddr> {
        &self.pending
    }

    /// The next hops that servers are reached by, most of them once.
    fn ready(&self) -> impl Iterator<Item = &NextHop> {
        let mut last: Option<&NextHop> = None;
        let ready = self.known.values().filter_map(|way| match way {
            Resolution::Ready(hop) => Some(hop),
            Resolution::Local | Resolution::Unreachable { .. } | Resolution::Pending { .. } => None,
        });
        // Of many servers most are behind the same router as the one before.
        ready.filter(move |hop| last.replace(hop) != Some(hop))
    }

    /// Asks the kernel to check on the neighbours in use, which it does not do for traffic that it does not see: those
    /// of the servers, and the routers on these interfaces, by which replies go back.
    pub(super) fn keep_fresh(&mut self, served: &BTreeSet<u32>) -> Result<(), Error> {
        let routers = self.network.gateways()?;
        let mut ready: BTreeSet<(u32, IpAddr)> = self.ready().map(|hop| (hop.route_interface, hop.neighbour)).collect();
        ready.extend(routers.into_iter().filter(|(interface, _)| served.contains(interface)));
        Ok(self.network.confirm(&ready)?)
    }

    /// Has the neighbour of a client resolved, to whom nothing could be sent.
    pub(super) fn find_client(&mut self, client: IpAddr) -> Result<(), Error> {
        self.network.resolve(client)?;
        Ok(())
    }

    /// A destination's record with the way to its server. Without one it keeps no next hop, and its packets are dropped,
    /// unless the server is the director itself.
    pub(super) fn complete(
        &mut self,
        kernel: &Kernel,
        server: IpAddr,
        record: &Destination,
    ) -> Result<Destination, Error> {
        let mut record = Destination { mtu: u16::MAX, ..*record };
        if self.known.get(&server) == Some(&Resolution::Local) && local::serves(&record) {
            record.flags |= LOCAL;
        } else if let Some(Resolution::Ready(hop)) = self.known.get(&server).cloned() {
            record.mtu = hop.mtu.saturating_sub(overhead(record.method, server.is_ipv6()));
            record.dip = words(hop.source);
            record.hop = self.hops.take(kernel, neighbour(&hop), self.link_mtu(hop.route_interface))?;
        }
        Ok(record)
    }

    /// Mirrors the kernel's neighbours on these interfaces, and gives up the next hops that nobody has any more.
    pub(super) fn mirror(&mut self, kernel: &Kernel) -> Result<(), Error> {
        let mut wanted: BTreeSet<Neighbour> = self.ready().map(neighbour).collect();
        for there in self.network.neighbours()? {
            let (Some(mac), Some(link)) = (there.resolved(), self.links.get(&there.interface)) else { continue };
            // A neighbour behind a VLAN is reached by its servers' ways or by the kernel's answer for each packet.
            let Some(own) = link.mac.filter(|_| link.vlan.is_none()) else { continue };
            let interface = there.interface;
            let found =
                Neighbour { via: interface, interface, destination: number(mac), source: number(own), tags: [0; 2] };
            wanted.insert(found);
        }
        for there in &wanted {
            self.hops.take(kernel, *there, self.link_mtu(there.via))?;
        }
        self.hops.retain(kernel, |there| wanted.contains(there))?;
        Ok(())
    }

    /// Who is the next on the way to an address, if that is who has this MAC.
    pub(super) fn neighbour(&mut self, address: IpAddr, mac: relvs_net::Mac) -> Result<Option<IpAddr>, Error> {
        let known = match self.known.get(&address) {
            Some(way) => way.clone(),
            None => self.network.resolve(address)?,
        };
        Ok(match known {
            Resolution::Ready(hop) if hop.destination_mac == mac => Some(hop.neighbour),
            Resolution::Ready(_) | Resolution::Local | Resolution::Unreachable { .. } | Resolution::Pending { .. } => {
                None
            }
        })
    }

    pub(super) fn link_mtu(&self, index: u32) -> u16 {
        self.links.get(&index).and_then(|link| u16::try_from(link.mtu).ok()).unwrap_or(u16::MAX)
    }
}

/// A MAC as a number in memory order.
pub(super) fn number(mac: relvs_net::Mac) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
}

fn neighbour(hop: &NextHop) -> Neighbour {
    let mut tags = [0; 2];
    for (tag, vlan) in tags.iter_mut().zip(&hop.vlans) {
        *tag = u32::from(vlan.tpid.to_be()) | u32::from(vlan.id.to_be()) << 16;
    }
    Neighbour {
        via: hop.route_interface,
        interface: hop.interface,
        destination: number(hop.destination_mac),
        source: number(hop.source_mac),
        tags,
    }
}
