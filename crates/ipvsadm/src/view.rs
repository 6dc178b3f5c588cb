//! What listings show: the desired state with its counts, and connections. Plain values that the caller fills.

use crate::Tunnel;
use relvs_model::{Method, Persistence, Scheduler, SchedulerFlags, Service, ServiceKey};
use std::net::SocketAddr;

/// A service as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// What it is known by.
    pub key: ServiceKey,
    /// Its scheduler.
    pub scheduler: Scheduler,
    /// What is said to the scheduler.
    pub flags: SchedulerFlags,
    /// Persistence.
    pub persistence: Option<Persistence>,
    /// The persistence engine.
    pub engine: Option<String>,
    /// One-packet scheduling.
    pub one_packet: bool,
    /// Its counters.
    pub statistics: Statistics,
    /// Its rates.
    pub rates: Rates,
    /// Its servers, in the order in which they were added.
    pub servers: Vec<ServerView>,
}

/// A server as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// Its address and port.
    pub address: SocketAddr,
    /// The forwarding method.
    pub method: Method,
    /// What TUN packets travel in.
    pub tunnel: Tunnel,
    /// Its share.
    pub weight: u32,
    /// The upper threshold.
    pub upper_threshold: u32,
    /// The lower threshold.
    pub lower_threshold: u32,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// Its counters.
    pub statistics: Statistics,
    /// Its rates.
    pub rates: Rates,
}

/// Counters since they were last set to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Rates, each per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// A connection as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// `TCP`, `UDP` or `SCTP`; `IP` for a template of every protocol.
    pub protocol: &'static str,
    /// The client's address and port; a template's port is 0.
    pub client: SocketAddr,
    /// VIP and port. A mark's template has the mark as address.
    pub service: SocketAddr,
    /// The server's address and port.
    pub server: SocketAddr,
    /// The state's name.
    pub state: String,
    /// Seconds until it is forgotten.
    pub expires_s: u32,
}

impl ServiceView {
    /// A service without any counts.
    pub fn of(service: &Service) -> Self {
        let server = |server: &relvs_model::Server| ServerView {
            address: SocketAddr::new(server.address, server.port),
            method: server.method,
            tunnel: server.tunnel.into(),
            weight: server.weight,
            upper_threshold: server.upper_threshold,
            lower_threshold: server.lower_threshold,
            active: 0,
            inactive: 0,
            persistent: 0,
            statistics: Statistics::default(),
            rates: Rates::default(),
        };
        ServiceView {
            key: service.key,
            scheduler: service.scheduler,
            flags: service.flags,
            persistence: service.persistence,
            engine: None,
            one_packet: service.one_packet,
            statistics: Statistics::default(),
            rates: Rates::default(),
            servers: service.servers.iter().map(server).collect(),
        }
    }
}

/// Counters or rates in the order of their columns.
pub(crate) trait Columns {
    fn columns(&self) -> [u64; 5];
}

impl Columns for Statistics {
    fn columns(&self) -> [u64; 5] {
        [self.connections, self.packets_in, self.packets_out, self.bytes_in, self.bytes_out]
    }
}

impl Columns for Rates {
    fn columns(&self) -> [u64; 5] {
        [self.connections, self.packets_in, self.packets_out, self.bytes_in, self.bytes_out]
    }
}
