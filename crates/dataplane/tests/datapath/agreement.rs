//! The same frames through the core on the host and through the kernel's program: the same verdict, the same bytes,
//! the same counters, the same tables. And a fault planted on one side is found.

use crate::{
    generate::Generator,
    packet::{ACK, Packet, SYN, Tunnel, inside, tunnelled},
    random::{Random, cases},
    tables::{DR, GUE_PORT, NAT, Plan, Vip},
    traced,
    world::{
        CLIENTS, DIRECTOR, MULTIPLIERS, Program, World, client, client_mac, dip, hex, lost, no_services, plan, port,
        rip, server, server_mac, small, vip, within,
    },
};
use relvs_core::{Reason, Verdict, decapsulate::ends, table::active};
use relvs_dataplane::{Area, Memory, Side, Sizes};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::{
    collections::BTreeSet,
    sync::atomic::Ordering::{Acquire, Release},
    time::Instant,
};

/// Frames in a run; `CASES` says another number.
const CASES: usize = 40_000;
/// Of a hundred, how many are spoilt.
const SPOILT: usize = 25;

/// The request line and the limit of answers are each CPU's own, so the test stays on one.
fn stay() {
    let mut cpus = CpuSet::new();
    cpus.set(0);
    let _ = sched_setaffinity(None, &cpus);
}

/// What was reached.
#[derive(Default)]
struct Reached {
    verdicts: BTreeSet<&'static str>,
    reasons: BTreeSet<Reason>,
    told: usize,
}

impl Reached {
    fn verdict(&mut self, verdict: Verdict) {
        self.verdicts.insert(match verdict {
            Verdict::Pass(_) => "pass",
            Verdict::Drop(_) => "drop",
            Verdict::Transmit => "transmit",
            Verdict::Redirect(_) => "redirect",
            Verdict::Next(_) => "next",
        });
    }

    fn reasons(&mut self, world: &World) {
        for side in [&world.memory, &world.server] {
            self.reasons.extend(Reason::ALL.iter().filter(|reason| side.reason(**reason).unwrap() > 0));
        }
    }
}

/// All but what drops by chance: each CPU counts its own.
const SETTINGS: u64 = active::SETTINGS & !active::DROP_PACKET;

/// What the director is told while frames come: which settings hold, whether there are marks and services of any port,
/// and the weight of every other server of the service that loses its servers' weights. In every other phase it tells
/// of what it decides.
const PHASES: [(u64, bool, u32); 8] = [
    (active::REUSE, true, 1),
    (active::REUSE, false, 1),
    (0, true, 0),
    (SETTINGS, true, 0),
    (SETTINGS & !active::EXPIRE_NODEST_CONN, false, 0),
    (SETTINGS & !active::EXPIRE_QUIESCENT_TEMPLATE, true, 1),
    (active::EXPIRE_QUIESCENT_TEMPLATE | active::SLOPPY_TCP | active::SLOPPY_SCTP, true, 0),
    (active::REUSE | active::REUSE_FIN_WAIT | active::SCHEDULE_ICMP | active::CACHE_BYPASS, true, 1),
];

/// Changes what the director is told, on both sides.
fn enter(world: &mut World, (settings, marks, weight): (u64, bool, u32)) {
    (world.plan.settings, world.plan.marks) = (settings, marks);
    for vip in world.plan.vips.iter_mut().filter(|vip| vip.port == port::QUIESCED && vip.listens()) {
        vip.servers[0].weight = weight;
    }
    // One that comes and goes has flows.
    let there = weight != 0;
    for vip in world.plan.vips.iter_mut().filter(|vip| vip.port == port::WEIGHTED && vip.listens()) {
        vip.servers[1].available = there;
        vip.servers[1].weight = if there { 3 } else { 0 };
    }
    world.install();
}

/// Generated frames until one is treated differently: which, and how. `tables` are compared too, if wanted.
fn compare(world: &World, r: Random, cases: usize, reached: &mut Reached, tables: bool) -> Result<(), String> {
    let mut generator = Generator::new(r, &world.plan);
    for case in 0..cases {
        let frame = generator.frame(&world.memory, SPOILT);
        let here = |error| format!("case {case}: {error}\nframe  {}", hex(&frame));
        let (verdict, _) = world.both(Program::Director, &frame).map_err(here)?;
        reached.verdict(verdict);
        reached.told += traced::same(world).map_err(here)?;
        if case % 8 == 0 || matches!(verdict, Verdict::Drop(_)) {
            world.reasons().map_err(here)?;
        }
        if tables && case % 16 == 0 {
            world.moving_tables().map_err(here)?;
        }
        let (verdict, _) = world.both(Program::Decapsulator, &frame).map_err(here)?;
        reached.verdict(verdict);
    }
    reached.reasons(world);
    if tables { world.tables() } else { Ok(()) }
}

