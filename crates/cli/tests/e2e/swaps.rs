//! Whole-configuration changes under load, and the daemon killed in the middle of them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use relvs_api::{Client, Configuration, How};
use relvs_lab::director::Director;
use relvs_lab::traffic::{Load, nginx_server};
use relvs_lab::{Process, Shape, Topology};
use relvs_model::{
    Edit, Endpoint, Method, Protocol, Scheduler, Server, ServerEdit, Service, ServiceEdit, ServiceKey, TimeoutsEdit,
};

use crate::bed::{Bed, RELVS, succeeded, until};
use crate::configuration::tcp;

/// Changes of the whole configuration under load.
const CHANGES: u64 = 1000;
/// Times that the daemon is killed.
const KILLS: u64 = 200;

/// With the whole weight on one of the two servers, for both services.
fn leaning(configuration: &Configuration, to: u64) -> Configuration {
    let mut configuration = Configuration { revision: None, ..configuration.clone() };
    for service in &mut configuration.services {
        for (at, server) in service.servers.iter_mut().enumerate() {
            server.weight = u32::from(at as u64 == to % 2);
        }
    }
    configuration
}

/// Which server has all the weight; both services agree.
#[track_caller]
fn leans(configuration: &Configuration) -> u64 {
    let of = |service: &Service| service.servers.iter().map(|s| s.weight).collect::<Vec<_>>();
    let weights: Vec<_> = configuration.services.iter().map(of).collect();
    assert_eq!(weights[0], weights[1], "between the old and the new state");
    u64::from(weights[0] == [0, 1])
}

#[test]
fn many_changes_and_no_request_fails() {
    let servers = [("s1", Method::Nat, 1), ("s2", Method::Nat, 1), ("s3", Method::Nat, 1)];
    let service = tcp(80, "wrr", &servers).to(8080);
    let Some(bed) = Bed::start(&Shape::new(Topology::TwoArmed).servers(3), &[service]) else { return };
    let nginx = |name| nginx_server(&bed.lab, bed.node(name), 8080, &[]).unwrap();
    let _servers: Vec<Process> = ["s1", "s2", "s3"].map(nginx).into();
    let client = Client::new(&bed.run_dir());
    let start = client.configuration().unwrap();
    // 500 connections at a time: those that stay, asked about once in two seconds, and those that come and go.
    let kept = bed.targets(80).map(|target| Load::new(target).keep_alive().rate(120, 240).start(bed.client()).unwrap());
    let fresh = bed.targets(80).map(|target| Load::new(target).rate(60, 10).start(bed.client()).unwrap());
    until("all connections are there", || {
        kept.iter().all(|load| load.so_far().ok >= 240) && fresh.iter().all(|load| load.so_far().ok > 20)
    });
    let mut revision = start.revision.unwrap();
    for change in 0..CHANGES {
        let wanted = another(&start, change);
        let made = match change % 3 {
            0 => client.replace(&wanted, How::default()).unwrap().revision,
            1 => {
                restore(&bed, &wanted);
                client.configuration().unwrap().revision.unwrap()
            }
            _ => client.edit(&edits(&wanted, change), How::default()).unwrap().revision,
        };
        assert_eq!(made, revision + 1, "change {change}");
        revision = made;
    }
    for load in kept.into_iter().chain(fresh) {
        let report = load.stop().unwrap();
        println!("{report}");
        assert_eq!(report.failed(), 0, "{report}");
        assert!(report.ok > 200, "{report}");
    }
}

/// A server weighs more or nothing, or stands elsewhere; the scheduler is another; another service comes and goes. Flows
/// go on.
fn another(start: &Configuration, change: u64) -> Configuration {
    let mut wanted = Configuration { revision: None, ..start.clone() };
    for service in &mut wanted.services {
        service.servers[0].weight = 1 + (change % 3) as u32;
        service.servers[1].weight = (change % 2) as u32;
        if change.is_multiple_of(5) {
            service.servers.rotate_left(1);
        }
        service.scheduler = if change % 7 < 4 { Scheduler::Wrr } else { Scheduler::Wlc };
    }
    wanted.timeouts.tcp_s = 900 + change as u32;
    if change.is_multiple_of(2) {
        let mut more = wanted.services[0].clone();
        more.key = ServiceKey::listen(Protocol::Tcp, "192.0.2.77".parse().unwrap(), 1 + (change % 100) as u16);
        wanted.services.push(more);
    }
    wanted
}

