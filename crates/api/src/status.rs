//! What `GET /v1/status` answers.

use relvs_model::{
    Method, Persistence, Rule, Scheduler, ServiceKey, Settings, Timeouts, Tunnel, health::ServiceStatus, vrrp,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// Everything that a director does at this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// How often the configuration was changed.
    pub revision: u64,
    /// Seconds since the daemon started. Forwarding may be older.
    pub uptime_s: u64,
    /// Whether it took over the tables of an earlier daemon.
    pub adopted: bool,
    /// The configuration file, if there is one.
    pub configuration: Option<String>,
    /// Whether something else is in force than that file said when it was read: it was changed over this socket since.
    #[serde(default)]
    pub changed: bool,
    /// Interfaces that are served.
    pub interfaces: Vec<Interface>,
    /// Services, in the order of the configuration.
    pub services: Vec<Service>,
    /// What is known of servers by their health checks.
    #[serde(default)]
    pub checks: Vec<ServiceStatus>,
    /// The virtual routers, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrrp: Option<vrrp::Status>,
    /// IPVS's settings.
    #[serde(default)]
    pub settings: Settings,
    /// When flows are forgotten.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Which packets have which mark.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Sums over all services, those that were removed included.
    #[serde(default)]
    pub counters: Counters,
    /// All services together.
    #[serde(default)]
    pub rates: Rates,
    /// The flow tables.
    pub flows: Flows,
    /// Why frames were passed, dropped or answered; only those that occurred.
    pub reasons: Vec<Reason>,
}

/// An interface that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Where the program runs: `native` or `generic`.
    pub mode: String,
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ServiceStatus)]
pub struct Service {
    /// What it is known by: `protocol`, `address` and `port`, or `mark` and `six`.
    #[serde(flatten)]
    pub key: ServiceKey,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// What is said to the scheduler, by the scheduler's own names.
    #[serde(default)]
    pub flags: Vec<String>,
    /// How long a client keeps its server.
    #[serde(default)]
    pub persistence: Option<Persistence>,
    /// A server is chosen for each packet.
    #[serde(default)]
    pub one_packet: bool,
    /// What its servers did since it is there, those that were removed included.
    pub counters: Counters,
    /// How fast they grow.
    #[serde(default)]
    pub rates: Rates,
    /// Its servers, in the order in which they were added.
    pub servers: Vec<Server>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ServerStatus)]
pub struct Server {
    /// The RIP.
    #[schema(value_type = String, example = "10.0.0.11")]
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its share.
    pub weight: u32,
    /// The latest weight that was not 0, to which it is undrained.
    #[serde(default)]
    pub last_weight: u32,
    /// How packets reach it.
    pub method: Method,
    /// What its packets travel in, by TUN.
    #[serde(default, skip_serializing_if = "Tunnel::is_default")]
    pub tunnel: Tunnel,
    /// With so many flows it takes no new ones; 0 is no limit.
    #[serde(default)]
    pub upper_threshold: u32,
    /// With fewer it takes new ones again; 0 is three quarters of the upper one.
    #[serde(default)]
    pub lower_threshold: u32,
    /// Takes no new flows, because it has reached the upper threshold.
    #[serde(default)]
    pub overloaded: bool,
    /// Removed, but not without flows yet.
    pub removed: bool,
    /// Flows in states that count as active.
    pub active: u32,
    /// The others.
    pub inactive: u32,
    /// Clients that persistence keeps here.
    #[serde(default)]
    pub templates: u32,
    /// What went to it and came back.
    pub counters: Counters,
    /// How fast they grow.
    #[serde(default)]
    pub rates: Rates,
    /// The way to it.
    pub way: Way,
}

/// The way to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Way {
    /// Packets can be sent.
    Ready {
        /// The interface.
        interface: String,
        /// The neighbour's address.
        #[schema(value_type = String, example = "10.0.0.11")]
        neighbour: IpAddr,
        /// The neighbour's MAC.
        mac: String,
        /// Bytes that a client's packet may have, tunnel headers already taken off.
        mtu: u16,
    },
    /// The neighbour does not answer yet.
    Pending {
        /// The neighbour's address.
        #[schema(value_type = String, example = "10.0.0.11")]
        neighbour: IpAddr,
    },
    /// The director itself is the server: its own stack gets the packets.
    Local,
    /// There is none.
    Unreachable {
        /// Why.
        why: String,
    },
}

/// Counters of a server or service. Bytes are of IP packets; the out ones are NAT's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Counters {
    pub flows: u64,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
}

/// How fast counters grow, per second, by IPVS's estimator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Rates {
    pub flows: u64,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
}

/// The flow tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Flows {
    /// Flows now.
    pub live: u64,
    /// Clients that persistence keeps at their servers.
    #[serde(default)]
    pub templates: u64,
    /// Records in use at the last pass over the tables; a NAT flow has two.
    pub records: u64,
    /// Records that there are, of both families.
    pub capacity: u64,
    /// Flows forgotten since the daemon started.
    pub expired: u64,
    /// Milliseconds that the last pass over the tables took.
    pub pass_ms: f64,
}

/// Why, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Its name.
    pub name: String,
    /// How often.
    pub count: u64,
    /// What it means.
    pub text: String,
}
