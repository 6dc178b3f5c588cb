//! Two CPUs on the same flows, and user space that frees them meanwhile: nothing goes to a wrong destination, nothing is
//! left half made, and no flow is there twice. In the kernel, and on the host, where threads are interrupted anywhere.

use crate::{
    packet::{ACK, FIN, Packet, RST, SYN, TCP, octets},
    random::Random,
    tables::{DR, NAT, Plan, Vip},
    world::{
        DIRECTOR, FLOW_TABLES, LO, WAN, action, client, client_mac, learn_route, no_services, server, small, vip,
        within,
    },
};
use relvs_core::{
    Reason,
    flow::{Link, control},
};
use relvs_dataplane::{Bytes, Side, Sizes, Timeouts, scan};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{
    collections::BTreeMap,
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// How long each of them goes on; `RELVS_RACE_SECONDS` says another time.
const SECONDS: u64 = 5;
const SERVICES: u16 = 8;
const SERVERS: u8 = 6;
/// From empty tables until everything rests.
const ROUND: Duration = Duration::from_millis(30);
/// Client ports to a service.
const FLOWS: u16 = 24;

/// Every service has so many servers, of one method: DR and NAT in turn, IPv4 and IPv6.
fn services(servers: u8) -> Plan {
    let mut vips = Vec::new();
    for number in 0..SERVICES {
        let (six, method) = (number % 4 >= 2, if number % 2 == 0 { DR } else { NAT });
        let port = 100 + number;
        let of = |i| server(six, method, 10 + i + 10 * number as u8, if method == NAT { 8080 } else { port });
        let servers = (0..servers).map(of).collect();
        vips.push(Vip::new(TCP, vip(six), port, servers));
    }
    let neighbours = (0..4).map(|n| (client_mac(n), WAN, vec![], 1500)).collect();
    let mut plan = Plan { vips, neighbours, ..no_services() };
    plan.number();
    plan
}

/// A frame, and what it is about.
struct Shot {
    frame: Vec<u8>,
    service: usize,
    flow: usize,
    /// The server that sends it.
    reply: Option<usize>,
}

/// All kinds of segments; or those of connections that never end, if they have to stay where they are.
fn shots(plan: &Plan, ends: bool) -> Vec<Shot> {
    let (of_clients, of_servers): (&[u8], &[u8]) = match ends {
        true => (&[SYN, SYN, ACK, ACK, ACK, FIN | ACK, RST], &[SYN | ACK, ACK, FIN | ACK]),
        false => (&[SYN, SYN, SYN, ACK, ACK], &[SYN | ACK, ACK]),
    };
    let mut shots = Vec::new();
    for (service, vip) in plan.vips.iter().enumerate() {
        let six = vip.address.is_ipv6();
        for n in 0..FLOWS {
            let from = (client(six, (n % 4) as u8), 3000 + n);
            let flow = service * usize::from(FLOWS) + usize::from(n);
            for flags in of_clients.iter().copied() {
                let packet = Packet::tcp(from, (vip.address, vip.port), flags).link(DIRECTOR, client_mac(0));
                shots.push(Shot { frame: packet.frame(), service, flow, reply: None });
            }
            for (at, server) in vip.servers.iter().enumerate().filter(|(_, server)| server.method == NAT) {
                for flags in of_servers.iter().copied() {
                    let packet = Packet::tcp((server.address, server.port), from, flags).link(DIRECTOR, server.mac);
                    shots.push(Shot { frame: packet.frame(), service, flow, reply: Some(at) });
                }
            }
        }
    }
    shots
}

/// A frame's first source or destination: address and port.
pub(crate) fn end(frame: &[u8], source: bool) -> (Vec<u8>, u16) {
    let six = frame[12..14] == [0x86, 0xdd];
    let (size, at) = match (six, source) {
        (false, true) => (4, 26),
        (false, false) => (4, 30),
        (true, true) => (16, 22),
        (true, false) => (16, 38),
    };
    let port = if six { 54 } else { 34 } + if source { 0 } else { 2 };
    (frame[at..at + size].to_vec(), u16::from_be_bytes([frame[port], frame[port + 1]]))
}

/// Which server got a frame or has its reply translated; nothing if it was not forwarded.
fn served(plan: &Plan, shot: &Shot, action: u32, bytes: &[u8]) -> Option<usize> {
    let vip = &plan.vips[shot.service];
    if action < 3 {
        return None;
    }
    if let Some(server) = shot.reply {
        let want = (octets(vip.address), vip.port);
        assert_eq!(end(bytes, true), want, "a reply is another service's");
        return Some(server);
    }
    let server = vip.servers.iter().position(|server| bytes[..6] == server.mac);
    let server = server.unwrap_or_else(|| panic!("service {} goes to {:?}", shot.service, &bytes[..6]));
    if vip.servers[server].method == NAT {
        let want = (octets(vip.servers[server].address), vip.servers[server].port);
        assert_eq!(end(bytes, false), want, "a request has another destination");
    }
    Some(server)
}

/// What the tables hold when nobody works on them: no record half made, none twice, and both ends of every pair.
fn at_rest(side: &impl Side) -> [usize; 2] {
    let (mut live, mut halves) = (0, 0);
    for (area, size) in FLOW_TABLES {
        let words: Vec<u64> = side.area(area).iter().map(|word| word.load(Acquire)).collect();
        let mut seen = BTreeMap::new();
        for (place, record) in words.chunks_exact(size).enumerate() {
            let phase = record[0] & control::PHASE;
            if phase == control::FREE {
                continue;
            }
            assert_eq!(phase, control::LIVE, "{area:?} {place} is half made: {:#x}", record[0]);
            live += 1;
            let key = (record[0] & (control::PROTOCOL | control::REPLY), record[1..size - size / 4].to_vec());
            if let Some(other) = seen.insert(key, place) {
                panic!("{area:?} {place} and {other} are one flow twice");
            }
            let link = Link(record[size - if size == 8 { 2 } else { 1 }]);
            let Some(other) = link.place() else {
                assert_eq!(record[0] & control::REPLY, 0, "a reply's record without the request's");
                continue;
            };
            let partner = &words[other as usize * size..][..size];
            if partner[0] & control::PHASE != control::LIVE || control::generation(partner[0]) != link.generation() {
                halves += 1;
                continue;
            }
            assert_ne!((record[0] ^ partner[0]) & control::REPLY, 0, "{area:?} {place}: a pair of one direction");
            let back = Link(partner[size - if size == 8 { 2 } else { 1 }]);
            assert_eq!(back.place(), Some(place as u32), "{area:?} {place}: its partner is another's");
            assert_eq!(control::destination(record[0]), control::destination(partner[0]));
        }
    }
    [live, halves]
}

/// Frees live records as user space does when their time is over.
fn expire(side: &impl Side, r: &mut Random, end: Instant) -> u64 {
    let mut freed = 0;
    while Instant::now() < end {
        for _ in 0..300 {
            let (area, size) = r.of(&FLOW_TABLES);
            let words = side.area(area);
            freed += u64::from(free(&words[r.below(words.len() / size) * size]));
        }
        scan(side, &Timeouts::default()).unwrap();
        thread::sleep(Duration::from_micros(50));
    }
    freed
}

fn free(cell: &AtomicU64) -> bool {
    let seen = cell.load(Acquire);
    let live = seen & control::PHASE == control::LIVE;
    live && cell.compare_exchange(seen, control::freed(seen), AcqRel, Acquire).is_ok()
}

/// Stays on the `number`-th of the CPUs that there are.
pub(crate) fn stay(number: usize) {
    let Ok(all) = sched_getaffinity(None) else { return };
    let there: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
    let mut one = CpuSet::new();
    one.set(there[number % there.len()]);
    let _ = sched_setaffinity(None, &one);
}

/// What two CPUs work on.
struct Race<'a, S, R> {
    plan: &'a Plan,
    side: &'a S,
    run: R,
    shots: Vec<Shot>,
    /// Whether user space frees flows meanwhile. If not, a flow stays where it began.
    frees: bool,
    /// Server of each flow + 1.
    chosen: Vec<AtomicU64>,
    /// The shot that both are near.
    focus: AtomicUsize,
}

