//! Tunnels besides IP in IP of one family, byte by byte, on both sides: GRE (RFC 2784), GUE (draft-ietf-intarea-gue-09),
//! IPv4 in IPv6 (RFC 2473) and IPv6 in IPv4 (RFC 4213); and their end at a server.

use crate::{
    packet::{ACK, Packet, SYN, Tunnel, inside},
    services::{TAGS, TUNNELS, tunnel_server},
    tables::{GUE_PORT, Server, tunnel},
    world::{
        DIRECTOR, Program, World, client, client_mac, decapsulate, dip, ip, plan, port, rip, server_mac, small, vip,
        within,
    },
};
use relvs_core::{Reason, Verdict, decapsulate::ends};
use std::{collections::BTreeSet, ops::Range};

/// Linux's ports for clients.
const PORTS: Range<u16> = 32_768..60_999;

/// Each tunnel for each family: its server, and the port of its service.
fn each(test: impl Fn(&World, bool, &Server, u16) + Sync) {
    within(small(), plan(), |world| {
        for six in [false, true] {
            for at in 0..TUNNELS.len() {
                let port = port::TUNNELS + at as u16;
                test(&world, six, &tunnel_server(six, at, port), port);
            }
        }
    });
}

/// The source port of GUE of a frame that leaves for this server; 0 of other tunnels.
fn source_port(server: &Server, frame: &[u8]) -> u16 {
    let at = 14 + 4 * server.tags.len() + if server.address.is_ipv6() { 40 } else { 20 };
    match server.tunnel(0) {
        Tunnel::Gue { .. } => u16::from_be_bytes([frame[at], frame[at + 1]]),
        Tunnel::Ip | Tunnel::Gre { .. } => 0,
    }
}

/// What leaves for the server when this comes from client 0.
fn leaves(server: &Server, packet: &Packet, source_port: u16) -> Packet {
    let to = server_mac(server.mac[5]);
    let inner = packet.clone().ttl(packet.ttl - 1);
    let outside = server.address.is_ipv6();
    inside(&inner, server.tunnel(source_port), dip(outside), server.address).link(to, DIRECTOR).tags(&server.tags)
}

/// Sends it, and gives the source port of GUE.
fn sends(world: &World, what: &str, server: &Server, packet: &Packet) -> u16 {
    let input = packet.clone().link(DIRECTOR, client_mac(0)).frame();
    let (_, bytes) = world.agreed(&input);
    let port = source_port(server, &bytes);
    // Sent again: every packet of a flow has the same.
    world.turns(what, &input, Verdict::Transmit, &leaves(server, packet, port).frame());
    port
}

#[test]
fn packets_travel_in_each() {
    each(|world, six, server, at| {
        let what = |what: &str| format!("{what}, {:#x}, {six}", server.method);
        let (from, to) = ((client(six, 0), 5000), (vip(six), at));
        let first = sends(world, &what("SYN"), server, &Packet::tcp(from, to, SYN));
        if let Tunnel::Gue { .. } = server.tunnel(0) {
            assert!(PORTS.contains(&first), "{first}");
        }
        let packet = Packet::tcp(from, to, ACK);
        for length in [1, 2, 3, 63, 64, 65, 1000] {
            let data: Vec<u8> = (0..length).map(|n| (n * 7) as u8).collect();
            let packet = Packet { tos: 0x2e, ttl: 17, dont_fragment: false, identification: 0x1234, ..packet.clone() };
            assert_eq!(sends(world, &what("data"), server, &packet.data(data)), first, "a flow has a port of its own");
        }
        sends(world, &what("a tag is taken off"), server, &packet.clone().tags(&[TAGS[0]]));
        // As much as the way carries, and one byte more.
        let headers = if six { 60 } else { 40 };
        let full = packet.clone().data(vec![7; usize::from(server.room()) - headers]);
        sends(world, &what("full"), server, &full);
        let more = packet.data(vec![7; usize::from(server.room()) - headers + 1]);
        world.answers(
            &what("too big"),
            &more,
            if six { [2, 0] } else { [3, 4] },
            u32::from(server.room()).to_be_bytes(),
        );
        // A fragment, whose ports nobody knows.
        let whole = Packet { dont_fragment: false, identification: 77, ..Packet::udp(from, to).data(vec![9; 1000]) };
        sends(world, &what("the first fragment"), server, &whole.clone().part(0, 808, true));
        sends(world, &what("a later fragment"), server, &whole.part(808, 200, false));
    });
}

