//! Active and inactive flows and templates of every destination, after many connections in every legal and several
//! illegal ways, on two CPUs at once: what was counted on the way equals a recount at rest.

use crate::{
    lives::{Life, Step},
    packet::{Body, Packet, SCTP, TCP, UDP},
    race::{end, stay},
    random::Random,
    tables::{DR, NAT, Plan, Server, TUN, Vip},
    world::{
        CLIENTS, DIRECTOR, LO, MULTIPLIERS, action, client, client_mac, learn_route, no_services, remote, server,
        small, vip, within,
    },
};
use relvs_core::{
    flow::control,
    table::{active, service::flag},
};
use relvs_dataplane::{Area, Bytes, Load, Memory, Side, Sizes, Timeouts, entries, load_of, scan};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Relaxed, Release},
    },
    thread,
    time::{Duration, Instant},
};

/// Connections in all; `RELVS_CONNECTIONS` says another number.
const CONNECTIONS: usize = 100_000;
/// The part of them that is enough while flows expire.
const WITH_SCANS: usize = 3;

/// A service of each kind, on ports from 80 on, for both families.
fn services() -> Plan {
    let mut vips = Vec::new();
    for six in [false, true] {
        let mut n = 10;
        let mut of = |protocol, port: u16, scheduler: u8, methods: &[u8]| {
            let servers = methods.iter().map(|method| {
                n += 1;
                server(six, *method, n, if *method == NAT { 8080 } else { port })
            });
            Vip { scheduler, ..Vip::new(protocol, vip(six), port, servers.collect()) }
        };
        let (round, lc, wlc) = (1, 3, 4);
        vips.push(of(TCP, 80, lc, &[NAT, NAT, NAT]));
        vips.push(of(TCP, 81, wlc, &[DR, DR, TUN]));
        vips.push(thresholds(of(TCP, 82, round, &[NAT, DR, NAT])));
        vips.push(of(UDP, 83, lc, &[NAT, DR]));
        vips.push(of(SCTP, 84, wlc, &[NAT, NAT, DR]));
        vips.push(Vip { flags: flag::ONE_PACKET, ..thresholds(of(UDP, 85, round, &[NAT, DR])) });
        vips.push(of(TCP, 86, round, &[NAT, DR, NAT]).persistent(if six { 126 } else { 30 }));
        vips.push(thresholds(of(UDP, 87, round, &[DR, NAT])).persistent(if six { 128 } else { 32 }));
        vips.push(of(SCTP, 88, lc, &[DR, NAT]).persistent(if six { 124 } else { 28 }));
        vips.push(quiesced(of(TCP, 89, round, &[DR, NAT, DR])));
    }
    let settings = active::REUSE | active::REUSE_FIN_WAIT | active::SLOPPY_SCTP | active::EXPIRE_NODEST_CONN;
    let mut plan = Plan { vips, settings, ..no_services() };
    plan.number();
    plan
}

/// The first server takes few flows.
fn thresholds(mut vip: Vip) -> Vip {
    for (server, upper) in vip.servers.iter_mut().zip([40, 400]) {
        server.thresholds = (upper, upper / 4);
    }
    vip
}

/// The last server has no weight, and a template's clients leave it.
fn quiesced(mut vip: Vip) -> Vip {
    if let Some(last) = vip.servers.last_mut() {
        last.weight = 0;
    }
    vip
}

const PORTS: [(u8, u16); 10] =
    [(TCP, 80), (TCP, 81), (TCP, 82), (UDP, 83), (SCTP, 84), (UDP, 85), (TCP, 86), (UDP, 87), (SCTP, 88), (TCP, 89)];

/// Most connections find room; those of a flood share little.
fn sizes() -> Sizes {
    Sizes { flows4: 1 << 14, flows6: 1 << 14, young4: 32, young6: 32, ..small() }
}

/// One side and how frames get through it.
struct Bench<'a, S, R> {
    side: &'a S,
    run: R,
    connections: usize,
    /// Not all are done.
    busy: AtomicBool,
}

/// What one CPU has done.
#[derive(Default, Debug)]
struct Done {
    connections: usize,
    packets: usize,
    forwarded: usize,
    replies: usize,
}

