//! One probe with all that it needs to be made, whoever asks for it.

use super::{Asked, Probe, Target};
use std::{fmt, net::SocketAddr};

/// What is asked whom, by which way, and how long it may take. Equal questions have the same answer: they are asked once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// What is asked.
    pub probe: Probe,
    /// Whom.
    pub asked: Asked,
    /// From where: `from`, `from_port`, `interface` and `mark` count; what else it says is in `asked` already.
    pub target: Target,
    /// How long the whole probe may take.
    pub timeout_ms: u32,
    /// How much of it the connection may take; 0 is all of it.
    pub connect_timeout_ms: u32,
}

impl fmt::Display for Question {
    /// As in messages: `tcp check of 10.0.0.11:80`, `http check of [2001:db8::11]:80 /healthz`, `misc check /bin/true`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = SocketAddr::new(self.asked.address, self.asked.port);
        match &self.probe {
            Probe::Tcp => write!(f, "tcp check of {whom}"),
            Probe::Http(http) => {
                write!(f, "{} check of {whom} {}", if http.tls.is_some() { "https" } else { "http" }, http.path)
            }
            Probe::Smtp(_) => write!(f, "smtp check of {whom}"),
            Probe::Dns(_) => write!(f, "dns check of {whom}"),
            Probe::Udp(_) => write!(f, "udp check of {whom}"),
            Probe::Ping(_) => write!(f, "ping check of {}", self.asked.address),
            Probe::Misc(misc) => {
                write!(f, "misc check {}", misc.script.command.first().map_or("without a program", String::as_str))
            }
            Probe::File(file) => write!(f, "file check {}", file.path),
            Probe::Grpc(_) => write!(f, "grpc check of {whom}"),
        }?;
        match self.asked.through {
            Some(path) => write!(f, " by way of {}", SocketAddr::new(path.vip, path.port)),
            None => Ok(()),
        }
    }
}