#[test]
fn kernel_and_host_agree() {
    let mut r = Random::of_run("kernel_and_host_agree");
    within(small(), plan(), |mut world| {
        stay();
        for six in [false, true] {
            crate::world::decapsulate(&mut world, vip(six), ENDS);
        }
        let (cases, begin, mut reached) = (cases(CASES), Instant::now(), Reached::default());
        for (turn, phase) in PHASES.into_iter().enumerate() {
            enter(&mut world, phase);
            traced::ask(&world, turn % 2 == 1);
            let seed = Random::new(r.next());
            let compared = compare(&world, seed, cases / PHASES.len(), &mut reached, true);
            compared.unwrap_or_else(|error| panic!("settings {phase:x?}: {error}"));
        }
        println!("{cases} frames in {:?}", begin.elapsed());
        let missed = world.stages_missed();
        assert!(missed.is_empty(), "stages that no frame went through: {missed:?}");
        println!("told of {} frames", reached.told);
        assert!(world.kernel.is_none() || reached.told > cases / 20, "told of {}", reached.told);
        reached.reasons(&world);
        for reason in Reason::ALL {
            let count = world.memory.reason(*reason).unwrap() + world.server.reason(*reason).unwrap();
            println!("{:>20} {count}", reason.name());
        }
        within(small(), plan(), |mut world| {
            for six in [false, true] {
                crate::world::decapsulate(&mut world, vip(six), ENDS);
            }
            directed(&world);
            reached.reasons(&world);
        });
        full_tables(&mut reached);
        assert_eq!(reached.verdicts, ["drop", "pass", "redirect", "transmit"].into());
        // `room.rs` has that one: it takes frames with less room in front than a test run gives by itself.
        reached.reasons.insert(Reason::NoRoom);
        // `limits.rs` has these: seconds and CPUs differ between the sides.
        reached.reasons.extend([Reason::NewFlowsLimited, Reason::DropPacket]);
        let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !reached.reasons.contains(reason)).collect();
        assert!(missing.is_empty(), "never reached: {missing:?}");
    });
}

/// All tunnels end at the server.
const ENDS: u32 = ends::IPIP | ends::GRE | ends::GUE | (GUE_PORT as u32) << 16;

/// What chance hardly finds.
fn directed(world: &World) {
    for six in [false, true] {
        let from = (client(six, 0), 5000);
        let send = |packet: Packet| world.agreed(&packet.link(DIRECTOR, client_mac(0)).frame()).0;
        let note = |reason| world.memory.reason(reason).unwrap();
        // Another service with the same server and the same client's port.
        let opens = |at| Packet::tcp((client(six, 1), 5001), (vip(six), at), SYN);
        assert!(matches!(send(opens(port::NAT)), Verdict::Transmit | Verdict::Drop(Reason::Collision)));
        assert_eq!(send(opens(port::RIVAL)), Verdict::Drop(Reason::Collision));
        assert_eq!(send(Packet::tcp(from, (vip(six), port::BROKEN), SYN)), Verdict::Drop(Reason::Inconsistent));
        assert_eq!(send(Packet::tcp(from, (vip(six), port::RETIRED), SYN)), Verdict::Drop(Reason::DestinationGone));
        assert_eq!(
            send(Packet::tcp(from, (vip(six), port::UNRESOLVED), SYN)),
            Verdict::Drop(Reason::NextHopUnresolved)
        );
        // Clients that a NAT server's packets do not reach.
        for (lost, reason) in [(client(six, CLIENTS), Reason::NoNeighbour), (lost(six), Reason::NoRoute)] {
            let to = (vip(six), port::NAT);
            assert_eq!(send(Packet::tcp((lost, 5002), to, SYN)), Verdict::Transmit);
            let back = Packet::tcp((rip(six, 24), 8080), (lost, 5002), SYN | ACK).link(DIRECTOR, server_mac(24));
            assert_eq!(world.agreed(&back.frame()).0, Verdict::Drop(reason));
        }
        // More answers than are given in a second.
        let before = note(Reason::AnswerLimited);
        let expired = Packet::tcp(from, (vip(six), port::DR), SYN).ttl(1);
        for _ in 0..5000 {
            if let Verdict::Drop(reason) = send(expired.clone()) {
                assert_eq!(reason, Reason::AnswerLimited);
                break;
            }
        }
        assert!(note(Reason::AnswerLimited) > before);
        // Every UDP checksum there is, through a NAT server: the one that becomes 0 is sent as all ones.
        let mut all_ones = 0;
        for i in 0..=u16::MAX {
            let packet = Packet::udp(from, (vip(six), port::NAT)).data(i.to_be_bytes());
            let frame = packet.link(DIRECTOR, client_mac(0)).frame();
            let (verdict, bytes) = world.agreed(&frame);
            assert_eq!(verdict, Verdict::Transmit);
            let at = if six { 14 + 40 + 6 } else { 14 + 20 + 6 };
            assert_ne!(bytes[at..at + 2], [0, 0], "{}", hex(&frame));
            all_ones += u32::from(bytes[at..at + 2] == [0xff, 0xff]);
        }
        assert!(all_ones > 0);
        // A fragment of a tunnel's packet that is too big for the way, and later ones.
        let big = Packet::udp(from, (vip(six), port::NARROW)).data(vec![7; 2900]);
        let whole_flow = Packet::udp(from, (vip(six), port::NARROW));
        send(whole_flow);
        for part in [big.clone().part(0, 800, true), big.part(800, 1400, true)] {
            let last = part.part.is_some_and(|(first, ..)| first > 0);
            let wanted = if last { Verdict::Drop(Reason::TooBig) } else { Verdict::Transmit };
            assert_eq!(send(Packet { dont_fragment: false, ..part }), wanted);
        }
        // A tunnel's end.
        let inner = Packet::tcp(from, (vip(six), port::TUN), SYN);
        let outer = tunnelled(&inner, dip(six), rip(six, 22)).link(server_mac(22), DIRECTOR);
        let (verdict, bytes) = world.both(Program::Decapsulator, &outer.frame()).unwrap();
        assert_eq!(verdict, Verdict::Pass(Reason::Decapsulated));
        assert_eq!(bytes, inner.clone().link(server_mac(22), DIRECTOR).frame());
        // One whose checksum is wrong.
        let mut wrong =
            inside(&inner, Tunnel::Gre { sum: true }, dip(six), rip(six, 22)).link(server_mac(22), DIRECTOR);
        wrong.data[4] ^= 1;
        let (verdict, _) = world.both(Program::Decapsulator, &wrong.frame()).unwrap();
        assert_eq!(verdict, Verdict::Drop(Reason::TunnelChecksum));
    }
    world.tables().unwrap();
    world.reasons().unwrap();
}

