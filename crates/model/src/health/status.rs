//! What is known about services and servers by their checks, for people and programs to read.
//!
//! Moments are in milliseconds since 1970-01-01T00:00:00Z.

use crate::ServiceKey;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// What is known about one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = HealthServiceStatus)]
pub struct ServiceStatus {
    /// The service.
    pub service: ServiceKey,
    /// It has its quorum.
    pub up: bool,
    /// Since then.
    pub since_ms: u64,
    /// The sum of weights of servers that are up.
    pub weight: u64,
    /// The sum that keeps it up, or that it needs to come up again.
    pub needed: u64,
    /// The sorry server takes the flows.
    pub sorry: bool,
    /// No checks are made: its VIP is not on this machine.
    pub suspended: bool,
    /// Its servers.
    pub servers: Vec<ServerStatus>,
}

/// What is known about one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = HealthServerStatus)]
pub struct ServerStatus {
    /// The RIP.
    #[schema(value_type = String, example = "10.0.0.11")]
    pub address: IpAddr,
    /// The server's port.
    pub port: u16,
    /// All its checks say that it is up, and it is not held down.
    pub up: bool,
    /// Since then.
    pub since_ms: u64,
    /// Why, in plain words: by which check, with which answer.
    pub why: String,
    /// The weight by which it is scheduled; none: it is not scheduled at all.
    pub weight: Option<u32>,
    /// An administrator has drained it.
    pub drained: bool,
    /// It came back and has not all its weight yet.
    pub slow_start: bool,
    /// It was down too often, and stays down until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until_ms: Option<u64>,
    /// Its checks.
    pub checks: Vec<CheckStatus>,
}

/// What is known by one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckStatus {
    /// What is asked whom: `tcp check of 10.0.0.11:80`.
    pub name: String,
    /// It succeeds, as far as `fall` and `rise` say so.
    pub up: bool,
    /// Since then.
    pub since_ms: u64,
    /// Whether there was an outcome yet; without one `up` is what is assumed.
    pub known: bool,
    /// So many failures in a row.
    pub failures: u32,
    /// So many successes in a row.
    pub successes: u32,
    /// So many probes ended since the daemon began.
    pub probes: u64,
    /// So many of them failed.
    pub failed: u64,
    /// The last failure, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_ms: Option<u64>,
}
