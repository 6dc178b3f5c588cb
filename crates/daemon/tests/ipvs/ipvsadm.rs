//! What `ipvsadm` commands mean to a desired state: so much of ipvsadm(8) as the cases use. It knows defaults and
//! what DR and TUN do to ports, and never asks whether a command makes sense.

use relvs_control::Desired;
use relvs_model::{
    Method, Netmask, Persistence, Protocol, SchedulerFlags, Server, Service, ServiceKey, Timeouts, Tunnel,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Carries a command out: its arguments, separated by blanks.
pub(crate) fn run(desired: &mut Desired, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let ["--set", times @ ..] = &words[..] {
        // 0 leaves a time as it is.
        let times: Vec<u32> = times.iter().map(|word| word.parse().unwrap()).collect();
        let Timeouts { tcp_s, tcp_fin_s, udp_s } = &mut desired.timeouts;
        for (there, new) in [tcp_s, tcp_fin_s, udp_s].into_iter().zip(times).filter(|(_, new)| *new > 0) {
            *there = new;
        }
        return;
    }
    let services = &mut desired.services;
    let said = read(&words);
    let at = services.iter().position(|service| service.key == said.key);
    match (words[0], at) {
        ("-A", None) => services.push(Arc::new(Service { key: said.key, ..said.service() })),
        ("-E", Some(at)) => {
            let servers = services[at].servers.clone();
            services[at] = Arc::new(Service { servers, ..said.service() });
        }
        ("-D", Some(at)) => drop(services.remove(at)),
        ("-a", Some(at)) => Arc::make_mut(&mut services[at]).servers.push(said.server()),
        ("-e", Some(at)) => {
            let new = said.server();
            let servers = &mut Arc::make_mut(&mut services[at]).servers;
            let old = servers.iter_mut().find(|s| (s.address, s.port) == (new.address, new.port));
            *old.unwrap_or_else(|| panic!("{line}: no such server")) = new;
        }
        ("-d", Some(at)) => {
            // A server is named by address and port alone, whatever its method.
            let servers = &mut Arc::make_mut(&mut services[at]).servers;
            let named = said.real.unwrap_or_else(|| panic!("{line}: which server?"));
            servers.retain(|s| s.address != named.0 || named.1.is_some_and(|port| port != s.port));
        }
        _ => panic!("{line}: not understood, or no such service"),
    }
}

/// The options of a command.
struct Said {
    key: ServiceKey,
    scheduler: String,
    flags: SchedulerFlags,
    timeout_s: Option<u32>,
    netmask: Option<Netmask>,
    one_packet: bool,
    real: Option<(IpAddr, Option<u16>)>,
    method: Method,
    tunnel: Tunnel,
    weight: u32,
    upper: u32,
    lower: u32,
}

fn read(words: &[&str]) -> Said {
    let mut said = Said {
        key: ServiceKey::mark(1, false),
        scheduler: "wlc".to_owned(),
        flags: SchedulerFlags::NONE,
        timeout_s: None,
        netmask: None,
        one_packet: false,
        real: None,
        method: Method::Dr,
        tunnel: Tunnel::Ipip,
        weight: 1,
        upper: 0,
        lower: 0,
    };
    let six = words.contains(&"-6");
    let mut rest = words[1..].iter().copied().peekable();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().unwrap_or_else(|| panic!("{option} without its value"));
        match option {
            "-t" => said.key = listen(Protocol::Tcp, value()),
            "-u" => said.key = listen(Protocol::Udp, value()),
            "--sctp-service" => said.key = listen(Protocol::Sctp, value()),
            "-f" => said.key = ServiceKey::mark(value().parse().unwrap(), six),
            "-6" => {}
            "-s" => said.scheduler = value().to_owned(),
            "-b" => {
                let flags = value().split(',').map(|name| SchedulerFlags::named(name).unwrap().0);
                said.flags = flags.fold(SchedulerFlags::NONE, SchedulerFlags::with);
            }
            "-p" => said.timeout_s = Some(value().parse().unwrap()),
            "-M" => {
                let text = value();
                said.netmask = Some(text.parse().map_or_else(|_| Netmask::V6(text.parse().unwrap()), Netmask::V4));
            }
            "-o" => said.one_packet = true,
            "-r" => {
                let text = value();
                let bare = || (text.trim_matches(['[', ']']).parse().unwrap(), None);
                said.real = Some(text.parse().map_or_else(|_| bare(), |a: SocketAddr| (a.ip(), Some(a.port()))));
            }
            "-m" => said.method = Method::Nat,
            "-g" => said.method = Method::Dr,
            "-i" => said.method = Method::Tun,
            "--tun-type" => {
                said.tunnel = match value() {
                    "gre" => Tunnel::Gre { checksum: false },
                    "gue" => Tunnel::Gue { port: 0, checksum: false },
                    _ => Tunnel::Ipip,
                };
            }
            "--tun-port" => {
                if let Tunnel::Gue { port, .. } = &mut said.tunnel {
                    *port = value().parse().unwrap();
                }
            }
            "--tun-csum" => {
                if let Tunnel::Gue { checksum, .. } | Tunnel::Gre { checksum } = &mut said.tunnel {
                    *checksum = true;
                }
            }
            "--tun-nocsum" => {}
            "-w" => said.weight = value().parse().unwrap(),
            "-x" => said.upper = value().parse().unwrap(),
            "-y" => said.lower = value().parse().unwrap(),
            _ => panic!("{option} is not an option that the cases use"),
        }
    }
    said
}

fn listen(protocol: Protocol, text: &str) -> ServiceKey {
    let address: SocketAddr = text.parse().unwrap();
    ServiceKey::listen(protocol, address.ip(), address.port())
}

impl Said {
    fn service(&self) -> Service {
        let ipv4 = self.key.is_ipv4();
        let netmask = self.netmask.unwrap_or(Netmask::host(ipv4));
        Service {
            flags: self.flags,
            persistence: self.timeout_s.map(|timeout_s| Persistence { timeout_s, netmask }),
            one_packet: self.one_packet,
            ..Service::new(self.key, self.scheduler.parse().unwrap(), Vec::new())
        }
    }

    fn server(&self) -> Server {
        let (address, port) = self.real.unwrap();
        let port = if self.method == Method::Nat { port.unwrap_or(self.key.port()) } else { self.key.port() };
        let (upper_threshold, lower_threshold) = (self.upper, self.lower);
        let tunnel = self.tunnel;
        Server { tunnel, upper_threshold, lower_threshold, ..Server::new(address, port, self.weight, self.method) }
    }
}
