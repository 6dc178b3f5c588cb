//! Services of any port and of marks: one service for many VIPs and ports. What a NAT server answers goes out from the
//! VIP and port that its client chose; persistent clients keep their server across ports and protocols.

use crate::{
    packet::{ACK, Packet, SYN, UDP, chunk, tunnelled},
    services::{any_vip, marked_vip},
    world::{DIRECTOR, World, client, client_mac, dip, ip, plan, port, remote, rip, server_mac, small, vip, within},
};
use relvs_core::{Reason, Verdict};
use relvs_dataplane::{Timeouts, entries, load_of};
use std::net::IpAddr;

type End = (IpAddr, u16);

fn in_worlds(test: impl Fn(&World, bool) + Sync) {
    within(small(), plan(), |world| {
        for six in [false, true] {
            test(&world, six);
        }
        world.tables().unwrap();
        world.reasons().unwrap();
    });
}

/// Packets of one kind, from one end to another.
type Make = fn(End, End) -> Packet;

fn syn(from: End, to: End) -> Packet {
    Packet::tcp(from, to, SYN)
}

fn datagram(from: End, to: End) -> Packet {
    Packet::udp(from, to).data(*b"data")
}

fn init(from: End, to: End) -> Packet {
    Packet::sctp(from, to, chunk::INIT)
}

/// A client's packet is translated to this server's end, and what comes from there is translated back.
fn translates(world: &World, make: Make, from: End, to: End, n: u8, there: End) {
    world.sends("request", &make(from, to), n, make(from, there).ttl(63));
    for _ in 0..2 {
        world.replies("reply", &make(there, from), n, make(to, from).ttl(63));
    }
}

#[test]
fn any_port_keeps_the_port() {
    in_worlds(|world, six| {
        // TCP: the first server for four clients, the next for the next four; each on every port.
        for at in [80, 443, 1000] {
            for (n, server) in [(0, 150), (3, 150)] {
                let from = (client(six, n), 4000 + at);
                let mac = client_mac(n);
                let request = syn(from, (any_vip(six), at)).link(DIRECTOR, mac);
                let out = syn(from, (rip(six, server), at)).ttl(63).link(server_mac(server), DIRECTOR);
                world.turns("request", &request.frame(), Verdict::Transmit, &out.frame());
            }
            translates(world, syn, (client(six, 0), 5000), (any_vip(six), at), 150, (rip(six, 150), at));
        }
        let other = syn((client(six, 4), 4000), (any_vip(six), 80));
        world.sends("another network", &other, 151, syn((client(six, 4), 4000), (rip(six, 151), 80)).ttl(63));
        // UDP by DR, SCTP by NAT.
        for at in [53, 80] {
            let packet = datagram((client(six, 0), 5000), (any_vip(six), at));
            world.sends("UDP", &packet, 152, packet.clone().ttl(63));
            translates(world, init, (client(six, 0), 5000), (any_vip(six), at), 154, (rip(six, 154), at));
        }
        let templates = entries(&world.memory, &Timeouts::default(), usize::MAX).unwrap();
        let of_family = |address: IpAddr| address.is_ipv6() == six;
        let templates: Vec<_> = templates.into_iter().filter(|e| e.template && of_family(e.client.0)).collect();
        assert_eq!(templates.len(), 4, "one for each network and protocol");
        assert!(templates.iter().all(|entry| entry.client.1 == 0 && entry.service == (any_vip(six), 0)));
    });
}

/// A client's data connection goes to the server of its control connection.
#[test]
fn ftp() {
    in_worlds(|world, six| {
        // Not the client whose address is its network's too: its templates are the same as those of any port.
        for (n, server) in [(1, 155), (2, 156), (1, 155)] {
            let from = |at| (client(six, n), at);
            for (at, port) in [(5000, 21), (5001, 2000), (5002, 1024)] {
                let packet = syn(from(at), (any_vip(six), port)).link(DIRECTOR, client_mac(0));
                assert_eq!(world.agreed(&packet.frame()).1[..6], server_mac(server));
            }
            let below = syn(from(5003), (any_vip(six), 1023)).link(DIRECTOR, client_mac(0));
            assert_eq!(world.agreed(&below.frame()).1[..6], server_mac(150), "not FTP");
        }
        // From a server's data port nothing is opened: it is its server's connection.
        let active = syn((client(six, 3), 20), (any_vip(six), 2000));
        world.passes("from FTP's data port", &active, Reason::NoFlow);
    });
}

