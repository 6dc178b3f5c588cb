//! A director in a namespace of its own, with a service for every case, and the packets that come to it.

use crate::{Source, director::Director, server::Listeners};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use relvs_model::{
    Director as Own, Listen, Method, Netmask, Network, Persistence, PortRange, Protocol, Rule, Scheduler,
    SchedulerFlags, Server, Service, ServiceKey, State,
};
use relvs_net::namespace::Namespace;
use std::{
    fs,
    io::Write as _,
    net::IpAddr,
    path::Path,
    process::{Command, Stdio},
};

/// Clients with a MAC that the director knows; the next one has none.
pub(in crate::director) const CLIENTS: u8 = 24;
/// Servers that answer; the next one does not.
pub(in crate::director) const SERVERS: u8 = 12;
/// The servers' link is narrower than the clients'.
pub(in crate::director) const NARROW: u16 = 1400;

/// Numbers from a seed: splitmix64.
pub(in crate::director) struct Random(u64);

impl Random {
    /// `RELVS_SEED`, or another seed each day.
    pub(in crate::director) fn of_run() -> Self {
        let said = std::env::var("RELVS_SEED").ok().and_then(|seed| seed.parse().ok());
        let days = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
        let seed = said.unwrap_or_else(days);
        println!("RELVS_SEED={seed}");
        Random(seed)
    }

    pub(in crate::director) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(in crate::director) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True so many times of a hundred.
    pub(in crate::director) fn percent(&mut self, times: usize) -> bool {
        self.below(100) < times
    }

    pub(in crate::director) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

pub(in crate::director) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(in crate::director) fn client(six: bool, n: u8) -> IpAddr {
    if six { ip(&format!("2001:db8:1::{:x}", 16 + n)) } else { ip(&format!("10.1.0.{}", 16 + n)) }
}

pub(in crate::director) fn server(six: bool, n: u8) -> IpAddr {
    if six { ip(&format!("2001:db8:2::{:x}", 16 + n)) } else { ip(&format!("10.2.0.{}", 16 + n)) }
}

pub(in crate::director) fn vip(six: bool) -> IpAddr {
    ip(if six { "2001:db8:f::1" } else { "192.0.2.1" })
}

/// The VIP whose services have any port, and FTP's.
pub(in crate::director) fn any_vip(six: bool) -> IpAddr {
    ip(if six { "2001:db8:f::2" } else { "192.0.2.2" })
}

/// A VIP of the marks' network.
pub(in crate::director) fn marked_vip(six: bool, n: usize) -> IpAddr {
    if six { ip(&format!("2001:db8:f:3::{n:x}")) } else { ip(&format!("192.0.3.{n}")) }
}

/// Ports of the services of a scheduler each begin here, one for each method.
pub(in crate::director) const FIRST: u16 = 1000;
/// No server.
pub(in crate::director) const EMPTY: u16 = 90;
/// Only servers without weight.
pub(in crate::director) const WEIGHTLESS: u16 = 91;
/// A server that does not answer.
pub(in crate::director) const SILENT: u16 = 92;
/// Each datagram by itself, of UDP.
pub(in crate::director) const ONE_PACKET: u16 = 93;

const METHODS: [Method; 3] = [Method::Nat, Method::Dr, Method::Tun];

/// Four servers, beginning anywhere.
fn servers(r: &mut Random, six: bool, method: Method, port: u16) -> Vec<Server> {
    let first = r.below(usize::from(SERVERS)) as u8;
    let mut one = |n: u8| {
        let weight = *r.pick(&[1, 1, 2, 3, 5, 0]);
        let port = if method == Method::Nat { *r.pick(&[port, 8080]) } else { port };
        let mut one = Server::new(server(six, (first + n) % SERVERS), port, weight, method);
        if r.percent(25) {
            one.upper_threshold = 1 + r.below(4) as u32;
        }
        one
    };
    (0..4).map(&mut one).collect()
}

/// Everything that the director is to do.
pub(in crate::director) fn state(r: &mut Random) -> State {
    let mut services = Vec::new();
    for six in [false, true] {
        let listen = |protocol, address, port| ServiceKey::Listen(Listen { protocol, address, port });
        let persistence = |r: &mut Random| {
            let netmask = match (six, r.percent(50)) {
                (false, true) => Netmask::V4([255, 255, 255, 252].into()),
                (true, true) => Netmask::V6(126),
                (_, false) => Netmask::host(!six),
            };
            Some(Persistence { timeout_s: 300, netmask })
        };
        for (turn, scheduler) in Scheduler::ALL.into_iter().enumerate() {
            for (at, method) in METHODS.into_iter().enumerate() {
                let port = FIRST + (turn * METHODS.len() + at) as u16;
                let protocol = *r.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
                let servers = servers(r, six, method, port);
                let mut service = Service::new(listen(protocol, vip(six), port), scheduler, servers);
                if matches!(scheduler, Scheduler::Sh | Scheduler::Mh) {
                    service.flags = *r.pick(&[SchedulerFlags::NONE, SchedulerFlags::FALLBACK, SchedulerFlags::PORT]);
                }
                if r.percent(30) {
                    service.persistence = persistence(r);
                }
                services.push(service);
            }
        }
        let tcp = |port| listen(Protocol::Tcp, vip(six), port);
        let one = |n, port, weight| vec![Server::new(server(six, n), port, weight, Method::Dr)];
        services.push(Service::new(tcp(EMPTY), Scheduler::Rr, Vec::new()));
        services.push(Service::new(tcp(WEIGHTLESS), Scheduler::Wlc, one(1, WEIGHTLESS, 0)));
        services.push(Service::new(tcp(SILENT), Scheduler::Rr, one(SERVERS, SILENT, 1)));
        let one_packet = listen(Protocol::Udp, vip(six), ONE_PACKET);
        let one_packet = Service::new(one_packet, Scheduler::Rr, servers(r, six, Method::Dr, ONE_PACKET));
        services.push(Service { one_packet: true, ..one_packet });
        for (protocol, port, method) in
            [(Protocol::Tcp, 0, Method::Nat), (Protocol::Udp, 0, Method::Tun), (Protocol::Tcp, 21, Method::Dr)]
        {
            let servers = servers(r, six, method, port).into_iter().map(|server| Server { port, ..server }).collect();
            let service = Service::new(listen(protocol, any_vip(six), port), Scheduler::Wlc, servers);
            services.push(Service { persistence: persistence(r), ..service });
        }
        for (mark, method, scheduler, persistent) in [
            (7, Method::Nat, Scheduler::Wrr, false),
            (8, Method::Dr, Scheduler::Rr, true),
            (9, Method::Tun, Scheduler::Lblcr, false),
        ] {
            let mut servers = servers(r, six, method, 0);
            servers.iter_mut().for_each(|server| server.port = 0);
            let service = Service::new(ServiceKey::mark(mark, six), scheduler, servers);
            let persistence = if persistent { persistence(r) } else { None };
            services.push(Service { persistence, ..service });
        }
    }
    let both = [Network::of(ip("192.0.3.0"), 24), Network::of(ip("2001:db8:f:3::"), 64)];
    let rule = |mark, first, last| Rule {
        mark,
        sources: Vec::new(),
        destinations: both.to_vec(),
        protocol: None,
        ports: vec![PortRange { first, last }],
    };
    let rules = vec![rule(7, 80, 85), rule(8, 86, 90), rule(9, 91, 95), rule(99, 96, 96)];
    let director = Own { interfaces: vec!["wan".into(), "lan".into()], flows: 2048, ..Own::default() };
    State { director, rules, services, ..State::default() }
}

/// Runs a test with a director in a namespace. Without privilege it says that it skips.
pub(in crate::director) fn within(state: State, test: impl FnOnce(Director) + Send) {
    within_at(state, |director, _| test(director));
}

/// The same, with its run directory.
pub(in crate::director) fn within_at(state: State, test: impl FnOnce(Director, &Path) + Send) {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: it needs root");
        return;
    }
    let namespace = Namespace::new().unwrap();
    let run = || {
        // What is mounted here is gone with this thread.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        lay();
        let run_dir = tempfile::tempdir().unwrap();
        let interfaces = state.director.interfaces.clone();
        let source = Source { interfaces, ..Source::default() };
        test(start(run_dir.path(), source, state), run_dir.path());
        nix::mount::umount(&run_dir.path().join("bpf")).unwrap();
    };
    namespace.run(run).unwrap();
}

