//! Persistence in virtual time: an hour of ten thousand clients against a model that knows nothing of the tables, and
//! the timers of templates one by one (ip_vs_sched_persist, ip_vs_conn_expire).

use crate::{
    packet::{ACK, FIN, Packet, SYN, TCP},
    random::Random,
    tables::{DR, NAT, Plan, TUN, Vip, words},
    world::{
        DIRECTOR, GATEWAY, LO, MULTIPLIERS, WAN, WAN_MAC, client_mac, no_services, rip, server, server_mac, small, vip,
    },
};
use relvs_core::{Route, Verdict, table::active::EXPIRE_QUIESCENT_TEMPLATE};
use relvs_dataplane::{Bytes, Load, Memory, Sizes, Timeouts, load_of, scan};
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::atomic::Ordering::Release,
};

/// Seconds that a client belongs to its server: IPVS's default.
const PERSISTENCE_S: u32 = 360;
/// Servers, and of what method: 10, 11, and so on.
const METHODS: [u8; 4] = [NAT, DR, TUN, NAT];

/// One service for both families, whose templates last as long as is said.
struct Director {
    memory: Memory,
    plan: Plan,
    timeouts: Timeouts,
    now: u32,
}

impl Director {
    fn new(sizes: Sizes, methods: &[u8], masks: [u8; 2], persistence_s: u32) -> Self {
        let vips = [false, true].map(|six| {
            let of = |(n, method): (u8, &u8)| server(six, *method, n, if *method == NAT { 8080 } else { 80 });
            let servers = (10..).zip(methods).map(of).collect();
            Vip::new(TCP, vip(six), 80, servers).persistent(masks[usize::from(six)])
        });
        let mut plan = Plan { vips: vips.to_vec(), ..no_services() };
        plan.number();
        let memory = Memory::new(sizes, MULTIPLIERS);
        plan.install(&memory);
        let templates_s = plan.servers().map(|(number, ..)| (number, persistence_s)).collect();
        Director { memory, plan, timeouts: Timeouts { templates_s, ..Timeouts::default() }, now: 0 }
    }

    /// Changes a server of both families.
    fn change(&mut self, n: u8, weight: u32, available: bool) {
        for vip in &mut self.plan.vips {
            let server = &mut vip.servers[usize::from(n - 10)];
            (server.weight, server.available) = (weight, available);
        }
        self.plan.install(&self.memory);
    }

    fn settings(&mut self, settings: u64) {
        self.plan.settings = settings;
        self.plan.install(&self.memory);
    }

    /// A second goes by; what is over is forgotten.
    fn second(&mut self) {
        self.now += 1;
        self.memory.now.store(self.now as u16, Release);
        scan(&self.memory, &self.timeouts).unwrap();
    }

    fn wait(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.second();
        }
    }

    fn run(&self, packet: &Packet) -> (Verdict, Vec<u8>) {
        let mut bytes = Bytes { bytes: packet.frame(), ingress: LO };
        (self.memory.director(&mut bytes), bytes.bytes)
    }

    /// A client's segment: the number of the server that it gets to.
    fn asks(&self, from: (IpAddr, u16), flags: u8) -> Option<u8> {
        let packet = Packet::tcp(from, (vip(from.0.is_ipv6()), 80), flags).link(DIRECTOR, client_mac(0));
        let (verdict, bytes) = self.run(&packet);
        (verdict == Verdict::Transmit)
            .then(|| (10..).zip(METHODS).find(|(n, _)| bytes[..6] == server_mac(*n)).unwrap().0)
    }

    /// A segment of a NAT server.
    fn answers(&self, n: u8, to: (IpAddr, u16), flags: u8) {
        let way = Route::Found { interface: WAN, destination: word(GATEWAY), source: word(WAN_MAC) };
        self.memory.routes.lock().unwrap().insert(words(to.0), way);
        let from = (rip(to.0.is_ipv6(), n), 8080);
        let (verdict, _) = self.run(&Packet::tcp(from, to, flags).link(DIRECTOR, server_mac(n)));
        assert_eq!(verdict, Verdict::Redirect(WAN));
    }

    /// What all destinations count: flows, templates.
    fn loads(&self) -> BTreeMap<u32, Load> {
        self.plan.servers().map(|(number, ..)| (number, load_of(&self.memory, number))).collect()
    }

    fn templates(&self) -> u32 {
        self.loads().values().map(|load| load.templates).sum()
    }
}

fn word(mac: [u8; 6]) -> u64 {
    crate::tables::word(mac)
}

/// One of many clients.
fn one(n: u32) -> IpAddr {
    let (high, low) = ((n >> 8) as u8, n as u8);
    if n.is_multiple_of(2) {
        IpAddr::from([172, 16, high, low])
    } else {
        IpAddr::from([0x2001, 0xdb8, 0x51, 0, 0, 0, 0, n as u16])
    }
}

/// What the model knows of a client: the server that it belongs to, since when, and whether that is the extension.
#[derive(Clone, Copy, Debug)]
struct Bond {
    server: u8,
    since: u32,
    extended: bool,
}

