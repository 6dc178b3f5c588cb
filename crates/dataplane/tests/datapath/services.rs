//! The services that the tests' director has: one for every case.

use crate::{
    packet::{SCTP, TCP, UDP},
    tables::{DR, Match, NAT, Plan, Server, TUN, Vip, tunnel},
    world::{DIRECTOR, GATEWAY, GATEWAY_MTU, LO, WAN, WAN_MAC, client_mac, dip, ip, rip, server_mac, vip},
};
use relvs_core::{
    schedule::SCHEDULERS,
    table::{active, service::flag},
};
use std::net::IpAddr;

/// A server reached out of the interface that everything comes in on.
pub(crate) fn server(six: bool, method: u8, n: u8, port: u16) -> Server {
    Server {
        weight: 1,
        method,
        address: rip(six, n),
        port,
        mac: server_mac(n),
        tags: Vec::new(),
        interface: LO,
        mtu: 1500,
        available: true,
        resolved: true,
        local: false,
        thresholds: (0, 0),
    }
}

/// Ports of the services that [`plan`] has, of TCP, UDP and SCTP, IPv4 and IPv6.
pub(crate) mod port {
    pub(crate) const MIXED: u16 = 80;
    pub(crate) const DR: u16 = 81;
    pub(crate) const TUN: u16 = 82;
    /// One NAT server, on another port.
    pub(crate) const NAT: u16 = 83;
    /// No server.
    pub(crate) const EMPTY: u16 = 84;
    /// Weights 1, 3, 5, 3 and 0.
    pub(crate) const WEIGHTED: u16 = 85;
    /// One server each: not in service, next hop not known, a small MTU, one tag, two tags, another interface.
    pub(crate) const RETIRED: u16 = 86;
    pub(crate) const UNRESOLVED: u16 = 87;
    pub(crate) const NARROW: u16 = 88;
    pub(crate) const TAGGED: u16 = 89;
    pub(crate) const TWICE: u16 = 90;
    pub(crate) const ELSEWHERE: u16 = 91;
    /// The same server as [`NAT`]'s.
    pub(crate) const RIVAL: u16 = 92;
    /// Tables that contradict themselves.
    pub(crate) const BROKEN: u16 = 93;
    /// NAT with a tag on the way, and without a change of the port.
    pub(crate) const NAT_TAGGED: u16 = 94;
    /// Clients stay with their server.
    pub(crate) const PERSISTENT: u16 = 95;
    /// Each datagram by itself.
    pub(crate) const ONE_PACKET: u16 = 96;
    /// The director is one of the servers.
    pub(crate) const LOCAL: u16 = 97;
    /// Persistent; one server has no weight in some phases.
    pub(crate) const QUIESCED: u16 = 98;
    /// Servers that take few flows.
    pub(crate) const THRESHOLDS: u16 = 99;
    /// The service of each scheduler is at this port and its number; TCP only.
    pub(crate) const SCHEDULERS: u16 = 100;
    /// One server each, by a tunnel of [`super::TUNNELS`].
    pub(crate) const TUNNELS: u16 = 115;

    pub(crate) const ALL: std::ops::RangeInclusive<u16> = MIXED..=TUNNELS + super::TUNNELS.len() as u16 - 1;
}

/// Tunnels besides IP in IP of one family.
pub(crate) const TUNNELS: [u8; 9] = [
    TUN | tunnel::GRE,
    TUN | tunnel::GRE | tunnel::CHECKSUM,
    TUN | tunnel::GUE,
    TUN | tunnel::GUE | tunnel::CHECKSUM,
    TUN | tunnel::OTHER_FAMILY,
    TUN | tunnel::OTHER_FAMILY | tunnel::GRE,
    TUN | tunnel::OTHER_FAMILY | tunnel::GRE | tunnel::CHECKSUM,
    TUN | tunnel::OTHER_FAMILY | tunnel::GUE,
    TUN | tunnel::OTHER_FAMILY | tunnel::GUE | tunnel::CHECKSUM,
];

/// The server of one of them. The way to the last one has tags.
pub(crate) fn tunnel_server(six: bool, at: usize, port: u16) -> Server {
    let method = TUNNELS[at];
    let outside = six != (method & tunnel::OTHER_FAMILY != 0);
    let tags = if at + 1 == TUNNELS.len() { TAGS.to_vec() } else { vec![] };
    Server { tags, ..server(outside, method, 170 + at as u8, port) }
}

/// The tag of [`port::TAGGED`]'s way, and both of [`port::TWICE`]'s.
pub(crate) const TAG: (u16, u16) = (0x8100, 0x2064);
pub(crate) const TAGS: [(u16, u16); 2] = [(0x88a8, 0x0005), (0x8100, 0x0064)];

