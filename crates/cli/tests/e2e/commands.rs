//! The native commands over the control socket: what they change, say, and end with.

use std::net::SocketAddr;
use std::process::Output;
use std::sync::mpsc;
use std::time::Duration;

use relvs_api::{Flow, Outcome};
use relvs_lab::traffic::{Load, Transfer};
use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, PATIENCE, assert_shares, succeeded, text, until};
use crate::configuration::{rip, tcp};

fn bed(weights: [u32; 2]) -> Option<Bed> {
    let [first, second] = weights;
    let servers = [("s1", Method::Dr, first), ("s2", Method::Dr, second)];
    Bed::start(&Shape::new(Topology::OneArmed).servers(2), &[tcp(80, "wrr", &servers)])
}

fn run(bed: &Bed, arguments: &[&str]) -> Output {
    bed.director.relvs(arguments).unwrap()
}

/// What it prints when it succeeds.
#[track_caller]
fn said(bed: &Bed, arguments: &[&str]) -> String {
    let output = run(bed, arguments);
    succeeded(&output);
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

/// The one line that says why it did not work.
#[track_caller]
fn complaint(bed: &Bed, arguments: &[&str]) -> String {
    let output = run(bed, arguments);
    let line = text(&output.stderr);
    assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{output:?}");
    line.trim_end().to_owned()
}

#[test]
fn a_file_is_planned_and_applied() {
    let Some(bed) = bed([1, 1]) else { return };
    let file = bed.config().display().to_string();
    let revision = bed.status().revision;
    let plan = |file: &str| {
        let output = run(&bed, &["plan", file]);
        (output.status.code(), text(&output.stdout))
    };
    assert_eq!(plan(&file), (Some(0), "nothing changes\n".to_owned()));
    bed.configure(&[tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 4)])]);
    let (code, shown) = plan(&file);
    assert_eq!((code, bed.status().revision), (Some(3), revision));
    for target in bed.targets(80) {
        let server = SocketAddr::new(rip(&bed.lab, "s2", target.ip()), 80);
        let part = format!("~ service {target}/tcp\n~   scheduler wrr -> rr\n~   server {server} weight 1 -> 4\n");
        assert!(shown.contains(&part), "{shown}");
    }
    assert_eq!(said(&bed, &["apply", &file, "--dry-run"]), shown);
    let stale = complaint(&bed, &["apply", &file, "--revision", &(revision + 7).to_string()]);
    assert!(stale.contains(&format!("at revision {revision}, not {}", revision + 7)), "{stale}");
    assert_eq!(bed.status().revision, revision);
    let outcome: Outcome = serde_json::from_str(&said(&bed, &["apply", &file, "--json"])).unwrap();
    assert_eq!((outcome.revision, outcome.text + "\n"), (revision + 1, shown));
    assert_eq!(plan(&file).0, Some(0));
    // A file that is wrong is not sent; a director that is not there is named.
    bed.lab.write_file("wrong.toml", "[[service]]\nlisten = \"192.0.2.1:80\"\n").unwrap();
    let wrong = bed.lab.directory().join("wrong.toml").display().to_string();
    for verb in ["plan", "apply"] {
        let line = complaint(&bed, &[verb, &wrong]);
        assert!(line.contains("wrong.toml:2:") && line.contains("names no protocol"), "{line}");
        let line = complaint(&bed, &[verb, &file, "--run-dir", "/nonexistent"]);
        assert!(line.contains("/nonexistent/control.sock"), "{line}");
    }
}

#[test]
fn services_and_servers_one_by_one() {
    let Some(bed) = bed([1, 1]) else { return };
    let [target, _] = bed.targets(81);
    let service = format!("{target}/tcp");
    let [one, two] = ["s1", "s2"].map(|name| rip(&bed.lab, name, target.ip()).to_string());
    let text = said(&bed, &["service", "add", &service, "--scheduler", "rr", "--persistence", "5m"]);
    assert_eq!(text, format!("+ service {service} rr, persistence 300 s\n"));
    let line = complaint(&bed, &["service", "add", &service]);
    assert_eq!(line, format!("the service {service} exists already: edit it, or delete it first"));
    said(&bed, &["service", "edit", &service, "--no-persistence"]);
    said(&bed, &["server", "add", &service, &one]);
    let text = said(&bed, &["server", "add", &service, &format!("{two}:81"), "--weight", "3", "--dry-run"]);
    assert_eq!(text, format!("~ service {service}\n+   server {two}:81 dr weight 3\n"));
    said(&bed, &["server", "add", &service, &two, "--weight", "3"]);
    assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);
    said(&bed, &["service", "edit", &service, "--scheduler", "wrr"]);
    said(&bed, &["server", "edit", &service, &one, "--weight", "2", "--upper-threshold", "100"]);
    assert_shares(&bed.requests(target, 10), &[("s1", 4), ("s2", 6)]);
    let listed = said(&bed, &["service", "list", &service]);
    assert!(listed.contains(&format!("{service} wrr")) && listed.contains(&one), "{listed}");
    let listed: Vec<relvs_api::Service> = serde_json::from_str(&said(&bed, &["service", "list", "--json"])).unwrap();
    assert_eq!(listed.len(), 3);
    let line = complaint(&bed, &["server", "delete", &service, &format!("{one}:9")]);
    assert_eq!(line, format!("the service {service} has no server {one}:9"));
    said(&bed, &["server", "delete", &service, &one]);
    said(&bed, &["service", "delete", &service]);
    assert_eq!(complaint(&bed, &["service", "list", &service]), format!("there is no service {service}"));
    // What is no command line is not sent.
    for wrong in [&["service", "add", "192.0.2.1"][..], &["service", "add", &service, "--scheduler", "round"]] {
        assert_eq!(run(&bed, wrong).status.code(), Some(2));
    }
}

