//! Every topology comes up, the client reaches every server through the kernel alone, and nothing stays behind.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "helpers of tests are tests too")]

mod common;

use std::time::{Duration, Instant};

use common::{assert_gone, lab, namespaces};
use relvs_lab::capture::{Capture, Frame, Kind};
use relvs_lab::traffic::{Load, Server, Transfer, UdpExchange};
use relvs_lab::{Gateway, Lab, Role, Shape, Topology};

fn servers(lab: &Lab) -> Vec<Server> {
    lab.servers().map(|node| Server::usual(node).unwrap()).collect()
}

fn reaches_every_server(lab: &Lab) {
    let client = lab.client().unwrap();
    for server in lab.servers() {
        for target in server.sockets(80) {
            let report = Load::new(target).requests(5).run(client).unwrap();
            assert_eq!((report.ok, report.of(server.name())), (5, 5), "{target}: {report}");
        }
        for target in server.sockets(53) {
            let report = UdpExchange::new(target, 5).run(client).unwrap();
            assert_eq!((report.ok, report.of(server.name())), (5, 5), "{target}: {report}");
        }
    }
}

fn comes_up_and_goes(topology: Topology, nodes: usize) {
    let begin = Instant::now();
    let Some(lab) = lab(&Shape::new(topology).directors(2)) else { return };
    println!("{topology:?}: built in {:?}", begin.elapsed());
    let name = lab.name().to_owned();
    assert_eq!(namespaces(&name).len(), nodes);
    let running = servers(&lab);
    reaches_every_server(&lab);
    let begin = Instant::now();
    drop(running);
    drop(lab);
    println!("{topology:?}: removed in {:?}", begin.elapsed());
    assert_gone(&name);
}

#[test]
fn one_armed() {
    comes_up_and_goes(Topology::OneArmed, 8);
}

#[test]
fn two_armed() {
    comes_up_and_goes(Topology::TwoArmed, 7);
}

#[test]
fn wan() {
    comes_up_and_goes(Topology::Wan, 10);
}

#[test]
fn the_kernel_settings_are_those_of_the_role() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed)) else { return };
    for node in lab.nodes() {
        let forwards = matches!(node.role(), Role::Router | Role::Director);
        if node.role() != Role::Switch {
            let expected = if forwards { "1" } else { "0" };
            assert_eq!(node.sysctl("ipv4/ip_forward").unwrap(), expected, "{}", node.name());
            assert_eq!(node.sysctl("ipv6/conf/eth0/forwarding").unwrap(), expected, "{}", node.name());
            assert_eq!(node.sysctl("ipv4/conf/eth0/rp_filter").unwrap(), if forwards { "0" } else { "2" });
            assert_eq!(node.sysctl("ipv4/conf/all/rp_filter").unwrap(), "0");
            let features = node.check("ethtool", ["-k", "eth0"]).unwrap();
            assert!(features.contains("tx-checksumming: off") && features.contains("tcp-segmentation-offload: off"));
        }
    }
    let port = lab.node("sw").unwrap().check("ethtool", ["-k", "d1.eth0"]).unwrap();
    assert!(port.contains("tx-checksumming: off") && port.contains("generic-receive-offload: on"), "{port}");
}

#[test]
fn a_hundred_megabytes_each_way_arrive_identical() {
    const BYTES: u64 = 100_000_000;
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let running = servers(&lab);
    let client = lab.client().unwrap();
    for target in lab.server(1).unwrap().sockets(80) {
        for transfer in [Transfer::download(target, BYTES), Transfer::upload(target, BYTES)] {
            let done = transfer.seed(7).run(client).unwrap();
            println!("{transfer:?}: {:?}", done.took);
            assert_eq!((done.server.as_str(), done.bytes), ("s1", BYTES));
        }
    }
    drop(running);
}

#[test]
fn a_far_server_is_behind_a_smaller_mtu() {
    let Some(lab) = lab(&Shape::new(Topology::Wan)) else { return };
    let running = servers(&lab);
    let (client, far) = (lab.client().unwrap(), lab.node("f1").unwrap());
    let capture = Capture::start(client, Kind::All, |frame| frame.too_big().is_some()).unwrap();
    for target in far.sockets(53) {
        // The first is lost; then the client's kernel knows the path's MTU and fragments.
        let report = UdpExchange::new(target, 3).payload(1420).timeout(Duration::from_millis(500)).run(client).unwrap();
        assert!((1..3).contains(&report.ok), "{report}");
    }
    let router = lab.node("r2").unwrap();
    let seen: Vec<_> = capture.stop().unwrap().iter().filter_map(Frame::too_big).collect();
    assert!(seen.contains(&(router.v4().into(), 1400)) && seen.contains(&(router.v6().into(), 1400)), "{seen:?}");
    for target in far.sockets(80) {
        let done = Transfer::upload(target, 1_000_000).run(client).unwrap();
        assert_eq!(done.server, "f1");
    }
    drop(running);
}

#[test]
fn a_server_changes_its_gateway_while_running() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed)) else { return };
    let _running = servers(&lab);
    let (client, director) = (lab.client().unwrap(), lab.director(1).unwrap());
    let server = lab.server(1).unwrap();
    let forwarded = |gateway| {
        lab.set_gateway("s1", gateway).unwrap();
        let before = director.counters("eth0").unwrap();
        for target in server.sockets(80) {
            assert_eq!(Load::new(target).requests(20).run(client).unwrap().ok, 20);
        }
        director.counters("eth0").unwrap().since(&before).tx_packets
    };
    assert!(forwarded(Gateway::Router) < 10);
    // At least three packets of each of the 40 connections: the handshake's, the answer, the end.
    assert!(forwarded(Gateway::Director) >= 120);
    assert!(forwarded(Gateway::Router) < 10);
}

#[test]
fn a_panic_removes_the_lab_too() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let name = lab.name().to_owned();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let node = lab.server(1).unwrap();
        let _sleeper = node.start(sleeper()).unwrap();
        node.with(|| panic!("planted")).unwrap();
    }));
    assert!(outcome.is_err());
    assert_gone(&name);
}

#[test]
fn processes_and_their_children_end_with_their_guard() {
    let Some(lab) = lab(&Shape::new(Topology::OneArmed).servers(1)) else { return };
    let name = lab.name().to_owned();
    let node = lab.server(1).unwrap();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "sleep 1000 & echo $!; wait"]);
    let mut parent = node.start(shell).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while parent.output().trim().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let child: u32 = parent.output().trim().parse().unwrap();
    assert!(parent.is_running() && common::is_alive(child));
    drop(parent);
    assert!(!common::is_alive(child));

    // One that leaves its process group is found by its namespace.
    let pid: u32 =
        node.check("sh", ["-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"]).unwrap().trim().parse().unwrap();
    assert!(common::is_alive(pid));
    drop(lab);
    assert!(!common::is_alive(pid));
    assert_gone(&name);
}

fn sleeper() -> std::process::Command {
    let mut command = std::process::Command::new("sleep");
    command.arg("1000");
    command
}