#[test]
fn flows_get_source_ports_of_their_own() {
    each(|world, six, server, at| {
        if !matches!(server.tunnel(0), Tunnel::Gue { .. }) {
            return;
        }
        let ports = (0..200).map(|n| {
            let packet = Packet::udp((client(six, 0), 2000 + n), (vip(six), at));
            source_port(server, &world.agreed(&packet.link(DIRECTOR, client_mac(0)).frame()).1)
        });
        let ports: BTreeSet<u16> = ports.collect();
        assert!(ports.len() > 150 && ports.iter().all(|port| PORTS.contains(port)), "{ports:?}");
        // All eighths of the range have some: whatever bits a receiver looks at.
        let eighths: BTreeSet<u16> =
            ports.iter().map(|port| (port - PORTS.start) / (PORTS.len() as u16 / 8 + 1)).collect();
        assert_eq!(eighths.len(), 8, "{ports:?}");
    });
}

#[test]
fn a_smaller_path_is_learned_by_each() {
    each(|world, six, server, at| {
        let request = Packet::tcp((client(six, 0), 5000), (vip(six), at), SYN);
        let port = sends(world, "SYN", server, &request);
        let ours = leaves(server, &request, port).tags(&[]);
        let outside = server.address.is_ipv6();
        let router = ip(if outside { "2001:db8:2::ff" } else { "10.2.0.254" });
        let error = |about: &Packet, mtu: u32| {
            let kind = if outside { [2, 0] } else { [3, 4] };
            Packet::icmp(router, dip(outside), kind, mtu.to_be_bytes(), about.bytes())
        };
        // What is not the director's own is not believed.
        let elsewhere = if outside { rip(true, 250) } else { rip(false, 250) };
        world.passes(
            "to another",
            &error(&Packet { destination: elsewhere, ..ours.clone() }, 1390),
            Reason::IcmpUnrelated,
        );
        let mut others = vec![Tunnel::Ip, Tunnel::Gre { sum: false }];
        others.push(Tunnel::Gue { ports: (port, GUE_PORT), sum: false });
        others.push(Tunnel::Gue { ports: (port, GUE_PORT + 1), sum: false });
        let same = |other: &Tunnel| match (other, server.tunnel(port)) {
            (Tunnel::Gue { ports, .. }, Tunnel::Gue { ports: own, .. }) => *ports == own,
            (Tunnel::Gre { .. }, Tunnel::Gre { .. }) | (Tunnel::Ip, Tunnel::Ip) => true,
            _ => false,
        };
        for other in others.into_iter().filter(|other| !same(other)) {
            let about = inside(&request, other, dip(outside), server.address);
            world.passes("in another tunnel", &error(&about, 1390), Reason::IcmpUnrelated);
        }
        let overhead = 1500 - server.room();
        for (told, left) in [(1450, 1450 - overhead), (1400, 1400 - overhead), (9000, 1400 - overhead)] {
            world.passes("the director's own", &error(&ours, told), Reason::PathMtu);
            let big = Packet::tcp((client(six, 0), 5000), (vip(six), at), ACK).data(vec![7; 1430]);
            let kind = if six { [2, 0] } else { [3, 4] };
            world.answers("the client is told", &big, kind, u32::from(left).to_be_bytes());
        }
    });
}

