//! Whether a frame may leave as it does: what went in, what came out, and the plan decide; nothing of the core is used.
//!
//! Everything sent parses, and is one of three: an answer to its sender, a packet on its way to a server of the service
//! that it is for, or a server's on its way to its client. But for what a method changes it is what came in, and every
//! checksum is as right or as wrong as it was.

use crate::{
    packet::{Mac, SCTP, Tunnel, crc32c, octets, pseudo, sum},
    tables::{DR, NAT, Plan, Server, Vip},
    world::{DIRECTOR, LO, MASTER_OF, WAN_MAC, route, virtual_mac},
};
use relvs_core::{Route, schedule::SCHEDULERS, table::active};
use std::net::IpAddr;

/// A frame taken apart.
struct Parsed<'a> {
    to: Mac,
    from: Mac,
    tags: Vec<(u16, u16)>,
    ip: Ip<'a>,
    /// What is behind the packet.
    padding: &'a [u8],
}

/// A packet taken apart.
#[derive(Clone, Copy)]
struct Ip<'a> {
    /// All of it.
    bytes: &'a [u8],
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    protocol: u8,
    /// Where the transport header begins.
    transport: usize,
    /// Whether it is a fragment without the transport header.
    later: bool,
}

fn parse(frame: &[u8]) -> Option<Parsed<'_>> {
    let mut at = 14;
    let mut tags = Vec::new();
    let number = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    while tags.len() < 2 && matches!(number(at - 2)?, 0x8100 | 0x88a8) {
        tags.push((number(at - 2)?, number(at)?));
        at += 4;
    }
    let ip = match number(at - 2)? {
        0x0800 if frame.get(at)? >> 4 == 4 => Ip::parse(&frame[at..], false)?,
        0x86dd if frame.get(at)? >> 4 == 6 => Ip::parse(&frame[at..], false)?,
        _ => return None,
    };
    let padding = &frame[at + ip.bytes.len()..];
    Some(Parsed { to: frame[..6].try_into().ok()?, from: frame[6..12].try_into().ok()?, tags, ip, padding })
}

impl<'a> Ip<'a> {
    /// A packet, by etherparse as far as its IP header goes; a quoted one may be cut off.
    fn parse(bytes: &'a [u8], quoted: bool) -> Option<Self> {
        if bytes.first()? >> 4 == 4 {
            let header = etherparse::Ipv4HeaderSlice::from_slice(bytes).ok()?;
            let (size, length) = (header.slice().len(), usize::from(header.total_len()));
            if !quoted && (sum(0, header.slice()) != 0xffff || length < size || length > bytes.len()) {
                return None;
            }
            // What a quoted packet says of its own length may be spoilt; the error's length counts.
            let length = if quoted { bytes.len() } else { length };
            return Some(Ip {
                bytes: &bytes[..length.clamp(size, bytes.len().max(size))],
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                ttl: header.ttl(),
                protocol: header.protocol().0,
                transport: size,
                later: header.fragments_offset().value() != 0,
            });
        }
        let header = etherparse::Ipv6HeaderSlice::from_slice(bytes).ok()?;
        let length = 40 + usize::from(header.payload_length());
        if !quoted && length > bytes.len() {
            return None;
        }
        let bytes = if quoted { bytes } else { &bytes[..length] };
        let (mut protocol, mut at, mut later) = (header.next_header().0, 40, false);
        loop {
            let size = match protocol {
                0 | 43 | 60 if !quoted => (usize::from(*bytes.get(at + 1)?) + 1) * 8,
                44 => {
                    later = u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?) >> 3 != 0;
                    8
                }
                _ => break,
            };
            protocol = *bytes.get(at)?;
            at += size;
            if later {
                break;
            }
        }
        let (source, destination) = (header.source_addr().into(), header.destination_addr().into());
        Some(Ip { bytes, source, destination, ttl: header.hop_limit(), protocol, transport: at, later })
    }

    fn six(&self) -> bool {
        self.source.is_ipv6()
    }

    fn icmp(&self) -> bool {
        !self.later && self.protocol == if self.six() { 58 } else { 1 }
    }

    fn ports(&self) -> Option<(u16, u16)> {
        let at = self.transport;
        let ports = self.bytes.get(at..at + 4)?;
        Some((u16::from_be_bytes([ports[0], ports[1]]), u16::from_be_bytes([ports[2], ports[3]])))
    }

    /// How wrong the checksum of SCTP is: bits that differ from the right one.
    fn crc_residue(&self) -> Option<u32> {
        let mut segment = self.bytes.get(self.transport..)?.to_vec();
        let field: [u8; 4] = segment.get(8..12)?.try_into().ok()?;
        segment[8..12].fill(0);
        Some(u32::from_le_bytes(field) ^ u32::from_le_bytes(crc32c(&segment)))
    }

    /// Where the transport checksum is.
    fn checksum_at(&self) -> usize {
        self.transport
            + if self.icmp() {
                2
            } else if self.protocol == 6 {
                16
            } else if self.protocol == SCTP {
                8
            } else {
                6
            }
    }

    /// What all that the transport checksum covers sums up to: the same before and after, whatever it was.
    fn residue(&self) -> u32 {
        let segment = &self.bytes[self.transport..];
        let plain = self.icmp() && !self.six();
        let before = if plain { 0 } else { pseudo(self.source, self.destination, self.protocol, segment.len()) };
        sum(before, segment) % 0xffff
    }

    /// The packet that an ICMP error quotes.
    fn quoted(&self) -> Option<Ip<'a>> {
        Ip::parse(self.bytes.get(self.transport + 8..)?, true)
    }
}