impl<S: Side + Sync, R: Fn(usize, &[u8]) -> (u32, Vec<u8>) + Sync> Bench<'_, S, R> {
    /// One CPU's connections. Some of them are the other CPU's too, at about the same time.
    fn work(&self, cpu: usize, mut r: Random, connections: usize) -> Done {
        stay(cpu);
        let mut done = Done::default();
        for number in 0..connections {
            let shared = r.chance(25);
            let id = if shared { number } else { number + (cpu + 1) * connections };
            self.connection(cpu, &mut r, id, &mut done);
        }
        done
    }

    fn connection(&self, cpu: usize, r: &mut Random, id: usize, done: &mut Done) {
        let six = id & 1 != 0;
        let (protocol, port) = PORTS[(id >> 1) % PORTS.len()];
        let near = !(id / 20).is_multiple_of(3);
        let from = if near { client(six, (id / 20) as u8 % CLIENTS) } else { remote(six, (id / 20 % 250) as u8) };
        let from = (from, 1024 + (id / 40 % 60_000) as u16);
        let life = Life::random(r, protocol);
        done.connections += 1;
        let mut chosen = None;
        for step in life.steps(r) {
            match step {
                Step::Client(body) => chosen = self.asks(cpu, from, (vip(six), port), body, done).or(chosen),
                Step::Server(body) => {
                    if let Some(server) = chosen {
                        self.answers(cpu, server, from, body, done);
                    }
                }
                Step::Flood(body, times) => {
                    for _ in 0..times {
                        let from = (from.0, r.between(1024, 65_536) as u16);
                        self.asks(cpu, from, (vip(six), port), body.clone(), done);
                    }
                }
            }
        }
    }

    /// A client's packet. Where it went, if a server was given it by NAT.
    fn asks(
        &self,
        cpu: usize,
        from: (IpAddr, u16),
        to: (IpAddr, u16),
        body: Body,
        done: &mut Done,
    ) -> Option<(IpAddr, u16)> {
        let frame = Packet::new(from, to, body).link(DIRECTOR, client_mac(0)).frame();
        let (action, bytes) = (self.run)(cpu, &frame);
        done.packets += 1;
        done.forwarded += usize::from(action == 3);
        let (address, port) = end(&bytes, false);
        let address = match <[u8; 4]>::try_from(address.as_slice()) {
            Ok(octets) => IpAddr::from(octets),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(address).unwrap()),
        };
        (action == 3 && port == 8080).then_some((address, port))
    }

    fn answers(&self, cpu: usize, server: (IpAddr, u16), to: (IpAddr, u16), body: Body, done: &mut Done) {
        let frame = Packet::new(server, to, body).link(DIRECTOR, [2, 0, 0, 0, 2, 1]).frame();
        let (action, _) = (self.run)(cpu, &frame);
        done.packets += 1;
        done.replies += usize::from(action == 4);
    }

    /// Two CPUs at once, and beside them what user space does.
    fn run(&self, name: &str, beside: impl Fn() + Sync) {
        let mut seeds = Random::of_run(name);
        let connections = self.connections / 2;
        let begin = Instant::now();
        thread::scope(|scope| {
            let user = scope.spawn(|| {
                while self.busy.load(Relaxed) {
                    beside();
                }
            });
            let cpus = [0, 1].map(|cpu| {
                let r = Random::new(seeds.next());
                scope.spawn(move || self.work(cpu, r, connections))
            });
            let results = cpus.map(thread::ScopedJoinHandle::join);
            self.busy.store(false, Relaxed);
            user.join().unwrap();
            for result in results {
                let done = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                println!("{name}: {done:?} in {:?}", begin.elapsed());
                assert!(
                    done.forwarded * 3 > done.packets && done.replies * 12 > done.packets,
                    "hardly anything went on"
                );
            }
        });
    }
}

