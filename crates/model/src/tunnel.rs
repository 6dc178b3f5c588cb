//! What TUN packets travel in.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// What the packets of a TUN server travel in. The families inside and outside may differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Tunnel {
    /// IP, and nothing else (IPVS: `--tun-type ipip`).
    #[default]
    Ipip,
    /// Generic routing encapsulation (RFC 2784; IPVS: `--tun-type gre`).
    Gre {
        /// With a checksum of all that it carries.
        #[serde(default)]
        checksum: bool,
    },
    /// Generic UDP encapsulation (IPVS: `--tun-type gue`). Each flow has a source port, so a server's queues get their shares.
    Gue {
        /// The UDP port that the server takes it at; not 0.
        #[schema(minimum = 1)]
        port: u16,
        /// With UDP's checksum.
        #[serde(default)]
        checksum: bool,
    },
}

impl Tunnel {
    /// The names of the types.
    pub const TYPES: [&'static str; 3] = ["ipip", "gre", "gue"];

    /// The name of its type.
    pub const fn name(self) -> &'static str {
        match self {
            Tunnel::Ipip => Self::TYPES[0],
            Tunnel::Gre { .. } => Self::TYPES[1],
            Tunnel::Gue { .. } => Self::TYPES[2],
        }
    }

    /// Whether nothing needs to be said of it.
    pub fn is_default(&self) -> bool {
        *self == Tunnel::Ipip
    }
}

/// What follows the rest where there is a checksum.
const CHECKSUM: &str = "+checksum";

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |checksum: bool| if checksum { CHECKSUM } else { "" };
        match *self {
            Tunnel::Ipip => f.write_str(self.name()),
            Tunnel::Gre { checksum } => write!(f, "{}{}", self.name(), of(checksum)),
            Tunnel::Gue { port, checksum } => write!(f, "{}:{port}{}", self.name(), of(checksum)),
        }
    }
}

impl FromStr for Tunnel {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (rest, checksum) = match text.strip_suffix(CHECKSUM) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        match (rest, rest.strip_prefix("gue:").map(str::parse)) {
            ("ipip", _) if !checksum => Ok(Tunnel::Ipip),
            ("gre", _) => Ok(Tunnel::Gre { checksum }),
            (_, Some(Ok(port))) if port != 0 => Ok(Tunnel::Gue { port, checksum }),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_is_read_as_it_is_shown() {
        for text in ["ipip", "gre", "gre+checksum", "gue:6080", "gue:1+checksum"] {
            assert_eq!(text.parse::<Tunnel>().unwrap().to_string(), text);
        }
        for text in ["", "ipip+checksum", "gue", "gue:0", "gue:65536", "gre:1", "GRE", "gue:1+"] {
            assert_eq!(text.parse::<Tunnel>(), Err(()), "{text}");
        }
    }
}
