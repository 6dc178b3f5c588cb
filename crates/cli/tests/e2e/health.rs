//! Health checks: a server that is down gets nothing, and everybody who wants to know is told, once.

use crate::{
    bed::{Bed, assert_shares, until},
    configuration::tcp,
};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;
use std::{fs, net::IpAddr, path::Path};

/// Out within half a second, back within a quarter.
const PACE: &str = "interval = \"200ms\"\ntimeout = \"150ms\"\nretry_interval = \"50ms\"\nwarmup = \"50ms\"";

/// A service at a VIP with servers s1 and s2, and s3 when both are down; who is told writes to this file.
fn section(bed: &Bed, vip: IpAddr, told: &Path) -> String {
    let sorry = crate::configuration::rip(&bed.lab, "s3", vip);
    let sorry = std::net::SocketAddr::new(sorry, 80);
    let script = |what: &str| format!("{{ command = [\"/bin/sh\", \"-c\", \"echo {what} >> {}\"] }}", told.display());
    let lines = format!(
        "listen = \"{}/tcp\"\nscheduler = \"rr\"\nmethod = \"dr\"\nsorry_server = {{ address = \"{sorry}\" }}\n\
         quorum_up = {}\nquorum_down = {}\n[service.check]\ntype = \"tcp\"\n{PACE}",
        std::net::SocketAddr::new(vip, 80),
        script("quorum-up"),
        script("quorum-down"),
    );
    let own = |name: &str| {
        format!("notify_up = {}\nnotify_down = {}", script(&format!("{name}-up")), script(&format!("{name}-down")))
    };
    let servers = [("s1", own("s1")), ("s2", own("s2"))];
    bed.section(vip, &lines, &servers.each_ref().map(|(name, lines)| (*name, lines.as_str())))
}

fn told(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Whether the service's servers that are checked are up.
fn up(bed: &Bed) -> Vec<bool> {
    bed.status().checks.iter().flat_map(|service| &service.servers).map(|server| server.up).collect()
}

#[test]
fn a_server_that_is_down_gets_nothing_and_comes_back() {
    let shape = Shape::new(Topology::OneArmed).servers(3);
    let like = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1), ("s3", Method::Dr, 1)])];
    let Some(mut bed) =
        Bed::start_with(&shape, &like, |bed| section(bed, bed.vips[0], &bed.lab.directory().join("told")))
    else {
        return;
    };
    let path = bed.lab.directory().join("told");
    let target = bed.targets(80)[0];
    until("both servers were asked", || up(&bed) == [true, true]);
    assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    let revision = bed.status().revision;

    bed.lab.unplug("s1").unwrap();
    until("s1 is down", || up(&bed) == [false, true]);
    assert_shares(&bed.requests(target, 20), &[("s2", 20)]);
    let page = bed.page();
    assert!(page.contains("DOWN since") && page.contains("tcp check of"), "{page}");
    // It is configured as before.
    let status = bed.status();
    assert_eq!((status.revision, status.changed), (revision, false));

    // The next daemon knows it too, before it has asked anybody.
    bed.director.kill().unwrap();
    bed.director.start().unwrap();
    assert_eq!(up(&bed), [false, true]);
    assert_shares(&bed.requests(target, 20), &[("s2", 20)]);

    bed.lab.unplug("s2").unwrap();
    until("s2 is down", || up(&bed) == [false, false]);
    assert_shares(&bed.requests(target, 20), &[("s3", 20)]);

    bed.lab.plug("s1").unwrap();
    until("s1 is back", || up(&bed) == [true, false]);
    assert_shares(&bed.requests(target, 20), &[("s1", 20)]);
    bed.lab.plug("s2").unwrap();
    until("s2 is back", || up(&bed) == [true, true]);
    assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    until("everybody has been told", || told(&path).len() >= 6);
    // Scripts about one server or service are run in order, those about others beside them.
    let of = |subject: &str| told(&path).into_iter().filter(|line| line.starts_with(subject)).collect::<Vec<_>>();
    assert_eq!(of("s1"), ["s1-down", "s1-up"]);
    assert_eq!(of("s2"), ["s2-down", "s2-up"]);
    assert_eq!(of("quorum"), ["quorum-down", "quorum-up"]);
    assert_eq!(told(&path).len(), 6);
}

#[test]
fn a_drain_outlives_reload_and_restart_and_is_taken_back() {
    let shape = Shape::new(Topology::OneArmed).servers(3);
    let like = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1), ("s3", Method::Dr, 1)])];
    let Some(mut bed) =
        Bed::start_with(&shape, &like, |bed| section(bed, bed.vips[0], &bed.lab.directory().join("told")))
    else {
        return;
    };
    let target = bed.targets(80)[0];
    until("both servers were asked", || up(&bed) == [true, true]);
    let (service, server) =
        (format!("{target}/tcp"), crate::configuration::rip(&bed.lab, "s1", bed.vips[0]).to_string());
    let drained = bed.director.relvs(["drain", &service, &server]).unwrap();
    assert!(drained.status.success(), "{drained:?}");
    assert_shares(&bed.requests(target, 10), &[("s2", 10)]);
    bed.hangup();
    assert_shares(&bed.requests(target, 10), &[("s2", 10)]);
    bed.director.kill().unwrap();
    bed.director.start().unwrap();
    assert_shares(&bed.requests(target, 10), &[("s2", 10)]);
    let undone = bed.director.relvs(["drain", "--undo", &service, &server]).unwrap();
    assert!(undone.status.success(), "{undone:?}");
    assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
}
