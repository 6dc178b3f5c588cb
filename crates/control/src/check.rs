//! What must hold in a desired state, whoever made it, so that tables can express it. Configuration files are judged
//! before, with lines and columns; this is the last gate.

use crate::Refusal;
use relvs_model::{Method, Service, ServiceKey};
use std::{collections::BTreeSet, net::SocketAddr};

pub(crate) fn check(desired: &[Service]) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for service in desired {
        if !seen.insert(service.key) {
            return Err(Refusal::ServiceTwice(service.key));
        }
        if service.key.port == 0 {
            return Err(Refusal::AnyPort(service.key));
        }
        servers(service.key, service)?;
    }
    Ok(())
}

fn servers(key: ServiceKey, service: &Service) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for server in &service.servers {
        let endpoint = SocketAddr::new(server.address, server.port);
        if !seen.insert(endpoint) {
            return Err(Refusal::ServerTwice { service: key, server: endpoint });
        }
        if server.address.is_ipv4() != key.address.is_ipv4() {
            return Err(Refusal::OtherFamily { service: key, server: endpoint });
        }
        let reachable = match server.method {
            Method::Nat => server.port != 0,
            Method::Dr | Method::Tun => server.port == key.port,
        };
        if !reachable {
            return Err(Refusal::ServerPort { service: key, server: endpoint, method: server.method });
        }
    }
    Ok(())
}
