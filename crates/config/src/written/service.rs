//! `[[service]]` with its servers.

use super::{
    Page, check,
    text::{Table, array, quoted, time},
};
use crate::keepalived::Place;
use relvs_model::{
    Method, Netmask, Persistence, Server, Service, ServiceKey, Tunnel,
    health::{ServerHealth, ServiceHealth},
};
use std::net::{IpAddr, SocketAddr};

/// What toml_file takes if no method is written.
const METHOD: Method = Method::Dr;

pub(super) fn write(service: &Service, places: &[Place], page: &mut Page) {
    let sorry = service.health.as_ref().and_then(|health| health.sorry.as_ref());
    let method = service.servers.first().or(sorry).map_or(METHOD, |server| server.method);
    // What all servers have in common is said once.
    let first = service.servers.first().and_then(|server| server.health.as_deref());
    let shared = first.filter(|first| service.servers.iter().all(|server| server.health.as_deref() == Some(first)));
    let mut table = Table::default();
    key(service.key, &mut table);
    table.text("scheduler", service.scheduler.name());
    let flags = service.flags.names(service.scheduler);
    if !flags.is_empty() {
        table.value("flags", array(flags.iter().map(|flag| quoted(flag))));
    }
    table.text("method", method.name());
    if let Some(persistence) = &service.persistence {
        table.value("persistence", persisting(persistence, service.key));
    }
    table.flag("one_packet", service.one_packet);
    if service.new_flows_per_second > 0 {
        table.value("new_flows_per_second", service.new_flows_per_second);
    }
    if let Some(health) = &service.health {
        self::health(health, method, service.key.port(), &mut table);
    }
    if let Some(shared) = shared {
        of_servers(shared, &mut table);
    }
    page.section("[[service]]", &table);
    checks(shared, "service.check", page);
    for (at, server) in service.servers.iter().enumerate() {
        page.comments_of(places.get(at).copied());
        let own = server.health.as_deref().filter(|_| shared.is_none());
        write_server(server, own, method, service.key.port(), page);
    }
}

fn key(key: ServiceKey, table: &mut Table) {
    match key {
        ServiceKey::Mark(mark) => {
            table.value("mark", mark.mark);
            if mark.six {
                table.text("family", "ipv6");
            }
        }
        ServiceKey::Listen(_) => table.text("listen", &key.to_string()),
    }
}

fn persisting(persistence: &Persistence, key: ServiceKey) -> String {
    let timeout = time(persistence.timeout_s.saturating_mul(1_000));
    if persistence.netmask == Netmask::host(key.is_ipv4()) {
        return timeout;
    }
    let netmask = match persistence.netmask {
        Netmask::V4(mask) => quoted(&mask.to_string()),
        Netmask::V6(prefix) => prefix.to_string(),
    };
    format!("{{ timeout = {timeout}, netmask = {netmask} }}")
}

fn health(health: &ServiceHealth, method: Method, port: u16, table: &mut Table) {
    let usual = ServiceHealth::default();
    table.unless(usual.quorum, "quorum", health.quorum);
    table.unless(usual.hysteresis, "hysteresis", health.hysteresis);
    if let Some(sorry) = &health.sorry {
        let address = endpoint(sorry.address, sorry.port, port);
        if sorry.method == method && sorry.tunnel.is_default() {
            table.text("sorry_server", &address);
        } else {
            let mut full = Table::default();
            full.text("address", &address);
            full.text("method", sorry.method.name());
            tunnel(sorry.tunnel, &mut full);
            table.value("sorry_server", full.inline());
        }
    }
    table.flag("sorry_server_inhibit", health.inhibit_sorry);
    table.script("quorum_up", health.quorum_up.as_ref());
    table.script("quorum_down", health.quorum_down.as_ref());
    table.flag("omega", health.omega);
    table.flag("ha_suspend", health.ha_suspend);
}

/// What a server says of its health besides its checks, or its service for it.
fn of_servers(health: &ServerHealth, table: &mut Table) {
    table.flag("inhibit_on_failure", health.inhibit_on_failure);
    table.script("notify_up", health.notify_up.as_ref());
    table.script("notify_down", health.notify_down.as_ref());
}

fn checks(health: Option<&ServerHealth>, name: &str, page: &mut Page) {
    let checks = health.map_or(&[][..], |health| &health.checks);
    let header = if checks.len() == 1 { format!("[{name}]") } else { format!("[[{name}]]") };
    for one in checks {
        page.section(&header, &check::table(one));
    }
}

fn write_server(server: &Server, own: Option<&ServerHealth>, method: Method, port: u16, page: &mut Page) {
    let mut table = Table::default();
    table.text("address", &endpoint(server.address, server.port, port));
    table.unless(Server::DEFAULT_WEIGHT, "weight", server.weight);
    if server.method != method {
        table.text("method", server.method.name());
    }
    tunnel(server.tunnel, &mut table);
    table.unless(0, "upper_threshold", server.upper_threshold);
    table.unless(0, "lower_threshold", server.lower_threshold);
    if let Some(own) = own {
        of_servers(own, &mut table);
    }
    page.section("[[service.server]]", &table);
    checks(own, "service.server.check", page);
}

/// What a TUN server's packets travel in, where that is not IP alone.
fn tunnel(tunnel: Tunnel, table: &mut Table) {
    let mut full = Table::default();
    full.text("type", tunnel.name());
    let checksum = match tunnel {
        Tunnel::Ipip => return,
        Tunnel::Gre { checksum } => checksum,
        Tunnel::Gue { port, checksum } => {
            full.value("port", port);
            checksum
        }
    };
    full.flag("checksum", checksum);
    table.value("tunnel", full.inline());
}

/// An address, with its port where that is not the service's.
fn endpoint(address: IpAddr, port: u16, usual: u16) -> String {
    if port == usual { address.to_string() } else { SocketAddr::new(address, port).to_string() }
}
