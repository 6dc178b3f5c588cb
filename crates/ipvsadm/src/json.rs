//! Listings as JSON: one object, a line for each service or connection. Addresses and ports are never resolved, and every
//! field is there whatever columns were asked for.

use crate::{Columns as _, ConnectionView, Format, ServerView, ServiceView, Tunnel, TunnelChecksum, list, order};
use relvs_model::{Method, ServiceKey, Timeouts};
use serde_json::{Value, json};
use std::io::{self, Write};

pub(crate) fn services(
    out: &mut dyn Write,
    size: Option<u32>,
    views: &[&ServiceView],
    format: Format,
) -> io::Result<()> {
    match size {
        Some(size) => writeln!(out, "{{\"version\":\"{}\",\"size\":{size},\"services\":[", list::IPVS_VERSION)?,
        None => writeln!(out, "{{\"services\":[")?,
    }
    for (at, view) in views.iter().enumerate() {
        let comma = if at + 1 < views.len() { "," } else { "" };
        writeln!(out, "{}{comma}", service(view, format))?;
    }
    writeln!(out, "]}}")
}

pub(crate) fn timeouts(out: &mut dyn Write, timeouts: &Timeouts) -> io::Result<()> {
    let Timeouts { tcp_s, tcp_fin_s, udp_s } = timeouts;
    writeln!(out, "{}", json!({"tcp_s": tcp_s, "tcp_fin_s": tcp_fin_s, "udp_s": udp_s}))
}

pub(crate) fn daemons(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{{\"daemons\":[]}}")
}

pub(crate) fn begin_connections(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{{\"connections\":[")
}

pub(crate) fn connection(out: &mut dyn Write, view: &ConnectionView, comma: bool) -> io::Result<()> {
    let value = json!({
        "protocol": view.protocol,
        "client": view.client,
        "service": view.service,
        "server": view.server,
        "state": view.state,
        "expires_s": view.expires_s,
    });
    if comma { write!(out, ",\n{value}") } else { write!(out, "{value}") }
}

pub(crate) fn end_connections(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n]}}")
}

fn service(view: &ServiceView, format: Format) -> Value {
    let key = match view.key {
        ServiceKey::Listen(listen) => {
            json!({"protocol": listen.protocol.name(), "address": listen.address, "port": listen.port})
        }
        ServiceKey::Mark(mark) => json!({"mark": mark.mark, "family": if mark.six { "ipv6" } else { "ipv4" }}),
    };
    let persistence = view.persistence.map(|persistence| {
        json!({
            "timeout_s": persistence.timeout_s,
            "netmask": persistence.netmask,
            "engine": view.engine,
        })
    });
    let servers: Vec<Value> = order::servers(&view.servers, !format.no_sort).into_iter().map(server).collect();
    json!({
        "service": key,
        "scheduler": view.scheduler.name(),
        "flags": view.flags.names(view.scheduler),
        "persistence": persistence,
        "one_packet": view.one_packet,
        "statistics": numbers(view.statistics.columns()),
        "rates": numbers(view.rates.columns()),
        "servers": servers,
    })
}

fn server(view: &ServerView) -> Value {
    json!({
        "address": view.address.ip(),
        "port": view.address.port(),
        "method": view.method.name(),
        "tunnel": if view.method == Method::Tun { tunnel(view.tunnel) } else { Value::Null },
        "weight": view.weight,
        "upper_threshold": view.upper_threshold,
        "lower_threshold": view.lower_threshold,
        "active": view.active,
        "inactive": view.inactive,
        "persistent": view.persistent,
        "statistics": numbers(view.statistics.columns()),
        "rates": numbers(view.rates.columns()),
    })
}

fn tunnel(tunnel: Tunnel) -> Value {
    let checksum = |checksum| match checksum {
        TunnelChecksum::None => "none",
        TunnelChecksum::Plain => "plain",
        TunnelChecksum::Remote => "remote",
    };
    match tunnel {
        Tunnel::Ipip => json!({"type": tunnel.name()}),
        Tunnel::Gue { port, checksum: kind } => {
            json!({"type": tunnel.name(), "port": port, "checksum": checksum(kind)})
        }
        Tunnel::Gre { checksum: kind } => json!({"type": tunnel.name(), "checksum": checksum(kind)}),
    }
}

fn numbers([connections, packets_in, packets_out, bytes_in, bytes_out]: [u64; 5]) -> Value {
    json!({
        "connections": connections,
        "packets_in": packets_in,
        "packets_out": packets_out,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
    })
}
