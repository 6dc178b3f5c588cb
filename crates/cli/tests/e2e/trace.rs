//! `relvs trace`: who asks sees what they asked for while it happens, and only that.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use relvs_api::{Client, Decision, Fate, FlowPart, TraceLine, Watch};
use relvs_lab::{Shape, Topology};
use relvs_model::{Method, Protocol, ServiceKey};

use crate::bed::{Bed, PATIENCE, RELVS, text, until};
use crate::configuration::{rip, tcp};

/// Runs `relvs trace` beside the test.
fn trace(bed: &Bed, arguments: &[&str]) -> Child {
    let mut command = Command::new(RELVS);
    command.arg("trace").args(arguments).env("RELVS_RUN_DIR", bed.run_dir());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What it printed, once it has ended.
fn said(mut child: Child) -> String {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("trace does not end: {}", text(&child.wait_with_output().unwrap().stdout));
        }
        sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn decisions(text: &str) -> Vec<Decision> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter_map(|line| if let TraceLine::Decision(decision) = line { Some(*decision) } else { None }).collect()
}

/// Whether as many can watch as ever: four.
fn all_free(bed: &Bed) -> bool {
    // Whoever tried before is given up by then.
    sleep(Duration::from_millis(1200));
    let client = Client::new(&bed.run_dir());
    let watch = Watch { seconds: Some(60), ..Watch::default() };
    let all: Vec<_> = (0..4).map(|_| client.trace(&watch)).collect();
    let free = all.iter().all(Result::is_ok);
    if free {
        let fifth = client.trace(&watch).unwrap_err().to_string();
        assert!(fifth.contains("4 watch already"), "{fifth}");
    }
    free
}

#[test]
fn who_asks_sees_their_service_and_nothing_else() {
    let services =
        [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Dr, 1)]), tcp(81, "rr", &[("s3", Method::Nat, 1)])];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(3), &services) else { return };
    bed.all_ready();
    let [four, six] = bed.targets(80);
    let service = format!("{four}/tcp");
    let watching = trace(&bed, &["--service", &service, "--duration", "4s", "--json"]);
    let stranger = trace(&bed, &["--client", "192.0.2.250", "--duration", "4s", "--json"]);
    let counting = trace(&bed, &["--reason", "forwarded", "--count", "3"]);
    sleep(Duration::from_millis(1500));
    bed.requests(four, 4);
    bed.requests(six, 4);
    for target in bed.targets(81) {
        bed.requests(target, 2);
    }
    let seen = decisions(&said(watching));
    let key = ServiceKey::listen(Protocol::Tcp, four.ip(), four.port());
    assert!(seen.iter().all(|d| d.service == Some(key) && d.destination == Some(four)), "{seen:#?}");
    let new: Vec<&Decision> = seen.iter().filter(|d| d.flow == FlowPart::New).collect();
    assert!(new.len() == 4 && new.iter().all(|d| d.fate == Fate::Forwarded && d.flags.as_deref() == Some("syn")));
    let servers: BTreeSet<_> = new.iter().map(|d| d.server.unwrap().ip()).collect();
    assert_eq!(servers, ["s1", "s2"].map(|name| rip(&bed.lab, name, four.ip())).into());
    assert!(seen.iter().any(|d| d.flow == FlowPart::Settles) && seen.len() > 8, "{seen:#?}");
    assert_eq!(said(stranger), "");
    let lines = said(counting);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.lines().all(|line| line.contains(" tcp ") && line.contains(": to ")), "{lines}");
}

#[test]
fn it_ends_when_nobody_watches_any_more() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    bed.all_ready();
    let mut watching: Vec<Child> = (0..4).map(|_| trace(&bed, &[])).collect();
    until("four watch", || !all_free(&bed));
    // One that is killed makes room.
    watching.iter_mut().for_each(|child| child.kill().unwrap());
    watching.into_iter().for_each(|child| drop(child.wait_with_output()));
    until("those who went are given up", || all_free(&bed));
    until("and so are those who asked whether", || all_free(&bed));
    // Requests are served while somebody watches, when the daemon is killed then, and by the next.
    let [four, _] = bed.targets(80);
    let client = Client::new(&bed.run_dir());
    let mut lines = None;
    until("there is room", || {
        lines = client.trace(&Watch::default()).ok();
        lines.is_some()
    });
    bed.requests(four, 4);
    bed.director.kill().unwrap();
    bed.requests(four, 4);
    drop(lines);
    bed.director.start().unwrap();
    bed.requests(four, 4);
    let seen = client.trace(&Watch { seconds: Some(1), ..Watch::default() }).unwrap();
    bed.requests(four, 2);
    assert!(seen.filter_map(Result::ok).count() > 0);
}

#[test]
fn what_cannot_be_watched_is_refused_in_a_line() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1)])];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    for (arguments, why) in [
        (["--service", "192.0.2.9:80/tcp"], "no service 192.0.2.9:80/tcp"),
        (["--client", "nobody"], "nobody"),
        (["--reason", "bad_luck"], "`bad_luck`"),
    ] {
        let output = bed.director.relvs([&["trace"][..], &arguments].concat()).unwrap();
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(why) && error.lines().count() == 1, "{error}");
    }
}
