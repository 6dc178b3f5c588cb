//! NAT, DR and TUN carry TCP and UDP over both families, to the servers that the scheduler says.

use std::net::SocketAddr;
use std::time::Duration;

use relvs_lab::capture::{Capture, Frame, Heading, Kind};
use relvs_lab::traffic::{Load, Pattern, Serve, Server, Transfer, UdpExchange, curl, nginx_server};
use relvs_lab::{Gateway, Shape, Topology};
use relvs_model::{Method, Protocol};

use crate::bed::{Bed, assert_shares, counters};
use crate::configuration::{rip, tcp, udp};

/// Bytes of a large transfer.
const LARGE: u64 = 20_000_000;
/// Bytes of a datagram that has to be fragmented.
const FRAGMENTED: usize = 4000;

#[test]
fn nat_between_two_networks() {
    carries(&Shape::new(Topology::TwoArmed), [Method::Nat; 3]);
}

#[test]
fn nat_on_one_interface() {
    carries(&Shape::new(Topology::OneArmed).gateway(Gateway::Director), [Method::Nat; 3]);
}

#[test]
fn dr() {
    carries(&Shape::new(Topology::OneArmed), [Method::Dr; 3]);
}

#[test]
fn tun() {
    carries(&Shape::new(Topology::OneArmed), [Method::Tun; 3]);
}

#[test]
fn a_method_for_each_server() {
    carries(&Shape::new(Topology::OneArmed), Method::ALL);
}

/// A running bed, and how its three servers are reached.
struct Case {
    bed: Bed,
    methods: [Method; 3],
}

fn carries(shape: &Shape, methods: [Method; 3]) {
    let [first, second, third] = methods;
    let alike = [("s1", first, 1), ("s2", second, 1), ("s3", third, 1)];
    let weighted = [("s1", first, 3), ("s2", second, 1), ("s3", third, 0)];
    let services = [tcp(80, "rr", &alike), tcp(81, "wrr", &weighted), udp(53, "rr", &alike), udp(54, "wrr", &weighted)];
    let Some(bed) = Bed::start(shape, &services) else { return };
    let case = Case { bed, methods };
    for n in 0..case.bed.vips.len() {
        let seen = (!methods.contains(&Method::Nat)).then(|| watch(&case.bed, n));
        case.requests(n);
        case.datagrams(n);
        seen.into_iter().for_each(|seen| nothing_went_back(&case.bed, n, seen));
        case.large_transfers(n);
        case.counted(n);
    }
}

impl Case {
    fn requests(&self, n: usize) {
        let bed = &self.bed;
        assert_shares(&bed.requests(bed.targets(80)[n], 300), &[("s1", 100), ("s2", 100), ("s3", 100)]);
        assert_shares(&bed.requests(bed.targets(81)[n], 80), &[("s1", 60), ("s2", 20)]);
        // A connection stays with its server, whatever is asked over it; three in turn have three servers.
        let kept = Load::new(bed.targets(80)[n]).requests(150).workers(3).keep_alive().run(bed.client()).unwrap();
        assert_eq!((kept.ok, kept.servers.len()), (150, 3), "{kept}");
    }

    fn datagrams(&self, n: usize) {
        let client = self.bed.client();
        let [rr, wrr] = [53, 54].map(|port| self.bed.targets(port)[n]);
        assert_shares(&UdpExchange::new(rr, 30).run(client).unwrap(), &[("s1", 10), ("s2", 10), ("s3", 10)]);
        assert_shares(&UdpExchange::new(wrr, 40).run(client).unwrap(), &[("s1", 30), ("s2", 10)]);
        // The servers' link is wider than the client's, and they have to learn that by the loss of their first answers.
        let learning = UdpExchange::new(rr, 3).payload(FRAGMENTED).timeout(Duration::from_millis(300));
        let learned = (0..10).any(|_| learning.run(client).unwrap().ok == 3);
        assert!(learned, "no answer to datagrams of {FRAGMENTED} bytes at {rr}");
        let report = UdpExchange::new(rr, 30).payload(FRAGMENTED).run(client).unwrap();
        assert_shares(&report, &[("s1", 10), ("s2", 10), ("s3", 10)]);
        // Datagrams of one flow: their fragments differ in nothing but the identification.
        let report = UdpExchange::new(wrr, 20).payload(FRAGMENTED).one_socket().run(client).unwrap();
        assert_eq!((report.ok, report.servers.len()), (20, 1), "{report}");
    }

