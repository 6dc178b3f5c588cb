//! Why a desired state cannot be brought into the tables.

use crate::Limits;
use relvs_model::{Method, ServiceKey};
use std::net::SocketAddr;

/// Why a desired state was refused as a whole. Each reads as one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Two services have the same key.
    #[error("the service {0} is there twice: give each its own address, port or protocol")]
    ServiceTwice(ServiceKey),
    /// A service for every port, which only persistence can balance.
    #[error("the service {0} has port 0 (any port), which needs persistence: give it a port from 1 to 65535")]
    AnyPort(ServiceKey),
    /// Two servers of a service have the same address and port.
    #[error("the service {service} has the server {server} twice: remove one of them")]
    ServerTwice {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
    },
    /// The server's address is of the other family.
    #[error("the service {service} cannot have the server {server}: its address must be of the VIP's family")]
    OtherFamily {
        /// The service.
        service: ServiceKey,
        /// The server.
        server: SocketAddr,
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
