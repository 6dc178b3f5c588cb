//! SCTP byte by byte, on both sides: every method, a checksum over the whole packet, fragments, errors, states.

use crate::{
    packet::{Body, Packet, chunk, tunnelled},
    world::{DIRECTOR, Program, World, client, client_mac, dip, plan, port, rip, server_mac, small, vip, within},
};
use relvs_core::{Reason, Verdict};
use relvs_dataplane::{Timeouts, entries};

fn in_worlds(test: impl Fn(&World, bool) + Sync) {
    within(small(), plan(), |world| {
        for six in [false, true] {
            test(&world, six);
        }
        world.tables().unwrap();
        world.reasons().unwrap();
    });
}

#[test]
fn every_method() {
    in_worlds(|world, six| {
        let from = (client(six, 0), 5000);
        let packet = |at, kind| Packet::sctp(from, (vip(six), at), kind).data(vec![9; 33]);
        for kind in [chunk::INIT, chunk::COOKIE_ECHO, chunk::DATA] {
            let direct = packet(port::DR, kind);
            world.sends("DR", &direct, 20, direct.clone().ttl(63));
            let tunnel = packet(port::TUN, kind);
            world.sends("TUN", &tunnel, 22, tunnelled(&tunnel.clone().ttl(63), dip(six), rip(six, 22)));
            let there = Packet::sctp(from, (rip(six, 24), 8080), kind).data(vec![9; 33]);
            world.sends("NAT", &packet(port::NAT, kind), 24, there.ttl(63));
            let back = |from, to, kind| Packet::sctp(from, to, kind).data(vec![3; 1000]);
            let answer = if kind == chunk::INIT { chunk::INIT_ACK } else { chunk::COOKIE_ACK };
            let (server, at) = ((rip(six, 24), 8080), (vip(six), port::NAT));
            for _ in 0..2 {
                world.replies("NAT, back", &back(server, from, answer), 24, back(at, from, answer).ttl(63));
            }
        }
    });
}

/// A wrong checksum is left as wrong as it was: the server is to see it.
#[test]
fn a_wrong_checksum_stays_wrong() {
    in_worlds(|world, six| {
        let from = (client(six, 0), 5000);
        let at = 14 + if six { 40 } else { 20 } + 8;
        let input = Packet::sctp(from, (vip(six), port::NAT), chunk::INIT).link(DIRECTOR, client_mac(0)).frame();
        let output =
            Packet::sctp(from, (rip(six, 24), 8080), chunk::INIT).ttl(63).link(server_mac(24), DIRECTOR).frame();
        for byte in at..at + 4 {
            let spoil = |frame: &[u8]| {
                let mut frame = frame.to_vec();
                frame[byte] ^= 0x11;
                frame
            };
            world.turns("spoilt", &spoil(&input), Verdict::Transmit, &spoil(&output));
        }
    });
}

#[test]
fn fragments() {
    in_worlds(|world, six| {
        let from = (client(six, 0), 5000);
        let cut = |to| {
            let packet = Packet::sctp(from, to, chunk::INIT).data(vec![0x5a; 600]);
            let packet = Packet { dont_fragment: false, identification: 77, ..packet };
            let length = packet.segment().len();
            [packet.clone().part(0, 320, true), packet.part(320, length - 320, false)]
        };
        for part in cut((vip(six), port::DR)) {
            world.sends("DR", &part, 20, part.clone().ttl(63));
        }
        // Without another port nothing of an SCTP packet changes.
        for (part, there) in cut((vip(six), port::NAT_TAGGED)).iter().zip(cut((rip(six, 47), port::NAT_TAGGED))) {
            // The checksum is that of the packet to the VIP, as it covers no address.
            world.sends("NAT, the same port", part, 47, there.ttl(63).tags(&[crate::world::TAG]));
        }
        // With another port the checksum of what is not there would change.
        let [first, _] = cut((vip(six), port::NAT));
        let frame = first.link(DIRECTOR, client_mac(0)).frame();
        assert_eq!(world.agreed(&frame).0, Verdict::Drop(Reason::SctpFragment));
    });
}

/// An error quotes eight bytes or more; of those only the port is another one.
#[test]
fn icmp_errors() {
    in_worlds(|world, six| {
        let (from, at, to) = ((client(six, 0), 5000), (vip(six), port::NAT), (rip(six, 24), 8080));
        let open = Packet::sctp(from, at, chunk::INIT).link(DIRECTOR, client_mac(0));
        assert_eq!(world.agreed(&open.frame()).0, Verdict::Transmit);
        let kind = if six { [1, 4] } else { [3, 3] };
        // Both have the checksum of the one that was sent.
        let quote = |source, destination, checksum_of: Packet| {
            let header = if six { 40 } else { 20 };
            let mut bytes = Packet::sctp(source, destination, chunk::DATA).bytes();
            bytes[header + 8..header + 12].copy_from_slice(&checksum_of.bytes()[header + 8..header + 12]);
            bytes
        };
        let sent = || Packet::sctp(at, from, chunk::DATA);
        let error = Packet::icmp(from.0, at.0, kind, [0; 4], quote(at, from, sent()));
        let out = Packet::icmp(from.0, to.0, kind, [0; 4], quote(to, from, sent()));
        world.sends("a client's", &error, 24, out.ttl(63));
        let sent = || Packet::sctp(from, to, chunk::DATA);
        let error = Packet::icmp(to.0, from.0, kind, [0; 4], quote(from, to, sent()));
        let out = Packet::icmp(at.0, from.0, kind, [0; 4], quote(from, at, sent()));
        world.replies("a server's", &error, 24, out.ttl(63));
    });
}

#[test]
fn states() {
    in_worlds(|world, six| {
        let (from, at, to) = ((client(six, 0), 5000), (vip(six), port::NAT), (rip(six, 24), 8080));
        let show = |state, young| {
            let all = entries(&world.memory, &Timeouts::default(), 10).unwrap();
            let all = all.iter().filter(|e| e.client.0 == from.0);
            assert_eq!(all.map(|e| (e.protocol, e.state, e.young)).collect::<Vec<_>>(), [(132, state, young)]);
        };
        let sends = |body: Body| {
            let frame = Packet::new(from, at, body).link(DIRECTOR, client_mac(0)).frame();
            assert_eq!(world.both(Program::Director, &frame).unwrap().0, Verdict::Transmit);
        };
        let one = |kind| Body::Sctp { chunks: vec![(kind, vec![0; 4])] };
        let hears = |kind| {
            let frame = Packet::sctp(to, from, kind).link(DIRECTOR, server_mac(24)).frame();
            assert!(matches!(world.agreed(&frame).0, Verdict::Redirect(_)));
        };
        sends(one(chunk::INIT));
        show("INIT1", true);
        hears(chunk::INIT_ACK);
        show("C-SENT", true);
        sends(one(chunk::COOKIE_ECHO));
        show("C-REPLIED", true);
        hears(chunk::COOKIE_ACK);
        show("ESTABLISHED", true);
        sends(one(chunk::DATA));
        hears(chunk::DATA);
        show("ESTABLISHED", false);
        // An ABORT behind a cookie decides.
        sends(Body::Sctp { chunks: vec![(chunk::COOKIE_ECHO, vec![1; 30]), (chunk::ABORT, vec![])] });
        show("CLOSED", false);
    });
}
