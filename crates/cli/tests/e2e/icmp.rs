//! ICMP errors: those about a flow reach the server that sent the packet, and those that are the director's own to make
//! reach the client.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use relvs_lab::capture::{Capture, Frame, Heading, Kind};
use relvs_lab::traffic::{Load, Transfer, UdpExchange};
use relvs_lab::{Gateway, Shape, Topology};
use relvs_model::Method;
use socket2::{Domain, Socket, Type};

use crate::bed::{Bed, PATIENCE, reason};
use crate::configuration::{tcp, udp};
use crate::quoted::{IcmpError, icmp_error};

/// Of the clients' link, once it is narrowed.
const NARROW: u16 = 1300;

#[test]
fn a_path_mtu_error_reaches_the_nat_server_of_the_flow() {
    path_mtu_errors(&Shape::new(Topology::OneArmed).gateway(Gateway::Director), Method::Nat);
}

#[test]
fn a_path_mtu_error_reaches_the_dr_server_of_the_flow() {
    path_mtu_errors(&Shape::new(Topology::OneArmed), Method::Dr);
}

#[test]
fn a_path_mtu_error_reaches_the_tun_server_of_the_flow() {
    path_mtu_errors(&Shape::new(Topology::OneArmed), Method::Tun);
}

/// The router's link to the client is narrower than either end knows: each server has to hear of it.
fn path_mtu_errors(shape: &Shape, method: Method) {
    let servers = [("s1", method, 1), ("s2", method, 1)];
    let inside = if method == Method::Nat { 81 } else { 80 };
    let services = [tcp(80, "rr", &servers).to(inside)];
    let Some(bed) = Bed::start(&shape.clone().servers(2), &services) else { return };
    bed.lab.set_mtu("r", "eth0", NARROW).unwrap();
    let router = bed.node("r").port_on("lan").unwrap();
    for (vip, router) in bed.vips.into_iter().zip([IpAddr::from(router.v4), router.v6.into()]) {
        let captures: Vec<(Capture, Capture)> = ["s1", "s2"].map(|name| watch_server(&bed, name, vip, inside)).into();
        let target = SocketAddr::new(vip, 80);
        let names: BTreeSet<String> =
            (1..=2).map(|n| Transfer::download(target, 300_000).seed(n).run(bed.client()).unwrap().server).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        for ((errors, asked), name) in captures.into_iter().zip(["s1", "s2"]) {
            let errors = errors.stop().unwrap();
            assert!(!errors.is_empty(), "{name} heard of nothing");
            let its_own: BTreeSet<SocketAddr> =
                asked.stop().unwrap().iter().filter_map(|frame| client_of(frame, inside)).collect();
            assert_eq!(its_own.len(), 1, "{name}: {its_own:?}");
            let node = bed.node(name);
            let own: IpAddr = if vip.is_ipv4() { node.v4().into() } else { node.v6().into() };
            let known_as = if method == Method::Nat { own } else { vip };
            for frame in &errors {
                assert_eq!(frame.too_big(), Some((router, NARROW.into())), "{name}");
                let error = icmp_error(frame).unwrap_or_else(|| panic!("{name}: wrong checksum: {frame:02x?}"));
                assert_eq!(
                    (error.to, error.source),
                    (known_as, SocketAddr::new(known_as, inside)),
                    "{name}: {error:?}"
                );
                assert!(its_own.contains(&error.destination), "{name}: {error:?} is about none of {its_own:?}");
            }
        }
    }
    assert_eq!(reason(&bed.status(), "icmp_unrelated"), 0);
}

/// Too-big errors that reach a server, and the clients' packets with SYN.
fn watch_server(bed: &Bed, name: &str, vip: IpAddr, port: u16) -> (Capture, Capture) {
    let of_family = move |frame: &Frame| {
        let addresses = frame.addresses().filter(|_| frame.heading == Heading::Received);
        addresses.is_some_and(|(source, _)| source.is_ipv4() == vip.is_ipv4())
    };
    let errors = Capture::start(bed.node(name), Kind::All, move |frame| of_family(frame) && frame.too_big().is_some());
    let asked =
        Capture::start(bed.node(name), Kind::All, move |frame| of_family(frame) && client_of(frame, port).is_some());
    (errors.unwrap(), asked.unwrap())
}

/// Where a TCP connection to this port comes from, of its first packet.
fn client_of(frame: &Frame, port: u16) -> Option<SocketAddr> {
    let sliced = etherparse::SlicedPacket::from_ethernet(&frame.bytes).ok()?;
    let etherparse::TransportSlice::Tcp(tcp) = sliced.transport? else { return None };
    let opens = tcp.syn() && !tcp.ack() && tcp.destination_port() == port;
    opens.then_some(SocketAddr::new(frame.addresses()?.0, tcp.source_port()))
}

