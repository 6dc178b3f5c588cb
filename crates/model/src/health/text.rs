//! Health settings in a few words, for plans: not all of them.

use super::{Check, Probe, ServerHealth, ServiceHealth};
use std::{fmt, net::SocketAddr};

impl fmt::Display for Check {
    /// As in `http /healthz every 2 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.probe {
            Probe::Tcp => write!(f, "tcp"),
            Probe::Http(http) => write!(f, "{} {}", if http.tls.is_some() { "https" } else { "http" }, http.path),
            Probe::Smtp(_) => write!(f, "smtp"),
            Probe::Dns(dns) => write!(f, "dns {}", dns.name),
            Probe::Udp(_) => write!(f, "udp"),
            Probe::Ping(_) => write!(f, "ping"),
            Probe::Misc(misc) => write!(f, "misc {}", misc.script.command.first().map_or("", String::as_str)),
            Probe::File(file) => write!(f, "file {}", file.path),
            Probe::Grpc(grpc) => write!(f, "grpc {}", grpc.service),
        }?;
        if let Some(port) = self.target.port {
            write!(f, " port {port}")?;
        }
        write!(f, " every {} s", f64::from(self.timing.interval_ms) / 1000.0)
    }
}

impl fmt::Display for ServerHealth {
    /// As in `[tcp every 2 s, http / every 2 s, inhibit on failure]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.checks.iter().map(ToString::to_string).collect();
        words.extend(self.inhibit_on_failure.then(|| "inhibit on failure".to_owned()));
        if self.slow_start_ms > 0 {
            words.push(format!("slow start {} s", f64::from(self.slow_start_ms) / 1000.0));
        }
        words.extend(self.damping.map(|damping| format!("damping after {} falls", damping.falls)));
        write!(f, "[{}]", words.join(", "))
    }
}

impl fmt::Display for ServiceHealth {
    /// As in `[quorum 2, sorry server 10.0.0.99:80]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = vec![format!("quorum {}", self.quorum)];
        if self.hysteresis > 0 {
            words.push(format!("hysteresis {}", self.hysteresis));
        }
        if let Some(sorry) = &self.sorry {
            words.push(format!("sorry server {}", SocketAddr::new(sorry.address, sorry.port)));
        }
        write!(f, "[{}]", words.join(", "))
    }
}
