//! Captures see what passes; cables, losses, MTUs and virtual addresses do what they say.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "helpers of tests are tests too")]

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::lab;
use relvs_lab::capture::{Capture, Frame, Heading, Kind, write_pcap};
use relvs_lab::traffic::{Load, Server, Transfer, UdpExchange};
use relvs_lab::{Direction, Lab, Shape, Topology};

fn small() -> Option<(Lab, Vec<Server>)> {
    let lab = lab(&Shape::new(Topology::OneArmed).servers(2).directors(2))?;
    let servers = lab.servers().map(|node| Server::usual(node).unwrap()).collect();
    Some((lab, servers))
}

#[test]
fn a_capture_sees_who_answers_arp_and_neighbour_discovery() {
    let Some((lab, _servers)) = small() else { return };
    let (client, switch) = (lab.client().unwrap(), lab.node("sw").unwrap());
    let arp = Capture::start(lab.server(1).unwrap(), Kind::Arp, |_| true).unwrap();
    let all = Capture::start(switch, Kind::Resolution, |frame| frame.heading == Heading::Received).unwrap();
    let (vip4, vip6) = lab.plan().vip(0);
    for vip in [vip4, vip6] {
        lab.add_vip("d1", vip).unwrap();
        // Nothing listens on the director: its kernel refuses, after the router asked who has the address.
        let report = Load::new((vip, 80).into()).requests(1).run(client).unwrap();
        assert!(report.failures.keys().all(|reason| reason.contains("refused")), "{report}");
    }
    Load::new(lab.server(1).unwrap().sockets(80)[0]).requests(1).run(client).unwrap();
    arp.wait_for(1, Duration::from_secs(2)).unwrap();
    let director = lab.director(1).unwrap().ports()[0].mac;
    let frames = all.stop().unwrap();
    assert!(frames.iter().all(|frame| frame.ports().is_none()), "TCP and UDP stay in the kernel");
    for vip in [vip4, vip6] {
        let claims: Vec<_> = frames.iter().filter_map(Frame::claims).filter(|(address, _)| *address == vip).collect();
        assert!(!claims.is_empty() && claims.iter().all(|(_, mac)| *mac == director), "{vip}: {claims:?}");
    }
    let router: IpAddr = lab.node("r").unwrap().port_on("lan").unwrap().v4.into();
    let asked =
        arp.stop().unwrap().iter().filter_map(Frame::arp).any(|arp| !arp.reply && IpAddr::from(arp.sender) == router);
    assert!(asked);

    let path = lab.directory().join("capture.pcap");
    write_pcap(&path, &frames).unwrap();
    let mut reader = pcap_file::pcap::PcapReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let mut read = 0;
    while let Some(packet) = reader.next_packet() {
        assert_eq!(packet.unwrap().data, frames[read].bytes);
        read += 1;
    }
    assert_eq!(read, frames.len());
}

#[test]
fn frames_on_the_wire_are_whole() {
    let Some((lab, _servers)) = small() else { return };
    let (client, server) = (lab.client().unwrap(), lab.server(1).unwrap());
    let capture = Capture::start(server, Kind::All, |frame| frame.ports().is_some_and(|ports| ports.1 == 80)).unwrap();
    for target in server.sockets(80) {
        Transfer::upload(target, 500_000).run(client).unwrap();
    }
    let frames = capture.stop().unwrap();
    assert!(frames.len() > 600, "{}", frames.len());
    for frame in frames {
        assert!(frame.bytes.len() <= 1514, "{}", frame.bytes.len());
        let sliced = etherparse::PacketHeaders::from_ethernet_slice(&frame.bytes).unwrap();
        let etherparse::TransportHeader::Tcp(tcp) = sliced.transport.unwrap() else { panic!("not TCP") };
        let expected = match sliced.net.unwrap() {
            etherparse::NetHeaders::Ipv4(ip, _) => tcp.calc_checksum_ipv4(&ip, sliced.payload.slice()),
            etherparse::NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(&ip, sliced.payload.slice()),
            etherparse::NetHeaders::Arp(_) => panic!("not IP"),
        };
        assert_eq!(Ok(tcp.checksum), expected);
    }
}

#[test]
fn a_virtual_address_moves_to_the_other_director() {
    let Some((lab, _servers)) = small() else { return };
    let client = lab.client().unwrap();
    let second = lab.director(2).unwrap();
    let _listener = Server::usual(second).unwrap();
    let (vip4, vip6) = lab.plan().vip(1);
    for vip in [vip4, vip6] {
        lab.add_vip("d1", vip).unwrap();
        lab.remove_vip("d1", vip).unwrap();
        lab.add_vip("d2", vip).unwrap();
        let report = Load::new((vip, 80).into()).requests(2).run(client).unwrap();
        assert_eq!(report.of("d2"), 2, "{report}");
    }
}

#[test]
fn a_pulled_cable_cuts_a_node_off_and_nothing_else() {
    let Some((lab, _servers)) = small() else { return };
    let client = lab.client().unwrap();
    let ask = |n: u8, family: usize| {
        let load =
            Load { timeout: Duration::from_millis(1500), ..Load::new(lab.server(n).unwrap().sockets(80)[family]) };
        load.requests(1).run(client).unwrap().ok
    };
    lab.unplug("s1").unwrap();
    assert_eq!((ask(1, 0), ask(1, 1)), (0, 0));
    assert_eq!((ask(2, 0), ask(2, 1)), (1, 1));
    lab.plug("s1").unwrap();
    // The router may still hold a failed neighbour entry for a moment.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!((ask(1, 0), ask(1, 1)), (1, 1));
}

#[test]
fn loss_takes_about_its_share_in_its_direction() {
    let Some((lab, _servers)) = small() else { return };
    let client = lab.client().unwrap();
    let target = lab.server(1).unwrap().sockets(53)[0];
    let exchange = |datagrams: u64, timeout: u64| {
        let one =
            || UdpExchange::new(target, datagrams).timeout(Duration::from_millis(timeout)).run(client).unwrap().ok;
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum::<u64>()
        })
    };
    // Neighbours that could not be asked while frames were lost are asked again.
    let whole = || {
        for _ in 0..20 {
            if exchange(1, 500) == 8 {
                break;
            }
        }
        exchange(25, 5000)
    };
    assert_eq!(whole(), 200);
    for direction in [Direction::ToNode, Direction::FromNode] {
        lab.set_loss("s1", direction, 300).unwrap();
        let ok = exchange(25, 400);
        // 140 expected, standard deviation 6.5.
        assert!((100..=180).contains(&ok), "{direction:?}: {ok}");
        lab.set_loss("s1", direction, 0).unwrap();
        assert_eq!(whole(), 200);
    }
}

#[test]
fn a_smaller_mtu_is_reported_by_the_router() {
    let Some((lab, _servers)) = small() else { return };
    let client = lab.client().unwrap();
    let capture = Capture::start(client, Kind::All, |frame| frame.too_big().is_some()).unwrap();
    lab.set_mtu("r", "eth1", 1300).unwrap();
    for target in lab.server(1).unwrap().sockets(80) {
        Transfer::upload(target, 300_000).run(client).unwrap();
    }
    let router = lab.node("r").unwrap();
    let seen: Vec<_> = capture.stop().unwrap().iter().filter_map(Frame::too_big).collect();
    assert!(seen.contains(&(router.v4().into(), 1300)) && seen.contains(&(router.v6().into(), 1300)), "{seen:?}");
}