/// The whole configuration as ipvsadm's rules, all at once.
fn restore(bed: &Bed, wanted: &Configuration) {
    let mut rules = format!("-C\n--set {} 0 0\n", wanted.timeouts.tcp_s);
    for service in &wanted.services {
        let key = service.key.to_string();
        let listen = key.strip_suffix("/tcp").unwrap();
        let _ = writeln!(rules, "-A -t {listen} -s {}", service.scheduler);
        for server in &service.servers {
            let real = SocketAddr::new(server.address, server.port);
            let _ = writeln!(rules, "-a -t {listen} -r {real} -m -w {}", server.weight);
        }
    }
    let mut command = Command::new(RELVS);
    command.arg("ipvsadm-restore").env("RELVS_RUN_DIR", bed.run_dir());
    succeeded(&bed.node("d1").run_command(command, &rules).unwrap());
}

/// What makes the first two services so, whatever they were.
fn edits(wanted: &Configuration, change: u64) -> Vec<Edit> {
    let of = |service: &Service| {
        let scheduler = ServiceEdit { scheduler: Some(service.scheduler), ..ServiceEdit::of(service.key) };
        let weight = |server: &Server| {
            let endpoint = Endpoint { service: service.key, address: server.address, port: Some(server.port) };
            Edit::EditServer(ServerEdit { weight: Some(server.weight), ..ServerEdit::of(endpoint) })
        };
        std::iter::once(Edit::EditService(scheduler)).chain(service.servers.iter().map(weight)).collect::<Vec<_>>()
    };
    let timeouts = TimeoutsEdit { tcp_s: Some(900 + change as u32), ..TimeoutsEdit::default() };
    wanted.services[..2].iter().flat_map(of).chain([Edit::SetTimeouts(timeouts)]).collect()
}

#[test]
fn killed_at_any_moment_it_is_the_old_state_or_the_new() {
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 0)];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(2), &[tcp(80, "wrr", &servers)]) else {
        return;
    };
    let mut start = Client::new(&bed.run_dir()).configuration().unwrap();
    // A client's port comes again before its flow of then is forgotten: it must not lead to the server of then.
    start.settings.conn_reuse_mode = 3;
    start.revision = Some(Client::new(&bed.run_dir()).replace(&leaning(&start, 0), How::default()).unwrap().revision);
    bed.director.kill().unwrap();
    bed.director = Director::new(&bed.lab, "d1", Path::new(RELVS)).unwrap();
    bed.director.start().unwrap();
    let (mut next, mut seen, mut unanswered) = (1, start.revision.unwrap(), 0);
    for round in 0..KILLS {
        let client = Client::new(&bed.run_dir());
        let (asked, answered) = (AtomicU64::new(next - 1), AtomicU64::new(next - 1));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                loop {
                    let change = asked.fetch_add(1, Ordering::SeqCst) + 1;
                    if client.replace(&leaning(&start, change), How::default()).is_err() {
                        return;
                    }
                    answered.store(change, Ordering::SeqCst);
                }
            });
            // A change takes some twenty milliseconds: every part of it is met.
            sleep(Duration::from_micros(15_000 + round * 7_919 % 40_000));
            bed.director.kill().unwrap();
        });
        let (asked, answered) = (asked.into_inner(), answered.into_inner());
        // Nobody is there: the tables alone say where connections go, both services' to the same server.
        let of = |bed: &Bed| bed.targets(80).map(|target| bed.one_server(Load::new(target), 3));
        let [one, other] = of(&bed);
        assert_eq!(one, other, "round {round}: the tables are between the old and the new state");
        let old_or_new = [answered, asked].map(|change| if change % 2 == 0 { "s1" } else { "s2" });
        assert!(old_or_new.contains(&one.as_str()), "round {round}: {one}, not {old_or_new:?}");
        bed.director.start().unwrap();
        let after = Client::new(&bed.run_dir()).configuration().unwrap();
        let now = if leans(&after) == 0 { "s1" } else { "s2" };
        assert!(old_or_new.contains(&now), "round {round}: {now}, not {old_or_new:?}");
        assert_eq!(of(&bed), [now, now], "round {round}: the tables are what the configuration says");
        let revision = after.revision.unwrap();
        let least = seen + (answered - (next - 1));
        assert!((least..=least + 1).contains(&revision), "round {round}: {revision} after {least}");
        unanswered += u64::from(revision > least);
        (seen, next) = (revision, if leans(&after) == asked % 2 { asked + 1 } else { asked });
    }
    println!("{unanswered} of {KILLS} changes were in force that nobody was told of; {next} changes");
    assert!(next > KILLS, "{next} changes only");
}
