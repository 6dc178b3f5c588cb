//! Frames from chance: plausible ones about services and flows that are there, and spoilt ones.

use crate::{
    packet::{
        ACK, Body, FIN, HOP_BY_HOP, OPTIONS, Packet, ROUTING, RST, SCTP, SYN, TCP, Tunnel, UDP, chunk, ethernet, inside,
    },
    random::Random,
    services::{any_vip, mark, marked_vip},
    tables::{GUE_PORT, Plan, words},
    world::{
        CLIENTS, DIRECTOR, GATEWAY, MASTER_OF, TAG, TAGS, client, client_mac, dip, ip, lost, port, remote, rip,
        server_mac, vip, virtual_mac,
    },
};
use relvs_core::{flow::control, state};
use relvs_dataplane::{Area, Side};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::Ordering::Acquire,
};

/// What a test run takes, with room to grow.
const LONGEST: usize = 3000;

/// A live record of a flow table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) protocol: u8,
    pub(crate) reply: bool,
    pub(crate) destination: u32,
    /// Where its packets come from.
    pub(crate) from: (IpAddr, u16),
    /// Where they go.
    pub(crate) to: (IpAddr, u16),
}

fn address(six: bool, low: u64, high: u64) -> IpAddr {
    if six {
        IpAddr::V6(Ipv6Addr::from((u128::from(low) | u128::from(high) << 64).to_ne_bytes()))
    } else {
        IpAddr::V4(Ipv4Addr::from((low as u32).to_ne_bytes()))
    }
}

/// Some flow of the tables, found near a random place.
pub(crate) fn flow(side: &impl Side, r: &mut Random, wanted: impl Fn(&Flow) -> bool) -> Option<Flow> {
    let six = r.chance(50);
    let area = match (six, r.chance(60)) {
        (false, true) => Area::Flows4,
        (false, false) => Area::Young4,
        (true, true) => Area::Flows6,
        (true, false) => Area::Young6,
    };
    let size = if six { 8 } else { 4 };
    let words = side.area(area);
    let records = words.len() / size;
    let begin = r.below(records);
    (0..records.min(96)).find_map(|i| {
        let record = &words[(begin + i) % records * size..][..size];
        let word = |at: usize| record[at].load(Acquire);
        let seen = word(0);
        if seen & control::PHASE != control::LIVE || control::protocol(seen) == state::TEMPLATE {
            return None;
        }
        let (from, to, ports) = if six {
            (address(true, word(1), word(2)), address(true, word(3), word(4)), word(5) as u32)
        } else {
            (address(false, word(1), 0), address(false, word(1) >> 32, 0), word(2) as u32)
        };
        let flow = Flow {
            protocol: match control::protocol(seen) {
                state::TCP => TCP,
                state::UDP => UDP,
                _ => SCTP,
            },
            reply: seen & control::REPLY != 0,
            destination: control::destination(seen),
            from: (from, u16::from_be(ports as u16)),
            to: (to, u16::from_be((ports >> 16) as u16)),
        };
        wanted(&flow).then_some(flow)
    })
}

