//! Packets in, packets out, byte by byte, on both sides. What is expected is written as the field's texts have it:
//! RFC 2003 and 2473 for tunnels, RFC 3022 for NAT, RFC 792, 1191, 4443 and 1812 for ICMP.

use crate::{
    packet::{ACK, Body, HOP_BY_HOP, OPTIONS, Packet, SYN, ethernet, tunnelled},
    world::{
        CLIENTS, DIRECTOR, GATEWAY, GATEWAY_MTU, MASTER_OF, Program, TAG, TAGS, WAN, WAN_MAC, World, client,
        client_mac, decapsulate, dip, hex, ip, plan, port, remote, rip, server_mac, small, vip, virtual_mac, within,
    },
};
use relvs_core::{Reason, Verdict, decapsulate::ends};
use relvs_dataplane::Side as _;

const PADDING: (u8, [u8; 6]) = (OPTIONS, [1, 4, 0, 0, 0, 0]);

/// Runs a test for IPv4 and for IPv6.
fn in_worlds(test: impl Fn(&World, bool) + Sync) {
    within(small(), plan(), |world| {
        for six in [false, true] {
            test(&world, six);
        }
    });
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

impl World {
    /// A frame, and what must become of it.
    pub(crate) fn turns(&self, what: &str, input: &[u8], verdict: Verdict, output: &[u8]) {
        let (seen, bytes) = self.agreed(input);
        assert_eq!(seen, verdict, "{what}: {}", hex(input));
        assert_eq!(hex(&bytes), hex(output), "{what}");
    }

    /// A packet from client 0, and what leaves towards this server.
    pub(crate) fn sends(&self, what: &str, input: &Packet, n: u8, output: Packet) {
        let input = input.clone().link(DIRECTOR, client_mac(0)).frame();
        self.turns(what, &input, Verdict::Transmit, &output.link(server_mac(n), DIRECTOR).frame());
    }

    /// A packet from this server, and what leaves towards client 0.
    pub(crate) fn replies(&self, what: &str, input: &Packet, n: u8, output: Packet) {
        let input = input.clone().link(DIRECTOR, server_mac(n)).frame();
        self.turns(what, &input, Verdict::Redirect(WAN), &output.link(client_mac(0), WAN_MAC).frame());
    }

    /// A packet from client 0 is left to the stack, as it is.
    pub(crate) fn passes(&self, what: &str, input: &Packet, reason: Reason) {
        let input = input.clone().link(DIRECTOR, client_mac(0)).frame();
        self.turns(what, &input, Verdict::Pass(reason), &input);
    }

    /// A packet from client 0 is answered by ICMP with this source and content.
    pub(crate) fn answers(&self, what: &str, input: &Packet, kind: [u8; 2], rest: [u8; 4]) {
        let frame = input.clone().link(DIRECTOR, client_mac(0)).frame();
        let packet = input.bytes();
        let quote = packet[..packet.len().min(128) & !3].to_vec();
        let answer = Packet::icmp(input.destination, input.source, kind, rest, quote);
        let answer = Packet { tos: if input.six() { 0 } else { 0xc0 }, tags: input.tags.clone(), ..answer };
        self.turns(what, &frame, Verdict::Transmit, &answer.link(client_mac(0), DIRECTOR).frame());
    }
}

/// Written out in full: they hold the tests' own builder to account.
#[test]
fn by_hand() {
    within(small(), plan(), |world| {
        let both = |what: &str, from, input: &str, verdict, (to, own), output: &str| {
            let input = ethernet(DIRECTOR, from, &[], 0x0800, &bytes(input), false);
            world.turns(what, &input, verdict, &ethernet(to, own, &[], 0x0800, &bytes(output), false));
        };
        both(
            "DR: only the TTL and the MACs change",
            client_mac(0),
            // Version to length, TTL 64, TCP, 10.1.0.16 to 192.0.2.1; ports 5000 and 81, SYN.
            "45000028 00004000 40066ebe 0a010010 c0000201  13880051 00000001 00000002 50022000 aff40000",
            Verdict::Transmit,
            (server_mac(20), DIRECTOR),
            "45000028 00004000 3f066fbe 0a010010 c0000201  13880051 00000001 00000002 50022000 aff40000",
        );
        both(
            "TUN: an outer header of 10.2.0.1 to 10.2.0.22, protocol 4",
            client_mac(0),
            "45000028 00004000 40066ebe 0a010010 c0000201  13880052 00000001 00000002 50022000 aff30000",
            Verdict::Transmit,
            (server_mac(22), DIRECTOR),
            "4500003c 00004000 3f0427a4 0a020001 0a020016
             45000028 00004000 3f066fbe 0a010010 c0000201  13880052 00000001 00000002 50022000 aff30000",
        );
        both(
            "NAT: 192.0.2.1:83 becomes 10.2.0.24:8080",
            client_mac(0),
            "45000021 00004000 40116eba 0a010010 c0000201  13880053 000ddc14 68656c6c 6f",
            Verdict::Transmit,
            (server_mac(24), DIRECTOR),
            "45000021 00004000 3f1127a2 0a010010 0a020018  13881f90 000d74bf 68656c6c 6f",
        );
        both(
            "NAT: and back",
            server_mac(24),
            "45000021 00004000 401126a2 0a020018 0a010010  1f901388 000d6ab5 776f726c 64",
            Verdict::Redirect(WAN),
            (client_mac(0), WAN_MAC),
            "45000021 00004000 3f116fba c0000201 0a010010  00531388 000dd20a 776f726c 64",
        );
    });
}

#[test]
fn direct_routing() {
    in_worlds(|world, six| {
        let to = (vip(six), port::DR);
        // Two servers in turn; further packets of a flow go where its first went.
        for (i, n) in [20, 21, 20, 21].into_iter().enumerate() {
            let from = (client(six, 0), 5000 + i as u16);
            for flags in [SYN, ACK, ACK] {
                let packet = Packet::tcp(from, to, flags).data(*b"request");
                world.sends("TCP", &packet, n, packet.clone().ttl(63));
            }
            let packet = Packet { padded: true, ..Packet::udp(from, to) };
            world.sends("UDP, padded to 60 bytes", &packet, n, packet.clone().ttl(63));
        }
        let packet = Packet::tcp((client(six, 0), 5000), to, ACK);
        for tags in [vec![TAG], TAGS.to_vec()] {
            world.sends("tags are taken off", &packet.clone().tags(&tags), 20, packet.clone().ttl(63));
        }
        let packet = Packet { tos: 0xb8, options: vec![1; 8], extensions: extensions(), ..packet };
        let packet = if six { Packet { options: vec![], ..packet } } else { Packet { extensions: vec![], ..packet } };
        world.sends("options, extension headers, TOS", &packet, 20, packet.clone().ttl(63));
        let foreign = packet.link([2, 0, 0, 0, 0, 9], client_mac(0)).frame();
        world.turns("another machine's", &foreign, Verdict::Pass(Reason::OtherHost), &foreign);
    });
}

/// A master's frames are addressed to its virtual router's MAC: those, and no others, are served like its own.
#[test]
fn virtual_macs() {
    in_worlds(|world, six| {
        let packet = Packet::tcp((client(six, 1), 5000), (vip(six), port::DR), SYN);
        for router in [false, true].into_iter().flat_map(|six| (0..=u8::MAX).map(move |id| (six, id))) {
            let frame = packet.clone().link(virtual_mac(router), client_mac(1)).frame();
            let (verdict, sent) = world.agreed(&frame);
            if MASTER_OF.contains(&router) {
                assert_eq!((verdict, &sent[6..12]), (Verdict::Transmit, &DIRECTOR[..]), "{router:?}");
            } else {
                assert_eq!((verdict, sent), (Verdict::Pass(Reason::OtherHost), frame), "{router:?}");
            }
        }
        // A NAT server's gateway may be a virtual router's address.
        let (to, from) = ((vip(six), port::NAT), (client(six, 0), 5001));
        let asks = Packet::udp(from, to).link(virtual_mac(MASTER_OF[0]), client_mac(0));
        assert_eq!(world.agreed(&asks.frame()).0, Verdict::Transmit);
        let reply = Packet::udp((rip(six, 24), 8080), from).link(virtual_mac(MASTER_OF[4]), server_mac(24));
        assert_eq!(world.agreed(&reply.frame()).0, Verdict::Redirect(WAN));
    });
}

fn extensions() -> Vec<(u8, Vec<u8>)> {
    vec![(HOP_BY_HOP, PADDING.1.to_vec()), (PADDING.0, PADDING.1.to_vec())]
}

#[test]
fn tunnel() {
    in_worlds(|world, six| {
        let packet = Packet::tcp((client(six, 0), 5000), (vip(six), port::TUN), SYN);
        let whole = |inner: &Packet| tunnelled(&inner.clone().ttl(inner.ttl - 1), dip(six), rip(six, 22));
        world.sends("SYN", &packet, 22, whole(&packet));
        let packet = Packet::tcp((client(six, 0), 5000), (vip(six), port::TUN), ACK).data(vec![7; 1000]);
        let packet = Packet { tos: 0x2e, ttl: 17, dont_fragment: false, identification: 0x1234, ..packet };
        world.sends("TOS, TTL, identification", &packet, 22, whole(&packet));
        world.sends("a tag is taken off", &packet.clone().tags(&[TAG]), 22, whole(&packet));
        // As much as the way carries, and one byte more.
        let overhead = if six { 40 } else { 20 };
        let fits = 1500 - 2 * overhead - 20;
        let packet = Packet::tcp((client(six, 0), 5000), (vip(six), port::TUN), ACK);
        let full = packet.clone().data(vec![7; fits]);
        world.sends("full", &full, 22, whole(&full));
        let (kind, rest) = too_big(six, 1500 - overhead as u32);
        world.answers("too big", &packet.data(vec![7; fits + 1]), kind, rest);
    });
}

/// Type, code and the rest of the header of an answer that names this MTU.
fn too_big(six: bool, mtu: u32) -> ([u8; 2], [u8; 4]) {
    (if six { [2, 0] } else { [3, 4] }, mtu.to_be_bytes())
}

#[test]
fn ways_with_tags_and_other_interfaces() {
    in_worlds(|world, six| {
        let request = |at| Packet::udp((client(six, 0), 5000), (vip(six), at)).data(*b"request");
        let packet = request(port::TAGGED);
        world.sends("one tag", &packet, 43, packet.clone().ttl(63).tags(&[TAG]));
        let packet = request(port::TWICE);
        let tunnel = tunnelled(&packet.clone().ttl(63), dip(six), rip(six, 44));
        world.sends("two tags", &packet, 44, tunnel.clone().tags(&TAGS));
        world.sends("two tags instead of one", &packet.tags(&[TAG]), 44, tunnel.tags(&TAGS));
        let packet = request(port::ELSEWHERE).link(DIRECTOR, client_mac(0));
        let out = packet.clone().ttl(63).link(server_mac(45), WAN_MAC);
        world.turns("another interface", &packet.frame(), Verdict::Redirect(WAN), &out.frame());
        let there = Packet::udp((client(six, 0), 5000), (rip(six, 47), port::NAT_TAGGED));
        let packet = request(port::NAT_TAGGED);
        world.sends("NAT", &packet, 47, there.data(*b"request").ttl(63).tags(&[TAG]));
        // Replies to clients behind tags, and behind a gateway.
        for (n, tags) in [(2, vec![TAG]), (3, TAGS.to_vec())] {
            let asks = Packet::udp((client(six, n), 5000), (vip(six), port::NAT)).link(DIRECTOR, client_mac(n));
            assert_eq!(world.agreed(&asks.frame()).0, Verdict::Transmit);
            let reply = Packet::udp((rip(six, 24), 8080), (client(six, n), 5000)).link(DIRECTOR, server_mac(24));
            let out = Packet::udp((vip(six), port::NAT), (client(six, n), 5000)).link(client_mac(n), WAN_MAC);
            world.turns("reply", &reply.frame(), Verdict::Redirect(WAN), &out.ttl(63).tags(&tags).frame());
        }
        let asks = Packet::udp((remote(six, 9), 5000), (vip(six), port::NAT)).link(DIRECTOR, GATEWAY);
        assert_eq!(world.agreed(&asks.frame()).0, Verdict::Transmit);
        let reply = Packet::udp((rip(six, 24), 8080), (remote(six, 9), 5000)).link(DIRECTOR, server_mac(24));
        let out = Packet::udp((vip(six), port::NAT), (remote(six, 9), 5000)).link(GATEWAY, WAN_MAC);
        world.turns("gateway", &reply.frame(), Verdict::Redirect(WAN), &out.ttl(63).frame());
        // What its way does not carry is told to the server, from the director's address.
        let big = reply.data(vec![7; 1400]);
        let (kind, rest) = too_big(six, GATEWAY_MTU.into());
        let answer = Packet::icmp(dip(six), rip(six, 24), kind, rest, big.bytes()[..128].to_vec());
        let answer = Packet { tos: if six { 0 } else { 0xc0 }, ..answer }.link(server_mac(24), DIRECTOR);
        world.turns("too big a reply", &big.frame(), Verdict::Transmit, &answer.frame());
    });
}

#[test]
fn translation() {
    in_worlds(|world, six| {
        let (from, at, to) = ((client(six, 0), 5000), (vip(six), port::NAT), (rip(six, 24), 8080));
        // Each twice: the first reply asks for the way, the second knows it.
        for flags in [SYN, SYN | ACK, ACK, ACK] {
            let request = Packet::tcp(from, at, flags).data(*b"request");
            world.sends("request", &request, 24, Packet::tcp(from, to, flags).data(*b"request").ttl(63));
            let reply = Packet::tcp(to, from, flags).data(*b"reply");
            world.replies("reply", &reply, 24, Packet::tcp(at, from, flags).data(*b"reply").ttl(63));
        }
        for checksum in [true, false, true] {
            let udp = |from, to| Packet::new(from, to, Body::Udp { checksum }).data(vec![1, 2, 3]);
            world.sends("datagram", &udp(from, at), 24, udp(from, to).ttl(63));
            world.replies("datagram back", &udp(to, from), 24, udp(at, from).ttl(63));
        }
        let odd = |packet: Packet| Packet {
            options: if six { vec![] } else { vec![1; 12] },
            extensions: if six { extensions() } else { vec![] },
            padded: true,
            ..packet
        };
        let request = odd(Packet::tcp(from, at, ACK)).tags(&TAGS);
        world.sends("options and tags", &request, 24, odd(Packet::tcp(from, to, ACK)).ttl(63));
        let reply = odd(Packet::tcp(to, from, ACK)).tags(&[TAG]);
        world.replies("options and a tag back", &reply, 24, odd(Packet::tcp(at, from, ACK)).ttl(63));
        let stranger = Packet::tcp(to, (client(six, 1), 5000), ACK).link(DIRECTOR, server_mac(24)).frame();
        world.turns("no flow's", &stranger, Verdict::Pass(Reason::NoFlow), &stranger);
        // A server's packet whose hop limit runs out is answered from the director's address towards it.
        let late = Packet::tcp(to, from, ACK).ttl(1).link(DIRECTOR, server_mac(24));
        let kind = if six { [3, 0] } else { [11, 0] };
        let answer = Packet::icmp(dip(six), rip(six, 24), kind, [0; 4], late.bytes());
        let answer = Packet { tos: if six { 0 } else { 0xc0 }, ..answer }.link(server_mac(24), DIRECTOR);
        world.turns("late", &late.frame(), Verdict::Transmit, &answer.frame());
    });
}

#[test]
fn fragments() {
    in_worlds(|world, six| {
        let cut = |packet: Packet, first| {
            let length = packet.segment().len();
            let packet = Packet { dont_fragment: false, identification: 77, ..packet };
            [packet.clone().part(0, first, true), packet.part(first, length - first, false)]
        };
        let (from, at, to) = ((client(six, 0), 5000), (vip(six), port::NAT), (rip(six, 24), 8080));
        let data = vec![0x5a; 600];
        let requests = cut(Packet::udp(from, at).data(data.clone()), 320);
        let there = cut(Packet::udp(from, to).data(data.clone()), 320);
        world.passes("the later one comes early", &requests[1], Reason::FragmentEarly);
        for (request, there) in requests.iter().zip(there) {
            world.sends("NAT", request, 24, there.ttl(63));
        }
        let replies = cut(Packet::udp(to, from).data(data.clone()), 64);
        let back = cut(Packet::udp(at, from).data(data.clone()), 64);
        for (reply, back) in replies.iter().zip(back) {
            world.replies("NAT, back", reply, 24, back.ttl(63));
        }
        let requests = cut(Packet::tcp(from, (vip(six), port::TUN), SYN).data(data.clone()), 128);
        for request in &requests {
            world.sends("TUN", request, 22, tunnelled(&request.clone().ttl(63), dip(six), rip(six, 22)));
        }
        let tiny = cut(Packet::tcp(from, (vip(six), port::DR), SYN).data(data), 8);
        let tiny = tiny[0].clone().link(DIRECTOR, client_mac(0)).frame();
        world.turns("tiny", &tiny, Verdict::Drop(Reason::FragmentTiny), &tiny);
        if six {
            let atomic = Packet::udp(from, (vip(six), port::DR)).part(0, 8, false);
            world.sends("atomic", &atomic, 20, atomic.clone().ttl(63));
        }
    });
}

#[test]
fn icmp_errors() {
    in_worlds(|world, six| {
        let router = ip(if six { "2001:db8:1::2" } else { "10.1.0.2" });
        let (unreachable, big) = if six { ([1, 4], [2, 0]) } else { ([3, 3], [3, 4]) };
        let (from, at, to) = ((client(six, 0), 5000), (vip(six), port::NAT), (rip(six, 24), 8080));
        type Make = fn((std::net::IpAddr, u16), (std::net::IpAddr, u16)) -> Packet;
        let kinds: [Make; 2] =
            [|a, b| Packet::tcp(a, b, ACK).data(*b"quoted"), |a, b| Packet::udp(a, b).data(*b"quoted")];
        for make in kinds {
            let open = Packet { body: syn(&make(from, at)), ..make(from, at) };
            assert_eq!(world.agreed(&open.link(DIRECTOR, client_mac(0)).frame()).0, Verdict::Transmit);
            for length in [8, 26] {
                // What a whole quote's checksum covers is there, and right; of eight bytes of TCP it is not.
                let quote = |packet: Packet| {
                    let bytes = packet.bytes();
                    let header = if six { 40 } else { 20 };
                    bytes[..bytes.len().min(header + length)].to_vec()
                };
                for (kind, source) in [(unreachable, from.0), (big, router)] {
                    let rest = [0, 0, 2, 0x80];
                    // About what the server sent: it knows itself by its own address.
                    let error = Packet::icmp(source, at.0, kind, rest, quote(make(at, from)));
                    let out = Packet::icmp(source, to.0, kind, rest, quote(make(to, from)));
                    world.sends("a client's", &error, 24, out.ttl(63));
                    // About what the client sent: it knows the service by the VIP.
                    let source = if source == router { router } else { to.0 };
                    let error = Packet::icmp(source, from.0, kind, rest, quote(make(from, to)));
                    let out = Packet::icmp(at.0, from.0, kind, rest, quote(make(from, at)));
                    world.replies("a server's", &error, 24, out.ttl(63));
                }
            }
        }
        // DR and TUN: the server owns the VIP, and gets the error as it is.
        let flow = |at| Packet::tcp(from, (vip(six), at), SYN);
        for (at, n) in [(port::DR, 20), (port::TUN, 22)] {
            assert_eq!(world.agreed(&flow(at).link(DIRECTOR, client_mac(0)).frame()).0, Verdict::Transmit);
            let about = Packet::tcp((vip(six), at), from, ACK).data(vec![7; 100]).bytes();
            let error = Packet::icmp(router, vip(six), big, [0, 0, 5, 0], about[..68].to_vec());
            let out = error.clone().ttl(63);
            let out = if at == port::TUN { tunnelled(&out, dip(six), rip(six, 22)) } else { out };
            world.sends("to a server with the VIP", &error, n, out);
        }
        let none = Packet::tcp((vip(six), port::DR), (client(six, 1), 9), ACK).bytes();
        world.passes("no flow's", &Packet::icmp(router, vip(six), big, [0; 4], none), Reason::IcmpUnrelated);
        let echo = Packet::icmp(from.0, vip(six), if six { [128, 0] } else { [8, 0] }, [0; 4], vec![7; 56]);
        world.passes("an echo request", &echo, Reason::Protocol);
    });
}

fn syn(packet: &Packet) -> Body {
    match &packet.body {
        Body::Tcp { options, .. } => Body::Tcp { flags: SYN, options: options.clone() },
        Body::Udp { .. } | Body::Sctp { .. } | Body::Icmp { .. } | Body::Other(_) => packet.body.clone(),
    }
}

#[test]
fn answers() {
    in_worlds(|world, six| {
        let from = (client(six, 0), 5000);
        let (exceeded, unreachable) = if six { ([3, 0], [1, 4]) } else { ([11, 0], [3, 3]) };
        let request = |at| Packet::tcp(from, (vip(six), at), SYN).data(vec![7; 41]);
        for tags in [vec![], vec![TAG], TAGS.to_vec()] {
            world.answers("no destination", &request(port::EMPTY).tags(&tags), unreachable, [0; 4]);
            for ttl in [0, 1] {
                world.answers("time exceeded", &request(port::DR).tags(&tags).ttl(ttl), exceeded, [0; 4]);
            }
            let (kind, rest) = too_big(six, if six { 1280 } else { 1300 });
            let big = request(port::NARROW).data(vec![7; 1400]).tags(&tags);
            world.answers("too big", &big, kind, rest);
        }
        let short = Packet { padded: true, ..Packet::udp(from, (vip(six), port::EMPTY)) };
        world.answers("a padded datagram", &short, unreachable, [0; 4]);
        let silent = Packet::tcp((client(six, CLIENTS), 5000), (vip(six), port::DR), ACK);
        world.passes("a segment of no flow", &silent, Reason::NoFlow);
    });
}

#[test]
fn a_smaller_path_is_learned() {
    in_worlds(|world, six| {
        let request = Packet::tcp((client(six, 0), 5000), (vip(six), port::TUN), SYN);
        let ours = tunnelled(&request.clone().ttl(60), dip(six), rip(six, 22));
        world.sends("SYN", &request, 22, tunnelled(&request.clone().ttl(63), dip(six), rip(six, 22)));
        let overhead = if six { 40 } else { 20 };
        for (told, left) in [(1400, 1400 - overhead), (1390, 1390 - overhead), (9000, 1390 - overhead)] {
            let (kind, rest) = too_big(six, told);
            let router = ip(if six { "2001:db8:2::ff" } else { "10.2.0.254" });
            let error = Packet::icmp(router, dip(six), kind, rest, ours.bytes());
            world.passes("the director's own error", &error, Reason::PathMtu);
            let (kind, rest) = too_big(six, left);
            let big = Packet::tcp((client(six, 0), 5000), (vip(six), port::TUN), ACK).data(vec![7; 1400]);
            world.answers("the client is told", &big, kind, rest);
        }
        let other = tunnelled(&request, dip(six), rip(six, 23)).bytes();
        let (kind, rest) = too_big(six, 1290);
        let error = Packet::icmp(rip(six, 9), dip(six), kind, rest, other);
        world.passes("about another tunnel", &error, Reason::IcmpUnrelated);
    });
}

#[test]
fn decapsulation() {
    for six in [false, true] {
        within(small(), plan(), |mut world| {
            decapsulate(&mut world, vip(six), ends::IPIP);
            for tags in [vec![], vec![TAG], TAGS.to_vec()] {
                let inner = Packet::tcp((client(six, 0), 5000), (vip(six), port::TUN), SYN).data(*b"request").ttl(63);
                let outer = Packet {
                    options: if six { vec![] } else { vec![1; 4] },
                    ..tunnelled(&inner, dip(six), rip(six, 22))
                };
                let outer = outer.link(server_mac(22), DIRECTOR).tags(&tags);
                let both = |input: &Packet| world.both(Program::Decapsulator, &input.frame()).unwrap();
                let stripped = inner.link(server_mac(22), DIRECTOR).tags(&tags).frame();
                assert_eq!(both(&outer), (Verdict::Pass(Reason::Decapsulated), stripped));
                let inner = Packet::tcp((client(six, 0), 5000), (rip(six, 5), 80), SYN);
                let other = tunnelled(&inner, dip(six), rip(six, 22)).link(server_mac(22), DIRECTOR).tags(&tags);
                assert_eq!(
                    both(&other),
                    (Verdict::Pass(Reason::NotOurs), other.frame()),
                    "not for a VIP of this server"
                );
            }
            assert_eq!(world.server.reason(Reason::Decapsulated).unwrap(), 3);
            world.reasons().unwrap();
        });
    }
}
