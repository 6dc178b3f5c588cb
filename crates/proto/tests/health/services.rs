//! What a service does by its servers: quorum, sorry server, omega, ha_suspend; and probes that several services share.

use crate::scene::{Scene, VIP, address, checked, key, seconds, server, service, sorry, tcp, timing};
use relvs_model::{
    Scheduler, SchedulerFlags,
    health::{Check, Event, Outcome, Script, ServerHealth, ServiceHealth, Target, Timing},
};
use relvs_proto::health::Input;
use std::collections::BTreeSet;

fn plain(host: u8) -> relvs_model::Server {
    server(host, 1, checked(tcp(timing())))
}

fn health() -> ServiceHealth {
    ServiceHealth::default()
}

#[test]
fn keepalived_the_sorry_server_takes_the_place_of_all_without_quorum() {
    let health = ServiceHealth { quorum: 2, sorry: sorry(), ..health() };
    let mut scene = Scene::new(vec![service(health, vec![plain(11), plain(12)])]);
    scene.good(11);
    scene.bad(12);
    assert_eq!(scene.heard(), "10.0.0.12 down, quorum down, sorry in");
    assert_eq!(scene.laid(), [(11, 0), (99, 1)], "one that is up keeps its flows");
    assert_eq!(scene.last.effective.len(), 1, "one change");
    scene.good(12);
    assert_eq!(scene.heard(), "10.0.0.12 up, quorum up, sorry out");
    assert_eq!(scene.laid(), [(11, 1), (12, 1)]);
}

#[test]
fn a_scheduler_that_would_choose_weight_0_in_vain_gets_the_sorry_server_alone() {
    for (scheduler, flags, alone) in [
        (Scheduler::Mh, SchedulerFlags::NONE, true),
        (Scheduler::Sh, SchedulerFlags::PORT, true),
        (Scheduler::Dh, SchedulerFlags::FALLBACK, true),
        (Scheduler::Mh, SchedulerFlags::FALLBACK, false),
        (Scheduler::Rr, SchedulerFlags::NONE, false),
    ] {
        let mut desired = service(ServiceHealth { quorum: 2, sorry: sorry(), ..health() }, vec![plain(11), plain(12)]);
        (desired.scheduler, desired.flags) = (scheduler, flags);
        let mut scene = Scene::new(vec![desired]);
        scene.bad(12);
        let expected = if alone { vec![(99, 1)] } else { vec![(11, 0), (99, 1)] };
        assert_eq!(scene.laid(), expected, "{scheduler}");
        // But a drain goes on.
        scene.drain(11, true);
        assert_eq!(scene.laid(), [(11, 0), (99, 1)], "{scheduler}");
    }
}

#[test]
fn keepalived_sorry_server_inhibit() {
    let health = ServiceHealth { sorry: sorry(), inhibit_sorry: true, ..health() };
    let mut scene = Scene::new(vec![service(health, vec![plain(11)])]);
    assert_eq!(scene.laid(), [(11, 1), (99, 0)]);
    scene.bad(11);
    assert_eq!(scene.laid(), [(99, 1)]);
}

#[test]
fn a_sorry_server_that_is_a_server_too_is_there_once() {
    let mut same = sorry();
    same.as_mut().unwrap().address = address(11);
    let health = ServiceHealth { quorum: 2, sorry: same, inhibit_sorry: true, ..health() };
    let mut scene = Scene::new(vec![service(health, vec![plain(11), plain(12)])]);
    assert_eq!(scene.laid(), [(11, 1), (12, 1)]);
    scene.bad(12);
    assert_eq!(scene.laid(), [(11, 1)]);
    scene.bad(11);
    assert_eq!(scene.laid(), [(11, 1)]);
}

#[test]
fn draining_all_servers_brings_the_sorry_server() {
    let mut scene = Scene::new(vec![service(ServiceHealth { sorry: sorry(), ..health() }, vec![plain(11)])]);
    scene.drain(11, true);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 0), (99, 1)], "quorum down, sorry in"));
    scene.drain(11, false);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 1)], "quorum up, sorry out"));
}

