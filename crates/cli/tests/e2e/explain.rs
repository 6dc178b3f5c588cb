//! What `relvs explain` says comes true on the wire, and the examples of docs/explain.md.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use relvs_api::{Client, Explanation, Fate, FlowPart, Question};
use relvs_lab::traffic::Load;
use relvs_lab::{Shape, Topology};
use relvs_model::{Method, Protocol};

use crate::bed::{Bed, RELVS, text};
use crate::configuration::{rip, tcp};
use crate::examples::blocks;

const PAGE: &str = include_str!("../../../../docs/explain.md");
/// Requests to each service.
const TURNS: u64 = 6;

/// What becomes of the first packet of a connection.
fn explain(bed: &Bed, target: SocketAddr, port: u16) -> Explanation {
    let client = bed.client();
    let source: IpAddr = if target.is_ipv4() { client.v4().into() } else { client.v6().into() };
    let question = Question {
        source: SocketAddr::new(source, port),
        destination: target,
        protocol: Protocol::Tcp,
        flags: None,
        interface: None,
        length: None,
    };
    Client::new(&bed.run_dir()).explain(&question).unwrap()
}

#[test]
fn a_connection_lands_where_it_was_said_to() {
    let services = [
        tcp(80, "wlc", &[("s1", Method::Dr, 2), ("s2", Method::Dr, 1)]),
        tcp(81, "wrr", &[("s3", Method::Tun, 3), ("s4", Method::Tun, 1)]),
        tcp(82, "rr", &[("s5", Method::Nat, 1), ("s6", Method::Nat, 1)]),
    ];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(6), &services) else { return };
    bed.all_ready();
    for (port, method) in [(80, Method::Dr), (81, Method::Tun), (82, Method::Nat)] {
        for target in bed.targets(port) {
            let mut said = Vec::new();
            for turn in 0..TURNS {
                let e = explain(&bed, target, 40_000 + turn as u16);
                assert_eq!((e.fate, e.flow, e.method), (Fate::Forwarded, FlowPart::New, Some(method)), "{e:?}");
                // Asked twice it is the same: nobody's turn is taken.
                assert_eq!(explain(&bed, target, 40_000 + turn as u16), e);
                let server = e.server.unwrap().ip();
                let name = bed.one_server(Load::new(target), 1);
                assert_eq!(server, rip(&bed.lab, &name, target.ip()), "{target}: {e:?}");
                said.push(server);
            }
            said.sort();
            said.dedup();
            assert!(method == Method::Dr || said.len() == 2, "{target}: only {said:?}");
        }
    }
    // What did not happen is counted nowhere: as many flows as there were requests.
    let flows: u64 = bed.status().services.iter().map(|service| service.counters.flows).sum();
    assert_eq!(flows, 3 * 2 * TURNS);
}

/// Words with one blank between, as columns are wider for longer names.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_example_of_the_page_shows_what_it_says() {
    let services = [
        tcp(80, "wlc", &[("s1", Method::Dr, 2), ("s2", Method::Dr, 1), ("s3", Method::Dr, 0)]),
        tcp(82, "rr", &[("s1", Method::Nat, 1)]),
    ];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(3), &services) else { return };
    bed.all_ready();
    let program = std::path::Path::new(RELVS).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let (mut said, mut run, mut compared) = (String::new(), 0, 0);
    for (line, language, inside) in blocks(PAGE) {
        if language == "sh" {
            let script = format!("set -euo pipefail\n{inside}");
            let mut shell = Command::new("bash");
            let shell = shell.args(["-c", &script]).env("RELVS_RUN_DIR", bed.run_dir()).env("PATH", &path);
            let output = shell.output().unwrap();
            said = text(&output.stdout);
            println!("{inside}\n{said}");
            assert!(output.status.success(), "line {line}: {said}{}", text(&output.stderr));
            run += 1;
        } else {
            let there: Vec<String> = said.lines().map(words).collect();
            for part in inside.lines().map(words) {
                assert!(there.contains(&part), "line {line}: `{part}` is not in\n{said}");
                compared += 1;
            }
        }
    }
    assert!(run >= 4 && compared >= 20, "{run} examples, {compared} lines compared");
}