/// A flow in the model: when it is forgotten, unless it has a packet before.
#[derive(Clone, Copy, Debug)]
struct Open {
    client: u32,
    port: u16,
    server: u8,
    /// The bond that it is controlled by is the one made then; another one's flows do not extend it.
    bond: u32,
    ends: u32,
    last: u32,
}

#[derive(Default)]
struct Model {
    bonds: HashMap<u32, Bond>,
    /// When each client's bond was made.
    made: HashMap<u32, u32>,
    flows: Vec<Open>,
}

impl Model {
    /// What is over at this second: flows first, then bonds.
    fn second(&mut self, now: u32) {
        self.flows.retain(|flow| now - flow.last <= flow.ends);
        let controlled: std::collections::HashSet<(u32, u32)> = self.flows.iter().map(|f| (f.client, f.bond)).collect();
        let made = &self.made;
        self.bonds.retain(|client, bond| {
            let lasts = if bond.extended { 60 } else { PERSISTENCE_S };
            if now - bond.since <= lasts {
                return true;
            }
            let keeps = controlled.contains(&(*client, made[client]));
            (bond.since, bond.extended) = (now, true);
            keeps
        });
    }
}

/// What becomes of the servers in the hour.
fn events(director: &mut Director, now: u32) {
    match now {
        // Its weight goes: who belongs to it stays.
        600 => director.change(11, 0, true),
        // Who belongs to it leaves.
        1200 => director.settings(EXPIRE_QUIESCENT_TEMPLATE),
        1800 => {
            director.change(11, 1, true);
            director.settings(0);
        }
        // It is removed, and comes back.
        2400 => director.change(12, 0, false),
        3000 => director.change(12, 1, true),
        _ => {}
    }
}

/// Whether a client of this server leaves it with its next connection.
fn leaves(server: u8, now: u32) -> bool {
    server == 11 && (1200..1800).contains(&now) || server == 12 && (2400..3000).contains(&now)
}

/// Whether new clients get this server.
fn open(server: u8, now: u32) -> bool {
    !(server == 11 && (600..1800).contains(&now) || leaves(server, now))
}

#[test]
fn an_hour_of_ten_thousand_clients() {
    const CLIENTS: u32 = 10_000;
    const NEW_A_SECOND: usize = 12;
    let mut r = Random::of_run("an_hour_of_ten_thousand_clients");
    let sizes = Sizes { flows4: 1 << 13, flows6: 1 << 13, young4: 1 << 10, young6: 1 << 10, ..small() };
    let mut director = Director::new(sizes, &METHODS, [32, 128], PERSISTENCE_S);
    let mut model = Model::default();
    let (mut kept, mut moved, mut fresh, mut turn, mut port) = (0, 0, 0, 0, 1024u16);
    for now in 1..=3600 {
        events(&mut director, now);
        director.second();
        model.second(now);
        // Connections go on, or close: after a FIN they have two minutes, or one if the server's would be seen.
        for flow in &mut model.flows {
            if !r.chance(4) || flow.server == 12 && leaves(12, now) || flow.ends != 900 {
                continue;
            }
            let fin = r.chance(50);
            let from = (one(flow.client), flow.port);
            assert_eq!(director.asks(from, if fin { FIN | ACK } else { ACK }), Some(flow.server), "a flow moved");
            flow.last = now;
            if fin {
                flow.ends = if [10, 13].contains(&flow.server) { 60 } else { 120 };
            }
        }
        for _ in 0..r.below(2 * NEW_A_SECOND) {
            // Everybody comes, and some come often.
            let client = match r.below(3) {
                0 => {
                    turn += 1;
                    turn % CLIENTS
                }
                1 => r.below(CLIENTS as usize / 5) as u32,
                _ => r.below(CLIENTS as usize) as u32,
            };
            port = if port == u16::MAX { 1024 } else { port + 1 };
            let from = (one(client), port);
            let server = director.asks(from, SYN).expect("no room");
            match model.bonds.get_mut(&client) {
                Some(bond) if !leaves(bond.server, now) => {
                    assert_eq!(server, bond.server, "client {client} moved at {now}: {bond:?}");
                    bond.since = now;
                    kept += 1;
                }
                bond => {
                    assert!(open(server, now), "client {client} got server {server} at {now}");
                    if bond.is_some() {
                        moved += 1;
                    } else {
                        fresh += 1;
                    }
                    model.bonds.insert(client, Bond { server, since: now, extended: false });
                    model.made.insert(client, now * 1000 + u32::from(port) % 1000);
                }
            }
            let bond = model.made[&client];
            if server == 10 || server == 13 {
                director.answers(server, from, SYN | ACK);
            }
            assert_eq!(director.asks(from, ACK), Some(server));
            model.flows.push(Open { client, port, server, bond, ends: 900, last: now });
        }
        if now % 50 == 0 {
            compare(&director, &model, now);
        }
    }
    println!("{kept} kept their server, {moved} moved, {fresh} were new");
    assert!(kept > 10_000 && moved > 100 && fresh > 10_000);
    assert_eq!(model.made.len(), CLIENTS as usize, "clients that came");
    director.memory.now.store(3600 + 2000, Release);
    for _ in 0..2 {
        scan(&director.memory, &Timeouts::default()).unwrap();
        director.memory.now.fetch_add(100, Release);
    }
    assert!(director.loads().values().all(|load| *load == Load::default()), "{:?}", director.loads());
}

