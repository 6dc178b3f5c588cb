//! A machine that has no time left: a master with adverts each second stays master, and its backup stays backup.
//!
//! A program of its own, as it would make other tests late. How late timers were is printed. The ten minutes are for a person:
//! `cargo test -p relvs-daemon --test busy -- --ignored --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends at what it did not expect, and prints figures"
)]

#[allow(dead_code, reason = "it is shared, and not all of it is used here")]
#[path = "../vrrp/link.rs"]
mod link;

use link::{Link, possible, until};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Instance, InstanceStatus, Settings, State, Version, VirtualAddress};
use relvs_net::namespace::Namespace;
use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

fn start(host: &Namespace, priority: u8) -> Vrrp {
    let instance = Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: Version::V3,
        priority,
        addresses: vec![VirtualAddress::new("192.0.2.100".parse().unwrap())],
        ..Instance::default()
    };
    let settings = Settings { instances: vec![instance], ..Settings::default() };
    host.run(|| Vrrp::start(&settings, |_| {})).unwrap().unwrap()
}

fn status(relvs: &Vrrp) -> InstanceStatus {
    relvs.status().unwrap().instances.remove(0)
}

/// Keeps every core busy twice over while something is done.
fn busy(what: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for number in 0..100_000_u64 {
                        black_box(number);
                    }
                }
            });
        }
        what();
        over.store(true, Ordering::Relaxed);
    });
}

fn no_false_failover(time: Duration) {
    if !possible() {
        return;
    }
    let link = Link::new();
    let (master, backup) = (start(&link.near, 150), start(&link.far, 100));
    let settled = || status(&master).state == State::Master && status(&backup).state == State::Backup;
    until("both have their place", LONG, settled).unwrap();
    let before = (status(&master).statistics, status(&backup).statistics);
    let begun = Instant::now();
    busy(|| thread::sleep(time));
    let took = begun.elapsed().as_secs();
    let after = (status(&master), status(&backup));
    println!(
        "{took} s with all cores busy: {} adverts sent, {} heard; timers were late by {} us at most, of the backup {} us",
        after.0.statistics.advert_sent - before.0.advert_sent,
        after.1.statistics.advert_rcvd - before.1.advert_rcvd,
        after.0.statistics.timer_late_max_us,
        after.1.statistics.timer_late_max_us,
    );
    assert_eq!((after.0.state, after.1.state), (State::Master, State::Backup));
    let changes = |statistics: relvs_model::vrrp::Statistics| (statistics.become_master, statistics.release_master);
    assert_eq!(changes(after.0.statistics), changes(before.0));
    assert_eq!(changes(after.1.statistics), changes(before.1));
    assert_eq!(after.0.statistics.timer_late, before.0.timer_late, "by more than an interval");
    assert!(after.1.statistics.advert_rcvd > before.1.advert_rcvd);
    master.stop(false);
    backup.stop(false);
}

#[test]
fn no_false_failover_while_all_cores_are_busy() {
    no_false_failover(Duration::from_secs(20));
}

#[test]
#[ignore = "ten minutes"]
fn no_false_failover_in_ten_busy_minutes() {
    no_false_failover(Duration::from_secs(600));
}
