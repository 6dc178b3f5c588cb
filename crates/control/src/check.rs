//! What must hold in a desired state, whoever made it, so that tables can express it. Configuration files are judged
//! before, with lines and columns; this is the last gate.

use crate::{Desired, Refusal};
use relvs_core::schedule::mh;
use relvs_model::{
    Method, Network, Protocol, Rule, Scheduler, Server, Service, ServiceKey, Settings, Timeouts, Tunnel,
};
use std::{collections::BTreeSet, net::SocketAddr};

/// The largest weight, and the largest threshold: IPVS keeps them in signed numbers.
const LARGEST: u32 = i32::MAX as u32;
/// How many servers mh can tell apart: the size of its table.
const MH_SERVERS: usize = mh::SLOTS as usize;

/// All but the services.
pub(crate) fn rest(desired: &Desired) -> Result<(), Refusal> {
    timeouts(&desired.timeouts)?;
    settings(&desired.settings)?;
    desired.rules.iter().enumerate().try_for_each(|(at, one)| rule(at, one))
}

pub(crate) fn timeouts(timeouts: &Timeouts) -> Result<(), Refusal> {
    let all = [("tcp", timeouts.tcp_s), ("tcp_fin", timeouts.tcp_fin_s), ("udp", timeouts.udp_s)];
    match all.into_iter().find(|(_, seconds)| !(1..=LARGEST).contains(seconds)) {
        Some((name, _)) => Err(Refusal::Timeout(name)),
        None => Ok(()),
    }
}

/// Each must be what it could be set to.
fn settings(settings: &Settings) -> Result<(), Refusal> {
    let mut usual = Settings::default();
    let others = settings.entries().into_iter().zip(Settings::default().entries()).filter(|(is, was)| is != was);
    for ((name, value), _) in others {
        usual.set(name, &value).map_err(|why| Refusal::Setting { name, why })?;
    }
    Ok(())
}

pub(crate) fn rule(at: usize, rule: &Rule) -> Result<(), Refusal> {
    let refused = |why| Err(Refusal::Rule { number: at + 1, why });
    if rule.mark == 0 {
        return refused("its mark is 0, which packets without a mark have");
    }
    if !rule.is_of(true) && !rule.is_of(false) {
        return refused("its sources are all of another address family than its destinations");
    }
    let mut networks = rule.sources.iter().chain(&rule.destinations);
    if networks.any(|network| network.prefix > Network::longest(network.address.is_ipv4())) {
        return refused("a prefix is longer than an address");
    }
    if rule.ports.iter().any(|range| range.first > range.last) {
        return refused("a range of ports ends before it begins");
    }
    Ok(())
}

pub(crate) fn service(service: &Service) -> Result<(), Refusal> {
    let key = service.key;
    match key {
        ServiceKey::Mark(mark) if mark.mark == 0 => return Err(Refusal::NoMark),
        ServiceKey::Listen(listen) if listen.port == 0 && service.persistence.is_none() => {
            return Err(Refusal::AnyPort(key));
        }
        ServiceKey::Mark(_) | ServiceKey::Listen(_) => {}
    }
    if service.one_packet && key.protocol().is_some_and(|protocol| protocol != Protocol::Udp) {
        return Err(Refusal::OnePacket(key));
    }
    if let Some(persistence) = service.persistence {
        if !(1..=LARGEST).contains(&persistence.timeout_s) {
            return Err(Refusal::PersistenceTimeout(key));
        }
        let prefix_holds = match persistence.netmask {
            relvs_model::Netmask::V4(_) => true,
            relvs_model::Netmask::V6(prefix) => (1..=128).contains(&prefix),
        };
        if persistence.netmask.is_ipv4() != key.is_ipv4() || !prefix_holds {
            return Err(Refusal::Netmask { service: key, netmask: persistence.netmask });
        }
    }
    if service.scheduler == Scheduler::Mh && service.servers.len() > MH_SERVERS {
        return Err(Refusal::MhServers { service: key, servers: service.servers.len(), limit: MH_SERVERS });
    }
    let mut seen = BTreeSet::new();
    for one in &service.servers {
        let endpoint = SocketAddr::new(one.address, one.port);
        if !seen.insert(endpoint) {
            return Err(Refusal::ServerTwice { service: key, server: endpoint });
        }
        server(key, one, endpoint)?;
    }
    Ok(())
}

fn server(key: ServiceKey, server: &Server, endpoint: SocketAddr) -> Result<(), Refusal> {
    match server.tunnel {
        Tunnel::Gue { port: 0, .. } => return Err(Refusal::TunnelPort { service: key, server: endpoint }),
        Tunnel::Ipip => {}
        tunnel @ (Tunnel::Gre { .. } | Tunnel::Gue { .. }) if server.method != Method::Tun => {
            return Err(Refusal::NoTunnel { service: key, server: endpoint, method: server.method, tunnel });
        }
        Tunnel::Gre { .. } | Tunnel::Gue { .. } => {}
    }
    if server.address.is_ipv4() != key.is_ipv4() && server.method != Method::Tun {
        return Err(Refusal::OtherFamily { service: key, server: endpoint });
    }
    // Where the service has any port, a server without one gets each packet on the port it was sent to. A mark's says
    // nothing of the port that a DR or TUN server listens on.
    let reachable = match (server.method, key) {
        (Method::Nat, _) => server.port != 0 || key.port() == 0,
        (Method::Dr | Method::Tun, ServiceKey::Listen(listen)) => server.port == listen.port,
        (Method::Dr | Method::Tun, ServiceKey::Mark(_)) => true,
    };
    if !reachable {
        return Err(Refusal::ServerPort { service: key, server: endpoint, method: server.method });
    }
    if server.weight > LARGEST {
        return Err(Refusal::Weight { service: key, server: endpoint });
    }
    let (upper, lower) = (server.upper_threshold, server.lower_threshold);
    if lower > upper || upper > LARGEST {
        return Err(Refusal::Thresholds { service: key, server: endpoint, upper, lower });
    }
    Ok(())
}