fn connections(scans: bool) -> usize {
    let all = std::env::var("RELVS_CONNECTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(CONNECTIONS);
    if scans { all / WITH_SCANS } else { all }
}

/// Nothing expires by these.
fn never() -> Timeouts {
    let long = 1 << 20;
    Timeouts { tcp_s: [long; 11], udp_s: long, sctp_s: [long; 14], ..Timeouts::default() }
}

/// Everything but templates is over after a second.
fn soon(templates_s: BTreeMap<u32, u32>) -> Timeouts {
    Timeouts { tcp_s: [1; 11], udp_s: 1, sctp_s: [1; 14], templates_s, ..Timeouts::default() }
}

/// Flows and templates of each destination, counted one by one.
fn recount(side: &impl Side) -> Vec<Load> {
    let mut loads: Vec<Load> = vec![Load::default(); side.sizes().destinations as usize];
    let known = entries(side, &never(), usize::MAX).unwrap();
    for entry in known.iter().filter(|entry| entry.template) {
        loads[entry.destination as usize].templates += 1;
    }
    // By the states' names, of which the listing knows nothing else.
    for entry in known.iter().filter(|entry| !entry.template) {
        let load = &mut loads[entry.destination as usize];
        if ["ESTABLISHED", "SYN_RECV", "SYN_SENT", "SYNACK"].contains(&entry.state) {
            load.active += 1;
        } else {
            load.inactive += 1;
        }
    }
    loads
}

/// What every destination counts is what there is.
fn at_rest(plan: &Plan, side: &impl Side) {
    let recounted = recount(side);
    let (mut flows, mut templates) = (0, 0);
    for (number, vip, server) in plan.servers() {
        let counted = load_of(side, number);
        let there = Load { overloaded: counted.overloaded, ..recounted[number as usize] };
        assert_eq!(counted, there, "{} of port {} and protocol {}", server.address, vip.port, vip.protocol);
        overload(server, &counted);
        flows += counted.active + counted.inactive;
        templates += counted.templates;
    }
    assert!(recounted[0] == Load::default() && flows > 50 && templates > 20, "{flows} flows, {templates} templates");
    println!("at rest: {flows} flows, {templates} templates");
}

/// The flag is within its hysteresis.
fn overload(server: &Server, load: &Load) {
    let (upper, lower) = server.thresholds;
    let flows = load.active + load.inactive;
    if upper == 0 {
        assert!(!load.overloaded, "overloaded without a threshold");
    } else if flows > upper {
        assert!(load.overloaded, "{flows} flows, and not overloaded");
    } else if flows < lower {
        assert!(!load.overloaded, "{flows} flows, and overloaded");
    }
}

/// Nothing is left, and nothing is counted.
fn all_gone(plan: &Plan, side: &impl Side) {
    for area in [Area::Flows4, Area::Young4] {
        let live = side.area(area).chunks_exact(4).filter(|r| r[0].load(Acquire) & control::PHASE != 0).count();
        assert_eq!(live, 0, "{area:?}");
    }
    for area in [Area::Flows6, Area::Young6] {
        let live = side.area(area).chunks_exact(8).filter(|r| r[0].load(Acquire) & control::PHASE != 0).count();
        assert_eq!(live, 0, "{area:?}");
    }
    for (number, ..) in plan.servers() {
        assert_eq!(load_of(side, number), Load::default(), "destination {number}");
    }
}

fn templates_s(plan: &Plan) -> BTreeMap<u32, u32> {
    plan.servers().map(|(number, ..)| (number, 300)).collect()
}

fn on_host(name: &str, scans: bool) {
    let plan = services();
    let memory = Memory::new(sizes(), MULTIPLIERS);
    plan.install(&memory);
    let run = |cpu: usize, frame: &[u8]| {
        learn_route(&memory, frame);
        let mut bytes = Bytes { bytes: frame.to_vec(), ingress: LO };
        let verdict = memory.cpu(cpu).director(&mut bytes);
        (action(verdict), bytes.bytes)
    };
    let bench = Bench { side: &memory, run, connections: connections(scans), busy: AtomicBool::new(true) };
    let timeouts = Timeouts { templates_s: templates_s(&plan), ..Timeouts::default() };
    // Time goes by, a second for each scan: everything expires some time, and templates are extended.
    bench.run(name, || {
        if scans {
            memory.now.fetch_add(1, Release);
            scan(bench.side, &timeouts).unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    });
    at_rest(&plan, &memory);
    for seconds in [2000, 100] {
        memory.now.fetch_add(seconds, Release);
        scan(&memory, &Timeouts::default()).unwrap();
    }
    all_gone(&plan, &memory);
}

fn in_kernel(name: &str, scans: bool) {
    within(sizes(), services(), |world| {
        let Some(kernel) = &world.kernel else { return };
        let run = |_, frame: &[u8]| {
            let run = kernel.run("director", frame).unwrap();
            (run.action, run.frame)
        };
        let bench = Bench { side: kernel, run, connections: connections(scans), busy: AtomicBool::new(true) };
        // Templates are not extended here: a minute is too long for a test.
        let timeouts = soon(templates_s(&world.plan));
        bench.run(name, || {
            if scans {
                scan(bench.side, &timeouts).unwrap();
            }
            thread::sleep(Duration::from_millis(1));
        });
        at_rest(&world.plan, kernel);
        // Flows first: a template that controls one would be extended.
        for timeouts in [&timeouts, &soon(BTreeMap::new())] {
            let end = Instant::now() + Duration::from_secs(20);
            loop {
                thread::sleep(Duration::from_millis(300));
                let left = scan(kernel, timeouts).unwrap();
                if left.live == 0 && left.expired == 0 || Instant::now() > end {
                    break;
                }
            }
        }
        all_gone(&world.plan, kernel);
    });
}

#[test]
fn host() {
    on_host("counts::host", false);
}

#[test]
fn host_with_scans() {
    on_host("counts::host_with_scans", true);
}

#[test]
fn kernel() {
    in_kernel("counts::kernel", false);
}

#[test]
fn kernel_with_scans() {
    in_kernel("counts::kernel_with_scans", true);
}
