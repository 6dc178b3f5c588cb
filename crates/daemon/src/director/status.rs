//! What the director says of itself.

use super::{
    Director, Error,
    statistics::{counters, figures, rates},
};
use relvs_api::{Flows, Interface, Reason, Server, Service, Status};
use relvs_control::{Counted, Figures};
use relvs_dataplane::{Area, Side as _, load_of};
use relvs_model::ServiceKey;
use std::collections::BTreeMap;

impl Director {
    /// Everything at this moment; but for the rates, and the records in use, which are of the last pass.
    pub(crate) fn status(&self) -> Result<Status, Error> {
        let total = self.statistics.of_all(&self.counted(&self.control)?);
        let services = self.services(None)?;
        let (mut live, mut templates) = (0, 0);
        for (number, ..) in self.control.destinations() {
            let load = load_of(&self.kernel, number);
            live += u64::from(load.active) + u64::from(load.inactive);
            templates += u64::from(load.templates);
        }
        let sizes = self.kernel.sizes();
        let records = |area: Area| u64::from(area.records(sizes)) * 4;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: self.control.revision(),
            uptime_s: self.started.elapsed().as_secs(),
            adopted: self.kernel.adopted(),
            changed: self.is_changed(),
            configuration: self.source.file.as_ref().map(|f| f.display().to_string()),
            interfaces: self
                .served
                .iter()
                .map(|s| Interface { name: s.name.clone(), mode: s.mode.to_string() })
                .collect(),
            services,
            checks: self.health(),
            vrrp: self.shown_routers()?,
            settings: self.control.desired().settings.clone(),
            timeouts: self.control.desired().timeouts,
            rules: self.control.desired().rules.clone(),
            counters: counters(total.counters),
            rates: rates(total.rates),
            flows: Flows {
                live,
                templates,
                records: self.last.records,
                capacity: records(Area::Flows4) + records(Area::Flows6),
                expired: self.expired,
                pass_ms: self.pass.as_secs_f64() * 1e3,
            },
            reasons: self.reasons()?,
        })
    }

    /// What is served, in half a line.
    pub(crate) fn headline(&self) -> String {
        let services = &self.control.desired().services;
        let servers: usize = services.iter().map(|service| service.servers.len()).sum();
        let interfaces: Vec<String> = self.served.iter().map(|s| format!("{} ({})", s.name, s.mode)).collect();
        let interfaces = if interfaces.is_empty() { "no interface".to_owned() } else { interfaces.join(", ") };
        format!("{} services, {servers} servers, serving {interfaces}", services.len())
    }

    /// Every service, or only this one.
    pub(crate) fn services(&self, only: Option<ServiceKey>) -> Result<Vec<Service>, Error> {
        let is_wanted = |key: ServiceKey| only.is_none_or(|only| only == key);
        let mut counted = match only {
            None => self.counted(&self.control)?,
            Some(_) => Counted::new(),
        };
        let mut servers: BTreeMap<ServiceKey, Vec<Server>> = BTreeMap::new();
        let of_one = only.map(|key| self.control.destinations_of(key)).into_iter().flatten();
        let all = only.is_none().then(|| self.control.destinations()).into_iter().flatten();
        for (number, key, server, removed) in of_one.chain(all) {
            let Some(record) = self.control.record(number) else { continue };
            let load = load_of(&self.kernel, number);
            if only.is_some() {
                counted.insert(number, (key, figures(self.kernel.counters(number)?)));
            }
            let figures = counted.get(&number).map_or_else(Figures::default, |(_, figures)| *figures);
            let shown = self.statistics.of_destination(number, figures);
            servers.entry(key).or_default().push(Server {
                address: server.address,
                port: server.port,
                weight: server.weight,
                last_weight: self.control.last_weight(number),
                method: server.method,
                tunnel: server.tunnel,
                upper_threshold: server.upper_threshold,
                lower_threshold: server.lower_threshold,
                overloaded: load.overloaded,
                removed,
                active: load.active,
                inactive: load.inactive,
                templates: load.templates,
                counters: counters(shown.counters),
                rates: rates(shown.rates),
                way: self.way(server, &record),
            });
        }
        let sums = self.statistics.of_services(&counted);
        let mut services = Vec::new();
        for service in self.control.services().iter().filter(|service| is_wanted(service.key)) {
            let mut of_it = servers.remove(&service.key).unwrap_or_default();
            let places: BTreeMap<_, usize> =
                service.servers.iter().enumerate().map(|(at, s)| ((s.address, s.port), at)).collect();
            of_it.sort_by_key(|s| (s.removed, places.get(&(s.address, s.port)).copied()));
            let sum = sums.get(&service.key).copied().unwrap_or_default();
            services.push(Service {
                key: service.key,
                scheduler: service.scheduler,
                flags: service.flags.names(service.scheduler).into_iter().map(str::to_owned).collect(),
                persistence: service.persistence,
                one_packet: service.one_packet,
                counters: counters(sum.counters),
                rates: rates(sum.rates),
                servers: of_it,
            });
        }
        Ok(services)
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
}
