//! The examples of docs/api.md, run as they stand there.

use std::process::Command;

use relvs_lab::{Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, text};
use crate::configuration::tcp;

const PAGE: &str = include_str!("../../../../docs/api.md");

/// The blocks of a page that have a language, with their line.
pub(crate) fn blocks(page: &str) -> Vec<(usize, &str, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            blocks.push((at + 1, language, inside.join("\n")));
        }
    }
    blocks
}

#[test]
fn every_example_of_the_api_does_what_the_page_says() {
    let services = [tcp(82, "rr", &[("s1", Method::Dr, 1)])];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(1), &services) else { return };
    let blocks = blocks(PAGE);
    let (_, _, prelude) = &blocks[0];
    let (mut said, mut run, mut compared) = (String::new(), 0, 0);
    for (line, language, inside) in &blocks {
        if *language == "sh" {
            let script = format!("set -euo pipefail\n{}\n{inside}", prelude.lines().next().unwrap());
            let mut shell = Command::new("bash");
            let output = shell.args(["-c", &script]).env("RELVS_RUN_DIR", bed.run_dir()).output().unwrap();
            said = text(&output.stdout);
            assert!(output.status.success(), "line {line}: {said}{}", text(&output.stderr));
            run += 1;
        } else if *language == "text" {
            for part in inside.lines() {
                assert!(said.contains(part), "line {line}: `{part}` is not in {said}");
                compared += 1;
            }
        }
    }
    assert!(run >= 8 && compared >= 12, "{run} examples, {compared} lines compared");
}
