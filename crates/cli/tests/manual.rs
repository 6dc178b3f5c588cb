//! Manual pages and completions as they are generated: every command has a page, and those who read them find no fault.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what tests share is a test too")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RELVS: &str = env!("CARGO_BIN_EXE_relvs");

fn relvs(arguments: &[&str]) -> String {
    let output = Command::new(RELVS).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a program says of a text; `None`, with a printed line, where it is not installed.
fn judged(program: &str, arguments: &[&str], text: &str) -> Option<Output> {
    let mut command = Command::new(program);
    let piped = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = piped.spawn() else {
        println!("skipped: {program} is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

fn pages() -> (tempfile::TempDir, Vec<(String, String)>) {
    let directory = tempfile::tempdir().unwrap();
    relvs(&["man", directory.path().join("man").to_str().unwrap()]);
    let read =
        |path: &Path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap());
    let entries = std::fs::read_dir(directory.path().join("man")).unwrap();
    let pages = entries.map(|entry| read(&entry.unwrap().path())).collect();
    (directory, pages)
}

#[test]
fn every_command_of_the_help_has_a_page() {
    let (_directory, pages) = pages();
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    let help = relvs(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut seen = 0;
    for command in commands.filter_map(|line| line.split_whitespace().next()) {
        let page = if command.starts_with("ipvsadm") { format!("{command}.8") } else { format!("relvs-{command}.8") };
        assert!(names.contains(&page.as_str()), "{page} is not among {names:?}");
        seen += 1;
    }
    assert!(seen > 12, "{help}");
    let whole = &pages.iter().find(|(name, _)| name == "relvs.8").unwrap().1;
    assert!(["EXIT STATUS", "ENVIRONMENT", "FILES"].iter().all(|section| whole.contains(section)), "{whole}");
}

#[test]
fn the_pages_are_well_formed() {
    let (directory, pages) = pages();
    for (name, _) in &pages {
        let file = directory.path().join("man").join(name);
        let Some(output) = judged("mandoc", &["-T", "lint", "-W", "warning", file.to_str().unwrap()], "") else {
            return;
        };
        let said = String::from_utf8(output.stdout).unwrap();
        // No date, so that two builds are alike; and a space that clap_mangen puts around its lists.
        let harmless = ["missing date", "skipping paragraph macro: br"];
        let faults: Vec<&str> = said.lines().filter(|line| !harmless.iter().any(|one| line.contains(one))).collect();
        assert_eq!(faults, [""; 0], "{name}");
    }
    assert!(pages.len() > 20);
}

#[test]
fn shells_take_the_completions() {
    for of in ["relvs", "ipvsadm", "ipvsadm-save"] {
        for shell in ["bash", "zsh", "fish"] {
            let text = relvs(&["completions", shell, "--of", of]);
            assert!(text.contains(of) && text.len() > 100, "{shell} {of}: {text}");
            let Some(output) = judged(shell, &["-n"], &text) else { continue };
            assert!(output.status.success() && output.stderr.is_empty(), "{shell} {of}: {output:?}");
        }
    }
    assert!(relvs(&["completions", "bash", "--of", "ipvsadm"]).contains("--masquerading"));
}
