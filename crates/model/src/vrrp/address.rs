//! Addresses that the master has, and peers that are spoken to one by one.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// An address of the virtual router, with the options of `ip address add` that keepalived knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct VirtualAddress {
    /// The address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// The length of its network prefix in bits; none is the address alone (/32, /128).
    #[serde(default)]
    pub prefix: Option<u8>,
    /// The interface that gets it (dev); none is the instance's.
    #[serde(default)]
    pub interface: Option<String>,
    /// IPv4: a name for ip(8) (label).
    #[serde(default)]
    pub label: Option<String>,
    /// How far it is valid, as ip(8) names it: global, site, link, host (scope); none is global.
    #[serde(default)]
    pub scope: Option<String>,
    /// No route to its prefix is added (noprefixroute).
    #[serde(default)]
    pub no_prefix_route: bool,
    /// When someone removes it, it is not put back (no_track).
    #[serde(default)]
    pub no_track: bool,
}

impl VirtualAddress {
    /// This address alone, on the instance's interface.
    pub const fn new(address: IpAddr) -> Self {
        VirtualAddress {
            address,
            prefix: None,
            interface: None,
            label: None,
            scope: None,
            no_prefix_route: false,
            no_track: false,
        }
    }

    /// The length of its network prefix in bits.
    pub fn prefix_length(&self) -> u8 {
        self.prefix.unwrap_or(if self.address.is_ipv4() { 32 } else { 128 })
    }
}

/// Adverts go to each peer, not to the multicast group (unicast_peer).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = VrrpUnicast)]
pub struct Unicast {
    /// The other routers.
    pub peers: Vec<UnicastPeer>,
    /// With which TTL or hop limit adverts are sent; none is 255 (unicast_ttl).
    pub ttl: Option<u8>,
    /// Adverts of others than the peers are dropped (check_unicast_src).
    pub check_source: bool,
}

/// A router that is spoken to alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct UnicastPeer {
    /// Its address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Adverts with a lower TTL or hop limit are dropped, if sources are checked (min_ttl).
    #[serde(default)]
    pub min_ttl: Option<u8>,
    /// Adverts with a higher one are (max_ttl).
    #[serde(default)]
    pub max_ttl: Option<u8>,
}

impl UnicastPeer {
    /// This peer, whatever its TTL.
    pub const fn new(address: IpAddr) -> Self {
        UnicastPeer { address, min_ttl: None, max_ttl: None }
    }
}
