//! One server of two behind each method fails, in one way after the other: it is out within the time that the settings promise, clients lose
//! what they had begun with it until then and nothing else, and when it is well again it is back with its share.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use relvs_lab::traffic::{nginx_ill, nginx_server};
use relvs_model::Method;

use super::pace::{PACE, slack};
use super::scene::{GROUPS, Group, Scene, fresh_ports};
use crate::bed::{assert_shares, succeeded};

/// In one family the servers are asked themselves, in the other as clients' packets come to them.
fn of_ipv6(method: Method, vip: IpAddr) -> bool {
    method != Method::Nat && vip.is_ipv6()
}

/// Breaks the first server of each group, mends it, and looks at what came of it. A probe of a broken one fails after that time.
fn fails(
    what: &str,
    mut scene: Scene,
    fails_after: Duration,
    break_it: impl FnOnce(&mut Scene),
    mend_it: impl FnOnce(&mut Scene),
) {
    fresh_ports(&scene.bed, 0);
    let loads = scene.load();
    let before = loads.so_far();
    assert!(before.iter().all(|report| report.failed() == 0), "nothing is wrong yet: {before:?}");
    let broken = Instant::now();
    break_it(&mut scene);
    let out = scene.when(false);
    fresh_ports(&scene.bed, 1);
    // Those by the ports before were begun until then.
    let until = Instant::now();
    let at_most = loads.between(&before, &out);
    for way in &scene.ways {
        // All that is begun from now on is answered, by the other one.
        assert_shares(&scene.bed.requests(way.target, 20), &[(way.group.servers[1], 20)]);
    }
    mend_it(&mut scene);
    let mended = Instant::now();
    let back = scene.when(true);
    let reports = loads.stop();
    fresh_ports(&scene.bed, 2);
    let promises = [PACE.promise(fails_after), PACE.return_promise(fails_after)];
    for (n, way) in scene.ways.iter().enumerate() {
        let took = [out[n].duration_since(broken), back[n].saturating_duration_since(mended)];
        let (method, asked) = (way.group.method, if way.through { "through the data path" } else { "directly" });
        println!(
            "{what}, {method}, {}, asked {asked}: out after {:.2?} (promised {:?}), back after {:.2?} (promised {:?}); {}",
            way.target, took[0], promises[0], took[1], promises[1], reports[n]
        );
        for (took, promise) in took.into_iter().zip(promises) {
            assert!(
                took <= promise + slack(promise),
                "{what}, {method}, {}: {took:?}, promised {promise:?}",
                way.target
            );
        }
        // Every second request goes to it, and it has none of those that were begun when it was out.
        let report = &reports[n];
        assert!(report.last_failed.is_none_or(|begun| begun <= until), "lost when it was out: {report}");
        assert!(report.failed() <= at_most[n].div_ceil(2) + 1, "{} requests until it was out: {report}", at_most[n]);
        assert_shares(&scene.bed.requests(way.target, 20), &way.group.servers.map(|name| (name, 10)));
        let other = scene.status_of(&scene.bed.status(), way, way.group.servers[1]);
        assert!(other.up, "{other:?}");
        // Of a server that is well no probe fails, unless the machine is too busy for it.
        other.checks.iter().filter(|check| check.failed > 0).for_each(|check| println!("{check:?}"));
    }
}

#[test]
fn killed() {
    let Some(scene) = Scene::start(&GROUPS, of_ipv6) else { return };
    let kill = |scene: &mut Scene| {
        scene.failing().for_each(|(_, process)| {
            process.kill().unwrap();
        });
    };
    let start = |scene: &mut Scene| {
        for (group, process) in &mut scene.nginx {
            *process = nginx_server(&scene.bed.lab, scene.bed.node(group.servers[0]), group.port, &[]).unwrap();
        }
    };
    fails("killed", scene, Duration::ZERO, kill, start);
}

#[test]
fn hangs() {
    let Some(scene) = Scene::start(&GROUPS, of_ipv6) else { return };
    let signal = |signal| {
        move |scene: &mut Scene| scene.failing().for_each(|(_, process)| process.signal_group(signal).unwrap())
    };
    fails("hangs", scene, PACE.timeout, signal(Signal::SIGSTOP), signal(Signal::SIGCONT));
}

#[test]
fn answers_with_an_error() {
    let Some(scene) = Scene::start(&GROUPS, of_ipv6) else { return };
    let file = |scene: &Scene, name: &str| nginx_ill(&scene.bed.lab, scene.bed.node(name));
    let fall_ill = move |scene: &mut Scene| {
        GROUPS.iter().for_each(|group| std::fs::write(file(scene, group.servers[0]), "").unwrap());
    };
    let recover = move |scene: &mut Scene| {
        GROUPS.iter().for_each(|group| std::fs::remove_file(file(scene, group.servers[0])).unwrap());
    };
    fails("answers 500", scene, Duration::ZERO, fall_ill, recover);
}

#[test]
fn loses_its_vip() {
    // With NAT a server has none.
    let [dr, tun, _] = &GROUPS;
    let groups: &'static [Group] = &GROUPS[..2];
    let Some(scene) = Scene::start(groups, |_, _| true) else { return };
    let lose = |scene: &mut Scene| {
        for (server, vip) in [dr, tun].into_iter().flat_map(|group| scene.bed.vips.map(|vip| (group.servers[0], vip))) {
            let length = if vip.is_ipv4() { 32 } else { 128 };
            scene.bed.node(server).ip(&format!("address del {vip}/{length} dev lo")).unwrap();
        }
    };
    let find = |scene: &mut Scene| {
        for group in [dr, tun] {
            succeeded(&scene.bed.realserver(group.servers[0], "up", group.method));
        }
    };
    fails("loses its VIP", scene, PACE.timeout, lose, find);
}

#[test]
fn loses_its_link() {
    let Some(scene) = Scene::start(&GROUPS, of_ipv6) else { return };
    let unplug = |scene: &mut Scene| GROUPS.iter().for_each(|group| scene.bed.lab.unplug(group.servers[0]).unwrap());
    let plug = |scene: &mut Scene| GROUPS.iter().for_each(|group| scene.bed.lab.plug(group.servers[0]).unwrap());
    fails("loses its link", scene, PACE.timeout, unplug, plug);
}