/// A packet with changes that are expected of it.
struct Expected {
    bytes: Vec<u8>,
    /// Places that are compared by what they sum up to instead.
    checksums: Vec<usize>,
}

impl Expected {
    /// One hop further.
    fn of(ip: &Ip) -> Self {
        let mut bytes = ip.bytes.to_vec();
        bytes[if ip.six() { 7 } else { 8 }] -= 1;
        Expected { bytes, checksums: if ip.six() { vec![] } else { vec![10] } }
    }

    fn address(&mut self, six: bool, at: usize, source: bool, address: IpAddr) {
        let field = at
            + match (six, source) {
                (false, true) => 12,
                (false, false) => 16,
                (true, true) => 8,
                (true, false) => 24,
            };
        let octets = octets(address);
        self.bytes[field..field + octets.len()].copy_from_slice(&octets);
    }

    fn port(&mut self, transport: usize, source: bool, port: u16) {
        let at = transport + if source { 0 } else { 2 };
        self.bytes[at..at + 2].copy_from_slice(&port.to_be_bytes());
    }

    fn is(&self, bytes: &[u8]) -> Result<(), String> {
        if bytes.len() != self.bytes.len() {
            return Err(format!("{} bytes instead of {}", bytes.len(), self.bytes.len()));
        }
        for (at, (want, have)) in self.bytes.iter().zip(bytes).enumerate() {
            let summed = self.checksums.iter().any(|field| (*field..field + 2).contains(&at));
            if want != have && !summed {
                return Err(format!("byte {at} is {have:#04x}, not {want:#04x}"));
            }
        }
        Ok(())
    }
}

fn same_checksum(what: &str, before: &Ip, after: &Ip) -> Result<(), String> {
    let at = before.checksum_at();
    if before.protocol == SCTP && !before.icmp() {
        let same = before.crc_residue() == after.crc_residue();
        return if same { Ok(()) } else { Err(format!("{what}: wrong SCTP checksum")) };
    }
    let Some(old) = before.bytes.get(at..at + 2) else { return Ok(()) };
    let new = &after.bytes[at..at + 2];
    if before.protocol == 17 && !before.icmp() && (old == [0, 0] || new == [0, 0]) {
        return if old == new { Ok(()) } else { Err(format!("{what}: UDP checksum {old:?} became {new:?}")) };
    }
    if before.residue() == after.residue() { Ok(()) } else { Err(format!("{what}: wrong transport checksum")) }
}

/// A packet whose one end was translated, the quoted packet of an ICMP error included.
fn translated(before: &Ip, after: &Ip, source: bool, address: IpAddr, port: u16) -> Result<(), String> {
    let mut expected = Expected::of(before);
    let six = before.six();
    expected.address(six, 0, source, address);
    if before.later {
        return expected.is(after.bytes);
    }
    let field = before.checksum_at();
    expected.checksums.extend(if before.protocol == SCTP { vec![field, field + 2] } else { vec![field] });
    if !before.icmp() {
        expected.port(before.transport, source, port);
        expected.is(after.bytes)?;
        return same_checksum("packet", before, after);
    }
    let (old, new) = (before.quoted().ok_or("no quote")?, after.quoted().ok_or("no quote")?);
    let at = before.transport + 8;
    expected.address(six, at, !source, address);
    expected.port(at + old.transport, !source, port);
    // Of SCTP too little is quoted, and no stack looks at the sum.
    if old.protocol != SCTP {
        expected.checksums.push(at + old.checksum_at());
    }
    if !six {
        expected.checksums.push(at + 10);
        let headers = [old, new].map(|ip| sum(0, &ip.bytes[..ip.transport]) % 0xffff);
        if headers[0] != headers[1] {
            return Err("wrong checksum of the quoted header".to_owned());
        }
    }
    expected.is(after.bytes)?;
    same_checksum("ICMP error", before, after)?;
    if old.protocol == SCTP { Ok(()) } else { same_checksum("quoted packet", &old, &new) }
}