#[test]
fn flows_are_shown() {
    let Some(bed) = bed([1, 1]) else { return };
    let [target, _] = bed.targets(80);
    let kept = Load::new(target).keep_alive().rate(20, 4).start(bed.client()).unwrap();
    until("four connections are there", || bed.status().flows.live == 4);
    let page = said(&bed, &["flows"]);
    let lines: Vec<&str> = page.lines().skip(1).collect();
    assert_eq!(lines.len(), 4, "{page}");
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[0], words[2], words[4]), ("tcp", "ESTABLISHED", target.to_string().as_str()), "{line}");
    }
    let service = format!("{target}/tcp");
    for (arguments, count) in [
        (&["flows", "--json", "--service", &service][..], 4),
        (&["flows", "--json", "--limit", "1"], 1),
        (&["flows", "--json", "--client", "203.0.113.9"], 0),
    ] {
        let flows: Vec<Flow> = said(&bed, arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(flows.len(), count, "{arguments:?}");
    }
    assert!(complaint(&bed, &["flows", "--client", "x"]).contains("no address"));
    kept.stop().unwrap();
}

#[test]
fn a_server_is_drained_and_taken_back() {
    let Some(bed) = bed([5, 0]) else { return };
    let [target, _] = bed.targets(80);
    let (service, server) = (format!("{target}/tcp"), rip(&bed.lab, "s1", target.ip()).to_string());
    let long = Transfer::slow_download(target, 400_000, 5).limit(2 * PATIENCE).start(bed.client()).unwrap();
    long.wait_for(1, PATIENCE).unwrap();
    said(&bed, &["server", "edit", &service, &rip(&bed.lab, "s2", target.ip()).to_string(), "--weight", "1"]);
    // Too short a time: it says so, and the weight stays.
    let late = run(&bed, &["drain", &service, &server, "--timeout", "1s"]);
    assert_eq!(late.status.code(), Some(1));
    let out = text(&late.stdout);
    assert_eq!(out.lines().next(), Some(format!("server {server}:80 of {service}: weight 5 -> 0").as_str()), "{out}");
    assert!(out.contains("1 active and 0 inactive connections remain"), "{out}");
    let why = text(&late.stderr);
    assert!(why.starts_with("1 connections remain after 1 s") && why.contains("--undo"), "{why}");
    assert_shares(&bed.requests(target, 5), &[("s2", 5)]);
    // Long enough: it ends with the download.
    let (sender, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let output = run(&bed, &["drain", &service, &server, "--timeout", "1m", "--json"]);
            sender.send((long.done(), output)).unwrap();
        });
        let (done, output) = ended.recv_timeout(2 * PATIENCE).unwrap();
        succeeded(&output);
        let end: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((done, &end["drained"], &end["active"]), (400_000, &true.into(), &0.into()), "{end}");
    });
    assert_eq!(long.join().unwrap().server, "s1");
    let back = said(&bed, &["drain", &service, &server, "--undo"]);
    assert_eq!(back, format!("server {server}:80 of {service}: weight 5\n"));
    assert_shares(&bed.requests(target, 6), &[("s1", 5), ("s2", 1)]);
    assert!(complaint(&bed, &["drain", &service, "203.0.113.9"]).contains("has no server 203.0.113.9"));
    // Somebody else who gives it a weight ends the wait.
    let kept = Load::new(target).keep_alive().rate(20, 6).start(bed.client()).unwrap();
    until("connections are there", || kept.so_far().ok > 20);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| complaint(&bed, &["drain", &service, &server, "--timeout", "1m"]));
        until("it is drained", || {
            bed.status().services.iter().flat_map(|s| &s.servers).all(|s| s.weight != 5 || s.address.is_ipv6())
        });
        std::thread::sleep(Duration::from_millis(200));
        said(&bed, &["server", "edit", &service, &server, "--weight", "2"]);
        assert!(waiting.join().unwrap().contains("has been given the weight 2 meanwhile"));
    });
    kept.stop().unwrap();
}
