//! Listings of services, timeouts and sync daemons, to the byte as ipvsadm 1.31 prints them; or as JSON.

use crate::{
    Columns as _, Format, Names, ServerView, ServiceView, Tunnel, TunnelChecksum, json,
    names::{cut, written},
    order,
};
use relvs_model::{Method, Scheduler, SchedulerFlags, ServiceKey, Timeouts};
use std::{
    io::{self, Write},
    net::SocketAddr,
};

/// The version that `-L` names first: that of IPVS in the kernel, on which programs rely that read listings.
pub const IPVS_VERSION: &str = "1.2.1";
/// Bytes of a service's name before it is cut off, unless it is IPv6.
const SERVICE_LENGTH: usize = 33;
/// Bytes of a server's name before it is cut off, unless it is IPv6.
const SERVER_LENGTH: usize = 28;

/// What is listed beside the services.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// How.
    pub format: Format,
    /// Names for addresses and ports.
    pub names: &'a dyn Names,
}

/// The columns that are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunInfo,
    Usual,
}

impl Shown {
    const fn of(format: Format) -> Self {
        match format {
            Format { stats: true, .. } => Shown::Stats,
            Format { rate: true, .. } => Shown::Rate,
            Format { thresholds: true, .. } => Shown::Thresholds,
            Format { persistent_conn: true, .. } => Shown::PersistentConn,
            Format { tun_info: true, .. } => Shown::TunInfo,
            _ => Shown::Usual,
        }
    }
}

/// Lists all services, after a line with the table's size (as the original's connection table, in entries).
///
/// # Errors
///
/// `out` cannot be written.
pub fn list_services(out: &mut dyn Write, services: &[ServiceView], size: u32, context: Context<'_>) -> io::Result<()> {
    let order = order::services(services, !context.format.no_sort);
    if context.format.json {
        return json::services(out, Some(size), &order, context.format);
    }
    writeln!(out, "IP Virtual Server version {IPVS_VERSION} (size={size})")?;
    title(out, context.format)?;
    order.into_iter().try_for_each(|view| service(out, view, context))
}

/// Lists one service.
///
/// # Errors
///
/// `out` cannot be written.
pub fn list_service(out: &mut dyn Write, view: &ServiceView, context: Context<'_>) -> io::Result<()> {
    if context.format.json {
        return json::services(out, None, &[view], context.format);
    }
    title(out, context.format)?;
    service(out, view, context)
}

/// Lists the timeouts.
///
/// # Errors
///
/// `out` cannot be written.
pub fn list_timeouts(out: &mut dyn Write, timeouts: &Timeouts, format: Format) -> io::Result<()> {
    if format.json {
        return json::timeouts(out, timeouts);
    }
    let Timeouts { tcp_s, tcp_fin_s, udp_s } = timeouts;
    writeln!(out, "Timeout (tcp tcpfin udp): {tcp_s} {tcp_fin_s} {udp_s}")
}

/// Lists the sync daemons, of which there are none.
///
/// # Errors
///
/// `out` cannot be written.
pub fn list_daemons(out: &mut dyn Write, format: Format) -> io::Result<()> {
    if format.json { json::daemons(out) } else { Ok(()) }
}

fn title(out: &mut dyn Write, format: Format) -> io::Result<()> {
    let first = "Prot LocalAddress:Port";
    let second = "  -> RemoteAddress:Port";
    match Shown::of(format) {
        Shown::Stats => {
            writeln!(
                out,
                "{first:33} {:>8} {:>8} {:>8} {:>8} {:>8}",
                "Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"
            )?;
        }
        Shown::Rate => {
            writeln!(out, "{first:33} {:>8} {:>8} {:>8} {:>8} {:>8}", "CPS", "InPPS", "OutPPS", "InBPS", "OutBPS")?;
        }
        Shown::Thresholds => {
            writeln!(out, "{first:33} {:10} {:10} {:10} {:10}", "Uthreshold", "Lthreshold", "ActiveConn", "InActConn")?;
        }
        Shown::PersistentConn => {
            writeln!(out, "{first:33} {:9} {:11} {:10} {:10}", "Weight", "PersistConn", "ActiveConn", "InActConn")?;
        }
        Shown::TunInfo => {
            writeln!(out, "{first} Scheduler Flags")?;
            return writeln!(out, "{second:33} Forward TunnelInfo    Weight ActiveConn InActConn");
        }
        Shown::Usual => {
            writeln!(out, "{first} Scheduler Flags")?;
            return writeln!(out, "{second:33} Forward Weight ActiveConn InActConn");
        }
    }
    writeln!(out, "{second}")
}

fn service(out: &mut dyn Write, view: &ServiceView, context: Context<'_>) -> io::Result<()> {
    let Context { format, names } = context;
    let shown = Shown::of(format);
    let name = match view.key {
        ServiceKey::Mark(mark) => format!("FWM  {}{}", mark.mark as i32, if mark.six { " IPv6" } else { "" }),
        ServiceKey::Listen(listen) => {
            let address = SocketAddr::new(listen.address, listen.port);
            let protocol = listen.protocol.name().to_uppercase();
            let name = format!("{protocol:4} {}", written(address, Some(listen.protocol), format.numeric, names));
            if listen.address.is_ipv4() { cut(&name, SERVICE_LENGTH) } else { name }
        }
    };
    match shown {
        Shown::Stats => writeln!(out, "{name:33}{}", columns(view.statistics.columns(), format))?,
        Shown::Rate => writeln!(out, "{name:33}{}", columns(view.rates.columns(), format))?,
        Shown::Thresholds | Shown::PersistentConn | Shown::TunInfo | Shown::Usual => {
            writeln!(out, "{name} {}", properties(view))?;
        }
    }
    order::servers(&view.servers, !format.no_sort).into_iter().try_for_each(|one| server(out, view, one, context))
}

