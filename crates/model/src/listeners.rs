//! Where the daemon itself answers, beside its control socket: metrics, and the API over TCP.
//!
//! These are said by the configuration file alone: who may change services over the API cannot give himself another way in.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// Where the daemon itself answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listeners {
    /// For Prometheus.
    pub metrics: Metrics,
    /// The control API.
    pub api: Api,
}

/// What is listened on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A unix socket, by its absolute path.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(address) => address.fmt(f),
            Place::Unix(path) => path.display().fmt(f),
        }
    }
}

/// What is given to Prometheus, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// The places; none is off.
    pub listen: Vec<Place>,
    /// Whether each server has metrics of its own, or services and sums alone.
    pub servers: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { listen: Vec::new(), servers: true }
    }
}

/// Who may speak to the control API, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// TCP addresses; none is off. The control socket is always there.
    pub listen: Vec<SocketAddr>,
    /// A file with the token that allows everything.
    pub token_file: Option<PathBuf>,
    /// A file with the token that allows to read.
    pub read_token_file: Option<PathBuf>,
    /// A PEM file with the certificate of this director and those that lead to its authority.
    pub certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub key: Option<PathBuf>,
    /// A PEM file with the authorities whose client certificates allow everything.
    pub client_ca: Option<PathBuf>,
    /// The group of the control socket; none is the daemon's own.
    pub group: Option<String>,
    /// Who may use the control socket.
    pub mode: SocketMode,
}

impl Api {
    /// Whether a client can show that it is allowed in.
    pub fn has_keys(&self) -> bool {
        self.token_file.is_some() || self.read_token_file.is_some() || self.client_ca.is_some()
    }
}

/// Who may use the control socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketMode {
    /// Its owner and its group: 0660.
    #[default]
    Group,
    /// Its owner: 0600.
    Owner,
}

impl SocketMode {
    /// As chmod(2) has it.
    pub const fn bits(self) -> u32 {
        match self {
            SocketMode::Group => 0o660,
            SocketMode::Owner => 0o600,
        }
    }
}

/// Whether nobody but this machine can reach an address.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
