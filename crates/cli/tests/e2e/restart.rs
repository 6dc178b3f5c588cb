//! The daemon ends, comes back, is replaced, changes its mind: under load, and nothing of the load is lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use relvs_api::{Counters, Status};
use relvs_lab::director::Director;
use relvs_lab::traffic::{Load, RunningLoad, RunningTransfer, Transfer, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::{Method, Protocol};

use crate::bed::{Bed, PATIENCE, RELVS, counters, until};
use crate::configuration::{Service, rip, tcp, udp};

/// A server for each method, and a fourth that comes and goes.
fn services(weights: [u32; 4]) -> Vec<Service> {
    let methods = [("s1", Method::Dr), ("s2", Method::Tun), ("s3", Method::Nat), ("s4", Method::Dr)];
    let servers = methods.into_iter().zip(weights).map(|((name, method), weight)| (name, method, weight));
    let servers: Vec<_> = servers.collect();
    // A datagram from a port that was used before belongs to the flow of then, and so to the server of then.
    let stay: Vec<_> = servers[..3].iter().map(|(name, method, weight)| (*name, *method, (*weight).max(1))).collect();
    vec![tcp(80, "wrr", &servers), udp(53, "wrr", &stay)]
}

/// Fresh connections, kept ones, downloads and datagrams, over both families and all methods.
struct Steady {
    fresh: Vec<RunningLoad>,
    kept: Vec<RunningLoad>,
    downloads: Vec<RunningTransfer>,
    datagrams: Vec<Datagrams>,
}

/// Datagrams, each from a port of its own, until they are stopped.
struct Datagrams {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

impl Datagrams {
    fn start(bed: &Bed, target: SocketAddr) -> Self {
        let (stop, client) = (Arc::new(AtomicBool::new(false)), bed.client().clone());
        let stopped = Arc::clone(&stop);
        let thread = bed.client().thread("datagrams", move || {
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                let report = UdpExchange::new(target, 4).run(&client)?;
                anyhow::ensure!(report.ok == 4, "datagrams to {target}: {report}");
                sent += report.sent;
                sleep(Duration::from_millis(80));
            }
            Ok(sent)
        });
        Self { stop, thread: thread.unwrap() }
    }

    /// How many were sent and answered.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap()
    }
}

/// Kept connections and downloads of each family: one for each method.
const EACH: u64 = 3;
/// Content of a download in bytes, and over how many seconds it is spread.
const LONG: (u64, u64) = (500_000, 8);

impl Steady {
    fn start(bed: &Bed) -> Self {
        let targets = bed.targets(80);
        let kept = |target| Load::new(target).keep_alive().rate(30, EACH as u16).start(bed.client()).unwrap();
        let kept: Vec<_> = targets.map(kept).into();
        until("each kept connection was used", || kept.iter().all(|load| load.so_far().servers.len() == 3));
        let mut downloads = Vec::new();
        for target in targets {
            for seed in 0..EACH {
                let transfer = Transfer::slow_download(target, LONG.0, LONG.1).seed(seed);
                let transfer = transfer.start(bed.client()).unwrap();
                transfer.wait_for(1, PATIENCE).unwrap();
                downloads.push(transfer);
            }
        }
        let fresh = |target| Load::new(target).rate(100, 8).start(bed.client()).unwrap();
        let datagrams = bed.targets(53).map(|target| Datagrams::start(bed, target)).into();
        Self { fresh: targets.map(fresh).into(), kept, downloads, datagrams }
    }

    /// Whether any download is still under way.
    fn downloading(&self) -> bool {
        self.downloads.iter().any(|transfer| transfer.done() < LONG.0)
    }

    /// Waits until every load has had so many more answers.
    fn goes_on(&self) {
        let loads = || self.fresh.iter().chain(&self.kept).map(RunningLoad::so_far);
        let before: Vec<u64> = loads().map(|report| report.ok).collect();
        until("the load goes on", || loads().zip(&before).all(|(now, before)| now.ok >= before + 10));
        assert!(loads().all(|report| report.failed() == 0), "{:?}", loads().collect::<Vec<_>>());
    }

    /// Ends it: nothing failed, and the director has counted every connection exactly once.
    fn nothing_was_lost(self, bed: &Bed) {
        let mut servers: Vec<String> =
            self.downloads.into_iter().map(|transfer| transfer.join().unwrap().server).collect();
        servers.sort();
        assert_eq!(servers, ["s1", "s1", "s2", "s2", "s3", "s3"], "a download for each method");
        let mut expected = Vec::new();
        for (fresh, kept) in self.fresh.into_iter().zip(self.kept) {
            let (fresh, kept) = (fresh.stop().unwrap(), kept.stop().unwrap());
            println!("fresh {fresh}; kept {kept}");
            assert_eq!((fresh.failed(), kept.failed()), (0, 0), "fresh {fresh}; kept {kept}");
            assert!(fresh.ok > 100 && kept.ok > 30, "too little to say anything");
            expected.push(fresh.sent + 2 * EACH);
        }
        let datagrams: Vec<u64> = self.datagrams.into_iter().map(Datagrams::stop).collect();
        let status = bed.status();
        let flows = bed.targets(80).map(|target| counters(&status, target, Protocol::Tcp).flows);
        assert_eq!(flows, expected[..], "flows and connections");
        // A client's port may come twice, and so be one flow.
        let packets = bed.targets(53).map(|target| counters(&status, target, Protocol::Udp).packets_in);
        assert_eq!(packets, datagrams[..], "packets and datagrams");
        assert!(datagrams.iter().all(|sent| *sent > 40), "{datagrams:?}");
    }
}

