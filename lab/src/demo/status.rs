//! The part of `relvs status --json` that the demo looks at, read as any other program would.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// What a director says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// How often its services were changed.
    pub(super) revision: u64,
    /// Whether it took over the tables of an earlier daemon.
    pub(super) adopted: bool,
    pub(super) interfaces: Vec<Interface>,
    services: Vec<Service>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Interface {
    pub(super) name: String,
    /// `native` or `generic`.
    pub(super) mode: String,
}

#[derive(Debug, Deserialize)]
struct Service {
    counters: Counters,
    servers: Vec<Server>,
}

#[derive(Debug, Deserialize)]
struct Server {
    address: IpAddr,
    port: u16,
    way: Way,
}

#[derive(Debug, Deserialize)]
struct Way {
    state: String,
}

#[derive(Debug, Deserialize)]
struct Counters {
    flows: u64,
    packets_in: u64,
}

impl Status {
    /// Flows begun, of all services.
    pub(super) fn flows(&self) -> u64 {
        self.services.iter().map(|service| service.counters.flows).sum()
    }

    /// Clients' packets forwarded, of all services.
    pub(super) fn packets(&self) -> u64 {
        self.services.iter().map(|service| service.counters.packets_in).sum()
    }

    /// A server to which packets cannot be sent.
    pub(super) fn not_ready(&self) -> Option<SocketAddr> {
        let mut servers = self.services.iter().flat_map(|service| &service.servers);
        let found = servers.find(|server| server.way.state != "ready");
        found.map(|server| SocketAddr::new(server.address, server.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_are_looked_through() {
        let text = r#"{"revision": 2, "adopted": true, "interfaces": [{"name": "eth0", "mode": "generic"}], "services": [
            {"counters": {"flows": 4, "packets_in": 24, "bytes_in": 1}, "servers": [
                {"address": "192.0.2.11", "port": 80, "way": {"state": "ready", "mtu": 1500}}]},
            {"counters": {"flows": 1, "packets_in": 6}, "servers": [
                {"address": "192.0.2.12", "port": 80, "way": {"state": "pending", "neighbour": "192.0.2.12"}}]}]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!((status.flows(), status.packets()), (5, 30));
        assert_eq!(status.not_ready(), Some("192.0.2.12:80".parse().unwrap()));
    }
}
