//! Names of hosts and services, as this machine's databases have them: hosts by the system's resolver, services by
//! services(5).

use relvs_ipvsadm::Names;
use relvs_model::Protocol;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, ToSocketAddrs as _},
};

/// Where the names of ports are.
const SERVICES: &str = "/etc/services";

pub(super) struct System;

impl Names for System {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        let found = (host, 0).to_socket_addrs().ok()?;
        found.map(|address| address.ip()).find_map(|address| match address {
            IpAddr::V4(four) => Some(four),
            IpAddr::V6(_) => None,
        })
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        let text = fs::read_to_string(SERVICES).ok()?;
        lines(&text).find(|line| line.protocol == protocol.name() && line.has(service)).map(|line| line.port)
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        // The resolver gives the address itself back where there is no name.
        dns_lookup::lookup_addr(&address).ok().filter(|name| name.parse::<IpAddr>().is_err())
    }

    fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
        let text = fs::read_to_string(SERVICES).ok()?;
        let line = lines(&text).find(|line| line.protocol == protocol.name() && line.port == port)?;
        Some(line.name.to_owned())
    }
}

/// A line of services(5): `http 80/tcp www # WorldWideWeb`.
struct Line<'a> {
    name: &'a str,
    port: u16,
    protocol: &'a str,
    aliases: Vec<&'a str>,
}

impl Line<'_> {
    fn has(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let (port, protocol) = words.next()?.split_once('/')?;
        Some(Line { name, port: port.parse().ok()?, protocol, aliases: words.collect() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_services() {
        let text = "# names\nhttp\t\t80/tcp\t\twww\t# WorldWideWeb\ndomain 53/udp\nbroken 70000/tcp\nshort\n";
        let found: Vec<_> = lines(text).map(|line| (line.name, line.port, line.protocol)).collect();
        assert_eq!(found, [("http", 80, "tcp"), ("domain", 53, "udp")]);
        assert!(lines(text).next().is_some_and(|line| line.has("www") && line.has("http") && !line.has("ww")));
    }
}
