//! `relvs lab` as a program: up, shell, list, down, and the leftovers of a killed run.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "helpers of tests are tests too")]

mod common;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{assert_gone, is_alive, namespaces};
use relvs_lab::registry::{self, Status};

fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relvs-lab")).arg("lab").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn up_shell_list_down() {
    if let Some(reason) = relvs_lab::skip_reason() {
        return println!("skipped: {reason}");
    }
    let up = lab(&["up", "--topology", "wan", "--servers", "2"]);
    assert!(up.status.success(), "{}", text(&up.stderr));
    let said = text(&up.stdout);
    println!("{said}");
    let name = said.lines().next().unwrap().strip_prefix("lab ").unwrap().to_owned();
    assert_eq!(namespaces(&name).len(), 8);

    let list = text(&lab(&["list"]).stdout);
    let line = list.lines().find(|line| line.starts_with(&name)).unwrap();
    assert!(line.contains(" up ") && line.contains("s1 serve"), "{line}");

    let asked =
        lab(&["shell", "--lab", &name, "c", "--", "curl", "-sS", "http://192.0.2.11/", "http://[2001:db8:113::11]/"]);
    assert_eq!(text(&asked.stdout), "s1\nf1\n", "{}", text(&asked.stderr));
    assert_eq!(lab(&["shell", "--lab", &name, "s2", "--", "sh", "-c", "exit 7"]).status.code(), Some(7));
    let unknown = lab(&["shell", "--lab", &name, "s9"]);
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("no node s9"));

    let found = registry::list().unwrap().into_iter().find(|found| found.name == name).unwrap();
    let pids: Vec<u32> = found.state.unwrap().processes.iter().map(|process| process.pid).collect();
    assert!(pids.len() == 3 && pids.iter().all(|pid| is_alive(*pid)));
    let down = lab(&["down", &name]);
    assert!(down.status.success(), "{}", text(&down.stderr));
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert_gone(&name);
    assert!(text(&lab(&["down", &name]).stderr).contains("no lab"));
}

/// Held by tests that look at leftovers, and by those that make them.
static LEFTOVERS: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn an_up_that_fails_leaves_nothing() {
    if let Some(reason) = relvs_lab::skip_reason() {
        return println!("skipped: {reason}");
    }
    let _alone = LEFTOVERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = names();
    let up = lab(&["up", "--servers", "1", "--relvs", "/bin/false", "--method", "nat"]);
    assert!(!up.status.success() && text(&up.stderr).contains("relvs run did not come up"), "{}", text(&up.stderr));
    let wrong = lab(&["up", "--topology", "two-armed", "--method", "dr"]);
    assert!(text(&wrong.stderr).contains("two-armed"));
    // Other tests make labs at the same time; those belong to living processes.
    let left: Vec<_> = registry::list().unwrap().into_iter().filter(|lab| lab.status == Status::Leftover).collect();
    assert!(left.iter().all(|lab| before.contains(&lab.name)), "{left:?}");
}

fn names() -> Vec<String> {
    registry::list().unwrap().into_iter().map(|lab| lab.name).collect()
}

/// Not a test of its own: what the next one kills.
#[test]
#[ignore = "runs until it is killed; started by the test of leftovers"]
fn victim() {
    let lab = common::lab(&relvs_lab::Shape::new(relvs_lab::Topology::OneArmed).servers(1)).unwrap();
    let mut command = Command::new("sleep");
    command.arg("1000");
    let sleeper = lab.server(1).unwrap().start(command).unwrap();
    println!("victim {} {}", lab.name(), sleeper.pid());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn the_leftovers_of_a_killed_run_are_found_and_removed() {
    use std::io::BufRead;
    if let Some(reason) = relvs_lab::skip_reason() {
        return println!("skipped: {reason}");
    }
    let _alone = LEFTOVERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("victim ")?.1.to_owned())).unwrap();
    let (name, pid) = line.trim().split_once(' ').unwrap();
    let pid: u32 = pid.parse().unwrap();
    let status = || registry::list().unwrap().into_iter().find(|found| found.name == name).unwrap().status;

    assert_eq!(status(), Status::Owned(victim.id()));
    let refused = lab(&["down", name]);
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("running process"),
        "{}",
        text(&refused.stderr)
    );

    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(status(), Status::Leftover);
    assert!(is_alive(pid));
    let down = lab(&["down", name]);
    assert!(down.status.success(), "{}", text(&down.stderr));
    let deadline = Instant::now() + Duration::from_secs(2);
    while is_alive(pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!is_alive(pid));
    assert_gone(name);
}
