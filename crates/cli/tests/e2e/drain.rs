//! A server that is taken away: what it has goes on, what is new goes elsewhere.

use std::net::SocketAddr;
use std::thread::{self, sleep};
use std::time::Duration;

use relvs_lab::traffic::{RunningTransfer, Transfer};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, PATIENCE, assert_shares, reason, succeeded, text, until};
use crate::configuration::{Service, rip, tcp};

/// Content of a long download in bytes, and over how many seconds it is spread.
const LONG: (u64, u64) = (600_000, 6);

/// Each method on a port of its own, with these weights for its two servers; they are s1 and s2, s3 and s4, s5 and s6.
fn services([first, second]: [u32; 2]) -> Vec<Service> {
    let of = |method, one, other| [(one, method, first), (other, method, second)];
    vec![
        tcp(80, "wrr", &of(Method::Dr, "s1", "s2")),
        tcp(81, "wrr", &of(Method::Tun, "s3", "s4")),
        tcp(82, "wrr", &of(Method::Nat, "s5", "s6")),
    ]
}

/// A long download at every service; each is under way when this returns.
fn downloads(bed: &Bed) -> Vec<RunningTransfer> {
    let (bytes, seconds) = LONG;
    let targets = [80, 81, 82].into_iter().flat_map(|port| bed.targets(port));
    let start = |target| Transfer::slow_download(target, bytes, seconds).limit(2 * PATIENCE).start(bed.client());
    let running: Vec<RunningTransfer> = targets.map(|target| start(target).unwrap()).collect();
    for transfer in &running {
        transfer.wait_for(1, PATIENCE).unwrap();
    }
    running
}

#[test]
fn a_download_from_a_drained_server_ends_well() {
    let shape = Shape::new(Topology::OneArmed).servers(6);
    let Some(bed) = Bed::start(&shape, &services([1, 0])) else { return };
    let running = downloads(&bed);
    bed.reload(&services([0, 1]));
    for (port, server) in [(80, "s2"), (81, "s4"), (82, "s6")] {
        for target in bed.targets(port) {
            assert_shares(&bed.requests(target, 20), &[(server, 20)]);
        }
    }
    assert!(running.iter().all(|transfer| transfer.done() < LONG.0), "the downloads were over too soon");
    // IPVS counts a drained server's connections as before.
    until("the drained servers' flows are counted", || active(&bed, ["s1", "s3", "s5"]) == 6);
    for (transfer, server) in running.into_iter().zip(["s1", "s1", "s3", "s3", "s5", "s5"]) {
        assert_eq!(transfer.join().unwrap().server, server);
    }
    until("the drained servers have no active flow", || active(&bed, ["s1", "s3", "s5"]) == 0);
}

/// Content of the longest download in bytes, and over how many seconds it is spread.
const LONGEST: (u64, u64) = (1_200_000, 30);

#[test]
fn relvs_drain_ends_when_live_downloads_have() {
    let shape = Shape::new(Topology::OneArmed).servers(6);
    let services = services([1, 1]);
    let check = "[service.check]\ntype = \"tcp\"\ninterval = \"500ms\"\n";
    let sections = |bed: &Bed| {
        let of = |service: &Service, vip| {
            let (listen, method) = (SocketAddr::new(vip, service.port), service.servers[0].1);
            let lines = format!("listen = \"{listen}/tcp\"\nscheduler = \"rr\"\nmethod = \"{method}\"\n{check}");
            let servers: Vec<_> = service.servers.iter().map(|(name, ..)| (*name, "")).collect();
            bed.section(vip, &lines, &servers)
        };
        services.iter().flat_map(|service| bed.vips.map(|vip| of(service, vip))).collect::<String>()
    };
    let Some(bed) = Bed::start_with(&shape, &services, sections) else { return };
    bed.all_ready();
    let (bytes, seconds) = LONGEST;
    // One from each server of each service.
    let start = |target| {
        [(); 2].map(|()| {
            let running = Transfer::slow_download(target, bytes, seconds).start(bed.client()).unwrap();
            running.wait_for(1, PATIENCE).unwrap();
            running
        })
    };
    let ways = services.iter().flat_map(|service| bed.targets(service.port).map(|target| (service, target)));
    let running: Vec<_> = ways.map(|(service, target)| (service, target, start(target))).collect();
    thread::scope(|scope| {
        for (service, target, downloads) in &running {
            let (bed, leaves, stays) = (&bed, service.servers[0].0, service.servers[1].0);
            scope.spawn(move || {
                let server = rip(&bed.lab, leaves, target.ip()).to_string();
                let words = ["drain", "--timeout", "55s", &format!("{target}/tcp"), &server];
                let drained = thread::scope(|scope| {
                    let drained = scope.spawn(|| bed.director.relvs(words).unwrap());
                    let alone = || bed.requests(*target, 4).servers.into_keys().eq([stays.to_owned()]);
                    until("what is new goes to the other server alone", alone);
                    assert!(downloads.iter().all(|download| download.done() < bytes), "over too soon");
                    drained.join().unwrap()
                });
                let done: Vec<u64> = downloads.iter().map(RunningTransfer::done).collect();
                succeeded(&drained);
                let said = text(&drained.stdout);
                assert!(said.contains("1 active") && said.ends_with("drained\n"), "{said}");
                assert!(done.contains(&bytes), "{target}: drained when the downloads were at {done:?}");
            });
        }
    });
    for (service, target, downloads) in running {
        let mut from = downloads.map(|download| download.join().unwrap().server);
        from.sort();
        assert_eq!(from, [service.servers[0].0, service.servers[1].0], "{target}");
    }
}