/// Makes frames, one after the other.
pub(crate) struct Generator<'a> {
    pub(crate) r: Random,
    plan: &'a Plan,
    /// Later fragments of packets whose first was made.
    later: Vec<Vec<u8>>,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(r: Random, plan: &'a Plan) -> Self {
        Generator { r, plan, later: Vec::new() }
    }

    /// A frame: plausible, or in `spoilt` cases of a hundred not.
    pub(crate) fn frame(&mut self, side: &impl Side, spoilt: usize) -> Vec<u8> {
        let bad = self.r.chance(spoilt);
        let mut frame = match (bad, self.r.chance(8)) {
            (true, true) => self.noise(),
            (true, false) => {
                let frame = self.plausible(side);
                self.mutated(frame)
            }
            (false, _) => self.plausible(side),
        };
        frame.truncate(LONGEST);
        frame
    }

    fn plausible(&mut self, side: &impl Side) -> Vec<u8> {
        match self.r.below(100) {
            0..48 => {
                let packet = self.request(side);
                self.varied(packet).frame()
            }
            48..64 => {
                let packet = self.answer(side);
                self.varied(packet).frame()
            }
            64..76 => {
                let packet = self.error(side);
                self.varied(packet).frame()
            }
            76..80 => {
                let packet = self.tunnel_error(side);
                self.varied(packet).frame()
            }
            80..82 => {
                let inner = self.request(side);
                let inner = self.varied(inner);
                let outside = self.r.chance(50);
                let tunnel = self.tunnel();
                let outer = inside(&inner, tunnel, dip(outside), rip(outside, 22));
                self.varied(outer).frame()
            }
            82..86 => {
                let packet = if self.r.chance(60) { self.request(side) } else { self.answer(side) };
                self.fragments(packet)
            }
            86..92 if !self.later.is_empty() => {
                let at = self.r.below(self.later.len());
                self.later.swap_remove(at)
            }
            _ => self.other(),
        }
    }

    fn body(&mut self, protocol: u8) -> Body {
        if protocol == UDP {
            return Body::Udp { checksum: self.r.chance(85) };
        }
        if protocol == SCTP {
            return self.chunks();
        }
        let flags = match self.r.below(20) {
            0..6 => SYN,
            6..13 => ACK,
            13 => SYN | ACK,
            14 | 15 => FIN | ACK,
            16 => RST,
            17 => RST | ACK,
            18 => 0,
            _ => self.r.next() as u8,
        };
        let options = self.r.of(&[0, 0, 0, 12, 20, 40]);
        Body::Tcp { flags, options: self.r.bytes(options) }
    }

    /// One chunk or two; whatever follows may look like one.
    fn chunks(&mut self) -> Body {
        use chunk::{ABORT, COOKIE_ACK, COOKIE_ECHO, DATA, INIT, INIT_ACK, SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_COMPLETE};
        let kinds = [
            INIT,
            INIT,
            INIT,
            INIT_ACK,
            INIT_ACK,
            COOKIE_ECHO,
            COOKIE_ECHO,
            COOKIE_ECHO,
            COOKIE_ACK,
            COOKIE_ACK,
            DATA,
            DATA,
            DATA,
            SHUTDOWN,
            SHUTDOWN_ACK,
            SHUTDOWN_COMPLETE,
            ABORT,
            9,
            3,
            4,
            5,
            12,
            15,
            192,
        ];
        let chunks = (0..self.r.of(&[1, 1, 1, 2])).map(|_| {
            let length = self.r.of(&[0, 4, 16, 17, 30]);
            (self.r.of(&kinds), self.r.bytes(length))
        });
        Body::Sctp { chunks: chunks.collect() }
    }

    fn data(&mut self) -> Vec<u8> {
        let length = match self.r.below(20) {
            0..8 => 0,
            8..17 => self.r.below(64),
            17 => self.r.between(1200, 1500),
            18 => self.r.between(1380, 1480),
            _ => self.r.between(1440, 2000),
        };
        self.r.bytes(length)
    }

    /// A client's packet: of a flow that is there, or of a new one.
    fn request(&mut self, side: &impl Side) -> Packet {
        let known = if self.r.chance(60) { flow(side, &mut self.r, |flow| !flow.reply) } else { None };
        let (protocol, from, to) = match known {
            Some(flow) => (flow.protocol, flow.from, flow.to),
            None => {
                let six = self.r.chance(50);
                let source = match self.r.below(40) {
                    0..28 => {
                        let n = self.r.below(usize::from(CLIENTS)) as u8;
                        client(six, n)
                    }
                    28..34 => {
                        let n = self.r.between(1, 250) as u8;
                        remote(six, n)
                    }
                    34 => lost(six),
                    35 => client(six, CLIENTS + 1),
                    36 if six => ip(self.r.of(&["::", "::1", "ff02::1"])),
                    36 => ip(self.r.of(&["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.1.2.3"])),
                    _ => client(six, 0),
                };
                let from = (source, if self.r.chance(1) { 20 } else { self.r.between(1024, 1024 + 40) as u16 });
                (self.r.of(&[TCP, TCP, UDP, SCTP]), from, self.service(six))
            }
        };
        let body = self.body(protocol);
        Packet::new(from, to, body).data(self.data())
    }

    /// Where a new flow may go.
    fn service(&mut self, six: bool) -> (IpAddr, u16) {
        let ports = |r: &mut Random, all: std::ops::RangeInclusive<u16>| {
            r.between(usize::from(*all.start()), usize::from(*all.end()) + 2) as u16
        };
        let r = &mut self.r;
        match r.below(20) {
            0..13 => (vip(six), ports(r, port::ALL)),
            13..16 => (any_vip(six), r.of(&[20, 21, 80, 443, 1023, 1024, 5000])),
            _ => (marked_vip(six, r.between(1, 5) as u8), ports(r, mark::PORTS)),
        }
    }

    /// A NAT server's packet.
    fn answer(&mut self, side: &impl Side) -> Packet {
        let known = flow(side, &mut self.r, |flow| flow.reply);
        let (protocol, from, to) = match known {
            Some(flow) => (flow.protocol, flow.from, flow.to),
            None => {
                let six = self.r.chance(50);
                let from = self.r.of(&[(24, 8080), (24, 8080), (150, 80), (160, 81), (162, 8080)]);
                let to = (client(six, 0), self.r.between(1024, 1064) as u16);
                (self.r.of(&[TCP, UDP, SCTP]), (rip(six, from.0), from.1), to)
            }
        };
        let body = self.body(protocol);
        let mut packet = Packet::new(from, to, body).data(self.data());
        packet.from = server_mac(24);
        packet
    }

    /// An ICMP error about a flow, from either side.
    fn error(&mut self, side: &impl Side) -> Packet {
        let wanted = self.r.chance(50);
        let Some(flow) = flow(side, &mut self.r, |flow| flow.reply == wanted) else { return self.request(side) };
        let six = flow.from.0.is_ipv6();
        // What the error is about went the other way.
        let body = self.body(flow.protocol);
        let mut about = Packet::new(flow.to, flow.from, body).data(self.data());
        about.ttl = self.r.of(&[1, 5, 60]);
        about.dont_fragment = self.r.chance(50);
        if !six && self.r.chance(10) {
            let length = self.r.of(&[4, 8, 40]);
            about.options = self.r.bytes(length);
        }
        if self.r.chance(10) {
            let length = about.segment().len();
            about = about.part(0, length, true);
        }
        let whole = about.bytes();
        let headers = whole.len() - about.segment().len().min(whole.len());
        let length = match self.r.below(10) {
            0..5 => headers + 8,
            5 => headers + self.r.below(24),
            6 => self.r.below(headers + 8),
            _ => whole.len().min(self.r.of(&[128, 548, 1232])),
        };
        let quoted = whole[..length.min(whole.len())].to_vec();
        let router = if six { "2001:db8:1::2" } else { "10.1.0.2" };
        let source = if self.r.chance(60) { flow.from.0 } else { ip(router) };
        let kind = if six {
            self.r.of(&[[1, 4], [1, 0], [2, 0], [3, 0], [4, 1], [1, 3], [0, 0], [128, 0]])
        } else {
            self.r.of(&[[3, 3], [3, 1], [3, 4], [4, 0], [11, 0], [11, 1], [12, 0], [5, 1]])
        };
        let rest = u32::to_be_bytes(self.r.of(&[0, 576, 1280, 1400]));
        Packet::icmp(source, flow.to.0, kind, rest, quoted)
    }

    /// "Too big" about the director's tunnel.
    fn tunnel_error(&mut self, side: &impl Side) -> Packet {
        let Some(flow) = flow(side, &mut self.r, |flow| !flow.reply) else { return self.request(side) };
        let six = flow.from.0.is_ipv6();
        let server = self.plan.servers().find(|(number, ..)| *number == flow.destination);
        let to = server.map_or(rip(six, 9), |(_, _, server)| server.address);
        let outside = to.is_ipv6();
        let its_own = server.map_or(Tunnel::Ip, |(_, _, server)| server.tunnel(40_000));
        let tunnel = if self.r.chance(90) { its_own } else { self.tunnel() };
        let body = self.body(flow.protocol);
        let inner = Packet::new(flow.from, flow.to, body).data(self.data());
        let mut outer = inside(&inner, tunnel, dip(outside), to).bytes();
        outer.truncate(self.r.of(&[28, 48, 60, 88, 128, 548]));
        let mtu: u32 = self.r.of(&[0, 300, 600, 1280, 1300, 1400, 1480, 9000, 65_535, 70_000]);
        let router = if outside { "2001:db8:2::ff" } else { "10.2.0.254" };
        let kind = if outside { [2, 0] } else { [3, 4] };
        Packet::icmp(ip(router), dip(outside), kind, mtu.to_be_bytes(), outer)
    }

    fn tunnel(&mut self) -> Tunnel {
        let sum = self.r.chance(50);
        let port = self.r.of(&[GUE_PORT, GUE_PORT, GUE_PORT, 53]);
        self.r.of(&[Tunnel::Ip, Tunnel::Gre { sum }, Tunnel::Gue { ports: (40_000, port), sum }])
    }

    /// The first fragment of a packet, or a later one before it; the others follow some time.
    fn fragments(&mut self, packet: Packet) -> Vec<u8> {
        let mut packet = self.varied(packet);
        packet.dont_fragment = false;
        packet.identification = self.r.next() as u32;
        let length = packet.segment().len();
        let cut = match self.r.below(8) {
            0 => 8,
            1 => length,
            _ => (self.r.below(length / 8 + 1) * 8).max(24),
        };
        if cut >= length {
            // Whole: of IPv6 it is an "atomic" fragment.
            let more = self.r.chance(20) && length.is_multiple_of(8);
            return packet.part(0, length, more).frame();
        }
        let second = (cut + self.r.below((length - cut) / 8 + 1) * 8).max(cut + 8).min(length);
        let mut parts =
            vec![packet.clone().part(0, cut, true), packet.clone().part(cut, second - cut, second < length)];
        if second < length {
            parts.push(packet.part(second, length - second, false));
        }
        if self.r.chance(15) {
            parts.rotate_left(1);
        }
        let first = parts.remove(0).frame();
        self.later.extend(parts.iter().map(Packet::frame));
        self.later.truncate(64);
        first
    }

    /// What is not for a service.
    fn other(&mut self) -> Vec<u8> {
        let six = self.r.chance(50);
        let (from, to) = (client(six, 1), vip(six));
        let packet = match self.r.below(6) {
            0 => Packet::icmp(from, to, if six { [128, 0] } else { [8, 0] }, [0, 7, 0, 1], self.r.bytes(40)),
            1 => Packet::new((from, 0), (to, 0), Body::Other(self.r.of(&[2, 47, 50, 51, 59, 132, 4, 41, 33])))
                .data(vec![0; 40]),
            2 => Packet::tcp((from, 4000), (client(six, 2), port::MIXED), SYN),
            3 => Packet::udp((from, 4000), (to, 53)),
            4 => {
                // A later fragment whose first nobody saw.
                let mut packet = Packet::udp((from, 4000), (to, port::DR)).data(vec![1; 64]).part(16, 24, false);
                packet.identification = self.r.next() as u32;
                packet
            }
            _ => {
                let kind = self.r.of(&[0x0806, 0x88cc, 0x9100, 0x0000]);
                return ethernet(DIRECTOR, client_mac(1), &[], kind, &self.r.bytes(46), false);
            }
        };
        self.varied(packet).frame()
    }

    /// What a packet may have besides what it is.
    fn varied(&mut self, mut packet: Packet) -> Packet {
        let r = &mut self.r;
        packet.to = match r.below(40) {
            0 => [2, 0, 0, 0, 0, 9],
            1 => [0xff; 6],
            2 => virtual_mac(r.of(&MASTER_OF)),
            // Of all that are there, or nearly.
            3 => [0, 0, 0x5e, r.of(&[0, 0, 0, 1]), r.below(4) as u8, r.next() as u8],
            _ => DIRECTOR,
        };
        if packet.from == [0; 6] {
            packet.from = r.of(&[client_mac(0), client_mac(1), GATEWAY]);
        }
        packet.tags = match r.below(20) {
            0 | 1 => vec![TAG],
            2 => TAGS.to_vec(),
            3 => vec![(0x8100, 1), (0x8100, 2)],
            4 if r.chance(40) => vec![TAGS[0], TAGS[1], TAG],
            _ => vec![],
        };
        packet.ttl = match r.below(30) {
            0 => 0,
            1 => 1,
            2 => 2,
            3 => 255,
            _ => 64,
        };
        packet.tos = if r.chance(20) { r.next() as u8 } else { 0 };
        packet.dont_fragment &= r.chance(70);
        packet.identification = r.next() as u32;
        packet.padded = r.chance(50);
        if packet.six() {
            let headers = match r.below(30) {
                0..3 => 1,
                3 => r.between(2, 9),
                _ => 0,
            };
            for _ in 0..headers {
                let kind = r.of(&[HOP_BY_HOP, ROUTING, OPTIONS]);
                let long = if r.chance(10) { r.below(40) } else { 0 };
                let mut rest = r.bytes(6 + 8 * long);
                // Padding, as far as anybody looks.
                rest[0] = 1;
                packet.extensions.push((kind, rest));
            }
        } else if r.chance(10) {
            let length = 4 * r.between(1, 11);
            packet.options = vec![1; length];
        }
        packet
    }

    /// Nothing but chance, though it may look like a packet at first.
    fn noise(&mut self) -> Vec<u8> {
        let r = &mut self.r;
        let length = r.between(14, 200);
        let mut frame = r.bytes(length);
        frame[..6].copy_from_slice(&DIRECTOR);
        let kind: [u8; 2] = r.of(&[[8, 0], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8], [8, 6]]);
        frame[12..14].copy_from_slice(&kind);
        if let Some(first) = frame.get_mut(14) {
            *first = r.of(&[0x45, 0x46, 0x60, 0x4f, *first]);
        }
        frame
    }

    /// A frame with something wrong.
    pub(crate) fn mutated(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        let r = &mut self.r;
        let header = frame.len().min(90);
        match r.below(12) {
            0..5 => {
                for _ in 0..r.between(1, 4) {
                    let at = r.below(header);
                    frame[at] ^= 1 << r.below(8);
                }
            }
            5 => {
                let at = r.below(frame.len());
                frame[at] = r.next() as u8;
            }
            6..9 => {
                let length = r.between(14, frame.len().max(15));
                frame.truncate(length);
            }
            9 => {
                // A length field: of IPv4, IPv6, UDP, the header's own, the data offset.
                let at = r.of(&[16, 17, 18, 19, 38, 39, 58, 59, 14, 46, 66]);
                if at < frame.len() {
                    frame[at] = r.next() as u8;
                }
            }
            10 => {
                let (at, more) = (r.between(14, header + 1).min(frame.len()), r.between(1, 24));
                let bytes = r.bytes(more);
                frame.splice(at..at, bytes);
            }
            _ => {
                let at = r.between(14, frame.len().max(15));
                let end = (at + r.between(1, 16)).min(frame.len());
                frame.drain(at.min(end)..end);
            }
        }
        if r.chance(60) {
            repair(&mut frame);
        }
        frame
    }
}

/// A right sum in the IPv4 header, so that what is wrong is looked at.
pub(crate) fn repair(frame: &mut [u8]) {
    let mut at = 12;
    while at < 20 && matches!(frame.get(at..at + 2), Some([0x81, 0] | [0x88, 0xa8])) {
        at += 4;
    }
    let Some([8, 0, first]) = frame.get(at..at + 3) else { return };
    let size = usize::from(first & 15) * 4;
    if let Some(header) = frame.get_mut(at + 2..at + 2 + size.max(20)) {
        header[10..12].fill(0);
        let value = !(crate::packet::sum(0, header) as u16);
        header[10..12].copy_from_slice(&value.to_be_bytes());
    }
}

/// The words of an address are its own inverse here: a check of the tests' own arithmetic.
#[test]
fn addresses_survive_the_tables() {
    for text in ["192.0.2.1", "2001:db8:f::1"] {
        let [low, high] = words(ip(text));
        assert_eq!(address(text.contains(':'), low, high), ip(text));
    }
}