/// Tables of one bucket, with established flows in every record.
fn full_tables(reached: &mut Reached) {
    let tiny = Sizes { flows4: 1, young4: 1, flows6: 1, young6: 1, ..small() };
    for (method, flows) in [(DR, 8), (NAT, 4)] {
        let mut vips = Vec::new();
        for six in [false, true] {
            let servers = vec![server(six, method, 10, 80)];
            vips.push(Vip::new(6, vip(six), 80, servers));
        }
        let mut plan = Plan { vips, ..no_services() };
        plan.number();
        within(tiny, plan, |world| {
            stay();
            for six in [false, true] {
                // Half-open flows give their places to newer ones.
                for n in 0..2 * flows {
                    let packet = Packet::tcp((client(six, 0), 4000 + n), (vip(six), 80), SYN);
                    reached.verdict(world.agreed(&packet.link(DIRECTOR, client_mac(0)).frame()).0);
                }
                for n in 0..flows + 1 {
                    let packet = |flags| {
                        let packet = Packet::tcp((client(six, 0), 5000 + n), (vip(six), 80), flags);
                        packet.link(DIRECTOR, client_mac(0)).frame()
                    };
                    let opened = world.agreed(&packet(SYN)).0;
                    let wanted = if n < flows { Verdict::Transmit } else { Verdict::Drop(Reason::TableFull) };
                    assert_eq!(opened, wanted, "flow {n}");
                    if n < flows {
                        assert_eq!(world.agreed(&packet(ACK)).0, Verdict::Transmit);
                    }
                }
                world.tables().unwrap();
                world.reasons().unwrap();
            }
            reached.reasons(&world);
        });
    }
}

