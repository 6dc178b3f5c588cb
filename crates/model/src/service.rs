//! Services, servers, and the director that has them.

use crate::{Method, Protocol, Scheduler};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// What a virtual service is known by: protocol, VIP and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceKey {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The VIP.
    pub address: IpAddr,
    /// The port; 0 is any, and wants persistence.
    pub port: u16,
}

impl fmt::Display for ServiceKey {
    /// As `listen` is written in relvs.toml: `192.0.2.100:80/tcp`, `[2001:db8::100]:443/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", std::net::SocketAddr::new(self.address, self.port), self.protocol)
    }
}

/// A real server of one virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The RIP.
    pub address: IpAddr,
    /// The server's port. For DR and TUN it is the service's.
    pub port: u16,
    /// Its share. 0 takes no new flows and keeps those it has.
    pub weight: u32,
    /// How packets reach it.
    pub method: Method,
}

/// A virtual service and its real servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What it listens to.
    pub key: ServiceKey,
    /// How a server is chosen.
    pub scheduler: Scheduler,
    /// Its servers, in the order in which they were added.
    pub servers: Vec<Server>,
}

/// How the program is attached to an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// The fastest that delivers.
    #[default]
    Auto,
    /// In the driver, or not at all.
    Native,
    /// In the stack's generic hook.
    Generic,
}

/// What becomes of forwarding when the daemon is told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExit {
    /// Programs and tables stay, and go on forwarding.
    #[default]
    Keep,
    /// Programs are detached and tables given up.
    Stop,
}

/// The director's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Director {
    /// The interfaces that are served, by name.
    pub interfaces: Vec<String>,
    /// How many flows of each address family the tables are to hold.
    pub flows: u32,
    /// How the program is attached.
    pub xdp_mode: XdpMode,
    /// What SIGTERM leaves behind.
    pub on_exit: OnExit,
}

impl Director {
    /// `flows` where nothing is said.
    pub const DEFAULT_FLOWS: u32 = 1 << 20;
}

impl Default for Director {
    fn default() -> Self {
        Director { interfaces: Vec::new(), flows: Self::DEFAULT_FLOWS, xdp_mode: XdpMode::Auto, on_exit: OnExit::Keep }
    }
}

/// Everything that is wanted of a director: the desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its own settings.
    pub director: Director,
    /// Its virtual services.
    pub services: Vec<Service>,
}