    fn large_transfers(&self, n: usize) {
        let (target, seed) = (self.bed.targets(80)[n], n as u64 + 1);
        let switch = self.bed.node("sw");
        let to_director = || switch.counters("d1.eth0").unwrap().tx_bytes;
        let before = to_director();
        let down = Transfer::download(target, LARGE).seed(seed).run(self.bed.client()).unwrap();
        let passed = to_director() - before;
        let two_armed = self.bed.lab.plan().topology == Topology::TwoArmed;
        let through = self.method(&down.server) == Method::Nat && !two_armed;
        assert_eq!(passed > LARGE, through, "{passed} bytes of {LARGE} reached the director from {}", down.server);
        assert!(through || passed < LARGE / 4, "{passed} bytes");
        Transfer::upload(target, LARGE).seed(seed + 2).run(self.bed.client()).unwrap();
    }

    fn method(&self, server: &str) -> Method {
        let names = ["s1", "s2", "s3"];
        names.iter().zip(self.methods).find(|(name, _)| **name == server).unwrap().1
    }

    /// Every connection was one flow; replies are counted where the director translates them.
    fn counted(&self, n: usize) {
        let (bed, status) = (&self.bed, self.bed.status());
        let tcp = counters(&status, bed.targets(80)[n], Protocol::Tcp);
        assert_eq!(tcp.flows, 300 + 3 + 2, "{tcp:?}");
        assert!(tcp.bytes_in > LARGE, "{tcp:?}");
        assert_eq!(counters(&status, bed.targets(81)[n], Protocol::Tcp).flows, 80);
        assert_eq!(counters(&status, bed.targets(54)[n], Protocol::Udp).flows, 40 + 1);
        for name in ["s1", "s2", "s3"] {
            let address = rip(&bed.lab, name, bed.vips[n]);
            let all = status.services.iter().flat_map(|service| &service.servers);
            let sum: u64 = all.filter(|server| server.address == address).map(|s| s.counters.packets_out).sum();
            assert_eq!(sum > 0, self.method(name) == Method::Nat, "{name}: {sum} replies");
        }
    }
}

/// What is looked for while requests run: replies at the director, and claims of the VIP.
struct Watched {
    replies: Capture,
    claims: Capture,
}

fn watch(bed: &Bed, n: usize) -> Watched {
    let vip = bed.vips[n];
    let reply = move |frame: &Frame| {
        frame.interface == "d1.eth0"
            && frame.heading == Heading::Sent
            && frame.addresses().is_some_and(|(source, _)| source == vip)
    };
    let replies = Capture::start(bed.node("sw"), Kind::All, reply).unwrap();
    let claim = move |frame: &Frame| {
        frame.heading == Heading::Received && frame.claims().is_some_and(|(address, _)| address == vip)
    };
    let claims = Capture::start(bed.node("r"), Kind::All, claim).unwrap();
    bed.node("r").ip("neigh flush dev eth1").unwrap();
    Watched { replies, claims }
}

/// The director saw no reply, and the router heard of nobody but the director.
fn nothing_went_back(bed: &Bed, n: usize, seen: Watched) {
    assert_eq!(seen.replies.stop().unwrap(), [], "replies by way of the director");
    let director = bed.node("d1").port_on("lan").unwrap().mac;
    let claims: Vec<_> = seen.claims.stop().unwrap().iter().filter_map(Frame::claims).collect();
    assert!(!claims.is_empty(), "the router did not ask for the VIP");
    assert!(claims.iter().all(|claim| *claim == (bed.vips[n], director)), "{claims:02x?}");
}

