//! One server's rules: outcomes, weights, slow start, damping, drains. keepalived's are named where they are its own.

use crate::scene::{Scene, checked, seconds, server, service, tcp, timing};
use relvs_model::health::{Damping, Says, ServerHealth, ServiceHealth, Timing};
use std::time::Duration;

fn plain(host: u8) -> relvs_model::Server {
    server(host, 1, checked(tcp(timing())))
}

#[test]
fn keepalived_a_server_is_up_until_its_first_outcome_and_one_failure_is_enough_then() {
    let mut scene = Scene::of(vec![plain(11), plain(12)]);
    assert_eq!(scene.laid(), [(11, 1), (12, 1)]);
    scene.bad(11);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(12, 1)], "10.0.0.11 down"));
    scene.good(12);
    scene.bad(12);
    assert_eq!(scene.laid(), [(12, 1)], "retry: one failure is not enough after a success");
    scene.bad(12);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![], "10.0.0.12 down, quorum down"));
    scene.good(12);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(12, 1)], "10.0.0.12 up, quorum up"));
}

#[test]
fn keepalived_alpha_is_down_until_every_check_has_succeeded() {
    let alpha = Timing { alpha: true, ..timing() };
    let other = relvs_model::health::Check { timing: Timing { timeout_ms: 1, ..alpha }, ..tcp(alpha) };
    let health = ServerHealth { checks: vec![tcp(alpha), other], ..ServerHealth::default() };
    let mut scene = Scene::of(vec![server(11, 1, health), server(12, 1, checked(tcp(alpha)))]);
    assert_eq!(scene.laid(), []);
    scene.bad(12);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![], ""), "what was down is not told to go down");
    scene.good(11);
    assert_eq!(scene.laid(), [], "one of two checks");
    scene.good(11);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 1)], "10.0.0.11 up, quorum up"));
}

#[test]
fn keepalived_inhibit_on_failure_keeps_the_place_with_weight_0() {
    let health = ServerHealth { inhibit_on_failure: true, ..checked(tcp(timing())) };
    let mut scene = Scene::of(vec![server(11, 5, health), plain(12)]);
    scene.bad(11);
    assert_eq!(scene.laid(), [(11, 0), (12, 1)]);
    scene.good(11);
    assert_eq!(scene.laid(), [(11, 5), (12, 1)]);
}

#[test]
fn keepalived_delays() {
    let mut scene = Scene::of(vec![plain(11)]);
    let mut pause = |good: bool| {
        if good {
            scene.good(11);
        } else {
            scene.bad(11);
        }
        (scene.monitor.poll_timeout().unwrap() - scene.now).as_millis()
    };
    // delay_loop after a success, delay_before_retry while failures are counted, delay_loop when down.
    assert_eq!([pause(true), pause(false), pause(false), pause(false), pause(true)], [2000, 1000, 2000, 2000, 2000]);
    let mut scene = Scene::of(vec![server(11, 1, checked(tcp(Timing { fast_recovery: true, ..timing() })))]);
    scene.bad(11);
    assert_eq!((scene.monitor.poll_timeout().unwrap() - scene.now).as_millis(), 1000, "fast_recovery");
}

#[test]
fn the_first_probes_are_spread_over_the_warm_up() {
    let servers = (1..=50).map(|host| server(host, 1, checked(tcp(Timing { warmup_ms: 1000, ..timing() })))).collect();
    let mut scene = Scene::of(servers);
    let begun = scene.now;
    let mut moments = Vec::new();
    while scene.under_way() < 50 {
        scene.wait();
        moments.push(scene.now - begun);
    }
    assert!(moments.iter().all(|moment| *moment <= seconds(1)), "{moments:?}");
    assert!(moments.len() > 40, "{} moments", moments.len());
}

#[test]
fn a_probe_that_never_ends_is_a_failure_and_checks_go_on() {
    let mut scene = Scene::of(vec![plain(11)]);
    scene.wait();
    let begun = scene.now;
    assert_eq!(scene.under_way(), 1);
    scene.wait();
    assert_eq!(scene.now - begun, seconds(5) + seconds(1), "its timeout and a second");
    assert_eq!((scene.laid(), scene.last.cancel.len()), (vec![], 1));
    scene.good(11);
    assert_eq!(scene.laid(), [(11, 1)]);
}