/// Fails if any counter is smaller than before.
#[track_caller]
fn assert_grown(before: &Status, after: &Status) {
    let all = |status: &Status| -> BTreeMap<_, Counters> {
        let services = status.services.iter();
        services.flat_map(|s| s.servers.iter().map(|server| ((s.key, server.address), server.counters))).collect()
    };
    let after_all = all(after);
    for (server, old) in all(before) {
        let new = after_all[&server];
        let pairs = [
            (old.flows, new.flows),
            (old.packets_in, new.packets_in),
            (old.bytes_in, new.bytes_in),
            (old.packets_out, new.packets_out),
            (old.bytes_out, new.bytes_out),
        ];
        assert!(pairs.iter().all(|(old, new)| old <= new), "{server:?}: {old:?}, then {new:?}");
    }
    assert!(after.revision >= before.revision);
}

/// The number of the program on an interface of the director, and of its link's.
fn program(bed: &Bed) -> Option<u64> {
    let text = bed.node("d1").ip("-j link show dev eth0").unwrap();
    let links: serde_json::Value = serde_json::from_str(&text).unwrap();
    links[0]["xdp"]["prog"]["id"].as_u64()
}

fn bed() -> Option<Bed> {
    Bed::start(&Shape::new(Topology::OneArmed).servers(4), &services([1, 1, 1, 0]))
}

#[test]
fn killed_and_ended_and_started_again() {
    let Some(mut bed) = bed() else { return };
    assert!(!bed.status().adopted);
    let steady = Steady::start(&bed);
    let mut rounds = 0;
    while steady.downloading() && rounds < 50 {
        let (before, old) = (bed.status(), program(&bed));
        if rounds % 2 == 0 {
            bed.director.kill().unwrap();
        } else {
            assert_eq!(bed.director.terminate().unwrap().code(), Some(0));
        }
        assert_eq!(program(&bed), old, "forwarding outlives the daemon");
        steady.goes_on();
        bed.director.start().unwrap();
        let after = bed.status();
        assert!(after.adopted);
        assert_eq!(after.interfaces, before.interfaces);
        assert_grown(&before, &after);
        steady.goes_on();
        rounds += 1;
    }
    println!("{rounds} starts");
    assert!(rounds >= 3, "{rounds} starts only");
    steady.nothing_was_lost(&bed);
}

#[test]
fn killed_while_its_servers_change() {
    let Some(mut bed) = bed() else { return };
    let steady = Steady::start(&bed);
    let mut rounds = 0;
    while steady.downloading() && rounds < 50 {
        // Sooner and later: before the file is read, while tables are written, after the switch.
        bed.configure(&services([1, 1 + rounds % 3, 2, 1]));
        bed.director.reload().unwrap();
        sleep(Duration::from_millis(u64::from(rounds % 5) * 4));
        bed.director.kill().unwrap();
        steady.goes_on();
        bed.director.start().unwrap();
        assert!(bed.status().adopted);
        steady.goes_on();
        rounds += 1;
    }
    println!("{rounds} starts");
    assert!(rounds >= 3, "{rounds} starts only");
    steady.nothing_was_lost(&bed);
}

#[test]
fn another_list_of_servers() {
    let Some(bed) = bed() else { return };
    let steady = Steady::start(&bed);
    let (mut rounds, start) = (0, bed.status());
    let fourth = bed.vips.map(|vip| rip(&bed.lab, "s4", vip));
    let mut last = start.clone();
    while steady.downloading() && rounds < 50 {
        for weights in [[1, 1, 1, 3], [5, 0, 1, 1], [0, 0, 0, 1], [2, 1, 1, 0]] {
            bed.reload(&services(weights));
            let status = bed.status();
            assert!(status.revision > last.revision, "{} after {}", status.revision, last.revision);
            assert_grown(&last, &status);
            last = status;
            steady.goes_on();
        }
        // The fourth has nothing but short connections: once they are over, it can go and come.
        let mut without = services([1, 1, 1, 0]);
        without[0].servers.pop();
        sleep(Duration::from_millis(300));
        bed.reload(&without);
        let status = bed.status();
        let there = status.services.iter().flat_map(|s| &s.servers).filter(|server| fourth.contains(&server.address));
        assert!(there.clone().count() == 2 && there.clone().all(|server| server.removed), "{status:?}");
        last = status;
        steady.goes_on();
        rounds += 1;
    }
    println!("{rounds} times five changes");
    assert!(rounds >= 1);
    bed.reload(&services([1, 1, 1, 1]));
    steady.nothing_was_lost(&bed);
}