#[test]
fn each_ends_where_it_should() {
    within(small(), plan(), |mut world| {
        let kinds = [ends::IPIP, ends::GRE, ends::GUE | u32::from(GUE_PORT) << 16];
        let of = |tunnel: Tunnel| match tunnel {
            Tunnel::Ip => kinds[0],
            Tunnel::Gre { .. } => kinds[1],
            Tunnel::Gue { ports: (_, port), .. } => ends::GUE | u32::from(port) << 16,
        };
        let gue = |port, sum| Tunnel::Gue { ports: (40_000, port), sum };
        let tunnels = [
            Tunnel::Ip,
            Tunnel::Gre { sum: false },
            Tunnel::Gre { sum: true },
            gue(GUE_PORT, false),
            gue(GUE_PORT, true),
            gue(GUE_PORT + 1, false),
        ];
        for (six, outside) in [(false, false), (false, true), (true, false), (true, true)] {
            for taken in kinds {
                decapsulate(&mut world, vip(six), taken);
                for (at, tunnel) in tunnels.into_iter().enumerate() {
                    let tags = &TAGS[..at % 3];
                    let data: Vec<u8> = (0..at as u8 * 13).collect();
                    let inner = Packet::tcp((client(six, 0), 5000), (vip(six), 80), ACK).data(data);
                    let outer = inside(&inner, tunnel, dip(outside), rip(outside, 22));
                    let outer = Packet { padded: true, ..outer }.link(server_mac(22), DIRECTOR).tags(tags);
                    let both = |frame: &[u8]| world.both(Program::Decapsulator, frame).unwrap();
                    let frame = outer.frame();
                    let padding = frame.len() - (14 + 4 * tags.len() + outer.bytes().len());
                    if of(tunnel) != taken {
                        assert_eq!(both(&frame), (Verdict::Pass(Reason::NotOurs), frame), "{tunnel:?}, {taken:#x}");
                        continue;
                    }
                    let mut stripped = inner.clone().link(server_mac(22), DIRECTOR).tags(tags).frame();
                    stripped.resize(stripped.len() + padding, 0);
                    assert_eq!(both(&frame), (Verdict::Pass(Reason::Decapsulated), stripped), "{tunnel:?}");
                    spoilt(&world, &inner, &outer, tunnel);
                }
            }
        }
        world.reasons().unwrap();
    });
}

/// What is no such tunnel, though it looks like one.
fn spoilt(world: &World, inner: &Packet, outer: &Packet, tunnel: Tunnel) {
    let turns = |packet: &Packet, verdict| {
        let frame = packet.frame();
        assert_eq!(world.both(Program::Decapsulator, &frame).unwrap(), (verdict, frame.clone()), "{tunnel:?}");
    };
    let left = Verdict::Pass(Reason::NotOurs);
    let other = Packet { destination: rip(inner.six(), 5), ..inner.clone() };
    turns(&Packet { data: inside(&other, tunnel, outer.source, outer.destination).data, ..outer.clone() }, left);
    if !outer.six() {
        turns(&Packet { dont_fragment: false, ..outer.clone() }.part(0, 48, true), left);
    }
    let change = |at: usize, bits: u8| {
        let mut changed = outer.clone();
        changed.data[at] ^= bits;
        changed
    };
    // The inner version; then of GRE a key, its version, what is inside; of GUE options, a control message, flags, what
    // is inside, the length. What has a checksum is not looked at before it is known to be ours.
    let (fields, sum): (&[(usize, u8)], Option<usize>) = match tunnel {
        Tunnel::Ip => (&[(0, 0x80)], None),
        Tunnel::Gre { sum } => (&[(0, 0x20), (1, 1), (3, 1)], sum.then_some(4)),
        Tunnel::Gue { sum, .. } => (&[(8, 1), (8, 0x20), (8, 0x40), (10, 1), (9, 0x80), (5, 1)], sum.then_some(6)),
    };
    for (at, bits) in fields {
        turns(&change(*at, *bits), left);
    }
    if let Some(at) = sum {
        turns(&change(at, 1), Verdict::Drop(Reason::TunnelChecksum));
        let last = outer.data.len() - 1;
        turns(&change(last, 1), Verdict::Drop(Reason::TunnelChecksum));
    }
}

#[test]
fn methods_have_their_overhead() {
    for six in [false, true] {
        for at in 0..TUNNELS.len() {
            let server = tunnel_server(six, at, 80);
            let overhead = relvs_core::table::destination::overhead(server.method, server.address.is_ipv6());
            assert_eq!(server.mtu - overhead, server.room(), "{:#x}", server.method);
        }
    }
    assert_eq!(tunnel::TYPE & tunnel::CHECKSUM, 0);
}