/// Protocol and one end of a packet, or of what an ICMP error quotes: of that the other end.
fn end(ip: &Ip, source: bool) -> Option<(u8, IpAddr, Option<u16>)> {
    let (ip, source) = if ip.icmp() { (ip.quoted()?, !source) } else { (*ip, source) };
    let port = if ip.later { None } else { ip.ports().map(|ports| if source { ports.0 } else { ports.1 }) };
    Some((ip.protocol, if source { ip.source } else { ip.destination }, port))
}

/// Whether this may be sent. `action` is 3 for back out of the same interface, 4 for another one.
pub(crate) fn may_leave(plan: &Plan, input: &[u8], output: &[u8], action: u32) -> Result<(), String> {
    let before = parse(input).ok_or("something unparsable was sent on")?;
    let after = parse(output).ok_or("what was sent does not parse")?;
    if before.to != DIRECTOR && !MASTER_OF.map(virtual_mac).contains(&before.to) {
        return Err("a frame for another machine was sent on".to_owned());
    }
    if etherparse::SlicedPacket::from_ethernet(input).is_ok() {
        etherparse::SlicedPacket::from_ethernet(output).map_err(|error| format!("sent: {error}"))?;
    }
    let mut reasons = Vec::new();
    let mut note = |name: &str, result: Result<(), String>| match result {
        Ok(()) => true,
        Err(reason) => {
            reasons.push(format!("{name}: {reason}"));
            false
        }
    };
    if after.to == before.from && note("answer", answer(plan, &before, &after, action)) {
        return Ok(());
    }
    if before.ip.ttl < 2 {
        return Err(format!("forwarded with a hop limit of {}; {reasons:?}", before.ip.ttl));
    }
    for (number, vip, server) in plan.servers() {
        let there = after.to == server.mac && after.tags == server.tags;
        if there && note(&format!("server {number}"), to_server(plan, vip, server, &before, &after, action)) {
            return Ok(());
        }
        let of_vip = || plan.serves(vip, after.ip.protocol, after.ip.source, None);
        if server.method == NAT && !server.local && action == 4 && of_vip() {
            let name = format!("client of {number}");
            if note(&name, to_client(plan, vip, server, &before, &after)) {
                return Ok(());
            }
        }
    }
    Err(format!("nobody's: {reasons:?}"))
}

fn require(condition: bool, what: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what.to_owned()) }
}

fn answer(plan: &Plan, before: &Parsed, after: &Parsed, action: u32) -> Result<(), String> {
    let (asked, given) = (&before.ip, &after.ip);
    require(action == 3 && after.from == before.to && after.tags == before.tags, "not back the same way")?;
    require(given.destination == asked.source && given.icmp() && given.ttl == 64, "no ICMP to the sender")?;
    require(given.residue() == 0, "wrong checksum")?;
    // To a client from the address that it asked; to a server from the director's towards it.
    // What a server sends to a VIP is a client's packet like any other.
    let to_vip = plan.vips.iter().any(|vip| plan.serves(vip, asked.protocol, asked.destination, None));
    let of_server = !to_vip && plan.servers().any(|(_, _, server)| server.address == asked.source);
    let own = if of_server { plan.dip[usize::from(asked.six())] } else { asked.destination };
    require(given.source == own, "from another address")?;
    let quote = &given.bytes[given.transport + 8..];
    require(quote.len() >= given.transport + 8 && asked.bytes.starts_with(quote), "quotes something else")?;
    require(!asked.icmp() && !asked.later, "about an ICMP error or a later fragment")?;
    let header = &given.bytes[given.transport..];
    let mtu = usize::from(u16::from_be_bytes([header[6], header[7]]));
    match (header[0], header[1], asked.six()) {
        (11, 0, false) | (3, 0, true) => require(asked.ttl < 2, "the hop limit did not run out"),
        (3, 4, false) | (2, 0, true) => require(asked.bytes.len() > mtu && mtu >= 552, "not too big"),
        (3, 3, false) | (1, 4, true) => {
            if of_server {
                return require(plan.settings & active::NAT_ICMP_SEND != 0, "a server is told that there is no flow");
            }
            let (protocol, address, port) = end(asked, false).ok_or("no end")?;
            let refuses = |vip: &Vip| refuses(vip) && plan.serves(vip, protocol, address, port);
            require(plan.vips.iter().any(refuses), "there are destinations")
        }
        other => Err(format!("type, code, IPv6 {other:?}")),
    }
}

