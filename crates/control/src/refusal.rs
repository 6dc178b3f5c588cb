//! Why a desired state cannot be brought into the tables.

use crate::Limits;
use relvs_model::{Method, Netmask, ServiceKey, Tunnel, Unset};
use std::net::SocketAddr;

/// Why a desired state was refused as a whole. Each reads as one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Two services have the same key.
    #[error("the service {0} is there twice: give each its own address, port or protocol")]
    ServiceTwice(ServiceKey),
    /// A service for every port, which only persistence can balance.
    #[error("the service {0} has port 0 (any port), which needs persistence: add that, or give it a port")]
    AnyPort(ServiceKey),
    /// A service of mark 0.
    #[error("a service has mark 0, which packets without a mark have: give it another")]
    NoMark,
    /// One-packet scheduling of something that has connections.
    #[error("the service {0} cannot have one-packet scheduling: that is for UDP and for marks")]
    OnePacket(ServiceKey),
    /// A timeout that the kernel's tables cannot have.
    #[error("the service {0} cannot have this persistence: its timeout must be from 1 to 2147483647 seconds")]
    PersistenceTimeout(ServiceKey),
    /// A netmask of the other family, or too long.
    #[error(
        "the service {service} cannot have the netmask {netmask} for its persistence: {}",
        if service.is_ipv4() { "an IPv4 service's is an IPv4 mask" } else { "an IPv6 service's is a prefix from 1 to 128" }
    )]
    Netmask {
        /// The service.
        service: ServiceKey,
        /// Its netmask.
        netmask: Netmask,
    },
    /// More servers than mh's table has places.
    #[error("the service {service} has {servers} servers, but mh can tell only {limit} apart: take another scheduler")]
    MhServers {
        /// The service.
        service: ServiceKey,
        /// How many it has.
        servers: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A weight that is larger than IPVS's.
    #[error("the server {server} of the service {service} is too heavy: a weight is from 0 to 2147483647")]
    Weight {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// Thresholds the wrong way round (IPVS: ERANGE).
    #[error(
        "the server {server} of the service {service} cannot have the thresholds {upper} and {lower}: the lower one \
         must not be larger than the upper one, and that not larger than 2147483647"
    )]
    Thresholds {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
        /// Its upper threshold.
        upper: u32,
        /// Its lower threshold.
        lower: u32,
    },
    /// A timeout of 0, or more than a number holds.
    #[error("the timeout {0} is out of range: it must be from 1 to 2147483647 seconds")]
    Timeout(&'static str),
    /// A setting that the kernel would not take.
    #[error("setting {name}: {why}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Why.
        why: Unset,
    },
    /// A rule that means nothing.
    #[error("match rule {number} cannot be: {why}")]
    Rule {
        /// Which, from 1.
        number: usize,
        /// Half a sentence.
        why: &'static str,
    },
    /// More rules than records.
    #[error(
        "{rules} match rules take {records} records, one for each pair of networks and range of ports, but the tables \
         hold {limit}: name fewer, or make larger tables"
    )]
    Rules {
        /// Rules that are wanted.
        rules: usize,
        /// Records that they take.
        records: usize,
        /// What there is room for.
        limit: u32,
    },
    /// Two servers of a service have the same address and port.
    #[error("the service {service} has the server {server} twice: remove one of them")]
    ServerTwice {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// The server's address is of the other family, which only a tunnel reaches.
    #[error(
        "the service {service} cannot have the server {server}: its address must be of the service's family, or its method tun"
    )]
    OtherFamily {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// A GUE tunnel to port 0.
    #[error("the service {service} cannot have the server {server}: a gue tunnel needs a port")]
    TunnelPort {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// A tunnel for a server that is not reached by one.
    #[error(
        "the service {service} cannot have the {method} server {server} with a {tunnel} tunnel: that is for method tun"
    )]
    NoTunnel {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
        /// Its method.
        method: Method,
        /// The tunnel.
        tunnel: Tunnel,
    },
    /// The server's port is 0, or with DR or TUN not the service's.
    #[error(
        "the service {service} cannot have the {method} server {server}: its port must be {}",
        if *method == Method::Nat { "from 1 to 65535" } else { "the service's" }
    )]
    ServerPort {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
        /// Its method.
        method: Method,
    },
    /// [`Limits::sets`] is no number that a table can have.
    #[error("a service table cannot have {0} sets: make it with a power of two, at most {most}", most = Limits::MOST_SETS)]
    Sets(u32),
    /// More services than records.
    #[error("{services} services are more than the {limit} that the tables hold: remove some, or make larger tables")]
    Services {
        /// Services that are wanted.
        services: usize,
        /// What there is room for.
        limit: u32,
    },
    /// No multiplier was found with which all entries find room in their sets.
    #[error(
        "{services} services and {servers} addresses of NAT servers do not fit into {sets} sets of four \
         ({tried} arrangements tried): remove some, or make larger tables"
    )]
    TooManyServices {
        /// Service entries that are wanted.
        services: usize,
        /// Server entries that are wanted.
        servers: usize,
        /// Sets of each address family.
        sets: u32,
        /// Multipliers that were tried.
        tried: u32,
    },
    /// More bands than records, or than one service may have.
    #[error(
        "the service {service} needs more than the {room} bands that are left for its round: \
         give its servers fewer different weights, or make larger tables"
    )]
    Bands {
        /// The first service without room.
        service: ServiceKey,
        /// What was left for it.
        room: usize,
    },
    /// More ring slots than there are.
    #[error(
        "the service {service} needs more than the {room} ring slots that are left: \
         give it fewer servers or fewer different weights, or make larger tables"
    )]
    Ring {
        /// The first service without room.
        service: ServiceKey,
        /// What was left for it.
        room: usize,
    },
    /// More destinations than records.
    #[error(
        "{wanted} servers and {retired} removed ones that still have flows are more than the {limit} destinations \
         that the tables hold: remove some, wait, or make larger tables"
    )]
    Destinations {
        /// Destinations that are wanted.
        wanted: usize,
        /// Retired ones that keep their numbers.
        retired: usize,
        /// What there is room for.
        limit: u32,
    },
    /// What is applied is from larger tables.
    #[error("destination {number} is in use, but the table holds {limit}: start with tables as large as before")]
    Number {
        /// The largest number.
        number: u32,
        /// What there is room for.
        limit: u32,
    },
}
