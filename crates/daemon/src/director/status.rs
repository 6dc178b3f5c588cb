//! What the director says of itself.

use super::{Director, Error};
use relvs_api::{Counters, Flows, Interface, Reason, Server, Service, Status, Way};
use relvs_dataplane::{Area, Side as _, total};
use relvs_model::{Method, ServiceKey};
use relvs_net::Resolution;
use std::{collections::BTreeMap, net::IpAddr};

impl Director {
    /// Everything at this moment; counts of flows are of the last pass over the tables.
    pub(crate) fn status(&self) -> Result<Status, Error> {
        let mut servers: BTreeMap<ServiceKey, Vec<Server>> = BTreeMap::new();
        let mut sums: BTreeMap<ServiceKey, relvs_dataplane::Counters> = BTreeMap::new();
        for (number, key, server, removed) in self.control.destinations() {
            let counted = self.kernel.counters(number)?;
            let sum = sums.entry(key).or_default();
            *sum = total([*sum, counted]);
            let [active, inactive] = self.last.flows.get(number as usize).copied().unwrap_or_default();
            servers.entry(key).or_default().push(Server {
                address: server.address,
                port: server.port,
                weight: server.weight,
                method: server.method,
                removed,
                active,
                inactive,
                counters: counters(counted),
                way: self.way(server.address, server.method),
            });
        }
        let mut services = Vec::new();
        for service in self.control.services() {
            let mut of_it = servers.remove(&service.key).unwrap_or_default();
            let place = |s: &Server| service.servers.iter().position(|w| w.address == s.address && w.port == s.port);
            of_it.sort_by_key(|s| (s.removed, place(s)));
            services.push(Service {
                key: service.key,
                scheduler: service.scheduler,
                counters: counters(sums.remove(&service.key).unwrap_or_default()),
                servers: of_it,
            });
        }
        let sizes = self.kernel.sizes();
        let records = |area: Area| u64::from(area.records(sizes)) * 4;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: self.control.revision(),
            uptime_s: self.started.elapsed().as_secs(),
            adopted: self.kernel.adopted(),
            configuration: self.source.file.as_ref().map(|f| f.display().to_string()),
            interfaces: self
                .served
                .iter()
                .map(|s| Interface { name: s.name.clone(), mode: s.mode.to_string() })
                .collect(),
            services,
            flows: Flows {
                live: self.last.live,
                records: self.last.records,
                capacity: records(Area::Flows4) + records(Area::Flows6),
                expired: self.expired,
                pass_ms: self.pass.as_secs_f64() * 1e3,
            },
            reasons: self.reasons()?,
        })
    }

    fn reasons(&self) -> Result<Vec<Reason>, Error> {
        let mut found = Vec::new();
        for reason in relvs_core::Reason::ALL {
            let count = self.kernel.reason(*reason)?;
            if count > 0 {
                found.push(Reason { name: reason.name().to_owned(), count, text: reason.text().to_owned() });
            }
        }
        Ok(found)
    }

    fn way(&self, server: IpAddr, method: Method) -> Way {
        match self.ways.known(server) {
            Some(Resolution::Ready(hop)) => Way::Ready {
                interface: self.ways.interface(hop.interface),
                neighbour: hop.neighbour,
                mac: relvs_net::mac_text(&hop.destination_mac),
                mtu: match (method, server) {
                    (Method::Tun, IpAddr::V4(_)) => hop.mtu.saturating_sub(20),
                    (Method::Tun, IpAddr::V6(_)) => hop.mtu.saturating_sub(40),
                    (Method::Nat | Method::Dr, _) => hop.mtu,
                },
            },
            Some(Resolution::Pending { neighbour, .. }) => Way::Pending { neighbour: *neighbour },
            Some(Resolution::Unreachable { why }) => Way::Unreachable { why: why.clone() },
            Some(Resolution::Local) => Way::Unreachable { why: "it is this director itself".to_owned() },
            None => Way::Unreachable { why: "it was not asked for".to_owned() },
        }
    }
}

fn counters(c: relvs_dataplane::Counters) -> Counters {
    Counters {
        flows: c.flows,
        packets_in: c.packets_in,
        bytes_in: c.bytes_in,
        packets_out: c.packets_out,
        bytes_out: c.bytes_out,
    }
}
