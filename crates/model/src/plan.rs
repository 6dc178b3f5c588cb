//! A plan: what changes from what is applied to what is desired. As text it reads like a diff.

use crate::{Rule, Server, Service, ServiceKey};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};
use utoipa::ToSchema;

/// What changes: the director, settings and timeouts, rules, then services in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// One of each value, rule or service that changes.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// One of the director's own settings, which are in no table.
    Director(Alteration),
    /// A setting under net.ipv4.vs.
    Setting(Alteration),
    /// A timeout, in seconds.
    Timeout(Alteration),
    /// A match rule goes.
    RemoveRule(Rule),
    /// A match rule is new.
    AddRule(Rule),
    /// The order of the match rules changes otherwise than by rules that go or come last.
    OrderOfRules,
    /// A service is new.
    Add(Service),
    /// A service goes, with the servers it had.
    Remove(Service),
    /// A service stays, otherwise than before.
    Modify {
        /// The service.
        service: ServiceKey,
        /// What is otherwise about itself.
        attributes: Vec<Alteration>,
        /// What changes about its servers: those that go, then those that stay or come in their order.
        servers: Vec<ServerChange>,
        /// Whether the order of its servers changes otherwise than by servers that go or come last.
        order: bool,
    },
}

/// A value that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alteration {
    /// What it is the value of.
    pub name: String,
    /// What it was.
    pub old: String,
    /// What it is to be.
    pub new: String,
}

/// What changes about a server of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerChange {
    /// It is new.
    Add(Server),
    /// It goes.
    Remove(Server),
    /// It stays, otherwise than before. If its method changes, its flows are those of the old method's destination,
    /// which goes.
    Modify {
        /// Its address.
        #[schema(value_type = String, example = "10.0.0.11")]
        address: IpAddr,
        /// Its port.
        port: u16,
        /// What is otherwise, at least one.
        attributes: Vec<Alteration>,
    },
}

/// What is said of a service beside its servers: names and values.
pub fn of_service(service: &Service) -> [(&'static str, String); 6] {
    let flags = match service.flags.names(service.scheduler).join(",") {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    };
    let persistence = service.persistence.map_or_else(|| "none".to_owned(), |p| format!("{} s", p.timeout_s));
    let netmask = service.persistence.filter(|p| !p.netmask.is_host());
    [
        ("scheduler", service.scheduler.to_string()),
        ("flags", flags),
        ("persistence", persistence),
        ("netmask", netmask.map_or_else(|| "none".to_owned(), |p| p.netmask.to_string())),
        ("one packet", if service.one_packet { "yes" } else { "no" }.to_owned()),
        ("new flows a second", service.new_flows_per_second.to_string()),
    ]
}

/// What is said of a server beside its address and port: names and values.
pub fn of_server(server: &Server) -> [(&'static str, String); 5] {
    [
        ("method", server.method.to_string()),
        ("tunnel", server.tunnel.to_string()),
        ("weight", server.weight.to_string()),
        ("upper threshold", server.upper_threshold.to_string()),
        ("lower threshold", server.lower_threshold.to_string()),
    ]
}

/// What changes about a server's health checks and what follows from them.
pub fn server_health(old: &Server, new: &Server) -> Option<Alteration> {
    let text = |server: &Server| server.health.as_deref().map_or_else(|| "none".to_owned(), ToString::to_string);
    (old.health != new.health).then(|| otherwise("health", text(old), text(new)))
}

/// What changes about a service's quorum and what follows from it.
pub fn service_health(old: &Service, new: &Service) -> Option<Alteration> {
    let text = |service: &Service| service.health.as_deref().map_or_else(|| "none".to_owned(), ToString::to_string);
    (old.health != new.health).then(|| otherwise("health", text(old), text(new)))
}

/// An alteration of something that is not said in full.
fn otherwise(name: &str, old: String, new: String) -> Alteration {
    let new = if old == new { format!("{new}, otherwise") } else { new };
    Alteration { name: name.to_owned(), old, new }
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
            Change::Director(alteration) => write!(f, "~ director {alteration}"),
            Change::Setting(alteration) => write!(f, "~ setting {alteration}"),
            Change::Timeout(alteration) => write!(f, "~ timeout {alteration}"),
            Change::RemoveRule(rule) => write!(f, "- rule {rule}"),
            Change::AddRule(rule) => write!(f, "+ rule {rule}"),
            Change::OrderOfRules => write!(f, "~ order of the rules"),
            Change::Add(service) => whole(f, '+', service),
            Change::Remove(service) => whole(f, '-', service),
            Change::Modify { service, attributes, servers, order } => {
                write!(f, "~ service {service}")?;
                for attribute in attributes {
                    write!(f, "\n~   {attribute}")?;
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

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.name, self.old, self.new)
    }
}

impl fmt::Display for ServerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerChange::Add(server) => line(f, '+', server),
            ServerChange::Remove(server) => line(f, '-', server),
            ServerChange::Modify { address, port, attributes } => {
                write!(f, "~   server {}", SocketAddr::new(*address, *port))?;
                attributes.iter().try_for_each(|attribute| write!(f, " {attribute}"))
            }
        }
    }
}

fn whole(f: &mut fmt::Formatter<'_>, sign: char, service: &Service) -> fmt::Result {
    write!(f, "{sign} service {} {}", service.key, service.scheduler)?;
    let plain = of_service(&Service::new(service.key, service.scheduler, Vec::new()));
    for ((name, value), (_, plain)) in of_service(service).iter().zip(plain) {
        if *value != plain {
            write!(f, ", {name} {value}")?;
        }
    }
    if let Some(health) = &service.health {
        write!(f, ", health {health}")?;
    }
    for server in &service.servers {
        writeln!(f)?;
        line(f, sign, server)?;
    }
    Ok(())
}

fn line(f: &mut fmt::Formatter<'_>, sign: char, server: &Server) -> fmt::Result {
    let endpoint = SocketAddr::new(server.address, server.port);
    write!(f, "{sign}   server {endpoint} {}", server.method)?;
    if !server.tunnel.is_default() {
        write!(f, " {}", server.tunnel)?;
    }
    write!(f, " weight {}", server.weight)?;
    for (threshold, name) in [(server.upper_threshold, "upper"), (server.lower_threshold, "lower")] {
        if threshold > 0 {
            write!(f, " {name} threshold {threshold}")?;
        }
    }
    if let Some(health) = &server.health {
        write!(f, " health {health}")?;
    }
    Ok(())
}