/// Flows and templates of each server are what the model has.
fn compare(director: &Director, model: &Model, now: u32) {
    for (number, vip, server) in director.plan.servers() {
        let six = vip.address.is_ipv6();
        let n = (10..).zip(&vip.servers).find(|(_, s)| s.address == server.address).unwrap().0;
        let load = load_of(&director.memory, number);
        let mine = |client: &u32| one(*client).is_ipv6() == six;
        let templates = model.bonds.iter().filter(|(client, bond)| bond.server == n && mine(client)).count();
        let flows = model.flows.iter().filter(|flow| flow.server == n && mine(&flow.client)).count();
        let there = (load.templates as usize, (load.active + load.inactive) as usize);
        assert_eq!(there, (templates, flows), "templates and flows of server {n}, IPv6 {six}, at {now}");
    }
}

fn timers() -> Director {
    Director::new(small(), &[DR, DR], [32, 128], 100)
}

/// A connection of a client from this port, opened and reset: its flow has ten seconds.
fn touches(director: &Director, client: IpAddr, port: u16) -> u8 {
    let server = director.asks((client, port), SYN).unwrap();
    assert_eq!(director.asks((client, port), ACK), Some(server));
    assert_eq!(director.asks((client, port), crate::packet::RST), Some(server));
    server
}

#[test]
fn each_new_connection_restarts_the_time() {
    for client in [one(6), one(7)] {
        let mut director = timers();
        for port in 0..5 {
            touches(&director, client, 5000 + port);
            director.wait(100);
            assert_eq!(director.templates(), 1);
        }
        director.wait(1);
        assert_eq!(director.templates(), 0, "its time is over, and so are its flows");
    }
}

/// Packets of a connection do not; but while it is there the template gets a minute, and again, and no more than that
/// from then on.
#[test]
fn a_template_that_controls_flows_is_extended() {
    for client in [one(6), one(7)] {
        let mut director = timers();
        let server = director.asks((client, 5000), SYN);
        assert!(server.is_some());
        director.asks((client, 5000), ACK);
        // The flow lives for 900 seconds from its last packet, the template for 100, then for 60 and 60.
        for _ in 0..10 {
            director.wait(50);
            assert_eq!(director.asks((client, 5000), ACK), server);
        }
        assert_eq!(director.templates(), 1);
        // At 101, 162, 223 and so on it was extended; at 467 and 528.
        director.wait(23);
        assert_eq!(director.asks((client, 5000), crate::packet::RST), server);
        director.wait(5);
        assert_eq!((director.now, director.templates()), (528, 1));
        director.wait(60);
        assert_eq!(director.templates(), 1);
        // The flow is over since 534, ten seconds after the reset.
        director.wait(1);
        assert_eq!((director.now, director.templates()), (589, 0));
    }
}

#[test]
fn the_extension_stays() {
    for client in [one(6), one(7)] {
        let mut director = timers();
        let first = director.asks((client, 5000), SYN);
        director.asks((client, 5000), ACK);
        director.wait(110);
        // Extended at 101; a new connection gives it 60 seconds from now, not 100.
        director.asks((client, 5000), crate::packet::RST);
        assert_eq!(Some(touches(&director, client, 5001)), first);
        director.wait(60);
        assert_eq!(director.templates(), 1);
        director.wait(1);
        assert_eq!(director.templates(), 0);
        // The next one is new, and has its whole time.
        touches(&director, client, 5002);
        director.wait(100);
        assert_eq!(director.templates(), 1);
        director.wait(1);
        assert_eq!(director.templates(), 0);
    }
}

/// Clients of one network belong together: /24 and /64 here.
#[test]
fn a_netmask_groups_clients() {
    let director = Director::new(small(), &METHODS, [24, 64], PERSISTENCE_S);
    let v4 = |third, fourth| IpAddr::from([172, 16, third, fourth]);
    let v6 = |third, last| IpAddr::from([0x2001, 0xdb8, 0x51, third, 7, 0, 0, last]);
    let mut ports = 5000;
    let mut of = |address| {
        ports += 1;
        director.asks((address, ports), SYN).unwrap()
    };
    let mut seen = Vec::new();
    for network in 0..8 {
        let servers: Vec<u8> = (0..20).map(|host| of(v4(network, host * 12 + 1))).collect();
        assert!(servers.iter().all(|server| *server == servers[0]), "{servers:?}");
        seen.push(servers[0]);
    }
    assert_eq!(seen, [10, 11, 12, 13, 10, 11, 12, 13], "each network has its turn");
    for network in 0..8 {
        let servers: Vec<u8> = (0..20).map(|host| of(v6(network, host * 12 + 1))).collect();
        assert!(servers.iter().all(|server| *server == servers[0]), "{servers:?}");
    }
    assert_eq!(director.templates(), 16);
}
