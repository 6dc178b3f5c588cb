//! What is known goes on when the configuration becomes otherwise, and when the daemon begins again.

use crate::scene::{Scene, checked, seconds, server, service, sorry, tcp, timing};
use relvs_model::{
    Service,
    health::{Check, Damping, HttpProbe, Probe, Says, ServerHealth, ServiceHealth, Timing},
};
use std::time::Duration;

fn with(check: Check) -> Vec<Service> {
    vec![service(ServiceHealth::default(), vec![server(11, 1, checked(check))])]
}

fn http(timing: Timing) -> Check {
    Check { probe: Probe::Http(HttpProbe::default()), ..tcp(timing) }
}

fn patient() -> Timing {
    Timing { fall: 3, rise: 3, ..timing() }
}

#[test]
fn an_unchanged_check_keeps_its_counts_and_its_timer() {
    for restart in [false, true] {
        let mut scene = Scene::new(with(tcp(patient())));
        scene.good(11);
        scene.bad(11);
        scene.bad(11);
        let due = scene.monitor.poll_timeout();
        let mut otherwise = with(tcp(patient()));
        otherwise[0].servers[0].weight = 7;
        if restart {
            scene.restart(otherwise, seconds(60));
        } else {
            scene.reload(otherwise);
            assert_eq!(scene.monitor.poll_timeout(), due);
        }
        assert_eq!(scene.laid(), [(11, 7)]);
        scene.bad(11);
        assert_eq!((scene.laid(), scene.heard().as_str()), (vec![], "10.0.0.11 down, quorum down"), "the third");
    }
}

#[test]
fn a_probe_that_is_under_way_goes_on_over_a_reload() {
    let mut scene = Scene::new(with(tcp(timing())));
    scene.wait();
    let mut otherwise = with(tcp(timing()));
    otherwise[0].servers.push(server(12, 1, checked(tcp(timing()))));
    scene.reload(otherwise);
    assert!(scene.last.cancel.is_empty());
    scene.bad(11);
    assert_eq!(scene.laid(), [(12, 1)]);
}

#[test]
fn a_server_known_to_be_down_stays_down_whatever_it_is_asked_now() {
    for restart in [false, true] {
        let mut scene = Scene::new(with(tcp(patient())));
        scene.bad(11);
        assert_eq!(scene.heard(), "10.0.0.11 down, quorum down");
        if restart {
            scene.restart(with(http(patient())), seconds(1));
        } else {
            scene.reload(with(http(patient())));
        }
        assert_eq!((scene.laid(), scene.heard().as_str()), (vec![], ""), "nothing is told again");
        scene.good(11);
        scene.good(11);
        assert_eq!(scene.laid(), []);
        scene.good(11);
        assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 1)], "10.0.0.11 up, quorum up"));
    }
}

#[test]
fn a_server_known_to_be_up_stays_up_whatever_it_is_asked_now() {
    let alpha = Timing { alpha: true, ..patient() };
    let mut scene = Scene::new(with(tcp(alpha)));
    scene.good(11);
    scene.heard();
    scene.reload(with(http(alpha)));
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 1)], ""));
    scene.bad(11);
    scene.bad(11);
    assert_eq!(scene.laid(), [(11, 1)]);
    scene.bad(11);
    assert_eq!(scene.laid(), []);
    // And one that nobody has asked yet is judged by its first outcome.
    let mut scene = Scene::new(with(tcp(patient())));
    scene.reload(with(http(patient())));
    scene.bad(11);
    assert_eq!(scene.laid(), []);
}

