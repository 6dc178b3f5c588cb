//! `./x bench beside`: relvs beside the kernel's own ways and beside proxies, in one lab and one run.
//!
//! Two parts take turns, round after round: datagrams a second over veth, and HTTP requests a second with what each costs. Every way
//! is set up, measured and taken away again, so that none pays for another's rules. docs/performance.md says how to read it.

mod cpu;
mod generator;
mod outcome;
mod packets;
mod program;
mod requests;
mod services;
mod stand;
mod ways;
mod wrk;

pub(crate) use services::{ServicesRow, measure as services};

use crate::report::Machine;
use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use outcome::Outcome;
use relvs_lab::{Lab, Shape, Topology, demo::Progress};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// No round begins that would end after this.
const LIMIT: Duration = Duration::from_secs(270);
/// Ways are chosen for three servers.
const SERVERS: u8 = 3;

/// relvs beside the kernel's NAT, kernel IPVS where it is there, haproxy and nginx: packets, requests, processor time
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often everything is measured, if there is time for it
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of one measurement of requests
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=30))]
    seconds: u32,
    /// One part only
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Only ways whose name contains one of these words, separated by commas; the floors always
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    filter: Vec<String>,
    /// The CPU that makes packets; default: the last one allowed
    #[arg(long)]
    cpu: Option<usize>,
    /// relvs itself; default: the one beside this program
    #[arg(long, value_name = "FILE")]
    relvs: Option<PathBuf>,
    /// Writes beside.txt and beside.json here too
    #[arg(long, value_name = "DIR", overrides_with = "out")]
    out: Option<PathBuf>,
    /// JSON instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Packets,
    Requests,
}

/// Measures, prints and writes.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(reason) = relvs_lab::skip_reason() {
        anyhow::bail!("`./x bench beside` {reason}: sudo ./x bench beside");
    }
    let relvs = program(arguments.relvs.as_deref())?;
    let outcome = measure(arguments, &relvs)?;
    let json = serde_json::to_string_pretty(&outcome)?;
    if let Some(directory) = &arguments.out {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        for (name, text) in [("beside.txt", outcome.to_string()), ("beside.json", format!("{json}\n"))] {
            let file = directory.join(name);
            std::fs::write(&file, text).with_context(|| file.display().to_string())?;
        }
    }
    if arguments.json {
        println!("{json}");
    } else {
        print!("{outcome}");
    }
    Ok(())
}

/// relvs itself: this file, or the one beside this program.
pub(crate) fn program(file: Option<&Path>) -> Result<PathBuf> {
    let relvs = match file {
        Some(file) => file.to_owned(),
        None => std::env::current_exe()?.with_file_name("relvs"),
    };
    ensure!(relvs.is_file(), "{}: no such program: `./x bench beside` builds it", relvs.display());
    Ok(relvs)
}

fn measure(arguments: &Arguments, relvs: &Path) -> Result<Outcome> {
    let begin = Instant::now();
    let machine = Machine::here(crate::allowed(arguments.cpu)?)?;
    let before = load();
    let mut stderr = std::io::stderr();
    let mut progress = Progress::new(&mut stderr)?;
    progress.step("a lab: client, router; on its LAN the director d1, s1, s2, s3; and cables from one to the other")?;
    packets::ask_for_ipvs();
    let lab = Lab::build(&Shape::new(Topology::OneArmed).servers(SERVERS))?;
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    let mut packets =
        wanted(Part::Packets).then(|| packets::Bed::new(&lab, relvs, machine.cpu(), &arguments.filter)).transpose()?;
    let mut requests = wanted(Part::Requests)
        .then(|| requests::Bed::new(&lab, relvs, arguments.seconds, &arguments.filter))
        .transpose()?;
    let (mut rounds, mut longest) = (0, Duration::ZERO);
    while rounds < arguments.rounds && begin.elapsed() + longest < LIMIT {
        let round = Instant::now();
        progress.step(format!("round {} of {}", rounds + 1, arguments.rounds))?;
        if let Some(packets) = &mut packets {
            packets.round(rounds, &mut progress)?;
        }
        if let Some(requests) = &mut requests {
            requests.round(rounds, &mut progress)?;
        }
        rounds += 1;
        longest = longest.max(round.elapsed());
    }
    let mut notes = vec![
        "one machine does it all: clients, servers and the director share its CPUs, so requests a second say how much \
         work is done for each, not what a director can carry"
            .to_owned(),
        "checksum and segmentation offloads of veth are off for all, as XDP on veth wants it: proxies that move much \
         data would gain by them, requests of a few bytes do not"
            .to_owned(),
    ];
    if rounds < arguments.rounds {
        notes.push(format!("{} rounds were asked for; there was time for {rounds}", arguments.rounds));
    }
    let (packets, requests) = (packets.map(|bed| bed.outcome()), requests.map(|bed| bed.outcome()));
    progress.say("the lab is removed")?;
    lab.remove()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(Outcome {
        machine,
        commit: commit(),
        at: now.map_or(0, |now| now.as_secs()),
        load: [before, load()],
        versions: versions(),
        rounds,
        seconds: begin.elapsed().as_secs_f64(),
        packets,
        requests,
        notes,
    })
}

/// The load of the last minute; 0 where the kernel does not say.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// What a program prints to standard output or error, if it could be started.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).trim().to_owned())
}

/// The commit of the folder in which this was started.
fn commit() -> String {
    let Some(commit) = said("git", &["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    if commit.contains(' ') { "unknown".to_owned() } else { format!("{commit}{}", if changed { "+" } else { "" }) }
}

/// What the others call themselves.
fn versions() -> Vec<String> {
    let programs = [("nft", "--version"), ("haproxy", "-v"), ("nginx", "-v"), ("wrk", "-v")];
    programs.iter().filter_map(|(program, option)| version(program, &said(program, &[option])?)).collect()
}

/// `nginx version: nginx/1.22.1` is `nginx 1.22.1`: the first word that begins with a digit, or that does behind a slash or a `v`.
fn version(program: &str, said: &str) -> Option<String> {
    let mut words = said.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word).trim_start_matches('v'));
    let version = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    Some(format!("{program} {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        let lines = [
            ("nft", "nftables v1.0.6 (Lester Gooch #5)", "nft 1.0.6"),
            ("haproxy", "HAProxy version 2.6.12-1 2023/03/28 - https://haproxy.org/", "haproxy 2.6.12-1"),
            ("nginx", "nginx version: nginx/1.22.1", "nginx 1.22.1"),
            ("wrk", "wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer", "wrk 4.1.0-3+b2"),
        ];
        for (program, said, expected) in lines {
            assert_eq!(version(program, said).as_deref(), Some(expected));
        }
        assert_eq!(version("wrk", "nothing"), None);
    }
}
