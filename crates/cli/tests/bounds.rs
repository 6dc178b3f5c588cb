//! Files made to cost time or memory without end: as commands read them, with no more address space than is given to
//! each, and within a time. No privilege is needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]
#![allow(clippy::print_stdout, reason = "a test says what it measured")]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// So much address space a reader has, in KiB; what lacks memory ends by a signal.
const SPACE_KIB: u32 = 1_000_000;
/// Far more than any of them takes: whatever takes longer has no end.
const PATIENCE: Duration = Duration::from_secs(180);

/// Files by what is too much in them, and what is said of that.
fn cases() -> Vec<(&'static str, String, &'static str)> {
    let doubling: String = (0..60).map(|n| format!("$A{}=${{A{n}}}${{A{n}}}\n", n + 1)).collect();
    let group =
        "virtual_server_group G {\n 10.0.0.0/16 80\n 10.1.0.0/16 80\n}\nvirtual_server group G {\n protocol TCP\n";
    vec![
        ("100 MB of text", format!("# {}\n", "x".repeat(97)).repeat(1_000_000), "larger than 64 MiB"),
        ("a line of 50 MB", "x".repeat(50_000_000), "the line is longer than 65536 bytes"),
        ("deep nesting", "a {\n".repeat(20_000) + &"}\n".repeat(20_000), "too many blocks are within each other"),
        ("deep nesting on a line", "a { ".repeat(15_000), "too many blocks are within each other"),
        ("a loop of includes", "include keepalived.conf\n".repeat(2), "files include each other"),
        ("a bomb of ~SEQ", "~SEQ(A, 1, 9223372036854775807)\n".to_owned(), "there is more than is read"),
        ("definitions that double", format!("$A0=xxxxxxxx\n{doubling}y $A60\n"), "error: "),
        ("definitions", (0..100_000).map(|n| format!("$V{n}=x\n")).collect(), "there are more than 65536 definitions"),
        (
            "a definition of many lines",
            format!("$M= \\\n{}", format!(" {} \\\n", "z".repeat(60_000)).repeat(150)),
            "8388608 bytes",
        ),
        (
            "addresses",
            format!("{group} lb_algo rr\n lb_kind DR\n real_server 10.9.0.1 80 {{\n }}\n}}\n"),
            "more addresses than are taken",
        ),
    ]
}

/// Waits for a child, and ends one that does not end by itself.
fn waited(mut child: Child, what: &str) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what}: no end after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // 1: there are errors. By a signal or 101 it would have ended for want of memory.
    assert_eq!(child.wait().unwrap().code(), Some(1), "{what}");
}

fn checked(folder: &Path, what: &str, text: &str, why: &str) {
    let (file, said) = (folder.join("keepalived.conf"), folder.join("said"));
    fs::write(&file, text).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {SPACE_KIB} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_relvs")]);
    command.args(["check", "--offline"]).arg(&file).stdin(Stdio::null());
    let output = fs::File::create(&said).unwrap();
    command.stderr(output.try_clone().unwrap()).stdout(output);
    let begun = Instant::now();
    waited(command.spawn().unwrap(), what);
    let said = String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned();
    println!("{what}: {} bytes read in {:?}, {} lines said", text.len(), begun.elapsed(), said.lines().count());
    assert!(said.contains(why), "{what}: {}", said.lines().take(5).collect::<Vec<_>>().join("\n"));
    assert!(said.lines().count() < 5_000, "{what}: {} lines", said.lines().count());
}

#[test]
fn whatever_a_file_says_reading_it_ends_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (what, text, why) in cases() {
        checked(folder.path(), what, &text, why);
    }
}