/// The VIP whose services are of any port: TCP and SCTP by NAT, UDP by DR, and FTP.
pub(crate) fn any_vip(six: bool) -> IpAddr {
    ip(if six { "2001:db8:f::2" } else { "192.0.2.2" })
}

/// A VIP of the marks' network.
pub(crate) fn marked_vip(six: bool, n: u8) -> IpAddr {
    if six { ip(&format!("2001:db8:f:3::{n:x}")) } else { ip(&format!("192.0.3.{n}")) }
}

/// Marks, and what they are for at [`marked_vip`]'s.
pub(crate) mod mark {
    /// Ports 80 to 85: NAT that keeps the port, DR, NAT to another port.
    pub(crate) const TURNS: u32 = 7;
    /// Ports 86 to 90: NAT and DR, persistent.
    pub(crate) const PERSISTENT: u32 = 8;
    /// Ports 91 and 92: no server.
    pub(crate) const EMPTY: u32 = 9;
    /// Ports 93 to 95 of TCP, and port 81 of the other VIP for clients behind the gateway: lblcr.
    pub(crate) const NEAR: u32 = 10;
    /// Port 96: no service.
    pub(crate) const NOBODY: u32 = 99;

    pub(crate) const PORTS: std::ops::RangeInclusive<u16> = 80..=97;
}

/// A service for every case. Random choices are the business of another plan.
pub(crate) fn plan() -> Plan {
    let mut vips = Vec::new();
    for six in [false, true] {
        for protocol in [TCP, UDP, SCTP] {
            vips.extend((port::MIXED..=port::THRESHOLDS).map(|at| listening(six, protocol, at)));
            vips.extend((0..TUNNELS.len()).map(|at| {
                let port = port::TUNNELS + at as u16;
                Vip::new(protocol, vip(six), port, vec![tunnel_server(six, at, port)])
            }));
        }
        vips.extend(schedulers(six));
        vips.extend(of_any_port(six));
        vips.extend(marked(six));
    }
    let rules = [false, true].into_iter().flat_map(rules).collect();
    let mut plan = Plan { vips, rules, ..no_services() };
    plan.number();
    plan
}

/// What a plan has besides services: interfaces, neighbours, IPVS's default settings.
pub(crate) fn no_services() -> Plan {
    Plan {
        vips: Vec::new(),
        rules: Vec::new(),
        settings: active::REUSE,
        marks: true,
        dip: [dip(false), dip(true)],
        macs: vec![(LO, DIRECTOR), (WAN, WAN_MAC)],
        neighbours: vec![
            (client_mac(0), WAN, vec![], 1500),
            (client_mac(1), WAN, vec![], 1500),
            (client_mac(2), WAN, vec![TAG], 1500),
            (client_mac(3), WAN, TAGS.to_vec(), 1500),
            (GATEWAY, WAN, vec![], GATEWAY_MTU),
        ],
    }
}

fn listening(six: bool, protocol: u8, at: u16) -> Vip {
    let of = |method, n, port| server(six, method, n, port);
    let servers = match at {
        port::MIXED => vec![of(DR, 10, at), of(NAT, 11, 8080), of(TUN, 12, at)],
        port::DR => vec![of(DR, 20, at), of(DR, 21, at)],
        port::TUN => vec![of(TUN, 22, at), of(TUN, 23, at)],
        port::NAT | port::RIVAL => vec![of(NAT, 24, 8080)],
        port::WEIGHTED => [(DR, 30, 1), (TUN, 31, 3), (NAT, 32, 5), (DR, 33, 3), (DR, 34, 0)]
            .map(|(method, n, weight)| Server { weight, ..of(method, n, at) })
            .to_vec(),
        port::RETIRED => vec![Server { available: false, ..of(DR, 40, at) }],
        port::UNRESOLVED => vec![Server { resolved: false, ..of(DR, 41, at) }],
        port::NARROW => vec![Server { mtu: 1320, ..of(TUN, 42, at) }, Server { mtu: 1300, ..of(NAT, 48, at) }],
        port::TAGGED => [(DR, 43), (TUN, 49)].map(|(m, n)| Server { tags: vec![TAG], ..of(m, n, at) }).to_vec(),
        port::TWICE => vec![Server { tags: TAGS.to_vec(), ..of(TUN, 44, at) }],
        port::ELSEWHERE => vec![Server { interface: WAN, ..of(DR, 45, at) }],
        port::BROKEN => vec![of(DR, 46, at)],
        port::NAT_TAGGED => vec![Server { tags: vec![TAG], ..of(NAT, 47, at) }],
        port::PERSISTENT => vec![of(DR, 50, at), of(NAT, 51, 8080)],
        port::ONE_PACKET => vec![of(DR, 52, at), of(NAT, 53, 8080), of(TUN, 54, at)],
        port::LOCAL => {
            let local = |method, n| Server { local: true, ..of(method, n, at) };
            vec![local(DR, 55), of(DR, 56, at), local(NAT, 57)]
        }
        port::QUIESCED => vec![of(DR, 58, at), of(NAT, 59, 8080)],
        port::THRESHOLDS => [(DR, 60, 2, (2, 0)), (NAT, 61, 1, (4, 2)), (DR, 62, 1, (3, 1))]
            .map(|(method, n, weight, thresholds)| Server { weight, thresholds, ..of(method, n, at) })
            .to_vec(),
        _ => Vec::new(),
    };
    let plain = Vip::new(protocol, vip(six), at, servers);
    match at {
        port::BROKEN => Vip { broken: true, ..plain },
        port::ONE_PACKET => Vip { flags: flag::ONE_PACKET, ..plain },
        // Four clients share a template.
        port::PERSISTENT => plain.persistent(if six { 126 } else { 30 }),
        port::QUIESCED => plain.persistent(if six { 128 } else { 32 }),
        _ => plain,
    }
}

