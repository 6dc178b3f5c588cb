//! Match rules: which packets have which mark.
//!
//! Marks of the packet filter come too late for a program in the driver, so relvs gives marks itself. The first rule
//! that matches decides.

use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use utoipa::ToSchema;

use crate::Protocol;

/// Gives its mark to the packets that match. An empty list matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// The mark, not 0.
    pub mark: u32,
    /// Where the packets come from.
    #[serde(default)]
    pub sources: Vec<Network>,
    /// Where they go to: VIPs, or networks of them.
    #[serde(default)]
    pub destinations: Vec<Network>,
    /// Their protocol; none is any.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Their destination ports.
    #[serde(default)]
    pub ports: Vec<PortRange>,
}

impl Rule {
    /// Whether packets of this family can match: a list of networks has one of it, or is empty.
    pub fn is_of(&self, ipv4: bool) -> bool {
        let some = |list: &[Network]| list.is_empty() || list.iter().any(|network| network.address.is_ipv4() == ipv4);
        some(&self.sources) && some(&self.destinations)
    }
}

impl fmt::Display for Rule {
    /// `mark 7: from 10.0.0.0/8 to 192.0.2.100 tcp ports 80, 8000-8100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mark {}:", self.mark)?;
        list(f, " from ", &self.sources)?;
        list(f, " to ", &self.destinations)?;
        if let Some(protocol) = self.protocol {
            write!(f, " {protocol}")?;
        }
        list(f, " ports ", &self.ports)?;
        let any = self.sources.is_empty() && self.destinations.is_empty();
        if any && self.protocol.is_none() && self.ports.is_empty() { f.write_str(" everything") } else { Ok(()) }
    }
}

fn list(f: &mut fmt::Formatter<'_>, before: &str, items: &[impl fmt::Display]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if at == 0 { before } else { ", " })?;
    }
    Ok(())
}

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// Its address; the bits after the prefix are 0.
    #[schema(value_type = String, example = "10.0.0.0")]
    pub address: IpAddr,
    /// How many leading bits count: 0 to 32 or 128.
    pub prefix: u8,
}

impl Network {
    /// The network that this address is in.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32u32.saturating_sub(prefix.into())).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128u32.saturating_sub(prefix.into())).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Network { address, prefix }
    }

    /// How long a prefix this family may have.
    pub const fn longest(ipv4: bool) -> u8 {
        if ipv4 { 32 } else { 128 }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == Network::longest(self.address.is_ipv4()) {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last, not before the first.
    pub last: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = PortRange { first: 0, last: u16::MAX };
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}
