//! Two states compared. The order of services means nothing, that of a service's servers and of rules does.

use crate::Desired;
use relvs_model::{
    Director, OnExit, Rule, Server, Service, ServiceKey, Timeouts, XdpMode,
    plan::{Alteration, Change, Plan, ServerChange, of_server, of_service, server_health, service_health},
};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// What changes from `old` to `new`. Of services that have the same key the last counts.
pub fn compare(old: &Desired, new: &Desired) -> Plan {
    let timeouts = altered(timeouts(&old.timeouts), timeouts(&new.timeouts)).map(Change::Timeout);
    let settings = altered(old.settings.entries(), new.settings.entries()).map(Change::Setting);
    let mut changes: Vec<Change> = timeouts.chain(settings).collect();
    changes.extend(rules(&old.rules, &new.rules));
    changes.extend(services(&old.services, &new.services));
    Plan { changes }
}

/// What changes about the director itself.
pub fn compare_directors(old: &Director, new: &Director) -> impl Iterator<Item = Change> {
    altered(director(old), director(new)).map(Change::Director)
}

fn director(director: &Director) -> [(&'static str, String); 4] {
    let interfaces = match director.interfaces.join(", ") {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    };
    let xdp_mode = match director.xdp_mode {
        XdpMode::Auto => "auto",
        XdpMode::Native => "native",
        XdpMode::Generic => "generic",
    };
    let on_exit = match director.on_exit {
        OnExit::Keep => "keep",
        OnExit::Stop => "stop",
    };
    [
        ("interfaces", interfaces),
        ("flows", director.flows.to_string()),
        ("xdp_mode", xdp_mode.to_owned()),
        ("on_exit", on_exit.to_owned()),
    ]
}

fn timeouts(timeouts: &Timeouts) -> [(&'static str, String); 3] {
    [("tcp", timeouts.tcp_s), ("tcp_fin", timeouts.tcp_fin_s), ("udp", timeouts.udp_s)]
        .map(|(name, seconds)| (name, seconds.to_string()))
}

/// The values that differ, of lists that have the same names.
fn altered(
    old: impl IntoIterator<Item = (&'static str, String)>,
    new: impl IntoIterator<Item = (&'static str, String)>,
) -> impl Iterator<Item = Alteration> {
    let pairs = old.into_iter().zip(new).filter(|((_, old), (_, new))| old != new);
    pairs.map(|((name, old), (_, new))| Alteration { name: name.to_owned(), old, new })
}

fn rules(old: &[Rule], new: &[Rule]) -> Vec<Change> {
    // The same rule may be there more than once.
    let mut rest: Vec<&Rule> = new.iter().collect();
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    for rule in old {
        match rest.iter().position(|other| *other == rule) {
            Some(at) => stay.push(rest.remove(at)),
            None => go.push(rule),
        }
    }
    let order = !stay.iter().chain(&rest).copied().eq(new);
    let mut changes: Vec<Change> = go.into_iter().cloned().map(Change::RemoveRule).collect();
    changes.extend(rest.into_iter().cloned().map(Change::AddRule));
    changes.extend(order.then_some(Change::OrderOfRules));
    changes
}

fn services(old: &[Arc<Service>], new: &[Arc<Service>]) -> Vec<Change> {
    let mut pairs: BTreeMap<ServiceKey, (Option<&Service>, Option<&Service>)> = BTreeMap::new();
    // Of many most are the very same at the same place.
    let same = |at: usize| old.get(at).zip(new.get(at)).is_some_and(|(old, new)| Arc::ptr_eq(old, new));
    for (_, service) in old.iter().enumerate().filter(|(at, _)| !same(*at)) {
        pairs.entry(service.key).or_default().0 = Some(service);
    }
    for (_, service) in new.iter().enumerate().filter(|(at, _)| !same(*at)) {
        pairs.entry(service.key).or_default().1 = Some(service);
    }
    let change = |pair: (Option<&Service>, Option<&Service>)| match pair {
        (None, None) => None,
        (None, Some(new)) => Some(Change::Add(new.clone())),
        (Some(old), None) => Some(Change::Remove(old.clone())),
        (Some(old), Some(new)) => (old != new).then(|| modified(old, new)),
    };
    pairs.into_values().filter_map(change).collect()
}

fn modified(old: &Service, new: &Service) -> Change {
    let before = by_endpoint(old);
    let after = by_endpoint(new);
    let (stay, go): (Vec<_>, Vec<_>) = old.servers.iter().partition(|server| after.contains_key(&endpoint(server)));
    let come = new.servers.iter().filter(|server| !before.contains_key(&endpoint(server)));
    let expected = stay.into_iter().chain(come).map(endpoint);
    let order = !expected.eq(new.servers.iter().map(endpoint));
    let mut servers: Vec<_> = go.into_iter().cloned().map(ServerChange::Remove).collect();
    servers.extend(new.servers.iter().filter_map(|server| match before.get(&endpoint(server)) {
        None => Some(ServerChange::Add(server.clone())),
        Some(old) => (*old != server).then(|| ServerChange::Modify {
            address: server.address,
            port: server.port,
            attributes: altered(of_server(old), of_server(server)).chain(server_health(old, server)).collect(),
        }),
    }));
    let attributes = altered(of_service(old), of_service(new)).chain(service_health(old, new)).collect();
    Change::Modify { service: new.key, attributes, servers, order }
}

fn by_endpoint(service: &Service) -> BTreeMap<(IpAddr, u16), &Server> {
    service.servers.iter().map(|server| (endpoint(server), server)).collect()
}

fn endpoint(server: &Server) -> (IpAddr, u16) {
    (server.address, server.port)
}
