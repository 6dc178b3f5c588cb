//! What the tests configure: services that exist in both families, and the relvs.toml that says so.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use relvs_lab::Lab;
use relvs_model::Method;

/// A server of a service: the node's name, how packets reach it, its weight.
pub(crate) type Server = (&'static str, Method, u32);

/// A virtual service at the bed's VIP of each family.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) port: u16,
    pub(crate) protocol: &'static str,
    pub(crate) scheduler: &'static str,
    pub(crate) servers: Vec<Server>,
    /// The servers' port, where it is not the service's.
    pub(crate) inside: Option<u16>,
}

impl Service {
    /// With servers that listen to another port than the service.
    pub(crate) fn to(self, port: u16) -> Self {
        Self { inside: Some(port), ..self }
    }
}

pub(crate) fn tcp(port: u16, scheduler: &'static str, servers: &[Server]) -> Service {
    Service { port, protocol: "tcp", scheduler, servers: servers.to_vec(), inside: None }
}

pub(crate) fn udp(port: u16, scheduler: &'static str, servers: &[Server]) -> Service {
    Service { protocol: "udp", ..tcp(port, scheduler, servers) }
}

/// The address of a server in the VIP's family.
pub(crate) fn rip(lab: &Lab, name: &str, vip: IpAddr) -> IpAddr {
    let node = lab.node(name).unwrap();
    if vip.is_ipv4() { node.v4().into() } else { node.v6().into() }
}

/// `[director]` of a director node; `settings` are further lines of it.
pub(crate) fn head(lab: &Lab, director: &str, settings: &str) -> String {
    let ports = lab.node(director).unwrap().ports();
    let interfaces: Vec<String> = ports.iter().map(|port| format!("{:?}", port.interface)).collect();
    format!("[director]\ninterfaces = [{}]\nflows = 16_384\n{settings}\n", interfaces.join(", "))
}

/// A service in its own words: its lines, and its servers in the VIP's family with lines of their own.
pub(crate) fn section(lab: &Lab, vip: IpAddr, lines: &str, servers: &[(&str, &str)]) -> String {
    let mut text = format!("\n[[service]]\n{lines}\n");
    for (name, lines) in servers {
        let _ = writeln!(text, "[[service.server]]\naddress = \"{}\"\n{lines}", rip(lab, name, vip));
    }
    text
}

/// The text of a relvs.toml for a director node; `settings` are further lines of `[director]`.
pub(crate) fn text(lab: &Lab, director: &str, settings: &str, vips: &[IpAddr], services: &[Service]) -> String {
    let mut text = head(lab, director, settings);
    for service in services {
        for vip in vips {
            let (listen, protocol) = (SocketAddr::new(*vip, service.port), service.protocol);
            let scheduler = service.scheduler;
            let _ = write!(text, "\n[[service]]\nlisten = \"{listen}/{protocol}\"\nscheduler = \"{scheduler}\"\n");
            for (name, method, weight) in &service.servers {
                let address = rip(lab, name, *vip);
                let _ = writeln!(
                    text,
                    "[[service.server]]\naddress = \"{address}\"\nmethod = \"{method}\"\nweight = {weight}"
                );
                if let Some(port) = service.inside {
                    let _ = writeln!(text, "port = {port}");
                }
            }
        }
    }
    text
}