/// Whether a service may have no destination for a client.
fn refuses(vip: &Vip) -> bool {
    let all_full = vip.servers.iter().all(|server| server.thresholds.0 != 0 || server.weight == 0);
    let full = vip.servers.iter().any(|server| server.thresholds.0 != 0);
    // These refuse where others take the next server; overflow, when all have as many flows as their weight.
    let strict = SCHEDULERS.iter().any(|known| {
        known.number == vip.scheduler && ["sh", "dh", "mh"].contains(&known.name) && full
            || known.number == vip.scheduler && known.name == "ovf"
    });
    all_full || strict
}

fn to_server(
    plan: &Plan,
    vip: &Vip,
    server: &Server,
    before: &Parsed,
    after: &Parsed,
    action: u32,
) -> Result<(), String> {
    let (asked, given) = (&before.ip, &after.ip);
    let own = plan.macs.iter().find(|(index, _)| *index == server.interface).ok_or("no interface")?.1;
    require(server.available && server.resolved && !server.local, "not to be reached")?;
    require(after.from == own && action == if server.interface == LO { 3 } else { 4 }, "another way")?;
    require(after.padding == before.padding, "another padding")?;
    let (protocol, address, port) = end(asked, false).ok_or("no end")?;
    require(plan.serves(vip, protocol, address, port), "for another service")?;
    match server.method {
        DR => {
            require(asked.bytes.len() <= usize::from(server.room()), "too big")?;
            Expected::of(asked).is(given.bytes)
        }
        _ if server.tunnels() => {
            require(asked.bytes.len() <= usize::from(server.room()), "too big")?;
            let dip = plan.dip[usize::from(server.address.is_ipv6())];
            require(given.source == dip && given.destination == server.address, "another tunnel")?;
            require(given.ttl == asked.ttl - 1 && !given.later, "outer header")?;
            let packet = unpacked(asked.six(), server, given).ok_or("another kind of tunnel")?;
            let inner = Ip::parse(packet, false).ok_or("the inner packet does not parse")?;
            Expected::of(asked).is(inner.bytes)
        }
        _ => {
            let port = if server.port == 0 { port.unwrap_or_default() } else { server.port };
            translated(asked, given, false, server.address, port)
        }
    }
}

/// What a packet to this server has inside, if it is in the right tunnel and its checksum is right.
fn unpacked<'a>(six: bool, server: &Server, given: &Ip<'a>) -> Option<&'a [u8]> {
    let body = given.bytes.get(given.transport..)?;
    let number = if six { 41 } else { 4 };
    match (server.tunnel(0), given.protocol) {
        (Tunnel::Ip, protocol) if protocol == number => Some(body),
        (Tunnel::Gre { sum: with }, 47) => {
            let kind: [u8; 2] = if six { [0x86, 0xdd] } else { [8, 0] };
            let right = body[..4] == [if with { 0x80 } else { 0 }, 0, kind[0], kind[1]];
            let right = right && (!with || sum(0, body) == 0xffff);
            right.then(|| &body[if with { 8 } else { 4 }..])
        }
        (Tunnel::Gue { ports: (_, port), sum: with }, 17) => {
            let [source, to] = [0, 2].map(|at| u16::from_be_bytes([body[at], body[at + 1]]));
            let length = usize::from(u16::from_be_bytes([body[4], body[5]]));
            let whole = sum(pseudo(given.source, given.destination, 17, body.len()), body) == 0xffff;
            let right = to == port && (32_768..60_999).contains(&source) && length == body.len();
            let right = right && body[8..12] == [0, number, 0, 0] && if with { whole } else { body[6..8] == [0, 0] };
            right.then(|| &body[12..])
        }
        _ => None,
    }
}

fn to_client(plan: &Plan, vip: &Vip, server: &Server, before: &Parsed, after: &Parsed) -> Result<(), String> {
    let (asked, given) = (&before.ip, &after.ip);
    let (protocol, address, from) = end(asked, true).ok_or("no end")?;
    let port = from.is_none_or(|from| server.port == 0 || from == server.port);
    require(address == server.address && port, "another server's")?;
    // Of several addresses and ports of a service it is any here; other tests know which.
    let shown = end(given, true).ok_or("no end")?;
    require(plan.serves(vip, protocol, shown.1, shown.2), "of another service")?;
    require(server.port != 0 || shown.2 == from, "from another port")?;
    let Route::Found { destination, .. } = route(asked.destination) else { return Err("no route".to_owned()) };
    let mac = destination.to_le_bytes();
    require(after.to == mac[..6] && after.from == WAN_MAC, "another way")?;
    let neighbour = plan.neighbours.iter().find(|(known, ..)| *known == after.to);
    require(after.tags == neighbour.map_or(vec![], |(_, _, tags, _)| tags.clone()), "other tags")?;
    require(after.padding == before.padding, "another padding")?;
    translated(asked, given, true, shown.1, shown.2.unwrap_or_default())
}
