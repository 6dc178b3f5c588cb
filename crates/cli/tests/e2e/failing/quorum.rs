//! All servers of a service fail, one after the other, and come back: the sorry server takes their place and gives it back, and whoever is to
//! be told is told, once and in order, whatever happens to the director meanwhile.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use relvs_lab::traffic::{Load, nginx_server};
use relvs_lab::{Process, Shape, Topology};
use relvs_model::Method;

use super::pace::PACE;
use super::scene::fresh_ports;
use crate::bed::{Bed, until};
use crate::configuration::{rip, tcp};

const PORT: u16 = 8080;
const SERVERS: [&str; 3] = ["s1", "s2", "s3"];
/// Not checked.
const SORRY: &str = "s4";

/// A service of three at each VIP; it is lost without any, and won with all. Each event is a line in the family's file.
fn sections(bed: &Bed) -> String {
    let section = |(n, vip): (usize, &std::net::IpAddr)| {
        let sorry = SocketAddr::new(rip(&bed.lab, SORRY, *vip), 80);
        let tell = format!(
            "{{ command = [\"/bin/sh\", \"-c\", 'echo \"$RELVS_EVENT\" \"$RELVS_SERVER\" >> {}'] }}",
            told_in(bed, n).display()
        );
        let lines = format!(
            "listen = \"{}/tcp\"\nscheduler = \"rr\"\nmethod = \"nat\"\nquorum = 2\nhysteresis = 1\nsorry_server = \"{sorry}\"\n\
             sorry_server_inhibit = true\nquorum_up = {tell}\nquorum_down = {tell}\nnotify_up = {tell}\nnotify_down = {tell}\n\
             [service.check]\ntype = \"http\"\n{}",
            SocketAddr::new(*vip, PORT),
            PACE.lines()
        );
        bed.section(*vip, &lines, &SERVERS.map(|name| (name, "")))
    };
    bed.vips.iter().enumerate().map(section).collect()
}

fn told_in(bed: &Bed, family: usize) -> PathBuf {
    bed.lab.directory().join(format!("told-{family}"))
}

fn told(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(|line| line.trim().to_owned()).collect()
}

struct Scene {
    bed: Bed,
    /// What both files must say so far; at one moment in any order.
    expected: [Vec<Vec<String>>; 2],
}

impl Scene {
    /// Waits until this was told as the next, for both families, and looks at all that was told.
    fn tells(&mut self, moment: &[&str]) {
        for (n, vip) in self.bed.vips.into_iter().enumerate() {
            let line = |words: &&str| match words.split_once(' ') {
                Some((event, name)) => format!("{event} {}", rip(&self.bed.lab, name, vip)),
                None => (*words).to_owned(),
            };
            self.expected[n].push(moment.iter().map(line).collect());
            let count: usize = self.expected[n].iter().map(Vec::len).sum();
            until(&format!("{moment:?} is told"), || told(&told_in(&self.bed, n)).len() >= count);
        }
        self.told_no_more();
    }

    fn told_no_more(&self) {
        for (n, expected) in self.expected.iter().enumerate() {
            let told = told(&told_in(&self.bed, n));
            let mut rest = told.as_slice();
            for moment in expected {
                let (mut now, mut moment) = (rest[..moment.len()].to_vec(), moment.clone());
                rest = &rest[moment.len()..];
                now.sort();
                moment.sort();
                assert_eq!(now, moment, "{told:?}");
            }
            assert!(rest.is_empty(), "{rest:?} too often: {told:?}");
        }
    }

    /// These answer, all of them, and nobody else. Clients that ask all the time take their turns too.
    fn answered_by(&self, names: &[&str]) {
        for target in self.bed.targets(PORT) {
            let report = self.bed.requests(target, 30);
            assert!(report.servers.keys().eq(names), "{target}: {report}, not {names:?}");
        }
    }

    fn serve(&self, name: &str) -> Process {
        nginx_server(&self.bed.lab, self.bed.node(name), PORT, &[]).unwrap()
    }

    /// Waits until everybody was asked again some times.
    fn asked_again(&self) {
        let made = || -> Vec<u64> {
            let status = self.bed.status();
            let servers = status.checks.iter().flat_map(|service| &service.servers);
            servers.flat_map(|server| &server.checks).map(|check| check.probes).collect()
        };
        let before = made();
        until("all were asked again", || made().iter().zip(&before).all(|(now, before)| *now >= before + 3));
    }
}

#[test]
fn all_servers_fail_and_come_back() {
    if std::process::Command::new("nginx").arg("-v").output().is_err() {
        return println!("skipped: nginx is not installed");
    }
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::TwoArmed).servers(4)) else { return };
    bed.prepare(&[tcp(PORT, "rr", &SERVERS.map(|name| (name, Method::Nat, 1)))]);
    let mut nginx = SERVERS.map(|name| nginx_server(&bed.lab, bed.node(name), PORT, &[]).unwrap());
    bed.configure_with(&sections(&bed));
    bed.director.start().unwrap();
    let mut scene = Scene { bed, expected: [Vec::new(), Vec::new()] };
    scene.asked_again();
    scene.bed.all_ready();
    scene.answered_by(&SERVERS);
    let load = |target| Load { timeout: Duration::from_secs(2), ..Load::new(target).rate(20, 64) };
    let loads = scene.bed.targets(PORT).map(|target| load(target).start(scene.bed.client()).unwrap());

    for n in [0, 1] {
        nginx[n].kill().unwrap();
        scene.tells(&[&format!("server_down {}", SERVERS[n])]);
        fresh_ports(&scene.bed, n as u16);
        scene.answered_by(&SERVERS[n + 1..]);
    }
    nginx[2].kill().unwrap();
    scene.tells(&["server_down s3", "quorum_down"]);
    fresh_ports(&scene.bed, 2);
    let out = Instant::now();
    scene.answered_by(&[SORRY]);
    // One and two are not enough to come back.
    for n in [0, 1] {
        nginx[n] = scene.serve(SERVERS[n]);
        scene.tells(&[&format!("server_up {}", SERVERS[n])]);
        scene.answered_by(&[SORRY]);
    }
    // Neither reading the file again nor another daemon tells anything anew.
    scene.bed.hangup();
    scene.asked_again();
    scene.told_no_more();
    scene.bed.director.kill().unwrap();
    scene.bed.director.start().unwrap();
    scene.asked_again();
    scene.told_no_more();
    scene.answered_by(&[SORRY]);
    nginx[2] = scene.serve("s3");
    scene.tells(&["server_up s3", "quorum_up"]);
    scene.answered_by(&SERVERS);
    scene.asked_again();
    scene.told_no_more();
    for load in loads {
        let report = load.stop().unwrap();
        println!("{report}");
        assert!(report.last_failed.is_none_or(|begun| begun <= out), "lost while the sorry server served: {report}");
        assert!(report.of(SORRY) > 0, "{report}");
    }
}
