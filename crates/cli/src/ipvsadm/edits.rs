//! Changes as edits: a few changes cost what they touch, however many services there are. They are judged on the services
//! that they name, in ipvsadm's words, and made by the director, all or none; should those be others by then, it says so.

use relvs_api::{Client, Code, Error};
use relvs_ipvsadm::{Change, Refused, apply};
use relvs_model::{
    Edit, Endpoint, SchedulerFlags, Server, ServerEdit, ServerOf, Service, ServiceEdit, ServiceKey, ServiceRef, State,
    TimeoutsEdit,
};
use std::collections::BTreeSet;

/// More changes than these are one of the whole configuration, which then is cheaper.
const FEW: usize = 16;

/// Why there are no edits.
pub(super) enum Unmade {
    /// The change with this index is refused.
    Refused(usize, Refused),
    /// The director cannot be asked.
    Failed(Error),
}

/// Whether these changes name their services, and are few.
pub(super) fn are_few(changes: &[Change]) -> bool {
    changes.len() <= FEW && !changes.iter().any(|change| matches!(change, Change::Flush))
}

/// The edits that these changes are, of the director's services at this moment.
pub(super) fn of(client: &Client, changes: &[Change]) -> Result<Vec<Edit>, Unmade> {
    let mut state = State::default();
    for key in changes.iter().filter_map(service_of).collect::<BTreeSet<_>>() {
        match client.service(key) {
            Ok(service) => state.services.push(configured(&service)),
            Err(Error::Refused(failure)) if matches!(failure.code, Code::NoService | Code::NotFound) => {}
            Err(error) => return Err(Unmade::Failed(error)),
        }
    }
    let mut edits = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        apply(&mut state, change).map_err(|refused| Unmade::Refused(at, refused))?;
        edits.extend(edit(&state, change));
    }
    Ok(edits)
}

/// Whether this says that something is there, or is not, that was otherwise a moment ago.
pub(super) fn is_late(code: Code) -> bool {
    matches!(code, Code::NoService | Code::ServiceExists | Code::NoServer | Code::ServerExists)
}

fn service_of(change: &Change) -> Option<ServiceKey> {
    match change {
        Change::AddService(spec) | Change::EditService(spec) => Some(spec.key),
        Change::DeleteService(key)
        | Change::AddServer(key, _)
        | Change::EditServer(key, _)
        | Change::DeleteServer(key, _) => Some(*key),
        Change::Zero(key) => *key,
        Change::Flush | Change::SetTimeouts { .. } | Change::StartDaemon(_) | Change::StopDaemon(_) => None,
    }
}

/// A service as it is configured.
fn configured(service: &relvs_api::Service) -> Service {
    let flags = service.flags.iter().filter_map(|name| SchedulerFlags::named(name));
    let servers = service.servers.iter().filter(|server| !server.removed).map(|server| Server {
        tunnel: server.tunnel,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
        ..Server::new(server.address, server.port, server.weight, server.method)
    });
    Service {
        flags: flags.fold(SchedulerFlags::NONE, |all, (flag, _)| all.with(flag)),
        persistence: service.persistence,
        one_packet: service.one_packet,
        ..Service::new(service.key, service.scheduler, servers.collect())
    }
}

/// The edit that a change is which has just been made of `state`.
fn edit(state: &State, change: &Change) -> Option<Edit> {
    let service = |key: &ServiceKey| state.services.iter().find(|service| service.key == *key);
    let server = |key, address: std::net::SocketAddr| {
        let is = |server: &&Server| (server.address, server.port) == (address.ip(), address.port());
        service(key)?.servers.iter().find(is)
    };
    Some(match change {
        Change::AddService(spec) => Edit::AddService(service(&spec.key)?.clone()),
        Change::EditService(spec) => {
            let now = service(&spec.key)?;
            Edit::EditService(ServiceEdit {
                service: now.key,
                scheduler: Some(now.scheduler),
                flags: Some(now.flags),
                persistence: Some(now.persistence),
                one_packet: Some(now.one_packet),
            })
        }
        Change::DeleteService(key) => Edit::DeleteService(ServiceRef { service: *key }),
        Change::AddServer(key, spec) => {
            Edit::AddServer(ServerOf { service: *key, server: server(key, spec.address)?.clone() })
        }
        Change::EditServer(key, spec) => {
            let now = server(key, spec.address)?;
            Edit::EditServer(ServerEdit {
                service: *key,
                address: now.address,
                port: Some(now.port),
                weight: Some(now.weight),
                method: Some(now.method),
                tunnel: Some(now.tunnel),
                upper_threshold: Some(now.upper_threshold),
                lower_threshold: Some(now.lower_threshold),
            })
        }
        Change::DeleteServer(key, address) => {
            Edit::DeleteServer(Endpoint { service: *key, address: address.ip(), port: Some(address.port()) })
        }
        Change::SetTimeouts { tcp_s, tcp_fin_s, udp_s } => {
            let [tcp_s, tcp_fin_s, udp_s] =
                [tcp_s, tcp_fin_s, udp_s].map(|seconds| (*seconds != 0).then_some(*seconds));
            Edit::SetTimeouts(TimeoutsEdit { tcp_s, tcp_fin_s, udp_s })
        }
        Change::Flush | Change::Zero(_) | Change::StartDaemon(_) | Change::StopDaemon(_) => return None,
    })
}
