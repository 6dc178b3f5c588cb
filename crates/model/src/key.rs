//! What a virtual service is known by.

use crate::Protocol;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};
use utoipa::ToSchema;

/// What a virtual service is known by: what it listens to, or the mark of the packets that are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ServiceKey {
    /// Protocol, VIP and port (ipvsadm's `-t`, `-u`, `--sctp-service`).
    Listen(Listen),
    /// A mark that match rules give to packets (ipvsadm's `-f`).
    Mark(Mark),
}

/// Protocol, VIP and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Listen {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The VIP.
    #[schema(value_type = String, example = "192.0.2.100")]
    pub address: IpAddr,
    /// The port; 0 is any, and wants persistence.
    pub port: u16,
}

/// A mark and the address family of its packets: a mark may have a service of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Mark {
    /// The mark, not 0: packets without a mark have that.
    pub mark: u32,
    /// IPv6, else IPv4.
    #[serde(default)]
    pub six: bool,
}

impl ServiceKey {
    /// The key of a service that listens.
    pub const fn listen(protocol: Protocol, address: IpAddr, port: u16) -> Self {
        ServiceKey::Listen(Listen { protocol, address, port })
    }

    /// The key of a mark's service.
    pub const fn mark(mark: u32, six: bool) -> Self {
        ServiceKey::Mark(Mark { mark, six })
    }

    /// Whether its packets, and so its servers, are IPv4; else they are IPv6.
    pub const fn is_ipv4(&self) -> bool {
        match self {
            ServiceKey::Listen(listen) => listen.address.is_ipv4(),
            ServiceKey::Mark(mark) => !mark.six,
        }
    }

    /// Its port; 0 is any, which it always is for a mark.
    pub const fn port(&self) -> u16 {
        match self {
            ServiceKey::Listen(listen) => listen.port,
            ServiceKey::Mark(_) => 0,
        }
    }

    /// Its protocol, unless it is a mark's and so has any.
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            ServiceKey::Listen(listen) => Some(listen.protocol),
            ServiceKey::Mark(_) => None,
        }
    }

    /// Its VIP, unless it is a mark's and so has any.
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            ServiceKey::Listen(listen) => Some(listen.address),
            ServiceKey::Mark(_) => None,
        }
    }

    /// The protocols of its flows.
    pub const fn protocols(&self) -> &'static [Protocol] {
        match self {
            ServiceKey::Listen(Listen { protocol: Protocol::Tcp, .. }) => &[Protocol::Tcp],
            ServiceKey::Listen(Listen { protocol: Protocol::Udp, .. }) => &[Protocol::Udp],
            ServiceKey::Listen(Listen { protocol: Protocol::Sctp, .. }) => &[Protocol::Sctp],
            ServiceKey::Mark(_) => &Protocol::ALL,
        }
    }
}

/// What cannot be read as a service's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKey(String);

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` names no service: write VIP:PORT/PROTOCOL as in 192.0.2.100:80/tcp or [2001:db8::100]:443/tcp, or \
             mark:7, or mark:7/ipv6",
            self.0
        )
    }
}

impl std::error::Error for BadKey {}

impl FromStr for ServiceKey {
    type Err = BadKey;

    /// As it is displayed, or with a mark's in one word: `mark:7`, `mark:7/ipv6`. Where no protocol is said it is TCP.
    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = || BadKey(text.to_owned());
        if let Some(rest) = text.strip_prefix("mark:").or_else(|| text.strip_prefix("mark ")) {
            let v6 = ["/ipv6", " (ipv6)"].into_iter().find_map(|end| rest.strip_suffix(end));
            let mark = v6.or_else(|| rest.strip_suffix("/ipv4")).unwrap_or(rest);
            return Ok(ServiceKey::mark(mark.parse().map_err(|_| bad())?, v6.is_some()));
        }
        let (endpoint, protocol) = match text.rsplit_once('/') {
            Some((endpoint, protocol)) => (endpoint, protocol.parse().map_err(|()| bad())?),
            None => (text, Protocol::Tcp),
        };
        let endpoint: SocketAddr = endpoint.parse().map_err(|_| bad())?;
        Ok(ServiceKey::listen(protocol, endpoint.ip(), endpoint.port()))
    }
}

impl From<Listen> for ServiceKey {
    fn from(listen: Listen) -> Self {
        ServiceKey::Listen(listen)
    }
}

impl From<Mark> for ServiceKey {
    fn from(mark: Mark) -> Self {
        ServiceKey::Mark(mark)
    }
}

impl fmt::Display for ServiceKey {
    /// As `listen` or `mark` is written in relvs.toml: `192.0.2.100:80/tcp`, `[2001:db8::100]:443/tcp`, `mark 7`,
    /// `mark 7 (ipv6)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Listen(Listen { protocol, address, port }) => {
                write!(f, "{}/{protocol}", SocketAddr::new(*address, *port))
            }
            ServiceKey::Mark(Mark { mark, six: false }) => write!(f, "mark {mark}"),
            ServiceKey::Mark(Mark { mark, six: true }) => write!(f, "mark {mark} (ipv6)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_shown() {
        for text in ["192.0.2.100:80/tcp", "[2001:db8::100]:443/udp", "192.0.2.1:0/sctp", "mark 7", "mark 7 (ipv6)"] {
            let key: ServiceKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        for (text, shown) in
            [("192.0.2.100:80", "192.0.2.100:80/tcp"), ("mark:7", "mark 7"), ("mark:7/ipv6", "mark 7 (ipv6)")]
        {
            assert_eq!(text.parse::<ServiceKey>().unwrap().to_string(), shown);
        }
        for text in ["", "192.0.2.100", "192.0.2.100/tcp", "192.0.2.100:80/icmp", "mark:", "mark:x", "name:80/tcp"] {
            let error = text.parse::<ServiceKey>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.lines().count() == 1, "{error}");
        }
    }
}
