//! `relvs status`: what it says is what happened.

use std::process::Command;

use relvs_api::{Client, Status};
use relvs_lab::traffic::{Load, UdpExchange};
use relvs_lab::{Shape, Topology};
use relvs_model::{Method, Protocol};

use crate::bed::{Bed, RELVS, assert_shares, counters, succeeded, text, until};
use crate::configuration::{tcp, udp};

#[test]
fn without_a_daemon_there_is_one_clear_line() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-director-here");
    let directory = directory.to_str().unwrap();
    let by_argument = |json: &[&str]| {
        let mut command = Command::new(RELVS);
        command.args(["status", "--run-dir", directory]).args(json);
        command
    };
    let mut by_variable = Command::new(RELVS);
    by_variable.arg("status").env("RELVS_RUN_DIR", directory);
    for mut command in [by_argument(&[]), by_argument(&["--json"]), by_variable] {
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{output:?}");
        assert!(said.contains(&format!("{directory}/control.sock")) && said.contains("relvs run"), "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_killed_daemon_does_not_answer() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    bed.director.kill().unwrap();
    let output = bed.director.relvs(["status"]).unwrap();
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{output:?}");
}

#[test]
fn what_it_says_is_what_happened() {
    let servers = [("s1", Method::Nat, 2), ("s2", Method::Nat, 1)];
    let services = [udp(53, "wrr", &servers), tcp(80, "wrr", &servers)];
    let Some(bed) = Bed::start(&Shape::new(Topology::TwoArmed).servers(2), &services) else { return };
    for target in bed.targets(53) {
        // 32 bytes and headers go in; with the server's name and a colon they come out.
        assert_shares(&UdpExchange::new(target, 30).run(bed.client()).unwrap(), &[("s1", 20), ("s2", 10)]);
    }
    let kept = Load::new(bed.targets(80)[0]).keep_alive().rate(20, 3).start(bed.client()).unwrap();
    until("three connections are counted as active", || active(&bed.status()) == 3);

    let output = bed.director.relvs(["status", "--json"]).unwrap();
    succeeded(&output);
    let status: Status = serde_json::from_slice(&output.stdout).unwrap();
    for (target, header) in bed.targets(53).into_iter().zip([20 + 8, 40 + 8]) {
        let counted = counters(&status, target, Protocol::Udp);
        let expected = (30, 30, 30 * (header + 32), 30, 30 * (header + 32 + 3));
        let found = (counted.flows, counted.packets_in, counted.bytes_in, counted.packets_out, counted.bytes_out);
        assert_eq!(found, expected);
    }
    assert_eq!((status.configuration.clone(), status.adopted), (Some(bed.config().display().to_string()), false));
    let interfaces: Vec<&str> = status.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(interfaces, ["eth0", "eth1"]);
    assert_eq!(status.flows.live, 60 + 3, "{:?}", status.flows);
    until("the tables were gone through", || bed.status().flows.records == 2 * (60 + 3));

    let output = bed.director.relvs(["status"]).unwrap();
    succeeded(&output);
    let page = text(&output.stdout);
    for service in &status.services {
        assert!(page.contains(&format!("{} wrr", service.key)), "{page}");
        for server in &service.servers {
            let address = std::net::SocketAddr::new(server.address, server.port).to_string();
            let line = page.lines().find(|line| line.trim_start().starts_with(&format!("{address} "))).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[1..3], ["nat", &server.weight.to_string()], "{line}");
        }
    }
    kept.stop().unwrap();
    until("three connections have ended", || active(&bed.status()) == 0);
    let status = bed.status();
    let inactive: u32 = status.services.iter().flat_map(|s| &s.servers).map(|server| server.inactive).sum();
    assert_eq!(inactive, 60 + 3, "datagrams' flows, and connections that wait for stragglers");
}

/// Active flows of all servers.
fn active(status: &Status) -> u32 {
    status.services.iter().flat_map(|service| &service.servers).map(|server| server.active).sum()
}

#[test]
fn a_reload_answers_with_what_it_changed() {
    let services = |weight| [tcp(80, "wrr", &[("s1", Method::Dr, weight)])];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services(1)) else { return };
    let reload = || Client::new(&bed.run_dir()).reload().unwrap();
    assert_eq!(reload(), "");
    bed.configure(&services(3));
    let plan = reload();
    for (target, node) in bed.targets(80).into_iter().zip(bed.node("s1").sockets(80)) {
        assert!(plan.contains(&format!("~ service {target}/tcp\n~   server {node} weight 1 -> 3")), "{plan}");
    }
    let weights: Vec<u32> = bed.status().services.iter().map(|service| service.servers[0].weight).collect();
    assert_eq!(weights, [3, 3]);
    assert_eq!(reload(), "");
}
