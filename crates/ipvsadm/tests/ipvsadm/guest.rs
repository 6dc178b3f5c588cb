//! Inside the oracle's guest: the real ipvsadm, on a real kernel, runs what is asked, and its answers are written down.

use crate::{
    generate::{Case, Step, words},
    memory::Output,
};
use relvs_lab::oracle::{ANSWERS, CASES, folder};
use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
};

/// What makes the table empty, and timeouts the usual ones.
const EMPTY: [&str; 4] =
    ["ipvsadm -C", "ipvsadm --set 900 120 300", "ipvsadm --stop-daemon master", "ipvsadm --stop-daemon backup"];

/// The driver: `ipvsadm --ignored --exact guest::drive`, as the first program of the guest.
#[test]
#[ignore = "runs inside the oracle's guest, where the test of generated command lines starts it"]
fn drive() {
    let folder = folder().unwrap();
    // The kernel loads schedulers when they are asked for, but there it looks in another place.
    let loaded = Command::new("modprobe").args(["-q", "-d", "/run/kernel", "ip_vs_pe_sip"]).status().unwrap();
    assert!(loaded.success(), "the guest has no ip_vs_pe_sip");
    let mut answers = File::create(folder.join(ANSWERS)).unwrap();
    for line in fs::read_to_string(folder.join(CASES)).unwrap().lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        for line in EMPTY {
            run(&Step { words: words(line), stdin: String::new() });
        }
        let outputs: Vec<Output> = case.steps.iter().map(run).collect();
        writeln!(answers, "{}", serde_json::to_string(&(case.number, outputs)).unwrap()).unwrap();
    }
}

fn run(step: &Step) -> Output {
    let mut command = Command::new(&step.words[0]);
    command.args(&step.words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // What it does not read is less than a pipe holds.
    let _ = child.stdin.take().unwrap().write_all(step.stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    // A signal is told as a shell tells it.
    let exit = output.status.code().unwrap_or(139) as u8;
    Output { stdout: text(output.stdout), stderr: text(output.stderr), exit }
}