#[derive(Default, Debug)]
struct Sum {
    packets: u64,
    forwarded: u64,
    freed: u64,
    live: usize,
    halves: usize,
}

impl<S: Side + Sync, R: Fn(usize, &[u8]) -> (u32, Vec<u8>) + Sync> Race<'_, S, R> {
    /// One CPU's packets, and how many of them were forwarded.
    fn work(&self, cpu: usize, mut r: Random, end: Instant) -> (u64, u64) {
        stay(cpu);
        let (mut packets, mut forwarded) = (0, 0);
        let all = self.shots.len();
        while Instant::now() < end {
            // Some time on few flows, both on the same ones.
            if cpu == 0 {
                self.focus.store(r.below(all), Relaxed);
            }
            for _ in 0..64 {
                let near = self.focus.load(Relaxed) + r.below(12);
                let shot = &self.shots[if r.chance(90) { near % all } else { r.below(all) }];
                let (action, bytes) = (self.run)(cpu, &shot.frame);
                packets += 1;
                let Some(server) = served(self.plan, shot, action, &bytes) else { continue };
                forwarded += 1;
                // Of two CPUs that open a NAT flow, the one that loses has its replies' record for a moment: no server
                // would use it that has got nothing.
                if !self.frees && shot.reply.is_none() {
                    let mine = server as u64 + 1;
                    let first = self.chosen[shot.flow].compare_exchange(0, mine, AcqRel, Acquire);
                    let first = first.unwrap_or_else(|other| if other == mine { 0 } else { other });
                    assert_eq!(first, 0, "flow {} moved to {mine}", shot.flow);
                }
            }
        }
        (packets, forwarded)
    }

    /// From empty tables until everybody rests.
    fn round(&self, seeds: &mut Random, sum: &mut Sum) {
        for (area, size) in FLOW_TABLES {
            for record in self.side.area(area).chunks_exact(size) {
                free(&record[0]);
            }
        }
        self.chosen.iter().for_each(|chosen| chosen.store(0, Relaxed));
        let begin = Instant::now();
        // What goes wrong in the end must not be freed with the rest.
        let (last_free, end) = (begin + ROUND * 2 / 3, begin + ROUND);
        thread::scope(|scope| {
            let [a, b, mut c]: [Random; 3] = std::array::from_fn(|_| Random::new(seeds.next()));
            let cpus = [(0, a), (1, b)].map(|(cpu, r)| scope.spawn(move || self.work(cpu, r, end)));
            let user = self.frees.then(|| scope.spawn(move || expire(self.side, &mut c, last_free)));
            for cpu in cpus {
                let (packets, forwarded) = cpu.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                sum.packets += packets;
                sum.forwarded += forwarded;
            }
            sum.freed += user.map_or(0, |user| user.join().unwrap());
        });
        let [live, halves] = at_rest(self.side);
        sum.live += live;
        sum.halves += halves;
    }
}