#[test]
fn replies_of_a_mark_come_from_the_chosen_end() {
    in_worlds(|world, six| {
        // Servers in turn, whatever the VIP and port: NAT that keeps the port, DR, NAT to port 8080.
        let makes: [Make; 3] = [syn, datagram, init];
        for (turn, make) in makes.into_iter().enumerate() {
            let from = |n| (client(six, 0), 5000 + 10 * turn as u16 + n);
            let to = [(marked_vip(six, 1), 80), (marked_vip(six, 2), 81), (marked_vip(six, 3), 85)];
            translates(world, make, from(0), to[0], 160, (rip(six, 160), 80));
            let packet = make(from(1), to[1]);
            world.sends("DR", &packet, 161, packet.clone().ttl(63));
            translates(world, make, from(2), to[2], 162, (rip(six, 162), 8080));
        }
        // Fragments of a reply too, of which the later ones say no port.
        let (from, to, there) = ((client(six, 0), 5010), (marked_vip(six, 1), 80), (rip(six, 160), 80));
        let cut = |packet: Packet| {
            let packet = Packet { dont_fragment: false, identification: 7, ..packet.data(vec![0x5a; 600]) };
            let length = packet.segment().len();
            [packet.clone().part(0, 320, true), packet.part(320, length - 320, false)]
        };
        let parts = cut(Packet::udp(there, from)).into_iter().zip(cut(Packet::udp(to, from)));
        for (reply, back) in parts {
            world.replies("a fragment", &reply, 160, back.ttl(63));
        }
        // And an error that the server sends about what it got.
        let (kind, rest) = (if six { [1, 4] } else { [3, 3] }, [0; 4]);
        let error = Packet::icmp(there.0, from.0, kind, rest, datagram(from, there).bytes());
        let back = Packet::icmp(to.0, from.0, kind, rest, datagram(from, to).bytes());
        world.replies("an error", &error, 160, back.ttl(63));
    });
}

/// A mark's template is of all its VIPs, ports and protocols.
#[test]
fn persistence_of_a_mark() {
    in_worlds(|world, six| {
        let makes: [Make; 3] = [syn, datagram, init];
        let mut at = 5000;
        for make in makes {
            for (n, port) in [(1, 86), (2, 90), (3, 88)] {
                let to = (marked_vip(six, n), port);
                translates(world, make, (client(six, 0), at), to, 163, (rip(six, 163), port));
                let packet = make((client(six, 1), at), to).link(DIRECTOR, client_mac(0));
                assert_eq!(world.agreed(&packet.frame()).1[..6], server_mac(164));
                at += 1;
            }
        }
        let number = world.plan.vips[world.plan.vip(|v| v.mark == 8 && v.address.is_ipv6() == six)].first;
        for number in [number, number + 1] {
            assert_eq!(load_of(&world.memory, number).templates, 1);
        }
    });
}

/// The first rule that matches decides; a mark without a service leaves the packet to the service of its address.
#[test]
fn rules_in_their_order() {
    in_worlds(|world, six| {
        let mac = |packet: Packet| world.agreed(&packet.link(DIRECTOR, client_mac(0)).frame()).1[..6].to_vec();
        // Clients behind the gateway have a rule for this port of TCP; others, and other protocols, do not.
        let inside = mac(syn((client(six, 0), 5000), (vip(six), port::DR)));
        assert_eq!(inside, server_mac(20));
        assert_eq!(mac(syn((remote(six, 7), 5000), (vip(six), port::DR))), server_mac(165));
        assert_eq!(mac(datagram((remote(six, 7), 5000), (vip(six), port::DR))), server_mac(20));
        assert_eq!(mac(syn((remote(six, 7), 5000), (vip(six), port::TUN))), server_mac(22));
        let nobody = syn((client(six, 0), 5000), (marked_vip(six, 1), 96));
        world.passes("a mark of no service", &nobody, Reason::NotOurs);
        world.passes("no rule", &syn((client(six, 0), 5000), (marked_vip(six, 1), 97)), Reason::NotOurs);
        let only_tcp = datagram((client(six, 0), 5000), (marked_vip(six, 1), 93));
        world.passes("another protocol", &only_tcp, Reason::NotOurs);
        let outside = ip(if six { "2001:db8:f:4::1" } else { "192.0.3.16" });
        world.passes("another network", &syn((client(six, 0), 5000), (outside, 80)), Reason::NotOurs);
    });
}

/// Datagrams that are scheduled one by one leave no flow, and no count.
#[test]
fn one_packet() {
    in_worlds(|world, six| {
        let (from, to) = ((client(six, 0), 5000), (vip(six), port::ONE_PACKET));
        let packet = datagram(from, to);
        let servers = world.plan.vip(|v| v.port == to.1 && v.address == to.0 && v.protocol == UDP);
        let first = world.plan.vips[servers].first;
        for _ in 0..3 {
            world.sends("DR", &packet, 52, packet.clone().ttl(63));
            world.sends("NAT", &packet, 53, datagram(from, (rip(six, 53), 8080)).ttl(63));
            world.sends("TUN", &packet, 54, tunnelled(&packet.clone().ttl(63), dip(six), rip(six, 54)));
        }
        let flows = entries(&world.memory, &Timeouts::default(), usize::MAX).unwrap();
        assert!(flows.iter().all(|entry| entry.protocol != UDP), "{flows:?}");
        for number in first..first + 3 {
            assert_eq!(load_of(&world.memory, number), relvs_dataplane::Load::default());
            assert_eq!(relvs_dataplane::Side::counters(&world.memory, number).unwrap().flows, 3);
        }
        // Of TCP the flag says nothing.
        let segment = |flags| Packet::tcp(from, to, flags);
        world.sends("TCP", &segment(SYN), 52, segment(SYN).ttl(63));
        world.sends("TCP", &segment(ACK), 52, segment(ACK).ttl(63));
    });
}