#[test]
fn keepalived_without_a_sorry_server_those_that_are_up_stay_without_quorum() {
    let mut scene = Scene::new(vec![service(ServiceHealth { quorum: 2, ..health() }, vec![plain(11), plain(12)])]);
    scene.bad(12);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 1)], "10.0.0.12 down, quorum down"));
}

#[test]
fn what_happens_at_one_moment_is_one_change() {
    let quick = |host| server(host, 1, checked(tcp(Timing { fall: 1, ..timing() })));
    let mut scene = Scene::new(vec![service(ServiceHealth { sorry: sorry(), ..health() }, vec![quick(11), quick(12)])]);
    scene.bad(11);
    scene.good(12);
    scene.heard();
    scene.now += seconds(2);
    scene.monitor.handle_timeout(scene.now);
    scene.take();
    let ended = |start: &relvs_proto::health::Start| {
        let outcome = if start.question.asked.address == address(11) {
            Outcome::Up { says: None }
        } else {
            Outcome::Down { why: "reset".into() }
        };
        Input::Ended { id: start.id, outcome }
    };
    let mut both = scene.last.start.iter().map(ended).collect::<Vec<_>>();
    assert_eq!(both.len(), 2);
    // The one that falls is told first.
    both.sort_by_key(|input| matches!(input, Input::Ended { outcome: Outcome::Up { .. }, .. }));
    scene.monitor.handle(scene.now, both);
    scene.take();
    assert_eq!(scene.heard(), "10.0.0.12 down, 10.0.0.11 up", "the quorum was never lost");
    assert_eq!((scene.last.effective.len(), scene.laid()), (1, vec![(11, 1)]));
}

