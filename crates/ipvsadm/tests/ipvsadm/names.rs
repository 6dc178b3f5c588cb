//! The names that the recording machine knew, as far as the records use them; and those of this machine's files, which
//! the oracle's guest reads too.

use relvs_ipvsadm::Names;
use relvs_model::Protocol::{self, Tcp, Udp};
use std::{
    collections::HashMap,
    fs,
    net::{IpAddr, Ipv4Addr},
};

const HOSTS: [(&str, Ipv4Addr); 1] = [("localhost", Ipv4Addr::LOCALHOST)];
/// Of Debian's /etc/services.
const SERVICES: [(&str, u16, Protocol); 7] = [
    ("http", 80, Tcp),
    ("https", 443, Tcp),
    ("domain", 53, Tcp),
    ("domain", 53, Udp),
    ("http-alt", 8080, Tcp),
    ("http-alt", 8080, Udp),
    ("mdns", 5353, Udp),
];

pub(crate) struct Recorded;

impl Names for Recorded {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        HOSTS.into_iter().find(|(name, _)| *name == host).map(|(_, address)| address)
    }
    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        SERVICES.into_iter().find(|(name, _, of)| *name == service && *of == protocol).map(|(_, port, _)| port)
    }
    fn host(&self, address: IpAddr) -> Option<String> {
        HOSTS.into_iter().find(|(_, one)| *one == address).map(|(name, _)| name.to_owned())
    }
    fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
        SERVICES.into_iter().find(|(_, one, of)| *one == port && *of == protocol).map(|(name, ..)| name.to_owned())
    }
}

/// /etc/services, and of hosts only those of the loopback interface.
pub(crate) struct Machine {
    ports: HashMap<(String, Protocol), u16>,
    services: HashMap<(u16, Protocol), String>,
    hosts: HashMap<IpAddr, String>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let mut machine = Machine { ports: HashMap::new(), services: HashMap::new(), hosts: HashMap::new() };
        let words = |path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().to_owned());
            lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        for line in words("/etc/services") {
            let [name, at, aliases @ ..] = line.as_slice() else { continue };
            let Some((port, protocol)) = at.split_once('/') else { continue };
            let (Ok(port), Ok(protocol)) = (port.parse(), protocol.parse()) else { continue };
            machine.services.entry((port, protocol)).or_insert_with(|| name.clone());
            for name in std::iter::once(name).chain(aliases) {
                machine.ports.entry((name.clone(), protocol)).or_insert(port);
            }
        }
        for line in words("/etc/hosts") {
            let [address, name, ..] = line.as_slice() else { continue };
            if let Ok(address) = address.parse() {
                machine.hosts.entry(address).or_insert_with(|| name.clone());
            }
        }
        machine
    }
}

impl Names for Machine {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        (host == "localhost").then_some(Ipv4Addr::LOCALHOST)
    }
    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        self.ports.get(&(service.to_owned(), protocol)).copied()
    }
    fn host(&self, address: IpAddr) -> Option<String> {
        self.hosts.get(&address).cloned()
    }
    fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
        self.services.get(&(port, protocol)).cloned()
    }
}
