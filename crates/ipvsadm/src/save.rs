//! The table as rules that `-R` reads again (`ipvsadm -S`).
//!
//! The original loses something on the way: thresholds, timeouts, the order in which servers were added (which decides
//! ties), flags that its scheduler has no name for, and marks from 2^31 on, which it writes as negative numbers that it
//! does not read. So by default does this, to the byte. The full form loses nothing of it, and the original reads it
//! as well: timeouts are a line `--set`, thresholds are `-x` and `-y` behind a server, and lines stand in the order of
//! the table. Comments would be no way to hide them in: `ipvsadm -R` itself takes those for commands.

use crate::{Names, ServerView, ServiceView, Tunnel, TunnelChecksum, list::flag_names, names::written, order};
use relvs_model::{Method, Protocol, ServiceKey, Timeouts};
use std::{
    io::{self, Write},
    net::SocketAddr,
};

/// Writes services as rules.
///
/// # Errors
///
/// `out` cannot be written.
pub fn save(out: &mut dyn Write, services: &[ServiceView], numeric: bool, names: &dyn Names) -> io::Result<()> {
    let rules = Rules { out, numeric, full: false, names };
    rules.write(&order::services(services, true))
}

/// Writes services and timeouts as rules that lose nothing.
///
/// # Errors
///
/// `out` cannot be written.
pub fn save_full(
    out: &mut dyn Write,
    services: &[ServiceView],
    timeouts: &Timeouts,
    numeric: bool,
    names: &dyn Names,
) -> io::Result<()> {
    let Timeouts { tcp_s, tcp_fin_s, udp_s } = timeouts;
    writeln!(out, "--set {tcp_s} {tcp_fin_s} {udp_s}")?;
    let rules = Rules { out, numeric, full: true, names };
    rules.write(&services.iter().collect::<Vec<_>>())
}

struct Rules<'a> {
    out: &'a mut dyn Write,
    numeric: bool,
    full: bool,
    names: &'a dyn Names,
}

impl Rules<'_> {
    fn write(mut self, services: &[&ServiceView]) -> io::Result<()> {
        for view in services {
            let name = self.name(view.key);
            writeln!(self.out, "-A {name} {}", self.options(view))?;
            let servers = if self.full { view.servers.iter().collect() } else { order::servers(&view.servers, true) };
            for one in servers {
                self.server(&name, view, one)?;
            }
        }
        Ok(())
    }

    fn name(&self, key: ServiceKey) -> String {
        match key {
            ServiceKey::Mark(mark) => {
                let number = if self.full { i64::from(mark.mark) } else { i64::from(mark.mark as i32) };
                format!("-f {number}{}", if mark.six { " -6" } else { "" })
            }
            ServiceKey::Listen(listen) => {
                let option = match listen.protocol {
                    Protocol::Tcp => "-t",
                    Protocol::Udp => "-u",
                    Protocol::Sctp => "--sctp-service",
                };
                let address = SocketAddr::new(listen.address, listen.port);
                format!("{option} {}", written(address, Some(listen.protocol), self.numeric, self.names))
            }
        }
    }

    fn options(&self, view: &ServiceView) -> String {
        let mut text = format!("-s {}", view.scheduler.name());
        if let Some(persistence) = view.persistence {
            text += &format!(" -p {}", persistence.timeout_s);
            if !persistence.netmask.is_host() {
                text += &format!(" -M {}", persistence.netmask);
            }
        }
        if let Some(engine) = &view.engine {
            text += &format!(" --pe {engine}");
        }
        if view.one_packet {
            text += " -o";
        }
        if !view.flags.is_empty() {
            let all = || view.flags.names(view.scheduler).join(",");
            text += " -b ";
            text += &if self.full { all() } else { flag_names(view.flags, view.scheduler) };
        }
        text
    }

    fn server(&mut self, name: &str, service: &ServiceView, view: &ServerView) -> io::Result<()> {
        let address = written(view.address, service.key.protocol(), self.numeric, self.names);
        let method = match view.method {
            Method::Nat => "-m",
            Method::Dr => "-g",
            Method::Tun => "-i",
        };
        write!(self.out, "-a {name} -r {address} {method} -w {}", view.weight as i32)?;
        if view.method == Method::Tun {
            write!(self.out, " --tun-type {}", view.tunnel.name())?;
            match view.tunnel {
                Tunnel::Ipip => {}
                Tunnel::Gue { port, checksum } => write!(self.out, " --tun-port {port} {}", option(checksum))?,
                Tunnel::Gre { checksum } => write!(self.out, " {}", option(checksum))?,
            }
        }
        if self.full && view.upper_threshold != 0 {
            write!(self.out, " -x {}", view.upper_threshold)?;
            if view.lower_threshold != 0 {
                write!(self.out, " -y {}", view.lower_threshold)?;
            }
        }
        writeln!(self.out)
    }
}

const fn option(checksum: TunnelChecksum) -> &'static str {
    match checksum {
        TunnelChecksum::None => "--tun-nocsum",
        TunnelChecksum::Plain => "--tun-csum",
        TunnelChecksum::Remote => "--tun-remcsum",
    }
}
