//! Virtual services and their servers.

use crate::{
    Method, Persistence, Scheduler, SchedulerFlags, ServiceKey, Tunnel,
    health::{ServerHealth, ServiceHealth},
};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, sync::Arc};
use utoipa::ToSchema;

/// A real server of one virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// The RIP.
    #[schema(value_type = String, example = "10.0.0.11")]
    pub address: IpAddr,
    /// The server's port. For DR and TUN it is the service's. 0 keeps the port that the client asked for, where the
    /// service has any.
    pub port: u16,
    /// Its share. 0 takes no new flows and keeps those it has.
    pub weight: u32,
    /// How packets reach it.
    pub method: Method,
    /// What its packets travel in, by TUN.
    #[serde(default, skip_serializing_if = "Tunnel::is_default")]
    pub tunnel: Tunnel,
    /// With so many flows it takes no new ones; 0 is no limit (ipvsadm's `-x`).
    #[serde(default)]
    pub upper_threshold: u32,
    /// With fewer flows than these it takes new ones again; 0 is three quarters of the upper one (ipvsadm's `-y`).
    #[serde(default)]
    pub lower_threshold: u32,
    /// Its health checks and what follows from them; none: it is always up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ServerHealth>)]
    pub health: Option<Arc<ServerHealth>>,
}

impl Server {
    /// `weight` where nothing is said.
    pub const DEFAULT_WEIGHT: u32 = 1;

    /// Without thresholds.
    pub const fn new(address: IpAddr, port: u16, weight: u32, method: Method) -> Self {
        Server {
            address,
            port,
            weight,
            method,
            tunnel: Tunnel::Ipip,
            upper_threshold: 0,
            lower_threshold: 0,
            health: None,
        }
    }
}

/// A virtual service and its real servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// What it is known by.
    pub key: ServiceKey,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// What is said to the scheduler.
    #[serde(default)]
    pub flags: SchedulerFlags,
    /// How long a client keeps its server; none is for each flow anew.
    #[serde(default)]
    pub persistence: Option<Persistence>,
    /// A server is chosen for each packet, and no flow remembered (ipvsadm's `-o`); for UDP.
    #[serde(default)]
    pub one_packet: bool,
    /// It takes so many new flows a second, and drops packets of more; 0 is no limit.
    #[serde(default, skip_serializing_if = "is_none")]
    pub new_flows_per_second: u32,
    /// What it does by how many of its servers are up; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ServiceHealth>)]
    pub health: Option<Arc<ServiceHealth>>,
    /// Its servers, in the order in which they were added.
    pub servers: Vec<Server>,
}

fn is_none(limit: &u32) -> bool {
    *limit == 0
}

impl Service {
    /// Without flags, persistence and the like.
    pub const fn new(key: ServiceKey, scheduler: Scheduler, servers: Vec<Server>) -> Self {
        Service {
            key,
            scheduler,
            flags: SchedulerFlags::NONE,
            persistence: None,
            one_packet: false,
            new_flows_per_second: 0,
            health: None,
            servers,
        }
    }
}