#[test]
fn a_check_that_is_gone_no_longer_holds_a_server_down() {
    let mut scene = Scene::new(with(tcp(timing())));
    scene.bad(11);
    scene.heard();
    scene.reload(vec![service(ServiceHealth::default(), vec![server(11, 1, ServerHealth::default())])]);
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(11, 1)], "10.0.0.11 up, quorum up"));
    assert_eq!((scene.monitor.poll_timeout(), scene.under_way()), (None, 0));
    let mut bare = with(tcp(timing()));
    scene.reload(bare.clone());
    scene.bad(11);
    scene.bad(11);
    scene.heard();
    bare[0].health = None;
    bare[0].servers[0].health = None;
    scene.reload(bare.clone());
    assert_eq!((scene.heard().as_str(), scene.monitor.effective(&bare[0])), ("10.0.0.11 up, quorum up", None));
}

#[test]
fn servers_that_are_exchanged_at_once_never_lose_the_quorum() {
    let of = |host: u8| {
        vec![service(
            ServiceHealth { sorry: sorry(), ..ServiceHealth::default() },
            vec![server(host, 1, checked(tcp(timing())))],
        )]
    };
    let mut scene = Scene::new(of(11));
    scene.reload(of(12));
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(12, 1)], ""));
}

#[test]
fn a_sorry_server_that_is_exchanged_while_it_serves() {
    let of = |host: Option<u8>| {
        let sorry = host.map(|host| relvs_model::Server { address: crate::scene::address(host), ..sorry().unwrap() });
        vec![service(ServiceHealth { sorry, ..ServiceHealth::default() }, vec![server(11, 1, checked(tcp(timing())))])]
    };
    let mut scene = Scene::new(of(Some(98)));
    scene.bad(11);
    scene.heard();
    scene.reload(of(Some(99)));
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(99, 1)], "sorry out, sorry in"));
    scene.restart(of(Some(99)), seconds(1));
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![(99, 1)], ""));
    scene.reload(of(None));
    assert_eq!((scene.laid(), scene.heard().as_str()), (vec![], "sorry out"));
}

#[test]
fn quorum_and_its_hysteresis_outlive_a_restart() {
    let health = ServiceHealth { quorum: 2, hysteresis: 1, ..ServiceHealth::default() };
    let desired = || {
        vec![service(
            health.clone(),
            vec![server(11, 1, checked(tcp(timing()))), server(12, 1, checked(tcp(timing())))],
        )]
    };
    let mut scene = Scene::new(desired());
    scene.bad(11);
    assert_eq!(scene.heard(), "10.0.0.11 down", "1 keeps it");
    scene.restart(desired(), seconds(1));
    scene.bad(12);
    scene.bad(12);
    scene.good(12);
    scene.good(11);
    assert_eq!(scene.heard(), "10.0.0.12 down, quorum down, 10.0.0.12 up, 10.0.0.11 up", "2 does not win it");
    scene.restart(desired(), seconds(1));
    assert!(!scene.monitor.shown()[0].up);
}

#[test]
fn holds_slow_starts_and_what_checks_say_outlive_a_restart() {
    let quick = Timing { fall: 1, interval_ms: 60_000, ..timing() };
    let damping = Some(Damping { falls: 1, within_ms: 1_000, hold_ms: 100_000 });
    let health = ServerHealth { damping, slow_start_ms: 100_000, ..checked(tcp(quick)) };
    let desired = || vec![service(ServiceHealth::default(), vec![server(11, 10, health.clone())])];
    let mut scene = Scene::new(desired());
    scene.bad(11);
    let fell = scene.now;
    scene.says(11, Says::Weight(100));
    scene.restart(desired(), seconds(1));
    assert!(scene.now < fell + seconds(100));
    assert_eq!(scene.laid(), []);
    while scene.laid().is_empty() {
        scene.good(11);
    }
    let back = fell + seconds(100);
    scene.restart(desired(), (back + seconds(75)).saturating_sub(scene.now));
    assert_eq!(scene.laid(), [(11, 70)]);
    // A clock that was set back makes no hold longer than it is.
    let memory = scene.monitor.remembered();
    let scene = Scene::after(desired(), memory, Duration::from_secs(1));
    assert_eq!(scene.laid(), [(11, 1)]);
}
