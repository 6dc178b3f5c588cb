//! Ten thousand services of ten servers in one director: all of them are there, one of them changes, a restart takes them
//! up, and the daemon stays small. How long it takes is printed; docs/performance.md has what a release build needs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use relvs_api::{Client, How};
use relvs_lab::{Shape, Topology};
use relvs_model::{Edit, Endpoint, Method, Protocol, Scheduler, Server, ServerOf, Service, ServiceKey};

use crate::bed::{Bed, assert_shares, succeeded, text};
use crate::configuration::{rip, tcp};

const SERVICES: u32 = 10_000;
const SERVERS: u32 = 10;
/// What a daemon may have of its own, in MiB.
const MOST_MIB: u64 = 300;

fn plus(base: Ipv4Addr, n: u32) -> IpAddr {
    Ipv4Addr::from_bits(base.to_bits() + n).into()
}

fn key(n: u32) -> ServiceKey {
    ServiceKey::listen(Protocol::Tcp, plus(Ipv4Addr::new(198, 18, 0, 0), n), 80)
}

/// By turns DR to servers of their own, and NAT to servers that services share.
fn service(n: u32) -> Service {
    let (method, first) = if n.is_multiple_of(2) { (Method::Dr, n * SERVERS) } else { (Method::Nat, n % 400) };
    let server = |of: u32| Server::new(plus(Ipv4Addr::new(10, 64, 0, 0), first + of), 80, 1 + of % 3, method);
    let scheduler = [Scheduler::Wrr, Scheduler::Wlc, Scheduler::Rr][n as usize % 3];
    Service::new(key(n), scheduler, (0..SERVERS).map(server).collect())
}

/// Memory that is the daemon's own, in MiB; the tables are the kernel's.
fn own_memory(bed: &Bed) -> u64 {
    let pid = bed.director.process().unwrap().pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
    };
    println!(
        "memory: {} MiB of its own, {} with the tables, {} at the most",
        line("RssAnon:"),
        line("VmRSS:"),
        line("VmHWM:")
    );
    line("RssAnon:")
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    println!("{what}: {} ms", begun.elapsed().as_millis());
    done
}

#[test]
fn ten_thousand_services_of_ten_servers() {
    let like = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)])];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(2)) else { return };
    bed.prepare(&like);
    bed.configure(&like);
    let config = std::fs::read_to_string(bed.config()).unwrap().replace("flows = 16_384", "flows = 131_072");
    bed.lab.write_file("relvs.toml", &config).unwrap();
    bed.director.start().unwrap();
    let client = Client::new(&bed.run_dir());
    let mut all = client.configuration().unwrap();
    all.services.extend((0..SERVICES).map(service));
    let outcome = timed("the whole configuration", || client.replace(&all, How::default())).unwrap();
    assert_eq!(outcome.plan.changes.len(), SERVICES as usize);
    all.revision = Some(outcome.revision);
    assert_eq!(client.configuration().unwrap(), all);
    let listed = timed("ipvsadm -Ln", || bed.director.relvs(["ipvsadm", "-Ln"])).unwrap();
    succeeded(&listed);
    let servers: usize = all.services.iter().map(|service| service.servers.len()).sum();
    assert_eq!(text(&listed.stdout).lines().count(), 3 + all.services.len() + servers);
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    }

    // One server of one service, by each way.
    let [target, _] = bed.targets(80);
    let second = rip(&bed.lab, "s2", target.ip());
    let (virtual_service, real) = (target.to_string(), SocketAddr::new(second, 80).to_string());
    let words = ["ipvsadm", "-e", "-t", &virtual_service, "-r", &real, "-g", "-w", "0"];
    succeeded(&timed("ipvsadm -e", || bed.director.relvs(words)).unwrap());
    assert_shares(&bed.requests(target, 10), &[("s1", 10)]);
    let words = ["server", "edit", &virtual_service, &real, "--weight", "1"];
    succeeded(&timed("relvs server edit", || bed.director.relvs(words)).unwrap());
    assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);
    let server = Server::new(plus(Ipv4Addr::new(10, 200, 0, 0), 1), 80, 7, Method::Nat);
    let added = Edit::AddServer(ServerOf { service: key(7777), server: server.clone() });
    timed("one more server", || client.edit(&[added], How::default())).unwrap();
    let there = client.service(key(7777)).unwrap().servers;
    assert!(there.len() == 11 && there.iter().any(|one| (one.address, one.weight) == (server.address, 7)), "{there:?}");
    let gone = Edit::DeleteServer(Endpoint { service: key(7777), address: server.address, port: None });
    let outcome = timed("one server less", || client.edit(&[gone], How::default())).unwrap();
    all.revision = Some(outcome.revision);
    assert_eq!(outcome.text.lines().count(), 2, "{}", outcome.text);
    assert_eq!(client.configuration().unwrap(), all, "nothing else has changed");
    let own = own_memory(&bed);
    assert!(own < MOST_MIB, "{own} MiB");

    // A daemon without the file takes up all of it.
    bed.director.kill().unwrap();
    bed.director = relvs_lab::director::Director::new(&bed.lab, "d1", std::path::Path::new(crate::bed::RELVS)).unwrap();
    timed("start", || bed.director.start()).unwrap();
    assert_eq!(client.configuration().unwrap(), all);
    assert!(bed.status().adopted);
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);
    }
    let own = own_memory(&bed);
    assert!(own < MOST_MIB, "{own} MiB");
    // And all of it goes.
    let outcome = timed("none", || client.edit(&[Edit::Clear {}], How::default())).unwrap();
    assert_eq!(outcome.plan.changes.len(), all.services.len());
    assert!(client.services().unwrap().is_empty());
}