#[test]
fn an_outcome_that_is_not_awaited_is_ignored() {
    let mut scene = Scene::of(vec![plain(11)]);
    scene.wait();
    let id = scene.last.start[0].id;
    scene.good(11);
    let outcome = relvs_model::health::Outcome::Down { why: "late".into() };
    for _ in 0..3 {
        scene.input(relvs_proto::health::Input::Ended { id, outcome: outcome.clone() });
    }
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 1)], ""));
}

#[test]
fn keepalived_weights_that_checks_say() {
    let mut scene = Scene::of(vec![server(11, 10, checked(tcp(timing()))), plain(12)]);
    scene.says(11, Says::Weight(3));
    assert_eq!(scene.laid(), [(11, 3), (12, 1)]);
    assert_eq!(scene.last.effective.len(), 1);
    scene.says(11, Says::Weight(3));
    assert!(scene.last.effective.is_empty(), "nothing is otherwise");
    scene.says(11, Says::Add(-20));
    assert_eq!(scene.laid(), [(11, 0), (12, 1)]);
    assert_eq!(scene.heard(), "", "a weight is not a transition");
}

#[test]
fn a_server_that_comes_back_gets_its_weight_in_steps() {
    let health = ServerHealth { slow_start_ms: 10_000, ..checked(tcp(Timing { interval_ms: 60_000, ..timing() })) };
    let mut scene = Scene::of(vec![server(11, 100, health), plain(12)]);
    scene.good(11);
    assert_eq!(scene.laid(), [(11, 100), (12, 1)], "it has not come back, it was there");
    scene.bad(11);
    scene.bad(11);
    scene.good(11);
    let back = scene.now;
    let mut weights = vec![scene.laid()[0]];
    let mut switches = 0;
    while scene.now < back + seconds(30) {
        scene.wait();
        if weights.last() != Some(&scene.laid()[0]) {
            weights.push(scene.laid()[0]);
            switches += 1;
            assert_eq!(scene.last.effective.len(), 1);
        }
    }
    assert_eq!(weights, [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map(|weight| (11, weight)));
    assert_eq!(switches, 10, "a few changes of the tables, whatever the weight");
}

#[test]
fn slow_start_does_not_delay_the_quorum() {
    let health = ServerHealth { slow_start_ms: 10_000, ..checked(tcp(timing())) };
    let quorum = ServiceHealth { quorum: 50, ..ServiceHealth::default() };
    let mut scene = Scene::new(vec![service(quorum, vec![server(11, 100, health)])]);
    scene.bad(11);
    scene.good(11);
    assert_eq!((scene.laid(), scene.heard().ends_with("10.0.0.11 up, quorum up")), (vec![(11, 1)], true));
}

#[test]
fn a_server_that_flaps_is_held_down() {
    let damping = Some(Damping { falls: 2, within_ms: 60_000, hold_ms: 120_000 });
    let quick = Timing { fall: 1, ..timing() };
    let mut scene = Scene::of(vec![server(11, 1, ServerHealth { damping, ..checked(tcp(quick)) })]);
    for heard in ["10.0.0.11 down, quorum down, 10.0.0.11 up, quorum up", "10.0.0.11 down, quorum down"] {
        scene.bad(11);
        scene.good(11);
        assert_eq!(scene.heard(), heard);
    }
    let fell = scene.now;
    assert_eq!(scene.laid(), []);
    let status = &scene.monitor.shown()[0].servers[0];
    assert_eq!(status.why, "held down for a while, as it went down too often");
    while scene.laid().is_empty() {
        scene.good(11);
    }
    assert_eq!(scene.heard(), "10.0.0.11 up, quorum up");
    let held = scene.now - fell;
    // It fell a probe before the one that was seen last.
    assert!((seconds(117)..=seconds(121)).contains(&held), "{held:?}");
}

#[test]
fn a_drain_outlives_recovery_reload_and_restart() {
    let servers = || vec![server(11, 5, checked(tcp(timing()))), plain(12)];
    let desired = || vec![service(ServiceHealth::default(), servers())];
    let mut scene = Scene::new(desired());
    scene.good(11);
    scene.drain(11, true);
    assert_eq!((scene.laid(), scene.last.effective.len()), (vec![(11, 0), (12, 1)], 1));
    assert_eq!(scene.heard(), "", "a drain is no transition of the server");
    scene.bad(11);
    scene.bad(11);
    assert_eq!(scene.laid(), [(12, 1)]);
    scene.good(11);
    assert_eq!(scene.laid(), [(11, 0), (12, 1)]);
    let mut otherwise = desired();
    otherwise[0].servers[0].weight = 7;
    scene.reload(otherwise.clone());
    assert_eq!(scene.laid(), [(11, 0), (12, 1)]);
    scene.restart(otherwise, seconds(30));
    assert_eq!(scene.laid(), [(11, 0), (12, 1)]);
    scene.says(11, Says::Weight(9));
    assert_eq!(scene.laid(), [(11, 0), (12, 1)], "no check brings it back");
    scene.drain(11, false);
    assert_eq!(scene.laid(), [(11, 9), (12, 1)]);
}

#[test]
fn a_drain_holds_without_any_checks_too() {
    let mut bare = service(ServiceHealth::default(), vec![plain(11), plain(12)]);
    bare.health = None;
    bare.servers.iter_mut().for_each(|server| server.health = None);
    let mut scene = Scene::new(vec![bare.clone()]);
    assert_eq!(scene.monitor.effective(&bare), None);
    scene.drain(12, true);
    assert_eq!((scene.laid(), scene.last.effective.len()), (vec![(11, 1), (12, 0)], 1));
    scene.restart(vec![bare.clone()], seconds(1));
    assert_eq!(scene.laid(), [(11, 1), (12, 0)]);
    let mut without = bare.clone();
    without.servers.truncate(1);
    scene.reload(vec![without]);
    scene.reload(vec![bare.clone()]);
    assert_eq!(scene.monitor.effective(&bare), None, "a server that left is not drained when it comes again");
    assert_eq!(scene.monitor.poll_timeout(), None, "and nothing is to be done for it");
}

#[test]
fn what_is_shown_says_why_in_plain_words() {
    let mut scene = Scene::of(vec![plain(11), plain(12)]);
    assert_eq!(scene.monitor.shown()[0].servers[0].why, "it was not asked yet");
    scene.good(11);
    scene.bad(12);
    scene.now += Duration::from_secs(1);
    let status = scene.monitor.shown_of(crate::scene::key(80)).unwrap();
    assert_eq!((status.up, status.weight, status.needed, status.sorry), (true, 1, 1, false));
    let [up, down] = &status.servers[..] else { panic!("two servers") };
    assert!(up.up && !down.up);
    assert_eq!(down.why, "tcp check of 10.0.0.12:80: connection refused");
    assert_eq!((down.weight, down.since_ms), (None, 1_000_002));
    let check = &down.checks[0];
    assert_eq!(
        (check.name.as_str(), check.probes, check.failed, check.failures),
        ("tcp check of 10.0.0.12:80", 1, 1, 1)
    );
    assert_eq!((check.error.as_deref(), check.error_ms), (Some("connection refused"), Some(1_000_002)));
}

#[test]
fn keepalived_log_all_failures() {
    let timing = Timing { log_all_failures: true, fall: 3, ..timing() };
    let mut scene = Scene::of(vec![server(11, 1, checked(tcp(timing)))]);
    scene.good(11);
    let mut seen = Vec::new();
    for _ in 0..4 {
        scene.bad(11);
        seen.push((
            scene.last.complaints.iter().map(|complaint| complaint.failures).collect::<Vec<_>>(),
            scene.heard(),
        ));
    }
    let told = |failures: &[u32], heard: &str| (failures.to_vec(), heard.to_owned());
    let fell = "10.0.0.11 down, quorum down";
    assert_eq!(seen, [told(&[1], ""), told(&[2], ""), told(&[], fell), told(&[4], "")]);
}
