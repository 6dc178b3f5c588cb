//! Edits: what can be asked to become otherwise, one by one. What they make of a desired state is `relvs-control`'s.
//!
//! The verbs are ipvsadm's (`-A -E -D -a -e -d -C -Z --set`); what an edit does not name stays as it is.

use crate::{Persistence, Rule, Scheduler, SchedulerFlags, Server, Service, ServiceKey};
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};
use utoipa::ToSchema;

/// One edit of what is desired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// A new service, with its servers.
    AddService(Service),
    /// A service otherwise than before; its servers stay.
    EditService(ServiceEdit),
    /// A service goes, with its servers.
    DeleteService(ServiceRef),
    /// A new server, as the last of its service.
    AddServer(ServerOf),
    /// A server otherwise than before, at its place.
    EditServer(ServerEdit),
    /// A server goes.
    DeleteServer(Endpoint),
    /// Timeouts.
    SetTimeouts(TimeoutsEdit),
    /// Settings under net.ipv4.vs, by their names.
    SetSettings(BTreeMap<String, SettingValue>),
    /// The match rules, in place of those there are.
    SetRules(RuleList),
    /// All services go.
    Clear {},
    /// Counters begin at nothing.
    Zero(Zero),
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceRef {
    /// What it is known by.
    pub service: ServiceKey,
}

/// What becomes otherwise about a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceEdit {
    /// What it is known by.
    pub service: ServiceKey,
    /// How a server is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// What is said to the scheduler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<SchedulerFlags>,
    /// How long a client keeps its server; `null` is for each flow anew.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub persistence: Option<Option<Persistence>>,
    /// A server is chosen for each packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_packet: Option<bool>,
}

impl ServiceEdit {
    /// Nothing otherwise.
    pub const fn of(service: ServiceKey) -> Self {
        ServiceEdit { service, scheduler: None, flags: None, persistence: None, one_packet: None }
    }
}

/// `null` is a word; nothing at all is none.
fn said<'d, T: Deserialize<'d>, D: Deserializer<'d>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A server of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerOf {
    /// The service.
    pub service: ServiceKey,
    /// The server.
    pub server: Server,
}

/// Which server of which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Endpoint {
    /// The service.
    pub service: ServiceKey,
    /// The RIP.
    #[schema(value_type = String, example = "10.0.0.11")]
    pub address: IpAddr,
    /// The server's port; the service's where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Endpoint {
    /// Its address and port.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port.unwrap_or(self.service.port()))
    }
}

/// What becomes otherwise about a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerEdit {
    /// The service.
    pub service: ServiceKey,
    /// The RIP.
    #[schema(value_type = String, example = "10.0.0.11")]
    pub address: IpAddr,
    /// The server's port; the service's where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Its share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// How packets reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<crate::Method>,
    /// What its packets travel in, by TUN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<crate::Tunnel>,
    /// With so many flows it takes no new ones; 0 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_threshold: Option<u32>,
    /// With fewer it takes new ones again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_threshold: Option<u32>,
}

impl ServerEdit {
    /// Nothing otherwise.
    pub const fn of(Endpoint { service, address, port }: Endpoint) -> Self {
        ServerEdit {
            service,
            address,
            port,
            weight: None,
            method: None,
            tunnel: None,
            upper_threshold: None,
            lower_threshold: None,
        }
    }

    /// Which server.
    pub const fn endpoint(&self) -> Endpoint {
        Endpoint { service: self.service, address: self.address, port: self.port }
    }
}

/// Timeouts that become otherwise, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimeoutsEdit {
    /// Established TCP flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_s: Option<u32>,
    /// TCP flows after a FIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_fin_s: Option<u32>,
    /// UDP flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp_s: Option<u32>,
}

/// A setting's value: a number, or as `sysctl` takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SettingValue {
    /// A number.
    Number(i64),
    /// Words.
    Text(String),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Number(number) => number.fmt(f),
            SettingValue::Text(text) => text.fmt(f),
        }
    }
}

/// Match rules; the first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleList {
    /// All of them.
    pub rules: Vec<Rule>,
}

/// Whose counters begin at nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Zero {
    /// The service's and its servers'; everything's where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_persistence_is_not_the_same_as_no_word_of_it() {
        let key = ServiceKey::mark(7, false);
        let silent = ServiceEdit::of(key);
        let none = ServiceEdit { persistence: Some(None), ..silent.clone() };
        assert_ne!(silent, none);
        assert_eq!(silent.persistence, None);
        assert_eq!(none.service, key);
    }
}