#[test]
fn another_program() {
    let Some(mut bed) = bed() else { return };
    // The next version lies beside the first, is started when that has ended, and takes its place in the kernel.
    let copy = bed.lab.directory().join("relvs-next");
    std::fs::copy(RELVS, &copy).unwrap();
    let config = bed.config().display().to_string();
    let next = Director::new(&bed.lab, "d1", Path::new(&copy)).unwrap().arguments(["--config".to_owned(), config]);
    let steady = Steady::start(&bed);
    let (old, before) = (program(&bed), bed.status());
    let pins = || {
        let entries = std::fs::read_dir(bed.lab.run_dir("d1").join("bpf")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.contains('.')).collect::<Vec<_>>()
    };
    let pinned = pins().len();
    bed.director.terminate().unwrap();
    steady.goes_on();
    bed.director = next;
    bed.director.start().unwrap();
    let new = program(&bed);
    assert!(old.is_some() && new.is_some() && new != old, "{old:?}, then {new:?}");
    assert_eq!(pins().len(), pinned, "the old program's stages are given up: {:?}", pins());
    let after = bed.status();
    assert!(after.adopted);
    assert_grown(&before, &after);
    steady.goes_on();
    steady.nothing_was_lost(&bed);
}

#[test]
fn without_a_configuration_it_goes_on_as_before() {
    let Some(mut bed) = bed() else { return };
    let before = bed.status();
    for arguments in [&["--interface", "eth0"][..], &[]] {
        bed.director.kill().unwrap();
        bed.director = Director::new(&bed.lab, "d1", Path::new(RELVS)).unwrap().arguments(arguments.iter().copied());
        bed.director.start().unwrap();
        let status = bed.status();
        assert!(status.adopted);
        assert_eq!((status.services.len(), &status.interfaces), (before.services.len(), &before.interfaces));
        for target in bed.targets(80) {
            bed.requests(target, 6);
        }
    }
    let flows: Vec<u64> = bed.status().services.iter().map(|service| service.counters.flows).collect();
    assert_eq!(flows.iter().sum::<u64>(), 2 * 12, "{flows:?}");
}

#[test]
fn another_mode_of_attaching() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let mut bed = bed.settings("xdp_mode = \"generic\"");
    bed.run(&services);
    let mode = |bed: &Bed| bed.status().interfaces.into_iter().map(|i| i.mode).collect::<String>();
    assert_eq!(mode(&bed), "generic");
    bed.director.terminate().unwrap();
    // What comes in passes in native mode too; what a veth sends back in it its peer would have to take.
    let mut bed = bed.settings("xdp_mode = \"native\"");
    bed.configure(&services);
    bed.director.start().unwrap();
    assert_eq!((mode(&bed), bed.status().adopted), ("native".to_owned(), true));
    bed.director.kill().unwrap();
    let mut bed = bed.settings("xdp_mode = \"generic\"");
    bed.configure(&services);
    bed.director.start().unwrap();
    assert_eq!(mode(&bed), "generic");
    for target in bed.targets(80) {
        bed.requests(target, 3);
    }
}

#[test]
fn stopping_really_stops() {
    let Some(bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(4)) else { return };
    let mut bed = bed.settings("on_exit = \"stop\"");
    bed.run(&services([1, 1, 1, 0]));
    for target in bed.targets(80) {
        bed.requests(target, 6);
    }
    assert!(program(&bed).is_some());
    assert_eq!(bed.director.terminate().unwrap().code(), Some(0));
    assert_eq!(program(&bed), None);
    let left: Vec<_> = std::fs::read_dir(bed.run_dir().join("bpf")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().contains('.')), "pins are left: {left:?}");
    // Nor anything of what was known.
    let known = std::fs::read_dir(bed.run_dir()).unwrap().map(|entry| entry.unwrap().path());
    let known: Vec<_> = known.filter(|path| path.extension().is_some()).collect();
    assert!(known.is_empty(), "{known:?}");
    for target in bed.targets(80) {
        // The director's own stack has the VIP, and nobody listens there.
        let report = Load::new(target).requests(3).run(bed.client()).unwrap();
        assert_eq!((report.ok, report.failed()), (0, 3), "{report}");
        assert!(report.failures.keys().all(|why| why.contains("Connection refused")), "{report}");
    }
    bed.director.start().unwrap();
    let status = bed.status();
    assert!(!status.adopted, "it begins anew");
    assert!(bed.targets(80).iter().all(|target| counters(&status, *target, Protocol::Tcp) == Counters::default()));
    for target in bed.targets(80) {
        bed.requests(target, 6);
    }
}
