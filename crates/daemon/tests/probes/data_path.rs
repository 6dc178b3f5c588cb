//! Probes of a VIP at one server, by DR and through a tunnel, from a director that has the VIP itself.

use crate::ask::{down, question, up, why};
use relvs_daemon::health::Prober;
use relvs_model::{
    Method, Tunnel,
    health::{Asked, DataPath, DnsProbe, HttpProbe, HttpVersion, Outcome, PingProbe, Probe, UdpProbe},
};
use relvs_net::namespace::Namespace;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::sync::mpsc::UnboundedReceiver;

/// A director and a server on one link. Both have the VIPs, the server answers at them.
struct Lan {
    director: Namespace,
    server: Namespace,
    prober: Prober<u32>,
    outcomes: RefCell<UnboundedReceiver<(u32, Outcome)>>,
}

const VIPS: [&str; 2] = ["192.0.2.100", "2001:db8:100::1"];
const SERVERS: [&str; 2] = ["10.0.0.2", "2001:db8::2"];

fn lan() -> Option<Lan> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: network namespaces need root");
        return None;
    }
    let (director, server) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    director.ip(&format!("link add eth0 type veth peer name eth0 netns {}", server.path())).unwrap();
    for (host, number) in [(&director, 1), (&server, 2)] {
        // Or the link-local address, and with it neighbour discovery, comes a second later.
        host.run(|| std::fs::write("/proc/sys/net/ipv6/conf/eth0/accept_dad", "0").unwrap()).unwrap();
        host.ip("link set eth0 up").unwrap();
        host.ip(&format!("addr add 10.0.0.{number}/24 dev eth0")).unwrap();
        host.ip(&format!("addr add 2001:db8::{number}/64 dev eth0 nodad")).unwrap();
        for vip in VIPS {
            let nodad = if vip.contains(':') { "nodad" } else { "" };
            host.ip(&format!("addr add {vip} dev lo {nodad}")).unwrap();
        }
    }
    let (prober, outcomes) = director.run(Prober::start).unwrap().unwrap();
    Some(Lan { director, server, prober, outcomes: RefCell::new(outcomes) })
}

/// Serves at an address in a namespace, as long as the test runs: HTTP with a body of so many bytes, and echo of datagrams.
fn serve(host: &Namespace, vip: &str, body: usize) {
    let address = SocketAddr::new(vip.parse().unwrap(), 80);
    let (tcp, udp) = host.run(|| (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap())).unwrap();
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let _ = (&stream).write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n").as_bytes());
            let _ = (&stream).write_all(&vec![b'x'; body]);
            let _ = (&stream).read(&mut [0; 16]);
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            let _ = udp.send_to(&buffer[..length], from);
        }
    });
}

impl Lan {
    fn ask(&self, probe: &Probe, family: usize, method: Method, milliseconds: u32) -> Outcome {
        let path = DataPath { vip: VIPS[family].parse().unwrap(), port: 80, method, tunnel: Tunnel::Ipip };
        let asked = Asked { through: Some(path), ..Asked::new(SERVERS[family].parse().unwrap(), 8080) };
        self.prober.ask(7, Arc::new(question(probe.clone(), asked, milliseconds)));
        let (7, outcome) = self.outcomes.borrow_mut().blocking_recv().unwrap() else { panic!("another's") };
        outcome
    }
}

/// A long question and a long answer.
fn http() -> Probe {
    let headers = vec![("X-Long".to_owned(), "y".repeat(4000))];
    Probe::Http(HttpProbe { version: HttpVersion::Http11, headers, ..HttpProbe::default() })
}

fn udp() -> Probe {
    Probe::Udp(UdpProbe { payload: Some("0102".to_owned()), require_reply: true, ..UdpProbe::default() })
}

#[test]
fn a_server_that_has_the_vip_is_up_by_dr() {
    let Some(lan) = lan() else { return };
    for vip in VIPS {
        serve(&lan.server, vip, 300_000);
    }
    let probes = [Probe::Tcp, http(), udp(), Probe::Ping(PingProbe::default())];
    for family in [0, 1] {
        for probe in &probes {
            assert_eq!(lan.ask(probe, family, Method::Dr, 10_000), up(), "{family} {probe:?}");
        }
    }
    // The director without the VIPs: its stack would end connections that it does not know.
    for (vip, server) in VIPS.into_iter().zip(SERVERS) {
        lan.director.ip(&format!("addr del {vip} dev lo")).unwrap();
        lan.director.ip(&format!("route add {vip} via {server}")).unwrap();
    }
    for family in [0, 1] {
        for probe in &probes {
            assert_eq!(lan.ask(probe, family, Method::Dr, 10_000), up(), "{family} {probe:?}");
        }
    }
    // Nothing is left in the server: connections end by a reset.
    thread::sleep(Duration::from_millis(200));
    let left = lan.server.run(|| std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap()).unwrap();
    let established = left.lines().filter(|line| line.split_whitespace().nth(3) == Some("01")).count();
    assert_eq!(established, 0, "{left}");
}

#[test]
fn a_server_without_the_vip_is_down() {
    let Some(lan) = lan() else { return };
    assert_eq!(lan.ask(&Probe::Tcp, 0, Method::Dr, 10_000), down("connection refused"));
    assert_eq!(lan.ask(&Probe::Dns(DnsProbe::default()), 0, Method::Dr, 10_000), down("connection refused"));
    serve(&lan.server, VIPS[0], 1);
    assert_eq!(lan.ask(&Probe::Tcp, 0, Method::Dr, 10_000), up());
    lan.server.ip(&format!("addr del {} dev lo", VIPS[0])).unwrap();
    assert_eq!(lan.ask(&Probe::Tcp, 0, Method::Dr, 500), down("no connection within 500 ms"));
    lan.server.ip("link set eth0 down").unwrap();
    lan.director.ip("neigh flush all").unwrap();
    let why = why(lan.ask(&Probe::Tcp, 0, Method::Dr, 4_000));
    assert!(why.contains("10.0.0.2 does not answer ARP") || why.contains("interface"), "{why}");
}

/// Takes packets out of IPv4 packets and gives them to the namespace's stack, as a tunnel interface does.
fn decapsulate(host: &Namespace) {
    let (outer, inner) = host
        .run(|| {
            let of = |protocol| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol))).unwrap();
            let (outer, inner) = (of(4), of(255));
            inner.set_header_included_v4(true).unwrap();
            (outer, inner)
        })
        .unwrap();
    let outer: UdpSocket = outer.into();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = outer.recv(&mut buffer) {
            let packet = &buffer[20..length];
            let to: IpAddr = Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]).into();
            let _ = inner.send_to(packet, &SockAddr::from(SocketAddr::new(to, 0)));
        }
    });
}

#[test]
fn a_server_that_takes_packets_out_of_the_tunnel_is_up_by_tun() {
    let Some(lan) = lan() else { return };
    serve(&lan.server, VIPS[0], 100_000);
    assert_eq!(lan.ask(&Probe::Tcp, 0, Method::Tun, 500), down("no connection within 500 ms"), "nobody takes them out");
    decapsulate(&lan.server);
    for probe in [Probe::Tcp, http(), udp(), Probe::Ping(PingProbe::default())] {
        assert_eq!(lan.ask(&probe, 0, Method::Tun, 10_000), up(), "{probe:?}");
    }
}