/// Active flows of these servers.
fn active(bed: &Bed, names: [&str; 3]) -> u32 {
    let of_them: Vec<_> = names.iter().flat_map(|name| bed.vips.map(|vip| rip(&bed.lab, name, vip))).collect();
    let status = bed.status();
    let all = status.services.iter().flat_map(|service| &service.servers);
    all.filter(|server| of_them.contains(&server.address)).map(|server| server.active).sum()
}

#[test]
fn a_server_that_comes_back_finds_its_flows() {
    let shape = Shape::new(Topology::OneArmed).servers(6);
    let Some(bed) = Bed::start(&shape, &services([1, 0])) else { return };
    let running = downloads(&bed);
    let mut without = services([1, 1]);
    for service in &mut without {
        service.servers.remove(0);
    }
    bed.reload(&without);
    // What the client acknowledges is lost now, so that every download comes to a stop.
    let before = standstill(&running);
    assert!(before.iter().all(|done| *done < LONG.0), "{before:?}");
    let status = bed.status();
    assert!(reason(&status, "destination_gone") > 0, "{status:?}");
    let removed: Vec<_> = status.services.iter().flat_map(|s| &s.servers).filter(|server| server.removed).collect();
    assert_eq!(removed.len(), 6, "{status:?}");
    assert!(removed.iter().all(|server| server.counters.flows == 1), "{removed:?}");
    for (port, server) in [(80, "s2"), (81, "s4"), (82, "s6")] {
        for target in bed.targets(port) {
            assert_shares(&bed.requests(target, 5), &[(server, 5)]);
        }
    }
    bed.reload(&services([1, 1]));
    for (transfer, server) in running.into_iter().zip(["s1", "s1", "s3", "s3", "s5", "s5"]) {
        assert_eq!(transfer.join().unwrap().server, server);
    }
    assert!(bed.status().services.iter().flat_map(|s| &s.servers).all(|server| !server.removed));
}

#[test]
fn a_service_that_comes_back_finds_its_flows() {
    let shape = Shape::new(Topology::OneArmed).servers(6);
    let Some(bed) = Bed::start(&shape, &services([1, 0])) else { return };
    let running = downloads(&bed);
    bed.reload(&[]);
    assert_eq!(bed.status().services, []);
    let before = standstill(&running);
    assert!(before.iter().all(|done| *done < LONG.0), "{before:?}");
    assert!(reason(&bed.status(), "destination_gone") > 0, "their packets are dropped, and not reset by the stack");
    bed.reload(&services([1, 0]));
    for (transfer, server) in running.into_iter().zip(["s1", "s1", "s3", "s3", "s5", "s5"]) {
        assert_eq!(transfer.join().unwrap().server, server);
    }
}

/// What each transfer has moved when none moves any more.
fn standstill(running: &[RunningTransfer]) -> Vec<u64> {
    let mut before = Vec::new();
    until("the downloads stand still", || {
        sleep(Duration::from_millis(600));
        let now: Vec<u64> = running.iter().map(RunningTransfer::done).collect();
        std::mem::replace(&mut before, now) == before
    });
    before
}
