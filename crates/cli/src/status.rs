//! `relvs status`: what the director does, for people or for programs.

use crate::{health, vrrp};
use clap::Args;
use relvs_api::{Client, Server, Service, Status, Way};
use relvs_model::{Settings, Timeouts};
use std::{fmt::Write as _, process::ExitCode};

#[derive(Args)]
pub(crate) struct Arguments {
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn status(arguments: &Arguments, client: &Client) -> ExitCode {
    let status = match client.status() {
        Ok(status) => status,
        Err(error) => return super::complain(&[error.to_string()]),
    };
    if !arguments.json {
        return super::say(&table(&status));
    }
    super::say_json(&status)
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
    if let (Some(file), true) = (&status.configuration, status.changed) {
        let _ = writeln!(out, "changed since {file} was read; a reload brings that back");
    }
    if let Some(line) = unusual(status) {
        let _ = writeln!(out, "{line}");
    }
    for router in status.vrrp.iter().flat_map(|vrrp| &vrrp.instances) {
        let now = status.vrrp.as_ref().map_or(0, |vrrp| vrrp.now_ms);
        let wrong: Vec<&str> = router.conditions.iter().map(|condition| condition.kind.name()).collect();
        let wrong = if wrong.is_empty() { String::new() } else { format!("; WRONG: {}", wrong.join(", ")) };
        let _ = writeln!(out, "virtual router {}: {}{wrong}", router.name, vrrp::state(router, now));
    }
    out.push_str(&tables(&status.services));
    out.push_str(&health::table(&status.checks));
    if !status.rules.is_empty() {
        let _ = writeln!(out, "\nrules, of which the first that matches decides");
        for rule in &status.rules {
            let _ = writeln!(out, "  {rule}");
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

/// Services with their servers, an empty line before each.
pub(crate) fn tables(services: &[Service]) -> String {
    let mut out = String::new();
    for service in services {
        let _ = writeln!(out, "\n{}", title(service));
        // Nobody without persistence has to look at its clients.
        let persistent = service.persistence.is_some() || service.servers.iter().any(|server| server.templates > 0);
        let _ = writeln!(
            out,
            "  {:<28} {:<6} {:>6} {:>8} {:>8}{} {:>10} {:>12} {:>12}  way",
            "server",
            "method",
            "weight",
            "active",
            "inactive",
            if persistent { format!(" {:>9}", "templates") } else { String::new() },
            "flows",
            "packets in",
            "packets out"
        );
        for server in &service.servers {
            let address = std::net::SocketAddr::new(server.address, server.port).to_string();
            let _ = writeln!(
                out,
                "  {address:<28} {:<6} {:>6} {:>8} {:>8}{} {:>10} {:>12} {:>12}  {}",
                server.method,
                server.weight,
                server.active,
                server.inactive,
                if persistent { format!(" {:>9}", server.templates) } else { String::new() },
                server.counters.flows,
                server.counters.packets_in,
                server.counters.packets_out,
                way(server)
            );
        }
    }
    out
}

/// A service, as ipvsadm lists it.
fn title(service: &Service) -> String {
    let mut title = format!("{} {}", service.key, service.scheduler);
    if !service.flags.is_empty() {
        let _ = write!(title, " ({})", service.flags.join(","));
    }
    if let Some(persistence) = service.persistence {
        let _ = write!(title, " persistent {} s", persistence.timeout_s);
        if !persistence.netmask.is_host() {
            let _ = write!(title, " mask {}", persistence.netmask);
        }
    }
    if service.one_packet {
        title.push_str(" one-packet");
    }
    title
}

/// The settings and timeouts that are not as IPVS has them from the beginning.
fn unusual(status: &Status) -> Option<String> {
    let (timeouts, usual) = (status.timeouts, Timeouts::default());
    let seconds = |(name, is, was): (&str, u32, u32)| (is != was).then(|| format!("timeout {name} {is} s"));
    let timeouts = [
        ("tcp", timeouts.tcp_s, usual.tcp_s),
        ("tcp-fin", timeouts.tcp_fin_s, usual.tcp_fin_s),
        ("udp", timeouts.udp_s, usual.udp_s),
    ];
    let settings = status.settings.entries().into_iter().zip(Settings::default().entries());
    let settings = settings.filter(|(is, was)| is != was).map(|((name, value), _)| format!("{name} = {value}"));
    let all: Vec<String> = timeouts.into_iter().filter_map(seconds).chain(settings).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn way(server: &Server) -> String {
    let way = match &server.way {
        Way::Ready { interface, neighbour, mtu, .. } => format!("{interface} by {neighbour}, MTU {mtu}"),
        Way::Pending { neighbour } => format!("DOWN: {neighbour} does not answer"),
        Way::Local => "this director itself".to_owned(),
        Way::Unreachable { why } => format!("DOWN: {why}"),
    };
    let limit = match (server.overloaded, server.upper_threshold) {
        (true, most) => format!("OVERLOADED: {most} flows are its most; "),
        (false, 0) => String::new(),
        (false, most) => format!("at most {most} flows; "),
    };
    if server.removed { format!("removed; {way}") } else { limit + &way }
}
