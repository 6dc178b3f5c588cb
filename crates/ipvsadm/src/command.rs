//! What a command line asks for, as values.

use relvs_model::{Method, Persistence, SchedulerFlags, ServiceKey};
use std::net::{IpAddr, SocketAddr};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The table is changed.
    Change(Change),
    /// Something is shown.
    List(Listing),
    /// The table is written as rules.
    Save {
        /// Without names.
        numeric: bool,
        /// Nothing is lost, and the order is kept.
        full: bool,
    },
    /// Commands are read from standard input.
    Restore,
    /// The help is shown.
    Help,
    /// The version is shown.
    Version,
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a service.
    AddService(ServiceSpec),
    /// Gives a service other options; what is not said becomes the default.
    EditService(ServiceSpec),
    /// Removes a service with its servers.
    DeleteService(ServiceKey),
    /// Removes all services.
    Flush,
    /// Adds a server to a service.
    AddServer(ServiceKey, ServerSpec),
    /// Gives a server other options; what is not said becomes the default.
    EditServer(ServiceKey, ServerSpec),
    /// Removes the server at an address and port from a service.
    DeleteServer(ServiceKey, SocketAddr),
    /// Sets timeouts, in seconds; 0 leaves one as it is.
    SetTimeouts {
        /// Established TCP connections.
        tcp_s: u32,
        /// TCP connections after a FIN.
        tcp_fin_s: u32,
        /// UDP.
        udp_s: u32,
    },
    /// Sets counters to zero: a service's with its servers', or all. The desired state has none: it is for the caller to
    /// do.
    Zero(Option<ServiceKey>),
    /// Starts a sync daemon.
    StartDaemon(Daemon),
    /// Stops a sync daemon.
    StopDaemon(DaemonRole),
}

/// A service as a command line describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// What it is known by.
    pub key: ServiceKey,
    /// The scheduler's name, whether there is such a one or not.
    pub scheduler: String,
    /// What is said to the scheduler.
    pub flags: SchedulerFlags,
    /// Persistence.
    pub persistence: Option<Persistence>,
    /// One-packet scheduling.
    pub one_packet: bool,
    /// The persistence engine's name, whether there is such a one or not.
    pub engine: Option<String>,
}

/// A server as a command line describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// Its address and port.
    pub address: SocketAddr,
    /// The forwarding method.
    pub method: Method,
    /// What TUN packets travel in.
    pub tunnel: Tunnel,
    /// Its share, at most 2^31 - 1.
    pub weight: u32,
    /// With so many connections it takes no new ones; 0 is no limit.
    pub upper_threshold: u32,
    /// With fewer it takes new ones again.
    pub lower_threshold: u32,
}

/// What TUN packets travel in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tunnel {
    /// An IP packet, and nothing else.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// Its UDP port.
        port: u16,
        /// Its checksum.
        checksum: TunnelChecksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// Its checksum.
        checksum: TunnelChecksum,
    },
}

/// The checksum of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelChecksum {
    /// There is none.
    #[default]
    None,
    /// There is one.
    Plain,
    /// It is left to the other end.
    Remote,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Of what.
    pub of: Listed,
    /// How.
    pub format: Format,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// All services.
    Services,
    /// One service.
    Service(ServiceKey),
    /// Connections.
    Connections,
    /// Timeouts.
    Timeouts,
    /// Sync daemons.
    Daemons,
}

/// How it is shown. Where several columns are asked for, the first of statistics, rates, thresholds, persistent
/// connections and tunnels is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Addresses and ports as numbers.
    pub numeric: bool,
    /// Statistics.
    pub stats: bool,
    /// Rates.
    pub rate: bool,
    /// Thresholds.
    pub thresholds: bool,
    /// Persistent connections.
    pub persistent_conn: bool,
    /// Tunnels.
    pub tun_info: bool,
    /// Numbers in full.
    pub exact: bool,
    /// In the table's order.
    pub no_sort: bool,
    /// As JSON.
    pub json: bool,
}

/// Which of the two sync daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonRole {
    /// It tells of connections.
    Master,
    /// It is told.
    Backup,
}

/// A sync daemon. What was not said is left to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Which.
    pub role: DaemonRole,
    /// Its interface.
    pub interface: String,
    /// Its number.
    pub sync_id: u8,
    /// The longest message, in bytes.
    pub max_length: Option<u16>,
    /// Its group.
    pub group: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
    /// The TTL of its packets.
    pub ttl: Option<u8>,
}
