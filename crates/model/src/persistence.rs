//! Persistence: a client keeps its server for longer than a flow.

use serde::{Deserialize, Serialize};
use std::{fmt, net::Ipv4Addr};
use utoipa::ToSchema;

/// How long, and for how large a part of the network, the server that was chosen once stays the choice
/// (ipvsadm's `-p` and `-M`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Persistence {
    /// Seconds since a client's last new flow; at least 1.
    pub timeout_s: u32,
    /// The clients that count as one.
    pub netmask: Netmask,
}

impl Persistence {
    /// The timeout where none is said, as ipvsadm and keepalived have it.
    pub const DEFAULT_TIMEOUT_S: u32 = 360;
    /// The longest timeout, as ipvsadm has it: 31 days.
    pub const MAX_TIMEOUT_S: u32 = 31 * 24 * 60 * 60;

    /// Of this timeout, for each client by itself.
    pub const fn of_clients(timeout_s: u32, ipv4: bool) -> Self {
        Persistence { timeout_s, netmask: Netmask::host(ipv4) }
    }
}

/// Which part of a client's address counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Netmask {
    /// The bits that count, which need not be the leading ones.
    #[schema(value_type = String, example = "255.255.255.0")]
    V4(Ipv4Addr),
    /// How many leading bits count, 1 to 128.
    V6(u8),
}

impl Netmask {
    /// All bits count.
    pub const fn host(ipv4: bool) -> Self {
        if ipv4 { Netmask::V4(Ipv4Addr::BROADCAST) } else { Netmask::V6(128) }
    }

    /// Whether it is for IPv4.
    pub const fn is_ipv4(self) -> bool {
        matches!(self, Netmask::V4(_))
    }

    /// Whether all bits count.
    pub fn is_host(self) -> bool {
        self == Netmask::host(self.is_ipv4())
    }
}

impl fmt::Display for Netmask {
    /// As ipvsadm lists it: `255.255.255.0`, `64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Netmask::V4(mask) => mask.fmt(f),
            Netmask::V6(prefix) => prefix.fmt(f),
        }
    }
}
