//! Nanoseconds per packet through BPF_PROG_TEST_RUN, beside the floors of the same run.
//!
//! Every case has the loaded programs and tables of its own; all are measured in turn, round after round, and the
//! medians compared. A run whose packets did not go where they should fails: no time of it is printed.
//! docs/performance.md says what the numbers mean.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod beside;
mod case;
mod frame;
mod measure;
mod report;
mod scale;
mod tables;
mod wrapper;

use anyhow::{Context as _, Result, bail, ensure};
use case::Case;
use clap::{Parser, Subcommand};
use measure::Bench;
use report::{Machine, Report};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::path::PathBuf;

/// Nanoseconds per packet of the BPF programs, with their floors
#[derive(Parser)]
#[command(name = "relvs-bench", bin_name = "./x bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// Only cases whose name contains one of these words, separated by commas; the floors always
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    filter: Vec<String>,
    /// How often every case is measured
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Packets of one measurement
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=4_000_000))]
    repeat: u32,
    /// The CPU to measure on; default: the last one allowed
    #[arg(long)]
    cpu: Option<usize>,
    /// Another object than the embedded one; default: $RELVS_BPF_OBJECT
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// The names of the cases, and nothing else
    #[arg(long)]
    list: bool,
}

#[derive(Subcommand)]
enum Other {
    Beside(beside::Arguments),
    Scale(scale::Arguments),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.other {
        Some(Other::Beside(arguments)) => return beside::run(arguments),
        Some(Other::Scale(arguments)) => return scale::run(arguments),
        None => {}
    }
    let wanted = |name: &str| arguments.filter.is_empty() || arguments.filter.iter().any(|word| name.contains(word));
    let cases: Vec<Case> = case::all().into_iter().filter(|case| case.is_floor() || wanted(&case.name)).collect();
    if arguments.list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return Ok(());
    }
    if cases.iter().all(Case::is_floor) && !arguments.filter.is_empty() {
        eprintln!("no case but the floors has one of these words in its name: `./x bench --list` prints the names");
    }
    ensure!(rustix::process::geteuid().is_root(), "the benchmark loads BPF programs: run it as root (sudo ./x bench)");
    let cpu = pin(arguments.cpu)?;
    let object = object(arguments.object.clone())?;

    let mut benches = Vec::with_capacity(cases.len());
    for (number, case) in cases.iter().enumerate() {
        eprintln!("preparing {}/{}: {}", number + 1, cases.len(), case.name);
        benches.push(Bench::prepare(case, &object).with_context(|| case.name.clone())?);
    }
    for round in 1..=arguments.rounds {
        eprintln!("round {round}/{}", arguments.rounds);
        for bench in &mut benches {
            bench.round(arguments.repeat).with_context(|| bench.case().name.clone())?;
        }
    }
    let machine = Machine::here(cpu)?;
    let report = Report::new(machine, arguments.rounds, arguments.repeat, &benches);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

/// The programs: embedded, or of a file.
fn object(file: Option<PathBuf>) -> Result<Vec<u8>> {
    match file.or_else(|| std::env::var_os("RELVS_BPF_OBJECT").map(PathBuf::from)) {
        Some(file) => std::fs::read(&file).with_context(|| format!("cannot read {}", file.display())),
        None => Ok(relvs_dataplane::object::embedded().to_vec()),
    }
}

/// Keeps this thread on one CPU.
fn pin(wanted: Option<usize>) -> Result<usize> {
    let cpu = allowed(wanted)?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).with_context(|| format!("cannot stay on CPU {cpu}"))?;
    Ok(cpu)
}

/// The CPU that is wanted, or the last one that this process may use.
fn allowed(wanted: Option<usize>) -> Result<usize> {
    let allowed = sched_getaffinity(None).context("cannot read the allowed CPUs")?;
    match wanted {
        Some(cpu) if cpu < CpuSet::MAX_CPU && allowed.is_set(cpu) => Ok(cpu),
        Some(cpu) => bail!("--cpu {cpu}: no CPU that this process may use"),
        None => (0..CpuSet::MAX_CPU).rfind(|&cpu| allowed.is_set(cpu)).context("no CPU is allowed"),
    }
}
