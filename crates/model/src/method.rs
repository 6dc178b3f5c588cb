//! Forwarding methods.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// How a packet reaches its server. It is chosen per server; a service gives the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The destination is rewritten; replies come back through the director (IPVS: Masq, `-m`).
    Nat,
    /// Only the MAC changes; the server owns the VIP and answers the client itself (IPVS: Route, `-g`).
    #[default]
    Dr,
    /// The packet travels inside another, DIP to RIP (IPVS: Tunnel, `-i`).
    Tun,
}

impl Method {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Method; 3] = [Method::Nat, Method::Dr, Method::Tun];

    /// The name in relvs.toml.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Nat => "nat",
            Method::Dr => "dr",
            Method::Tun => "tun",
        }
    }

    /// The name in ipvsadm's listings.
    pub const fn ipvs_name(self) -> &'static str {
        match self {
            Method::Nat => "Masq",
            Method::Dr => "Route",
            Method::Tun => "Tunnel",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Method {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        Method::ALL.into_iter().find(|m| m.name() == s).ok_or(())
    }
}
