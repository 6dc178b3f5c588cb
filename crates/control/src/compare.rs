//! Two states compared. The order of services means nothing, that of a service's servers does.

use crate::{Change, Plan, ServerChange};
use relvs_model::{Server, Service, ServiceKey};
use std::{collections::BTreeMap, net::IpAddr};

/// What changes from `old` to `new`. Of services that have the same key the last counts.
pub(crate) fn compare(old: &[Service], new: &[Service]) -> Plan {
    let mut pairs: BTreeMap<ServiceKey, (Option<&Service>, Option<&Service>)> = BTreeMap::new();
    for service in old {
        pairs.entry(service.key).or_default().0 = Some(service);
    }
    for service in new {
        pairs.entry(service.key).or_default().1 = Some(service);
    }
    let change = |pair: (Option<&Service>, Option<&Service>)| match pair {
        (None, None) => None,
        (None, Some(new)) => Some(Change::Add(new.clone())),
        (Some(old), None) => Some(Change::Remove(old.clone())),
        (Some(old), Some(new)) => (old != new).then(|| modified(old, new)),
    };
    Plan { changes: pairs.into_values().filter_map(change).collect() }
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
            weight: (old.weight != server.weight).then_some((old.weight, server.weight)),
            method: (old.method != server.method).then_some((old.method, server.method)),
        }),
    }));
    let scheduler = (old.scheduler != new.scheduler).then_some((old.scheduler, new.scheduler));
    Change::Modify { service: new.key, scheduler, servers, order }
}

fn by_endpoint(service: &Service) -> BTreeMap<(IpAddr, u16), &Server> {
    service.servers.iter().map(|server| (endpoint(server), server)).collect()
}

fn endpoint(server: &Server) -> (IpAddr, u16) {
    (server.address, server.port)
}
