//! The ways from a client to the servers that are compared, and what each is configured with. Pure text; nothing is started here.
//!
//! Sources: nft(8) and the nftables wiki's "Load balancing", ipvsadm(8), HAProxy's configuration manual (mode tcp), nginx's
//! ngx_stream_proxy_module, ip-route(8) (nexthop).

use relvs_model::Method;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// The nftables table of the director's namespace.
pub(super) const TABLE: &str = "relvs_beside";

/// How nftables chooses a server for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// One after the other.
    Numgen,
    /// A hash of the client's address and port.
    Jhash,
}

/// What stands between the client and the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing: the floor.
    Direct,
    /// An XDP program that only redirects: the floor of whatever forwards in XDP.
    Redirect,
    /// The kernel's routing of packets that are addressed to the servers.
    Forward,
    /// The kernel's route to the service, over all servers.
    Route,
    Nftables(Choice),
    Ipvs(Method),
    Relvs(Method),
    Haproxy,
    NginxStream,
    Envoy,
}

/// The service, the same for all ways but for its address.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// `tcp` or `udp`.
    pub(super) protocol: &'static str,
    pub(super) vip: Ipv4Addr,
    pub(super) port: u16,
    pub(super) servers: Vec<Ipv4Addr>,
    /// The director's interfaces.
    pub(super) interfaces: Vec<String>,
}

/// ipvsadm's option.
const fn option(method: Method) -> &'static str {
    match method {
        Method::Nat => "-m",
        Method::Dr => "-g",
        Method::Tun => "-i",
    }
}

impl Way {
    /// For the tables.
    pub(super) fn name(self) -> String {
        match self {
            Way::Direct => "floor: no balancer".to_owned(),
            Way::Redirect => "floor: XDP redirect alone".to_owned(),
            Way::Forward => "kernel, plain forwarding".to_owned(),
            Way::Route => "kernel, route of many next hops".to_owned(),
            Way::Nftables(Choice::Numgen) => "kernel, nftables NAT, numgen".to_owned(),
            Way::Nftables(Choice::Jhash) => "kernel, nftables NAT, jhash".to_owned(),
            Way::Ipvs(method) => format!("kernel, IPVS {}", method.name().to_uppercase()),
            Way::Relvs(method) => format!("relvs {}", method.name().to_uppercase()),
            Way::Haproxy => "haproxy, mode tcp".to_owned(),
            Way::NginxStream => "nginx, stream".to_owned(),
            Way::Envoy => "envoy, tcp_proxy".to_owned(),
        }
    }