/// What a service is, behind its name.
fn properties(view: &ServiceView) -> String {
    let mut text = view.scheduler.name().to_owned();
    if !view.flags.is_empty() {
        text += &format!(" ({})", flag_names(view.flags, view.scheduler));
    }
    if let Some(persistence) = view.persistence {
        text += &format!(" persistent {}", persistence.timeout_s);
        if !persistence.netmask.is_host() {
            text += &format!(" mask {}", persistence.netmask);
        }
        if let Some(engine) = &view.engine {
            text += &format!(" pe {engine}");
        }
    }
    if view.one_packet {
        text += " ops";
    }
    text
}

/// The names of flags with commas between; the third of sh and mh has none, and so is left out.
pub(crate) fn flag_names(flags: SchedulerFlags, scheduler: Scheduler) -> String {
    let has_own = matches!(scheduler, Scheduler::Sh | Scheduler::Mh);
    let names = flags.names(scheduler).into_iter().filter(|name| !(has_own && name.starts_with("flag-")));
    names.collect::<Vec<_>>().join(",")
}

fn server(out: &mut dyn Write, service: &ServiceView, view: &ServerView, context: Context<'_>) -> io::Result<()> {
    let Context { format, names } = context;
    let name = written(view.address, service.key.protocol(), format.numeric, names);
    let name = if view.address.is_ipv4() { cut(&name, SERVER_LENGTH) } else { name };
    let (active, inactive, weight) = (view.active, view.inactive, view.weight);
    let forward = view.method.ipvs_name();
    write!(out, "  -> {name:28}")?;
    match Shown::of(format) {
        Shown::Stats => writeln!(out, "{}", columns(view.statistics.columns(), format)),
        Shown::Rate => {
            let [connections, packets_in, packets_out, bytes @ ..] = view.rates.columns();
            let bytes = bytes.map(|number| large(number, format)).concat();
            writeln!(out, " {connections:8} {packets_in:8} {packets_out:8}{bytes}")
        }
        Shown::Thresholds => {
            let (upper, lower) = (view.upper_threshold, view.lower_threshold);
            writeln!(out, " {upper:<10} {lower:<10} {active:<10} {inactive:<10}")
        }
        Shown::PersistentConn => writeln!(out, " {weight:<9} {:<11} {active:<10} {inactive:<10}", view.persistent),
        Shown::TunInfo => {
            let info = if view.method == Method::Tun { tunnel(view.tunnel) } else { "n/a".to_owned() };
            writeln!(out, " {forward:7} {info:13} {:<6} {active:<10} {inactive:<10}", weight as i32)
        }
        Shown::Usual => writeln!(out, " {forward:7} {:<6} {active:<10} {inactive:<10}", weight as i32),
    }
}

/// A tunnel with its port and checksum, in the 15 bytes that the original has for it.
fn tunnel(tunnel: Tunnel) -> String {
    let checksum = |checksum| match checksum {
        TunnelChecksum::None => "-c",
        TunnelChecksum::Plain => "+c",
        TunnelChecksum::Remote => "r+c",
    };
    match tunnel {
        Tunnel::Ipip => tunnel.name().to_owned(),
        Tunnel::Gue { port, checksum: kind } => format!("{}:{port}:{}", tunnel.name(), checksum(kind)),
        Tunnel::Gre { checksum: kind } => format!("{}:{}", tunnel.name(), checksum(kind)),
    }
}

fn columns(numbers: [u64; 5], format: Format) -> String {
    numbers.map(|number| large(number, format)).concat()
}

/// A number in nine places: in full if that is wanted, and else with a letter where it would be too long.
fn large(number: u64, format: Format) -> String {
    match number {
        _ if format.exact => format!(" {number:8}"),
        0..100_000_000 => format!("{number:9}"),
        100_000_000..1_000_000_000 => format!("{:8}K", number / 1_000),
        1_000_000_000..100_000_000_000 => format!("{:8}M", number / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:8}G", number / 1_000_000_000),
        100_000_000_000_000.. => format!("{:8}T", number / 1_000_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_take_letters() {
        let format = Format::default();
        for (number, text) in [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(large(number, format), text);
        }
        let exact = Format { exact: true, ..format };
        assert_eq!(large(0, exact), "        0");
        assert_eq!(large(123_456_789, exact), " 123456789");
    }

    #[test]
    fn tunnels_are_told_with_their_checksums() {
        assert_eq!(tunnel(Tunnel::Gue { port: 65535, checksum: TunnelChecksum::Remote }), "gue:65535:r+c");
        assert_eq!(tunnel(Tunnel::Gre { checksum: TunnelChecksum::Plain }), "gre:+c");
    }
}
