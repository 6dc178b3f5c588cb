//! Floods by live frames: what is established goes on, and who means it gets in.
//!
//! A flood goes on until it has displaced ten times as many young flows as the table holds, and until everybody who came
//! meanwhile is through. Numbers are small, for a busy machine; `RELVS_FLOOD_CONNECTIONS` says how many connections
//! transfer meanwhile.
//!
//! A program of its own, and one test after the other: what else runs on the machine would starve, and its tests fail.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "what tests share is a test too")]

#[allow(dead_code, reason = "what the tests of other subjects use")]
#[path = "../e2e/bed.rs"]
mod bed;
#[allow(dead_code, reason = "what the tests of other subjects use")]
#[path = "../e2e/configuration.rs"]
mod configuration;

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use relvs_lab::traffic::{Flood, Load, Packets, Report, RunningFlood, UdpExchange};
use relvs_lab::{Gateway, Shape, Topology};
use relvs_model::Method;

use bed::{Bed, PATIENCE, reason, until};
use configuration::{Service, tcp, udp};

/// What the tables are made for, and how many young flows of a family they then hold.
const FLOWS: (&str, u64) = ("flows = 262_144", 32_768);
/// Connections that are begun during a flood.
const NEWCOMERS: u64 = 200;
/// What lets a lost segment be sent again some times.
const LONG: Duration = Duration::from_secs(60);
/// Packets a second. As many as can be sent would take the time from the servers and the clients, who are on the same
/// machine: `RELVS_FLOOD_RATE` says another number.
const RATE: u32 = 40_000;
/// After this a flood is over, however slow the machine is.
const LONGEST: Duration = Duration::from_secs(150);
/// How much memory of its own a director may take more: what listings and logs need at a time.
const GROWTH_KB: u64 = 32 << 10;

/// What a test holds while it floods.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(shape: &Shape, services: &[Service]) -> Option<Bed> {
    let mut bed = Bed::bare(shape)?;
    bed.prepare(services);
    let text = configuration::text(&bed.lab, "d1", "", &bed.vips, services);
    bed.lab.write_file("relvs.toml", &text.replace("flows = 16_384", FLOWS.0)).unwrap();
    bed.director.start().unwrap();
    bed.all_ready();
    // What is sent back to the sources of a flood ends at the router.
    let router = bed.node("r");
    router.ip("route add blackhole 198.18.0.0/15").unwrap();
    router.ip("-6 route add blackhole 2001:2::/48").unwrap();
    Some(bed)
}

/// From the router on, as if from everywhere.
fn flood(bed: &Bed, target: SocketAddr, packets: Packets) -> RunningFlood {
    let director = bed.node("d1").port_on("lan").unwrap().mac;
    Flood::new(target, packets)
        .time(LONGEST)
        .rate(setting("RELVS_FLOOD_RATE", RATE))
        .start(bed.node("r"), "lan", director)
        .unwrap()
}

/// A number that a person may set.
fn setting<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The director's own memory, in kilobytes.
fn memory(bed: &Bed) -> u64 {
    let pid = bed.director.process().unwrap().pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    anonymous.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Waits until so many were displaced since there were `before`.
fn displaced(bed: &Bed, before: u64, count: u64) {
    let deadline = Instant::now() + LONGEST;
    loop {
        let displaced = reason(&bed.status(), "displaced") - before;
        if displaced >= count {
            return;
        }
        assert!(Instant::now() < deadline, "the flood has displaced {displaced} of {count} in {LONGEST:?}");
        sleep(Duration::from_millis(50));
    }
}

/// Floods a service of TCP while others connect to it.
fn syn_flood(bed: &Bed, target: SocketAddr) {
    let before = reason(&bed.status(), "displaced");
    let flood = flood(bed, target, Packets::Syn);
    displaced(bed, before, FLOWS.1);
    let newcomers = Load { timeout: LONG, ..Load::new(target) }.requests(NEWCOMERS).workers(16);
    let report = newcomers.run(bed.client()).unwrap();
    displaced(bed, before, 10 * FLOWS.1);
    let sent = flood.stop().unwrap();
    println!("{target}: flood {sent}; newcomers {report}");
    assert!(report.ok * 100 >= NEWCOMERS * 99, "{target}: {report}");
}

/// One datagram and its answer; what a full queue drops is sent again, as whoever speaks UDP has to.
fn answered(bed: &Bed, target: SocketAddr) -> bool {
    let begin = Instant::now();
    loop {
        let exchange = UdpExchange::new(target, 1).timeout(Duration::from_millis(500));
        if exchange.run(bed.client()).unwrap().ok == 1 {
            return true;
        }
        if begin.elapsed() > PATIENCE {
            return false;
        }
    }
}

/// Connections that were there before the floods.
fn transfers(bed: &Bed, target: SocketAddr) -> relvs_lab::traffic::RunningLoad {
    let count: u16 = setting("RELVS_FLOOD_CONNECTIONS", 200);
    let load = Load { timeout: LONG, ..Load::new(target) }.keep_alive().rate(u32::from(count), count);
    let running = load.start(bed.client()).unwrap();
    // Each worker takes one of the first requests.
    until("every connection has transferred", || running.so_far().ok >= u64::from(count));
    running
}

#[track_caller]
fn unbroken(report: &Report) {
    assert_eq!(report.failed(), 0, "{report}");
}

#[test]
fn floods_of_connections_datagrams_and_fragments_break_nothing() {
    let _alone = alone();
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 1)];
    // Nobody serves the flooded datagrams, or it would be the servers that are too slow for the others.
    let services = [tcp(80, "wlc", &servers), udp(53, "rr", &servers), udp(99, "rr", &servers)];
    let Some(bed) = start(&Shape::new(Topology::OneArmed).servers(2), &services) else { return };
    for target in bed.targets(80) {
        bed.requests(target, 4);
    }
    let held = bed.targets(80).map(|target| transfers(&bed, target));
    let before = memory(&bed);
    for target in bed.targets(80) {
        syn_flood(&bed, target);
    }
    let [datagrams, _] = bed.targets(99);
    let [asked, _] = bed.targets(53);
    for packets in [Packets::Datagram, Packets::Fragment] {
        let displaced_before = reason(&bed.status(), "displaced");
        let flood = flood(&bed, datagrams, packets);
        displaced(&bed, displaced_before, FLOWS.1);
        let fine = (0..50).filter(|_| answered(&bed, asked)).count();
        displaced(&bed, displaced_before, 10 * FLOWS.1);
        let sent = flood.stop().unwrap();
        println!("{packets:?}: flood {sent}; {fine} of 50 answered");
        assert_eq!(fine, 50, "{packets:?}");
    }
    let after = memory(&bed);
    println!("memory: {before} kB, {after} kB");
    assert!(after <= before + GROWTH_KB, "the director took {before} kB and takes {after} kB");
    for running in held {
        unbroken(&running.stop().unwrap());
    }
}

#[test]
fn a_flood_of_connections_breaks_no_flow_of_nat() {
    let _alone = alone();
    let servers = [("s1", Method::Nat, 1), ("s2", Method::Nat, 1)];
    let shape = Shape::new(Topology::OneArmed).servers(2).gateway(Gateway::Director);
    let Some(bed) = start(&shape, &[tcp(80, "wlc", &servers).to(81)]) else { return };
    let [target, _] = bed.targets(80);
    bed.requests(target, 4);
    let held = transfers(&bed, target);
    syn_flood(&bed, target);
    unbroken(&held.stop().unwrap());
}
