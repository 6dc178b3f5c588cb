//! Builds, checks and runs what the project needs: `cargo xtask COMMAND`, or `./x COMMAND` on a bare machine.
//!
//! Decides nothing about forwarding and is no part of the product: no crate of ours depends on it or it on them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod bpf;
mod check;
mod deb;
mod fuzz;
mod packages;
mod run;
mod schemathesis;
mod shell;
mod steady;
mod tidy;

use anyhow::{Context as _, Result, bail};
use std::process::ExitCode;

const HELP: &str = include_str!("help.txt");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[&str]) -> Result<()> {
    let (name, rest) = arguments.split_first().unwrap_or((&"help", &[]));
    match (*name, rest) {
        ("demo", _) => run::demo(rest),
        ("test", _) => run::test(rest),
        ("bench", _) => run::bench(rest),
        ("deb", _) => deb::deb(rest),
        ("fuzz", _) => fuzz::fuzz(rest),
        ("check", []) => check::all(),
        ("tidy", []) => tidy::check(),
        ("setup", []) => packages::setup(None),
        ("setup", ["--what", what]) => packages::setup(Some(what)),
        ("bpf", []) => bpf::build(bpf::Growth::Refused),
        ("bpf", ["--grow"]) => bpf::build(bpf::Growth::Allowed),
        ("bpf", ["--check"]) => bpf::check(),
        // What `bpf` starts through sudo where it is not root itself.
        ("bpf-measure", [object]) => bpf::print_measurement(object.as_ref()).context("bpf-measure"),
        ("help" | "-h" | "--help", _) => {
            print!("{HELP}");
            Ok(())
        }
        ("check" | "tidy" | "setup" | "bpf" | "bpf-measure", _) => {
            bail!("`{}`: unknown arguments; `./x help` lists the commands", arguments.join(" "))
        }
        _ => bail!("`{name}` is not a command; `./x help` lists them"),
    }
}
