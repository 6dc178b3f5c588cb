//! Whole-configuration changes under load, and the daemon killed in the middle of them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use relvs_api::{Client, Configuration, How};
use relvs_lab::director::Director;
use relvs_lab::traffic::Load;
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, RELVS, until};
use crate::configuration::tcp;

/// Changes of the whole configuration under load.
const CHANGES: u64 = 200;
/// Times that the daemon is killed.
const KILLS: u64 = 50;

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
    let of = |service: &relvs_model::Service| service.servers.iter().map(|s| s.weight).collect::<Vec<_>>();
    let weights: Vec<_> = configuration.services.iter().map(of).collect();
    assert_eq!(weights[0], weights[1], "between the old and the new state");
    u64::from(weights[0] == [0, 1])
}

#[test]
fn many_changes_and_no_request_fails() {
    let servers = [("s1", Method::Nat, 1), ("s2", Method::Nat, 1), ("s3", Method::Nat, 1)];
    let Some(bed) = Bed::start(&Shape::new(Topology::TwoArmed).servers(3), &[tcp(80, "wrr", &servers)]) else { return };
    let client = Client::new(&bed.run_dir());
    let start = client.configuration().unwrap();
    let loads = bed.targets(80).map(|target| Load::new(target).rate(150, 8).start(bed.client()).unwrap());
    until("the load runs", || loads.iter().all(|load| load.so_far().ok > 50));
    for change in 0..CHANGES {
        let mut wanted = Configuration { revision: None, ..start.clone() };
        for service in &mut wanted.services {
            // A server comes, goes, weighs more, or stands elsewhere; the scheduler is another; flows go on.
            service.servers[0].weight = 1 + (change % 3) as u32;
            service.servers[1].weight = (change % 2) as u32;
            if change % 5 == 0 {
                service.servers.rotate_left(1);
            }
            service.scheduler = if change % 7 < 4 { relvs_model::Scheduler::Wrr } else { relvs_model::Scheduler::Wlc };
        }
        wanted.timeouts.tcp_s = 900 + change as u32;
        let outcome = client.replace(&wanted, How::default()).unwrap();
        assert_eq!(outcome.revision, start.revision.unwrap() + change + 1);
    }
    for load in loads {
        let report = load.stop().unwrap();
        println!("{report}");
        assert_eq!(report.failed(), 0, "{report}");
        assert!(report.ok > 200, "{report}");
    }
}

#[test]
fn killed_at_any_moment_it_is_the_old_state_or_the_new() {
    let servers = [("s1", Method::Dr, 1), ("s2", Method::Dr, 0)];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(2), &[tcp(80, "wrr", &servers)]) else {
        return;
    };
    let start = Client::new(&bed.run_dir()).configuration().unwrap();
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
            sleep(Duration::from_micros(25_000 + round * 7_919 % 40_000));
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