/// Two CPUs, and user space if `frees`.
fn race<S: Side + Sync>(
    name: &str,
    plan: &Plan,
    side: &S,
    frees: bool,
    run: impl Fn(usize, &[u8]) -> (u32, Vec<u8>) + Sync,
) {
    let mut seeds = Random::of_run(name);
    let flows = plan.vips.len() * usize::from(FLOWS);
    let chosen = (0..flows).map(|_| AtomicU64::new(0)).collect();
    let race = Race { plan, side, run, shots: shots(plan, frees), frees, chosen, focus: AtomicUsize::new(0) };
    let seconds = std::env::var("RELVS_RACE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut sum = Sum::default();
    while Instant::now() < end {
        race.round(&mut seeds, &mut sum);
    }
    println!("{name}: {sum:?}");
    assert!(sum.forwarded * 10 > sum.packets, "hardly anything was forwarded");
    assert!(!frees || sum.freed > 20, "hardly anything was freed");
    for reason in [Reason::Inconsistent, Reason::DestinationGone] {
        // A flow that another CPU or user space took away in the middle is dropped, and may be said to be inconsistent.
        let count = side.reason(reason).unwrap();
        assert!(count * 1000 <= sum.packets, "{}: {count}", reason.name());
    }
    if !frees {
        assert_eq!(side.reason(Reason::Displaced).unwrap() + side.reason(Reason::TableFull).unwrap(), 0);
        assert_eq!(sum.halves, 0);
    }
}

/// Crowded with frees, so that records change hands; roomy without, so that nothing is displaced.
fn sizes(frees: bool) -> Sizes {
    let buckets = if frees { 32 } else { 1 << 12 };
    Sizes { flows4: buckets, young4: buckets, flows6: buckets, young6: buckets, ..small() }
}

fn in_kernel(name: &str, frees: bool, servers: u8) {
    within(sizes(frees), services(servers), |world| {
        let Some(kernel) = &world.kernel else { return };
        race(name, &world.plan, kernel, frees, |_, frame| {
            let run = kernel.run("director", frame).unwrap();
            (run.action, run.frame)
        });
    });
}

fn on_host(name: &str, frees: bool, servers: u8) {
    let plan = services(servers);
    let memory = relvs_dataplane::Memory::new(sizes(frees), crate::world::MULTIPLIERS);
    plan.install(&memory);
    for shot in shots(&plan, frees) {
        learn_route(&memory, &shot.frame);
    }
    race(name, &plan, &memory, frees, |cpu, frame| {
        let mut bytes = Bytes { bytes: frame.to_vec(), ingress: LO };
        let verdict = memory.cpu(cpu).director(&mut bytes);
        (action(verdict), bytes.bytes)
    });
}

#[test]
fn kernel_with_frees() {
    in_kernel("kernel_with_frees", true, 1);
}

#[test]
fn kernel_without_frees() {
    in_kernel("kernel_without_frees", false, SERVERS);
}

#[test]
fn host_with_frees() {
    on_host("host_with_frees", true, 1);
}

#[test]
fn host_without_frees() {
    on_host("host_without_frees", false, SERVERS);
}
