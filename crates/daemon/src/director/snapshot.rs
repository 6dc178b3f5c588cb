//! What metrics are made of, and whether everything is in place.

use super::{Director, Error};
use crate::metrics::{Fill, ServerRow, ServiceRow, Snapshot, Ways};
use relvs_core::Reason;
use relvs_dataplane::{Area, Mode, Side as _, load_of};
use relvs_model::ServiceKey;
use relvs_net::Resolution;
use std::collections::{BTreeMap, BTreeSet};

impl Director {
    /// Everything at this moment that is counted; the flow tables' fill is of the last pass.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Error> {
        let counted = self.counted(&self.control)?;
        let sums = self.statistics.of_services(&counted);
        let row = |service: &std::sync::Arc<relvs_model::Service>| ServiceRow {
            key: service.key,
            scheduler: service.scheduler,
            counters: sums.get(&service.key).copied().unwrap_or_default().counters,
        };
        let services: Vec<ServiceRow> = self.control.services().iter().map(row).collect();
        let mut reasons = vec![0; Reason::COUNT];
        for (count, reason) in reasons.iter_mut().zip(Reason::ALL) {
            *count = self.kernel.reason(*reason)?;
        }
        let (servers, templates) = self.server_rows(&services, &counted);
        Ok(Snapshot {
            started_s: self.started_at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            adopted: self.kernel.adopted(),
            revision: self.control.revision(),
            changed: self.is_changed(),
            switches: self.counts.switches,
            reloads: self.counts.reloads,
            interfaces: self.wanted_interfaces(),
            reasons,
            total: self.statistics.of_all(&counted).counters,
            tables: self.fill(),
            templates,
            expired: self.expired,
            passes: self.counts.passes,
            in_passes: self.counts.in_passes,
            last_pass: self.pass,
            ways: self.count_ways(),
            services,
            servers,
            configured: self.configured().services.iter().map(|service| service.servers.len() as u64).sum(),
            checked: self.checked(),
            vrrp: self.shown_routers()?,
            ..Snapshot::default()
        })
    }

    /// Those servers that are configured, the servers of a service together; and the templates of all there are.
    fn server_rows(&self, services: &[ServiceRow], counted: &relvs_control::Counted) -> (Vec<ServerRow>, u64) {
        let places: BTreeMap<ServiceKey, u32> = services.iter().map(|service| service.key).zip(0..).collect();
        let (mut rows, mut templates) = (Vec::with_capacity(counted.len()), 0);
        for (number, key, server, removed) in self.control.destinations() {
            let load = load_of(&self.kernel, number);
            templates += u64::from(load.templates);
            let Some(service) = places.get(&key).copied().filter(|_| !removed) else { continue };
            let figures = counted.get(&number).map(|(_, figures)| *figures).unwrap_or_default();
            rows.push(ServerRow {
                service,
                address: server.address,
                port: server.port,
                overloaded: load.overloaded,
                reachable: matches!(self.ways.known(server.address), Some(Resolution::Ready(_) | Resolution::Local)),
                weight: server.weight,
                upper_threshold: server.upper_threshold,
                active: load.active,
                inactive: load.inactive,
                templates: load.templates,
                counters: self.statistics.of_destination(number, figures).counters,
            });
        }
        rows.sort_by_key(|row| row.service);
        (rows, templates)
    }

    fn fill(&self) -> [[Fill; 2]; 2] {
        let sizes = self.kernel.sizes();
        let areas = [[Area::Flows4, Area::Young4], [Area::Flows6, Area::Young6]];
        std::array::from_fn(|family| {
            std::array::from_fn(|table| Fill {
                used: self.last.used[family][table],
                capacity: u64::from(areas[family][table].records(sizes)) * 4,
            })
        })
    }

    fn count_ways(&self) -> Ways {
        let mut ways = Ways::default();
        for way in self.ways.all() {
            *match way {
                Resolution::Ready(_) => &mut ways.ready,
                Resolution::Pending { .. } => &mut ways.pending,
                Resolution::Unreachable { .. } => &mut ways.unreachable,
                Resolution::Local => &mut ways.local,
            } += 1;
        }
        ways
    }

    /// The interfaces that are to be served, and the mode of those that are.
    fn wanted_interfaces(&self) -> Vec<(String, Option<&'static str>)> {
        let mode = |name: &String| {
            let served = self.served.iter().find(|served| served.name == *name)?;
            Some(match served.mode {
                Mode::Native => "native",
                Mode::Generic => "generic",
            })
        };
        self.own.interfaces.iter().map(|name| (name.clone(), mode(name))).collect()
    }

    /// Why this director should get no traffic yet; nothing if it should. Whatever else decides on that has its line here.
    pub(crate) fn unready(&self) -> Result<Vec<String>, Error> {
        let mut reasons = self.unserved()?;
        reasons.extend(self.unasked());
        Ok(reasons)
    }

    /// Why packets are not looked at that should be; nothing if all are.
    pub(super) fn unserved(&self) -> Result<Vec<String>, Error> {
        let attached: BTreeSet<u32> = self.kernel.attached()?.into_iter().map(|(index, _)| index).collect();
        let why = |name: &String| {
            let Some(served) = self.served.iter().find(|served| served.name == *name) else {
                let there = self.ways.links().any(|link| link.name == *name);
                return Some(if there { "is not served" } else { "does not exist" });
            };
            (!attached.contains(&served.index)).then_some("has no program attached")
        };
        let mut reasons: Vec<String> =
            self.own.interfaces.iter().filter_map(|name| Some(format!("interface {name}: {}", why(name)?))).collect();
        if self.own.interfaces.is_empty() {
            reasons.push("no interface is configured".to_owned());
        }
        Ok(reasons)
    }
}
