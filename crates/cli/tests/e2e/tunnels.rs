//! GRE, GUE, IPv6 in IPv4 and IPv4 in IPv6 carry whole connections to servers that take packets out of them.

use std::net::{IpAddr, SocketAddr};

use relvs_api::Way;
use relvs_lab::capture::{Capture, Frame, Heading, Kind};
use relvs_lab::traffic::Transfer;
use relvs_lab::{Shape, Topology};

use crate::bed::{Bed, RELVS, assert_shares, reason, succeeded};
use crate::configuration::rip;

/// Bytes of a large transfer.
const LARGE: u64 = 20_000_000;

/// What leads to a server: its name, the port of its service, the tunnel in relvs.toml and on the command line, what the
/// outer header carries, and the bytes in front besides that header.
struct Leg {
    server: &'static str,
    port: u16,
    tunnel: &'static str,
    option: &'static str,
    carried: Carried,
    between: u16,
}

#[derive(Clone, Copy)]
enum Carried {
    /// IPv4 or IPv6, as the VIP is.
    Ip,
    Gre,
    /// UDP to this port.
    Gue(u16),
}

const SAME: [Leg; 3] = [
    Leg {
        server: "s1",
        port: 80,
        tunnel: "{ type = \"gre\", checksum = true }",
        option: "gre",
        carried: Carried::Gre,
        between: 8,
    },
    Leg {
        server: "s2",
        port: 81,
        tunnel: "{ type = \"gue\", port = 6080, checksum = true }",
        option: "gue:6080",
        carried: Carried::Gue(6080),
        between: 12,
    },
    Leg {
        server: "s3",
        port: 82,
        tunnel: "{ type = \"gue\", port = 5555 }",
        option: "gue:5555",
        carried: Carried::Gue(5555),
        between: 12,
    },
];

const OTHER: [Leg; 3] = [
    Leg { server: "s1", port: 80, tunnel: "{ type = \"gre\" }", option: "gre", carried: Carried::Gre, between: 4 },
    Leg {
        server: "s2",
        port: 81,
        tunnel: "{ type = \"gue\", port = 6080 }",
        option: "gue:6080",
        carried: Carried::Gue(6080),
        between: 12,
    },
    Leg { server: "s3", port: 82, tunnel: "{ type = \"ipip\" }", option: "ipip", carried: Carried::Ip, between: 0 },
];

/// The server's address: in the VIP's family, or in the other.
fn address(bed: &Bed, leg: &Leg, vip: usize, other: bool) -> IpAddr {
    rip(&bed.lab, leg.server, bed.vips[if other { 1 - vip } else { vip }])
}

fn sections(bed: &Bed, legs: &[Leg], other: bool) -> String {
    let mut text = String::new();
    for (n, vip) in bed.vips.into_iter().enumerate() {
        for leg in legs {
            let (listen, server) = (SocketAddr::new(vip, leg.port), address(bed, leg, n, other));
            text += &format!(
                "\n[[service]]\nlisten = \"{listen}/tcp\"\nmethod = \"tun\"\ntunnel = {}\n[[service.server]]\naddress = \"{server}\"\n",
                leg.tunnel
            );
        }
    }
    text
}

/// Lets each server take its packets.
fn prepare(bed: &Bed, legs: &[Leg]) {
    let [four, six] = bed.vips.map(|vip| vip.to_string());
    for leg in legs {
        let run_dir = bed.lab.run_dir(leg.server).display().to_string();
        let words = ["realserver", "up", "--method", "tun", "--tunnel", leg.option, "--vip", &four, "--vip", &six];
        let words = words.into_iter().chain(["--interface", "eth0", "--run-dir", &run_dir]);
        succeeded(&bed.node(leg.server).run(RELVS, words).unwrap());
    }
}

/// What the director sends to a server is in its tunnel, and everything arrives.
fn carries(bed: &Bed, leg: &Leg, vip: usize, other: bool) {
    let (target, to) = (SocketAddr::new(bed.vips[vip], leg.port), address(bed, leg, vip, other));
    let port = format!("{}.eth0", leg.server);
    let from = bed.node("d1").port_on("lan").unwrap().mac;
    let sent = move |frame: &Frame| {
        frame.interface == port
            && frame.heading == Heading::Sent
            && frame.source_mac() == Some(from)
            && frame.arp().is_none()
    };
    let seen = Capture::start(bed.node("sw"), Kind::All, sent).unwrap();
    assert_shares(&bed.requests(target, 20), &[(leg.server, 20)]);
    let seen: Vec<Frame> =
        seen.stop().unwrap().into_iter().filter(|frame| frame.addresses().is_some_and(|(_, at)| at == to)).collect();
    // A request is five packets at least: three of the handshake, what is asked, and the end.
    assert!(seen.len() >= 5 * 20, "{} packets to {to}", seen.len());
    for frame in &seen {
        let (carried, to) = (frame.carried(), frame.ports().map(|(_, to)| to));
        match leg.carried {
            Carried::Ip => assert_eq!(carried, Some(if target.is_ipv4() { 4 } else { 41 })),
            Carried::Gre => assert_eq!(carried, Some(47)),
            Carried::Gue(port) => assert_eq!((carried, to), (Some(17), Some(port))),
        }
    }
    if let Carried::Gue(_) = leg.carried {
        let mut sources: Vec<u16> = seen.iter().filter_map(|frame| Some(frame.ports()?.0)).collect();
        sources.sort_unstable();
        sources.dedup();
        assert!(sources.len() >= 15, "20 flows have {} source ports", sources.len());
    }
    let down = Transfer::download(target, LARGE).seed(vip as u64 + 1).run(bed.client()).unwrap();
    let up = Transfer::upload(target, LARGE).seed(vip as u64 + 3).run(bed.client()).unwrap();
    assert_eq!((down.server.as_str(), up.server.as_str()), (leg.server, leg.server));
}

/// What the director says of the way counts the tunnel's headers.
fn room_is_right(bed: &Bed, legs: &[Leg], other: bool, mtu: u16) {
    let status = bed.status();
    for (n, vip) in bed.vips.into_iter().enumerate() {
        for leg in legs {
            let to = address(bed, leg, n, other);
            let key = format!("{}/tcp", SocketAddr::new(vip, leg.port));
            let service = status.services.iter().find(|service| service.key.to_string() == key).unwrap();
            let room = mtu - if to.is_ipv4() { 20 } else { 40 } - leg.between;
            assert!(matches!(service.servers[0].way, Way::Ready { mtu, .. } if mtu == room), "{key}: {service:?}");
        }
    }
}

#[test]
fn gre_and_gue_and_the_other_family() {
    let shape = Shape::new(Topology::OneArmed);
    let Some(mut bed) = Bed::bare(&shape) else { return };
    prepare(&bed, &SAME);
    bed.configure_with(&sections(&bed, &SAME, false));
    bed.director.start().unwrap();
    bed.all_ready();
    for (legs, other) in [(&SAME, false), (&OTHER, true)] {
        if other {
            prepare(&bed, legs);
            bed.reload_with(&sections(&bed, legs, other));
            bed.all_ready();
        }
        for vip in 0..bed.vips.len() {
            for leg in legs {
                carries(&bed, leg, vip, other);
            }
        }
        room_is_right(&bed, legs, other, shape.lan_mtu);
    }
    let status = bed.status();
    assert_eq!((reason(&status, "inconsistent"), reason(&status, "no_room")), (0, 0), "{:?}", status.reasons);
}
