//! A plan: what changes from what is applied to what is desired. As text it reads like a diff.

use relvs_model::{Method, Scheduler, Server, Service, ServiceKey};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// What changes, in the order of the services' keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// One of each service that changes.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What changes about a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Add(Service),
    /// It goes, with the servers it had.
    Remove(Service),
    /// It stays, otherwise than before.
    Modify {
        /// The service.
        service: ServiceKey,
        /// The scheduler it had and the one it gets.
        scheduler: Option<(Scheduler, Scheduler)>,
        /// What changes about its servers: those that go, then those that stay or come in their order.
        servers: Vec<ServerChange>,
        /// Whether the order of its servers changes otherwise than by servers that go or come last.
        order: bool,
    },
}

/// What changes about a server of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerChange {
    /// It is new.
    Add(Server),
    /// It goes.
    Remove(Server),
    /// It stays, otherwise than before.
    Modify {
        /// Its address.
        address: IpAddr,
        /// Its port.
        port: u16,
        /// The weight it had and the one it gets.
        weight: Option<(u32, u32)>,
        /// The method it had and the one it gets. Its flows are those of the old method's destination, which goes.
        method: Option<(Method, Method)>,
    },
}

impl fmt::Display for Plan {
    /// One line each, nothing after the last; nothing at all if nothing changes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, change) in self.changes.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            change.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Add(service) => whole(f, '+', service),
            Change::Remove(service) => whole(f, '-', service),
            Change::Modify { service, scheduler, servers, order } => {
                write!(f, "~ service {service}")?;
                if let Some((old, new)) = scheduler {
                    write!(f, "\n~   scheduler {old} -> {new}")?;
                }
                for server in servers {
                    write!(f, "\n{server}")?;
                }
                if *order {
                    write!(f, "\n~   order of its servers")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for ServerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerChange::Add(server) => line(f, '+', server),
            ServerChange::Remove(server) => line(f, '-', server),
            ServerChange::Modify { address, port, weight, method } => {
                write!(f, "~   server {}", SocketAddr::new(*address, *port))?;
                if let Some((old, new)) = method {
                    write!(f, " {old} -> {new}")?;
                }
                if let Some((old, new)) = weight {
                    write!(f, " weight {old} -> {new}")?;
                }
                Ok(())
            }
        }
    }
}

fn whole(f: &mut fmt::Formatter<'_>, sign: char, service: &Service) -> fmt::Result {
    write!(f, "{sign} service {} {}", service.key, service.scheduler)?;
    for server in &service.servers {
        writeln!(f)?;
        line(f, sign, server)?;
    }
    Ok(())
}

fn line(f: &mut fmt::Formatter<'_>, sign: char, server: &Server) -> fmt::Result {
    let endpoint = SocketAddr::new(server.address, server.port);
    write!(f, "{sign}   server {endpoint} {} weight {}", server.method, server.weight)
}
