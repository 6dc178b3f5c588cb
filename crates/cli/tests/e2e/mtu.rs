//! Ways that are narrower than the client's: the director says so to whoever sends too much, and everything arrives.

use std::net::IpAddr;
use std::time::Duration;

use relvs_api::Way;
use relvs_lab::capture::{Capture, Frame, Heading, Kind};
use relvs_lab::traffic::{Transfer, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, reason};
use crate::configuration::{tcp, udp};

/// Bytes sent over the narrow way.
const CONTENT: u64 = 2_000_000;

/// What a node hears of packets that were too big.
fn watch(bed: &Bed, node: &str) -> Capture {
    let heard = |frame: &Frame| frame.heading == Heading::Received && frame.too_big().is_some();
    Capture::start(bed.node(node), Kind::All, heard).unwrap()
}

/// Who said it, and which MTU; each once.
fn said(capture: Capture) -> Vec<(IpAddr, u32)> {
    let mut said: Vec<_> = capture.stop().unwrap().iter().filter_map(Frame::too_big).collect();
    said.sort();
    said.dedup();
    said
}

#[test]
fn a_narrow_link_behind_a_tunnel_is_told_to_the_client() {
    let servers = [("f1", Method::Tun, 1)];
    let services = [tcp(80, "rr", &servers), udp(53, "rr", &servers)];
    let Some(bed) = Bed::start(&Shape::new(Topology::Wan).servers(1), &services) else { return };
    // The link to the far server has an MTU of 1400 bytes, of which the tunnel takes 20 or 40.
    for (n, mtu) in [1380, 1360].into_iter().enumerate() {
        let before = bed.status();
        let (client, director) = (watch(&bed, "c"), watch(&bed, "d1"));
        let sent = Transfer::upload(bed.targets(80)[n], CONTENT).run(bed.client()).unwrap();
        assert_eq!(sent.server, "f1");
        assert_eq!(said(client), [(bed.vips[n], mtu)], "the client hears it from the VIP");
        let far = bed.node("r2").port_on("lan").unwrap();
        let far = if n == 0 { IpAddr::from(far.v4) } else { far.v6.into() };
        assert_eq!(said(director), [(far, 1400)], "and the director from the router on the way");
        let status = bed.status();
        // What was on its way already is no more than TCP's initial window of ten segments (RFC 6928).
        let of_this = |name: &str| reason(&status, name) - reason(&before, name);
        assert!((1..=10).contains(&of_this("path_mtu")), "{:?}", status.reasons);
        assert!(of_this("too_big_answered") > 0, "{:?}", status.reasons);
        Transfer::download(bed.targets(80)[n], CONTENT).run(bed.client()).unwrap();
        // A datagram of the client's own MTU: lost or not, from then on it comes in fragments.
        let whole = if n == 0 { 1472 } else { 1452 };
        let datagram = UdpExchange::new(bed.targets(53)[n], 1).payload(whole).timeout(Duration::from_millis(500));
        assert!((0..10).any(|_| datagram.run(bed.client()).unwrap().ok == 1), "no answer to {whole} bytes");
    }
}

#[test]
fn a_tunnels_own_header_is_told_to_the_client() {
    let shape = Shape { lan_mtu: 1500, ..Shape::new(Topology::OneArmed).servers(2) };
    let servers = [("s1", Method::Tun, 1), ("s2", Method::Tun, 1)];
    let Some(bed) = Bed::start(&shape, &[tcp(80, "rr", &servers)]) else { return };
    for (n, mtu) in [1480, 1460].into_iter().enumerate() {
        let client = watch(&bed, "c");
        for _ in 0..2 {
            Transfer::upload(bed.targets(80)[n], CONTENT).run(bed.client()).unwrap();
        }
        assert_eq!(said(client), [(bed.vips[n], u32::from(mtu))]);
        let status = bed.status();
        for server in &status.services[n].servers {
            assert!(matches!(server.way, Way::Ready { mtu: said, .. } if said == mtu), "{server:?}");
        }
    }
    assert_eq!(reason(&bed.status(), "path_mtu"), 0, "nothing had to be learned");
}

#[test]
fn a_narrow_way_back_is_told_to_the_nat_server() {
    let servers = [("s1", Method::Nat, 1), ("s2", Method::Nat, 1)];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::TwoArmed).servers(2)) else { return };
    bed.lab.set_mtu("d1", "eth0", 1300).unwrap();
    bed.run(&[tcp(80, "rr", &servers)]);
    let director = bed.node("d1").port_on("lan").unwrap();
    for (target, director) in bed.targets(80).into_iter().zip([IpAddr::from(director.v4), director.v6.into()]) {
        let heard = ["s1", "s2"].map(|name| watch(&bed, name));
        for _ in 0..2 {
            Transfer::download(target, CONTENT).run(bed.client()).unwrap();
        }
        for capture in heard {
            assert_eq!(said(capture), [(director, 1300)]);
        }
    }
    assert!(reason(&bed.status(), "too_big_answered") >= 4);
}