#[test]
fn a_hop_limit_that_runs_out_in_the_director_is_answered() {
    let servers = [("s1", Method::Dr, 1)];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &[udp(53, "rr", &servers)]) else { return };
    for (target, kind) in bed.targets(53).into_iter().zip([(11, 0), (3, 0)]) {
        let capture = Capture::start(bed.client(), Kind::All, |frame| icmp_error(frame).is_some()).unwrap();
        // The client's router takes one hop, the director another: as traceroute asks.
        let source = bed.client().with(|| send_with_hops(target, 2)).unwrap();
        capture.wait_for(1, PATIENCE).unwrap();
        let errors: Vec<IcmpError> = capture.stop().unwrap().iter().filter_map(icmp_error).collect();
        let expected = IcmpError { from: target.ip(), to: source.ip(), kind, source, destination: target };
        assert_eq!(errors, [expected]);
    }
    assert_eq!(reason(&bed.status(), "time_exceeded"), 2);
    // One more is enough: the server is asked, and answers.
    for target in bed.targets(53) {
        let server = Capture::start(bed.node("s1"), Kind::All, move |frame| is_datagram(frame, target)).unwrap();
        bed.client().with(|| send_with_hops(target, 3)).unwrap();
        server.wait_for(1, PATIENCE).unwrap();
    }
}

/// Sends a datagram that may take so many hops. Gives where it came from.
fn send_with_hops(target: SocketAddr, hops: u32) -> SocketAddr {
    let socket = Socket::new(Domain::for_address(target), Type::DGRAM, None).unwrap();
    if target.is_ipv4() {
        socket.set_ttl_v4(hops).unwrap();
    } else {
        socket.set_unicast_hops_v6(hops).unwrap();
    }
    socket.connect(&target.into()).unwrap();
    let socket = UdpSocket::from(socket);
    socket.send(b"01234567").unwrap();
    socket.local_addr().unwrap()
}

fn is_datagram(frame: &Frame, target: SocketAddr) -> bool {
    frame.addresses().is_some_and(|(_, to)| to == target.ip())
        && frame.ports().is_some_and(|(_, to)| to == target.port())
}

#[test]
fn a_service_without_a_server_refuses() {
    let none = [("s1", Method::Dr, 0)];
    let services = [tcp(80, "rr", &[]), tcp(81, "wrr", &none), udp(53, "rr", &[]), udp(54, "wrr", &none)];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    let capture = Capture::start(bed.client(), Kind::All, |frame| icmp_error(frame).is_some()).unwrap();
    for port in [80, 81] {
        for target in bed.targets(port) {
            let report = Load::new(target).requests(2).run(bed.client()).unwrap();
            assert_refused(&report, "connect", 2);
        }
    }
    for port in [53, 54] {
        for target in bed.targets(port) {
            let report = UdpExchange::new(target, 2).run(bed.client()).unwrap();
            assert_refused(&report, "answer", 2);
        }
    }
    // TCP asks again when the answer comes before its connect() has returned, as it may on one machine.
    let errors: Vec<IcmpError> = capture.stop().unwrap().iter().filter_map(icmp_error).collect();
    assert_eq!(reason(&bed.status(), "no_destination"), errors.len() as u64);
    assert!(errors.len() >= 8 * 2, "{errors:?}");
    for error in errors {
        let kind = if error.from.is_ipv4() { (3, 3) } else { (1, 4) };
        assert!(bed.vips.contains(&error.from) && error.kind == kind, "{error:?}");
        assert_eq!((error.destination.ip(), error.source.ip()), (error.from, error.to), "{error:?}");
    }
}

#[test]
fn a_removed_service_is_the_directors_own_port() {
    let servers = [("s1", Method::Dr, 1)];
    let services = [tcp(80, "rr", &servers), udp(53, "rr", &servers)];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    for target in bed.targets(80) {
        bed.requests(target, 2);
    }
    bed.reload(&[]);
    assert_eq!(bed.status().services, []);
    for target in bed.targets(80) {
        assert_refused(&Load::new(target).requests(3).run(bed.client()).unwrap(), "connect", 3);
    }
    for target in bed.targets(53) {
        assert_refused(&UdpExchange::new(target, 3).run(bed.client()).unwrap(), "answer", 3);
    }
    bed.reload(&services);
    for target in bed.targets(80) {
        bed.requests(target, 2);
    }
}

/// Fails unless every request was refused at this stage, none timed out.
#[track_caller]
fn assert_refused(report: &relvs_lab::traffic::Report, stage: &str, count: u64) {
    let refused = |why: &String| why.starts_with(stage) && why.contains("Connection refused");
    assert!(report.failures.keys().all(refused), "{report}");
    assert_eq!((report.ok, report.failed()), (0, count), "{report}");
}