/// A service for each scheduler but the one that throws dice. Of IPv6 those with a table have their flags.
fn schedulers(six: bool) -> impl Iterator<Item = Vip> {
    let known = SCHEDULERS.iter().filter(|known| known.name != "twos" && known.name != "wrr");
    known.map(move |known| {
        let n = 100 + 3 * known.number;
        let at = port::SCHEDULERS + u16::from(known.number);
        let servers = [(DR, 1, (0, 0)), (NAT, 2, (0, 0)), (DR, 3, (4, 0))];
        let servers = servers.into_iter().zip(n..).map(|((method, weight, thresholds), n)| Server {
            weight,
            thresholds,
            ..server(six, method, n, if method == NAT { 8080 } else { at })
        });
        let flags = if six { flag::FALLBACK | flag::PORT } else { 0 };
        Vip { scheduler: known.number, flags, ..Vip::new(TCP, vip(six), at, servers.collect()) }
    })
}

fn of_any_port(six: bool) -> [Vip; 4] {
    let of = |method, n| server(six, method, n, 0);
    let (bits, all) = if six { (126, 128) } else { (30, 32) };
    let at = |protocol, port, servers| Vip::new(protocol, any_vip(six), port, servers);
    [
        at(TCP, 0, vec![of(NAT, 150), of(NAT, 151)]).persistent(bits),
        at(UDP, 0, vec![of(DR, 152), of(DR, 153)]).persistent(all),
        at(SCTP, 0, vec![of(NAT, 154), of(DR, 157)]).persistent(bits),
        at(TCP, 21, vec![of(NAT, 155), of(DR, 156)]).persistent(all),
    ]
}

fn marked(six: bool) -> [Vip; 4] {
    let of = |method, n, port| server(six, method, n, port);
    let all = if six { 128 } else { 32 };
    let with = |mark, servers| Vip { mark, ..Vip::new(0, marked_vip(six, 0), 0, servers) };
    let lblcr = SCHEDULERS.iter().find(|known| known.name == "lblcr").map_or(0, |known| known.number);
    [
        with(mark::TURNS, vec![of(NAT, 160, 0), of(DR, 161, 0), of(NAT, 162, 8080)]),
        with(mark::PERSISTENT, vec![of(NAT, 163, 0), of(DR, 164, 0)]).persistent(all),
        with(mark::EMPTY, vec![]),
        Vip { scheduler: lblcr, ..with(mark::NEAR, vec![of(DR, 165, 0), of(TUN, 166, 0), of(DR, 167, 0)]) },
    ]
}

fn rules(six: bool) -> Vec<Match> {
    let everybody = (ip(if six { "::" } else { "0.0.0.0" }), 0);
    let network = (marked_vip(six, 0), if six { 64 } else { 28 });
    let of = |ports, mark, protocol| Match { source: everybody, destination: network, protocol, ports, mark };
    vec![
        of(80..=85, mark::TURNS, 0),
        of(86..=90, mark::PERSISTENT, 0),
        of(91..=92, mark::EMPTY, 0),
        of(93..=95, mark::NEAR, TCP),
        of(96..=96, mark::NOBODY, 0),
        Match {
            source: (ip(if six { "2001:db8:51::" } else { "198.51.100.0" }), if six { 48 } else { 24 }),
            destination: (vip(six), if six { 128 } else { 32 }),
            protocol: TCP,
            ports: port::DR..=port::DR,
            mark: mark::NEAR,
        },
        // These come too late.
        of(80..=92, mark::EMPTY, 0),
        of(96..=96, mark::TURNS, 0),
    ]
}