#[test]
fn scripts_come_with_their_events() {
    let script = |name: &str| Some(Script::new(vec![name.to_owned()]));
    let server_health = ServerHealth { notify_up: script("up"), notify_down: script("down"), ..checked(tcp(timing())) };
    let health = ServiceHealth { quorum_up: script("won"), quorum_down: script("lost"), ..health() };
    let mut scene = Scene::new(vec![service(health, vec![server(11, 4, server_health)])]);
    let mut run = |good: bool| {
        if good {
            scene.good(11);
        } else {
            scene.bad(11);
        }
        let told = scene.last.notify.iter();
        told.map(|told| told.script.as_ref().unwrap().command[0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(run(false), ["down", "lost"]);
    assert_eq!(run(true), ["up", "won"]);
    let [server, quorum] = &scene.last.notify[..] else { panic!("two") };
    assert!(matches!(&server.event, Event::Server { up: true, weight: 4, why, .. }
        if why == "tcp check of 10.0.0.11:80: it succeeds"));
    assert!(matches!(&quorum.event, Event::Quorum { up: true, weight: 4, why, .. }
        if why == "the servers that are up have weight 4, of the 1 that are needed"));
}

#[test]
fn keepalived_omega_tells_what_is_up_that_it_is_down_when_the_daemon_ends() {
    let health = ServiceHealth { omega: true, ..health() };
    let desired = vec![service(health, vec![plain(11), plain(12)])];
    let mut scene = Scene::new(desired.clone());
    scene.bad(12);
    scene.heard();
    scene.input(Input::End);
    assert_eq!(scene.heard(), "10.0.0.11 down, quorum down");
    scene.restart(desired, seconds(5));
    assert_eq!(scene.heard(), "10.0.0.11 up, quorum up", "so that each up follows a down");
    scene.reload(vec![]);
    assert_eq!(scene.heard(), "10.0.0.11 down, quorum down", "removed");
    let mut silent = Scene::of(vec![plain(11)]);
    silent.input(Input::End);
    silent.reload(vec![]);
    assert_eq!(silent.heard(), "", "without omega");
}

#[test]
fn keepalived_ha_suspend_checks_only_while_the_vip_is_here() {
    let health = ServiceHealth { ha_suspend: true, ..health() };
    let mut scene = Scene::new(vec![service(health, vec![plain(11)])]);
    scene.wait();
    assert_eq!(scene.under_way(), 1);
    scene.input(Input::Here(BTreeSet::new()));
    assert_eq!((scene.under_way(), scene.monitor.poll_timeout()), (0, None));
    assert!(scene.monitor.shown()[0].suspended);
    scene.input(Input::Here(BTreeSet::from([VIP])));
    scene.bad(11);
    assert_eq!(scene.laid(), []);
    scene.input(Input::Here(BTreeSet::new()));
    assert_eq!(scene.laid(), [], "what is known stays");
}

#[test]
fn equal_probes_of_one_target_are_made_once() {
    let with = |port: u16, timing: Timing| {
        let mut service = service(health(), vec![server(11, 1, checked(tcp(timing)))]);
        service.key = key(port);
        service
    };
    let patient = Timing { fall: 3, ..timing() };
    let mut scene =
        Scene::new(vec![with(80, timing()), with(81, patient), with(82, Timing { interval_ms: 9, ..patient })]);
    scene.wait();
    assert_eq!(scene.under_way(), 2, "80 and 81 ask the same at the same pace");
    let mut shared = Scene::new(vec![with(80, timing()), with(81, patient)]);
    shared.good(11);
    shared.bad(11);
    shared.bad(11);
    assert_eq!((shared.laid_of(0), shared.laid_of(1)), (vec![], vec![(11, 1)]), "each counts for itself");
    assert_eq!((shared.monitor.poll_timeout().unwrap() - shared.now), seconds(1), "one of them still counts");
    shared.bad(11);
    assert_eq!(shared.laid_of(1), []);
    assert_eq!(shared.heard(), "10.0.0.11 down, quorum down, 10.0.0.11 down, quorum down");
    // A service that comes later knows at once.
    shared.reload(vec![with(80, timing()), with(81, patient), with(83, timing())]);
    assert_eq!(shared.laid_of(2), []);
    shared.reload(vec![with(83, timing())]);
    shared.wait();
    assert_eq!(shared.under_way(), 1);
    shared.reload(vec![]);
    assert_eq!((shared.under_way(), shared.monitor.poll_timeout()), (0, None));
}

#[test]
fn a_probe_through_the_data_path_is_a_services_own() {
    let check = Check { target: Target { through_data_path: true, ..Target::default() }, ..tcp(timing()) };
    let mut one = service(health(), vec![server(11, 1, checked(check))]);
    one.servers[0].method = relvs_model::Method::Dr;
    let mut other = one.clone();
    other.key = key(81);
    let mut scene = Scene::new(vec![one, other]);
    scene.wait();
    let asked = scene.last.start.iter().map(|start| start.question.to_string()).collect::<Vec<_>>();
    assert_eq!(
        asked,
        ["tcp check of 10.0.0.11:80 by way of 192.0.2.100:80", "tcp check of 10.0.0.11:81 by way of 192.0.2.100:81"]
    );
}

#[test]
fn services_without_health_pass_untouched() {
    let mut bare = service(health(), vec![plain(11)]);
    bare.health = None;
    bare.servers[0].health = None;
    let scene = Scene::new(vec![bare.clone()]);
    assert_eq!(
        (scene.monitor.effective(&bare), scene.monitor.poll_timeout(), scene.monitor.shown()),
        (None, None, vec![])
    );
    // A server without checks beside one with them is always up.
    bare.servers.push(plain(12));
    let mut scene = Scene::new(vec![bare]);
    scene.bad(12);
    assert_eq!(scene.laid(), [(11, 1)]);
    assert_eq!(scene.monitor.shown()[0].servers[0].why, "it has no checks");
}
