//! `relvs status`: what the director does, for people or for programs.

use clap::Args;
use relvs_api::{Client, Server, Status, Way};
use std::{fmt::Write as _, path::Path, process::ExitCode};

#[derive(Args)]
pub(crate) struct Arguments {
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn status(arguments: &Arguments, run_dir: &Path) -> ExitCode {
    let status = match Client::new(run_dir).status() {
        Ok(status) => status,
        Err(error) => return super::complain(&[error.to_string()]),
    };
    if !arguments.json {
        return super::say(&table(&status));
    }
    match serde_json::to_string_pretty(&status) {
        Ok(text) => super::say(&(text + "\n")),
        Err(error) => super::complain(&[error.to_string()]),
    }
}

/// A page for people.
fn table(status: &Status) -> String {
    let mut out = String::new();
    let interfaces: Vec<String> = status.interfaces.iter().map(|i| format!("{} ({})", i.name, i.mode)).collect();
    let interfaces = if interfaces.is_empty() { "no interface".to_owned() } else { interfaces.join(", ") };
    let _ = writeln!(
        out,
        "relvs {}, revision {}, up {} s, serving {interfaces}; {} flows",
        status.version, status.revision, status.uptime_s, status.flows.live
    );
    for service in &status.services {
        let _ = writeln!(out, "\n{} {}", service.key, service.scheduler);
        let _ = writeln!(
            out,
            "  {:<28} {:<6} {:>6} {:>8} {:>8} {:>10} {:>12} {:>12}  way",
            "server", "method", "weight", "active", "inactive", "flows", "packets in", "packets out"
        );
        for server in &service.servers {
            let address = std::net::SocketAddr::new(server.address, server.port).to_string();
            let _ = writeln!(
                out,
                "  {address:<28} {:<6} {:>6} {:>8} {:>8} {:>10} {:>12} {:>12}  {}",
                server.method,
                server.weight,
                server.active,
                server.inactive,
                server.counters.flows,
                server.counters.packets_in,
                server.counters.packets_out,
                way(server)
            );
        }
    }
    if !status.reasons.is_empty() {
        let _ = writeln!(out);
        for reason in &status.reasons {
            let _ = writeln!(out, "{:>12}  {:<24} {}", reason.count, reason.name, reason.text);
        }
    }
    out
}

fn way(server: &Server) -> String {
    let way = match &server.way {
        Way::Ready { interface, neighbour, mtu, .. } => format!("{interface} by {neighbour}, MTU {mtu}"),
        Way::Pending { neighbour } => format!("DOWN: {neighbour} does not answer"),
        Way::Unreachable { why } => format!("DOWN: {why}"),
    };
    if server.removed { format!("removed; {way}") } else { way }
}