    /// Whether it is measured: a floor always, others if their name has one of these words; all without a word.
    pub(super) fn is_wanted(self, words: &[String]) -> bool {
        let (name, floor) = (self.name(), matches!(self, Way::Direct | Way::Redirect | Way::Forward));
        floor || words.is_empty() || words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Whether servers answer by the director.
    pub(super) fn needs_the_way_back(self) -> bool {
        matches!(self, Way::Nftables(_) | Way::Ipvs(Method::Nat) | Way::Relvs(Method::Nat))
    }

    /// Whether servers take packets for the service's address itself.
    pub(super) fn keeps_the_address(self) -> bool {
        matches!(self, Way::Ipvs(Method::Dr | Method::Tun) | Way::Relvs(Method::Dr | Method::Tun))
    }
}

/// What `nft -f -` reads.
pub(super) fn nftables(service: &Service, choice: Choice) -> String {
    let Service { protocol, vip, port, servers, .. } = service;
    let number = servers.len();
    let choice = match choice {
        Choice::Numgen => format!("numgen inc mod {number}"),
        Choice::Jhash => format!("jhash ip saddr . {protocol} sport mod {number}"),
    };
    let map: Vec<String> = servers.iter().enumerate().map(|(at, server)| format!("{at} : {server}")).collect();
    format!(
        "table ip {TABLE} {{\n chain prerouting {{\n  type nat hook prerouting priority dstnat; policy accept;\n  \
         ip daddr {vip} {protocol} dport {port} dnat to {choice} map {{ {} }}\n }}\n}}\n",
        map.join(", ")
    )
}

/// A relvs.toml with room for this many flows.
pub(super) fn relvs(service: &Service, method: Method, flows: u32) -> String {
    let Service { protocol, vip, port, servers, interfaces } = service;
    let mut text = format!("[director]\ninterfaces = {interfaces:?}\nflows = {flows}\non_exit = \"stop\"\n");
    let method = method.name();
    let _ = write!(
        text,
        "\n[[service]]\nlisten = \"{vip}:{port}/{protocol}\"\nscheduler = \"rr\"\nmethod = \"{method}\"\n"
    );
    for server in servers {
        let _ = write!(text, "\n[[service.server]]\naddress = \"{server}\"\n");
    }
    text
}

/// ipvsadm's arguments, one line a call.
pub(super) fn ipvsadm(service: &Service, method: Method) -> Vec<String> {
    let Service { protocol, vip, port, servers, .. } = service;
    let of = if *protocol == "udp" { "-u" } else { "-t" };
    let add = |server| format!("-a {of} {vip}:{port} -r {server}:{port} {}", option(method));
    std::iter::once(format!("-A {of} {vip}:{port} -s rr")).chain(servers.iter().map(add)).collect()
}

/// haproxy's configuration: its own number of threads, no checks, no log.
pub(super) fn haproxy(service: &Service) -> String {
    let Service { vip, port, servers, .. } = service;
    let mut text = format!(
        "global\n maxconn 4000\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         frontend clients\n bind {vip}:{port}\n default_backend servers\nbackend servers\n balance roundrobin\n"
    );
    for (at, server) in servers.iter().enumerate() {
        let _ = writeln!(text, " server s{} {server}:{port}", at + 1);
    }
    text
}

/// nginx's configuration, with a module to load where stream is one, and a directory for its files.
pub(super) fn nginx_stream(service: &Service, module: Option<&str>, directory: &str) -> String {
    let Service { vip, port, servers, .. } = service;
    let module = module.map(|file| format!("load_module {file};\n")).unwrap_or_default();
    let mut text = format!(
        "{module}daemon off;\nuser root;\nworker_processes auto;\npid {directory}/pid;\nerror_log {directory}/error.log;\n\
         events {{ worker_connections 4096; }}\nstream {{\n upstream servers {{\n"
    );
    for server in servers {
        let _ = writeln!(text, "  server {server}:{port};");
    }
    let _ = write!(text, " }}\n server {{\n  listen {vip}:{port} backlog=4096;\n  proxy_pass servers;\n }}\n}}\n");
    text
}

/// The arguments of `ip` for a route to the service over its servers.
pub(super) fn route(service: &Service) -> String {
    let hops: Vec<String> = service.servers.iter().map(|server| format!("nexthop via {server}")).collect();
    format!("route replace {}/32 {}", service.vip, hops.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(protocol: &'static str) -> Service {
        let servers = vec![Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];
        Service { protocol, vip: Ipv4Addr::new(192, 0, 2, 100), port: 80, servers, interfaces: vec!["eth0".to_owned()] }
    }

    #[test]
    fn nftables_chooses_among_all_servers() {
        let text = nftables(&service("tcp"), Choice::Numgen);
        let rule = "ip daddr 192.0.2.100 tcp dport 80 dnat to numgen inc mod 2 map { 0 : 192.0.2.11, 1 : 192.0.2.12 }";
        assert!(text.contains(rule), "{text}");
        let text = nftables(&service("udp"), Choice::Jhash);
        assert!(text.contains("udp dport 80 dnat to jhash ip saddr . udp sport mod 2 map {"), "{text}");
    }

    #[test]
    fn every_way_has_all_servers() {
        let service = service("tcp");
        let (ipvsadm, route) = (ipvsadm(&service, Method::Dr).join("\n"), route(&service));
        let texts = [
            relvs(&service, Method::Tun, 65_536),
            haproxy(&service),
            nginx_stream(&service, Some("/m.so"), "/d"),
            ipvsadm,
            route.clone(),
        ];
        for text in texts {
            assert!(
                text.contains("192.0.2.100") && text.contains("192.0.2.11") && text.contains("192.0.2.12"),
                "{text}"
            );
        }
        assert_eq!(route, "route replace 192.0.2.100/32 nexthop via 192.0.2.11 nexthop via 192.0.2.12");
    }

    #[test]
    fn ipvsadm_is_called_once_for_the_service_and_once_for_each_server() {
        let lines = ipvsadm(&service("udp"), Method::Nat);
        assert_eq!(lines[0], "-A -u 192.0.2.100:80 -s rr");
        assert_eq!(lines[2], "-a -u 192.0.2.100:80 -r 192.0.2.12:80 -m");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn floors_are_always_wanted() {
        let words = ["relvs NAT".to_owned()];
        assert!(Way::Direct.is_wanted(&words) && Way::Relvs(Method::Nat).is_wanted(&words));
        assert!(!Way::Relvs(Method::Dr).is_wanted(&words) && Way::Haproxy.is_wanted(&[]));
    }

    #[test]
    fn names_differ() {
        let all = [
            Way::Direct,
            Way::Redirect,
            Way::Forward,
            Way::Route,
            Way::Nftables(Choice::Numgen),
            Way::Nftables(Choice::Jhash),
            Way::Ipvs(Method::Nat),
            Way::Ipvs(Method::Dr),
            Way::Relvs(Method::Nat),
            Way::Relvs(Method::Dr),
            Way::Relvs(Method::Tun),
            Way::Haproxy,
            Way::NginxStream,
            Way::Envoy,
        ];
        let names: std::collections::BTreeSet<_> = all.iter().map(|way| way.name()).collect();
        assert_eq!(names.len(), all.len());
    }
}