/// What one side has wrong, and whether frames alone show it.
type Fault = (&'static str, bool, fn(&mut World));

/// Changes bits of the first word from `from` on that the predicate wants.
fn spoil(memory: &Memory, area: Area, from: usize, bits: u64, wanted: fn(u64) -> bool) {
    let words = memory.area(area);
    let word = words.iter().skip(from).find(|word| wanted(word.load(Acquire))).unwrap();
    word.store(word.load(Acquire) ^ bits, Release);
}

const FAULTS: [Fault; 6] = [
    ("a ring's slot", true, |w| {
        let half = w.memory.area(Area::Rings).len() / 2;
        spoil(&w.memory, Area::Rings, half, 3, |word| word != 0);
    }),
    ("a server's port", true, |w| spoil(&w.memory, Area::Destinations, 8 * 2 + 1, 1, |word| word != 0)),
    ("a bit of a MAC", true, |w| spoil(&w.memory, Area::Hops, 4, 1 << 40, |word| word != 0)),
    ("a tunnel's MTU", true, |w| {
        for record in w.memory.area(Area::Destinations).chunks_exact(8) {
            let meta = record[0].load(Acquire);
            record[0].store(meta ^ 1 << 16, Release);
        }
    }),
    ("a multiplier of the hash", false, |w| {
        let mut others = MULTIPLIERS;
        others[2] ^= 2;
        w.memory = Memory::new(*w.memory.sizes(), others);
        w.plan.install(&w.memory);
    }),
    ("the cursor of a round", true, |w| {
        let half = w.memory.area(Area::Services).len() / 2;
        spoil(&w.memory, Area::Services, half + 7, 1, |_| true);
    }),
];

#[test]
fn a_planted_fault_is_found() {
    let mut r = Random::of_run("a_planted_fault_is_found");
    for (name, frames, plant) in FAULTS {
        let seed = Random::new(r.next());
        within(small(), plan(), |mut world| {
            stay();
            plant(&mut world);
            if world.kernel.is_none() {
                return;
            }
            let found = compare(&world, seed, 20_000, &mut Reached::default(), !frames);
            println!("{name}: {}", found.as_ref().err().and_then(|e| e.lines().next()).unwrap_or("not found"));
            assert!(found.is_err(), "{name} is not noticed");
        });
    }
}

/// The slow way alone gives what the fast one and the slow one give together, and for the same reason.
#[test]
fn the_slow_way_does_what_the_fast_one_does() {
    let seed = Random::of_run("the_slow_way_does_what_the_fast_one_does").next();
    let plan = plan();
    let (fast, slow) = (Memory::new(small(), MULTIPLIERS), Memory::new(small(), MULTIPLIERS));
    plan.install(&fast);
    plan.install(&slow);
    let mut generator = Generator::new(Random::new(seed), &plan);
    for case in 0..cases(CASES) {
        let frame = generator.frame(&fast, SPOILT);
        let now = (case / 200) as u16;
        let mut results = Vec::new();
        for (memory, slowly) in [(&fast, false), (&slow, true)] {
            memory.now.store(now, Release);
            crate::world::learn_route(memory, &frame);
            let mut bytes = relvs_dataplane::Bytes { bytes: frame.clone(), ingress: crate::world::LO };
            let verdict = if slowly { memory.slow_director(&mut bytes) } else { memory.director(&mut bytes) };
            results.push((verdict, bytes.bytes));
        }
        assert_eq!(results[0], results[1], "case {case}: {}", hex(&frame));
        for area in Area::ALL.into_iter().filter(|_| case % 64 == 63) {
            for (at, (a, b)) in fast.area(area).iter().zip(slow.area(area)).enumerate() {
                let (a, b) = (a.load(Acquire), b.load(Acquire));
                assert_eq!(a, b, "case {case}: {area:?} word {at}: {a:#x} {b:#x}: {}", hex(&frame));
            }
        }
    }
}

/// Of several faults of an IPv4 header both ways name the same one: lengths first, then the sum, then the protocol.
#[test]
fn of_several_faults_one_is_named() {
    let plan = plan();
    let memory = Memory::new(small(), MULTIPLIERS);
    plan.install(&memory);
    let right = Packet::tcp((client(false, 0), 1), (vip(false), 2), ACK).link(DIRECTOR, client_mac(0)).frame();
    for (length, sum, protocol, reason) in [
        (2, true, 47, Reason::Malformed),
        (2, false, 6, Reason::Malformed),
        (1500, false, 17, Reason::Malformed),
        (40, false, 47, Reason::HeaderChecksum),
        (40, false, 6, Reason::HeaderChecksum),
        (40, true, 47, Reason::Protocol),
        (20, true, 47, Reason::Protocol),
        (20, true, 6, Reason::Malformed),
    ] {
        let mut frame = right.clone();
        frame[16..18].copy_from_slice(&u16::to_be_bytes(length));
        frame[23] = protocol;
        frame[24..26].fill(0);
        let header: &[u8; 20] = frame[14..34].try_into().unwrap();
        let fold = relvs_core::wire::checksum::fold(relvs_core::wire::checksum::header(header));
        frame[24..26].copy_from_slice(&(!fold ^ u16::from(!sum)).to_ne_bytes());
        let bytes = || relvs_dataplane::Bytes { bytes: frame.clone(), ingress: crate::world::LO };
        let verdicts = [memory.director(&mut bytes()), memory.slow_director(&mut bytes())];
        assert_eq!(verdicts, [Verdict::Pass(reason); 2], "{}", hex(&frame));
    }
}

/// The director's address is used by the tests' packets too: it must be what the tables say.
#[test]
fn the_plan_is_consistent() {
    let plan = plan();
    let numbers: Vec<u32> = plan.servers().map(|(number, ..)| number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
    assert_eq!(plan.dip, [dip(false), dip(true)]);
}
