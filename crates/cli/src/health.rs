//! What health checks found, for people: which servers are up, since when, and why not.

use relvs_model::health::{ServerStatus, ServiceStatus};
use std::{
    fmt::Write as _,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Services that are checked, an empty line before each.
pub(crate) fn table(services: &[ServiceStatus]) -> String {
    let mut out = String::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for service in services {
        let _ = writeln!(out, "\n{} {}", service.service, headline(service, now));
        for server in &service.servers {
            let address = SocketAddr::new(server.address, server.port).to_string();
            let _ = writeln!(out, "  {address:<28} {}", line(server, now));
            for check in server.checks.iter().filter(|check| !check.up) {
                let error = check.error.as_deref().unwrap_or("not asked yet");
                let _ = writeln!(out, "    {}: {error}", check.name);
            }
        }
    }
    out
}

fn headline(service: &ServiceStatus, now: Duration) -> String {
    let state = if service.suspended {
        "is not checked: its VIP is not on this machine".to_owned()
    } else {
        let (weight, needed, since) = (service.weight, service.needed, ago(service.since_ms, now));
        format!("{} since {since}: weight {weight} of {needed} that it needs", if service.up { "up" } else { "DOWN" })
    };
    if service.sorry { state + "; the sorry server serves" } else { state }
}

fn line(server: &ServerStatus, now: Duration) -> String {
    let since = ago(server.since_ms, now);
    let mut line = format!("{} since {since}: {}", if server.up { "up" } else { "DOWN" }, server.why);
    if server.drained {
        line.push_str("; drained");
    }
    if server.slow_start {
        let _ = write!(line, "; starting, weight {}", server.weight.unwrap_or_default());
    }
    if let Some(until) = server.held_until_ms {
        let left = Duration::from_millis(until).saturating_sub(now).as_secs();
        let _ = write!(line, "; held down for {left} s more");
    }
    line
}

/// How long ago a moment was, in the largest unit that says it.
fn ago(moment_ms: u64, now: Duration) -> String {
    let seconds = now.saturating_sub(Duration::from_millis(moment_ms)).as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