/// A director that answers nobody.
pub(in crate::director) fn start(run_dir: &Path, source: Source, state: State) -> Director {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asker = tokio::sync::mpsc::channel(1).0;
    let listeners = Listeners::new(runtime.handle().clone(), asker, run_dir.join("control.sock"));
    Director::start(run_dir, source, state, listeners).unwrap().0
}

/// Two links, with neighbours that never go.
fn lay() {
    let mut lines: Vec<String> = [
        "link add wan address 02:00:00:00:01:01 type veth peer name far-wan",
        "link add lan address 02:00:00:00:02:01 type veth peer name far-lan",
        "link set lan mtu 1400",
        "link set wan up",
        "link set lan up",
        "link set far-wan up",
        "link set far-lan up",
        "addr add 10.1.0.1/24 dev wan",
        "addr add 10.2.0.1/24 dev lan",
        "addr add 2001:db8:1::1/64 dev wan nodad",
        "addr add 2001:db8:2::1/64 dev lan nodad",
    ]
    .map(str::to_owned)
    .to_vec();
    for six in [false, true] {
        for n in 0..CLIENTS {
            lines.push(format!("neigh add {} lladdr 02:00:00:01:00:{n:02x} dev wan nud permanent", client(six, n)));
        }
        for n in 0..SERVERS {
            lines.push(format!("neigh add {} lladdr 02:00:00:02:00:{n:02x} dev lan nud permanent", server(six, n)));
        }
    }
    for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        fs::write(format!("/proc/sys/net/{key}"), "1").unwrap();
    }
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "ip -batch");
}