#[test]
fn nat_in_the_drivers_own_hook() {
    // Between two interfaces nothing is sent back on a veth, which is all that its native mode cannot do alone.
    let Some(bed) = Bed::bare(&Shape::new(Topology::TwoArmed).servers(2)) else { return };
    let mut bed = bed.settings("xdp_mode = \"native\"");
    let servers = [("s1", Method::Nat, 2), ("s2", Method::Nat, 1)];
    bed.run(&[tcp(80, "wrr", &servers), udp(53, "wrr", &servers)]);
    let modes: Vec<String> = bed.status().interfaces.into_iter().map(|interface| interface.mode).collect();
    assert_eq!(modes, ["native", "native"]);
    for (http, echo) in bed.targets(80).into_iter().zip(bed.targets(53)) {
        assert_shares(&bed.requests(http, 90), &[("s1", 60), ("s2", 30)]);
        assert_shares(&UdpExchange::new(echo, 90).run(bed.client()).unwrap(), &[("s1", 60), ("s2", 30)]);
        Transfer::download(http, LARGE).run(bed.client()).unwrap();
        Transfer::upload(http, LARGE).run(bed.client()).unwrap();
    }
}

#[test]
fn nat_to_other_ports() {
    let servers = [("s1", Method::Nat, 1), ("s2", Method::Nat, 1)];
    // Two services of the same servers and ports: their replies are told apart by the client's port alone.
    let (first, second) = (tcp(8080, "rr", &servers).to(80), tcp(8081, "rr", &servers).to(80));
    let services = [first, second, udp(5353, "rr", &servers).to(53)];
    let Some(bed) = Bed::start(&Shape::new(Topology::TwoArmed).servers(2), &services) else { return };
    for port in [8080, 8081] {
        for target in bed.targets(port) {
            assert_shares(&bed.requests(target, 50), &[("s1", 25), ("s2", 25)]);
        }
    }
    for target in bed.targets(5353) {
        assert_shares(&UdpExchange::new(target, 20).run(bed.client()).unwrap(), &[("s1", 10), ("s2", 10)]);
        let large = UdpExchange::new(target, 2).payload(FRAGMENTED).timeout(Duration::from_millis(300));
        assert!((0..10).any(|_| large.run(bed.client()).unwrap().ok == 2), "no answer to {FRAGMENTED} bytes");
    }
}

#[test]
fn what_is_for_no_service_is_the_directors_own() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    let director = bed.node("d1");
    let _own = Server::start(director, Serve::new("d1").http(8080).udp(53)).unwrap();
    for address in [director.v4().into(), director.v6().into()].into_iter().chain(bed.vips) {
        let report = bed.requests(SocketAddr::new(address, 8080), 10);
        assert_shares(&report, &[("d1", 10)]);
        let echoed = UdpExchange::new(SocketAddr::new(address, 53), 10).run(bed.client()).unwrap();
        assert_shares(&echoed, &[("d1", 10)]);
        Transfer::upload(SocketAddr::new(address, 8080), 1_000_000).run(bed.client()).unwrap();
    }
    // And so are other hosts' packets that pass the director's interface.
    for target in bed.node("s1").sockets(80) {
        assert_shares(&bed.requests(target, 5), &[("s1", 5)]);
    }
    assert!(bed.status().services.iter().all(|service| service.counters.packets_in == 0));
}

#[test]
fn real_programs() {
    for program in ["nginx", "curl"] {
        if std::process::Command::new(program).arg("--version").output().is_err() {
            return println!("skipped: {program} is not installed");
        }
    }
    let alike = [("s1", Method::Nat, 1), ("s2", Method::Dr, 1), ("s3", Method::Tun, 1)];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed), &[tcp(8080, "rr", &alike)]) else { return };
    let size = 3_000_000;
    let _nginx: Vec<_> = bed.lab.servers().map(|node| nginx_server(&bed.lab, node, 8080, &[size]).unwrap()).collect();
    for target in bed.targets(8080) {
        let ask = |path: &str| curl(bed.client(), target, path, &[]).unwrap();
        let mut named: Vec<String> = (0..3).map(|_| ask("/").server.unwrap()).collect();
        named.sort();
        assert_eq!(named, ["s1", "s2", "s3"]);
        for _ in 0..3 {
            let reply = ask(&format!("/bytes/{size}"));
            assert_eq!((reply.status, reply.body.len() as u64), (200, size));
            assert_eq!(Pattern::new(0).first_difference(0, &reply.body), None);
        }
    }
}
