//! `./x bench scale`: what many services cost a packet, and flows by the million: a packet, memory, and the pass of user space over them
//! that a director makes each second.
//!
//! One case after the other, so that only one has its tables; the floors are measured again beside each. A case whose tables would take
//! more than half of the memory that is free is left out, and the row says so.

use crate::{
    beside::{self, ServicesRow},
    case::{self, Case, Kind},
    measure::Bench,
    report::{Machine, median},
};
use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Up to 10,000 services and 10 million flows: nanoseconds a packet, bytes, and one scan
#[derive(Args)]
pub(crate) struct Arguments {
    /// Millions of flows
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 10], value_parser = clap::value_parser!(u32).range(1..=16))]
    millions: Vec<u32>,
    /// How often every case is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Packets of one measurement
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=4_000_000))]
    repeat: u32,
    /// The CPU to measure on; default: the last one allowed
    #[arg(long)]
    cpu: Option<usize>,
    /// One part only
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// relvs itself; default: the one beside this program
    #[arg(long, value_name = "FILE")]
    relvs: Option<PathBuf>,
    /// JSON instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Services,
    Flows,
}

/// One case.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// Flows in the table, and of them those that have packets.
    flows: [u32; 2],
    /// Why there is nothing.
    absent: Option<String>,
    /// Nanoseconds a packet, the wrapper included.
    median_ns: Option<f64>,
    /// The median less that of the wrapper around an empty program.
    net_ns: Option<f64>,
    /// Of the flow tables of its family.
    table_bytes: u64,
    /// Those of the records of a flow, at the table's size.
    bytes_a_flow: f64,
    /// Seconds of one pass over all flows.
    scan_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    rounds: u32,
    repeat: u32,
    rows: Vec<Row>,
    services: Vec<ServicesRow>,
}

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the benchmark loads BPF programs: run it as root (sudo ./x bench scale)"
    );
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    let cpu = crate::allowed(arguments.cpu)?;
    let mut services = Vec::new();
    if wanted(Part::Services) {
        services = beside::services(&beside::program(arguments.relvs.as_deref())?, cpu, arguments.rounds)?;
    }
    // Programs of the lab may run where they like.
    crate::pin(Some(cpu))?;
    let object = crate::object(None)?;
    let floors: Vec<Case> = case::floors().into_iter().filter(|floor| floor.kind == Kind::Empty).collect();
    let mut rows = Vec::new();
    let millions = arguments.millions.iter().filter(|_| wanted(Part::Flows));
    for case in millions.flat_map(|millions| case::of_many(*millions)) {
        rows.push(row(arguments, &case, &floors, &object).with_context(|| case.name.clone())?);
    }
    let report =
        Report { machine: Machine::here(cpu)?, rounds: arguments.rounds, repeat: arguments.repeat, rows, services };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

fn row(arguments: &Arguments, case: &Case, floors: &[Case], object: &[u8]) -> Result<Row> {
    let [table_bytes, all] = Bench::bytes(case);
    let flows = case.flows + case.idle;
    let mut row = Row {
        name: case.name.clone(),
        flows: [flows, case.flows],
        absent: None,
        median_ns: None,
        net_ns: None,
        table_bytes,
        bytes_a_flow: table_bytes as f64 / f64::from(flows),
        scan_s: None,
    };
    let free =
        available(&std::fs::read_to_string("/proc/meminfo")?).context("/proc/meminfo says nothing of MemAvailable")?;
    if all > free / 2 {
        row.absent = Some(format!("left out: its tables take {} MB, {} MB are free", all >> 20, free >> 20));
        return Ok(row);
    }
    eprintln!("{}: {} MB", case.name, all >> 20);
    let floor = floors.iter().find(|floor| floor.six == case.six).context("no floor")?;
    let mut floor = Bench::prepare(floor, object)?;
    let mut bench = Bench::prepare(case, object)?;
    let mut scans = Vec::new();
    for _ in 0..arguments.rounds {
        floor.round(arguments.repeat)?;
        bench.round(arguments.repeat)?;
        scans.push(bench.scan()?);
    }
    let time = median(bench.times());
    row.median_ns = Some(time);
    row.net_ns = Some(time - median(floor.times()));
    row.scan_s = Some(median(&scans));
    Ok(row)
}

/// Bytes that programs can have without swapping.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(
            f,
            "medians of {} rounds; ns per packet of {} packets, net of the wrapper around an empty program; a director \
             scans once a second\n",
            self.rounds, self.repeat
        )?;
        writeln!(
            f,
            "{:<34} {:>10} {:>7} {:>7} {:>8} {:>7} {:>8} {:>9}",
            "case", "flows", "median", "net", "table MB", "B/flow", "scan ms", "of a core"
        )?;
        for row in &self.rows {
            let Row { name, flows: [flows, _], .. } = row;
            let (table, each) = (row.table_bytes >> 20, row.bytes_a_flow);
            match (&row.absent, row.median_ns, row.net_ns, row.scan_s) {
                (None, Some(median), Some(net), Some(scan)) => {
                    let (scan_ms, share) = (scan * 1e3, scan * 100.0);
                    writeln!(
                        f,
                        "{name:<34} {flows:>10} {median:>7.1} {net:>7.1} {table:>8} {each:>7.0} {scan_ms:>8.1} {share:>7.1} %"
                    )?;
                }
                (why, ..) => writeln!(f, "{name:<34} {flows:>10} {}", why.as_deref().unwrap_or("not measured"))?,
            }
        }
        if self.services.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:<34} {:>10} {:>7} {:>7} {:>8}",
            "65,536 flows over all services, DR", "servers", "CPU ns", "+-", "net"
        )?;
        for ServicesRow { services, servers, cpu_ns, net_ns } in &self.services {
            let name =
                if *services == 0 { "floor: XDP redirect alone".to_owned() } else { format!("{services} services") };
            let (all, median, part) =
                (u32::from(*services) * u32::from(*servers), cpu_ns.median, cpu_ns.part() * 100.0);
            writeln!(f, "{name:<34} {all:>10} {median:>7.0} {part:>5.0} % {net_ns:>8.0}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_shows_its_share_of_a_core_or_why_it_was_left_out() {
        let row = |absent: Option<&str>| Row {
            name: "IPv4 TCP DR known, 10M flows".to_owned(),
            flows: [10 << 20, 8 << 20],
            absent: absent.map(str::to_owned),
            median_ns: absent.is_none().then_some(250.0),
            net_ns: absent.is_none().then_some(230.0),
            table_bytes: 1 << 30,
            bytes_a_flow: 102.4,
            scan_s: absent.is_none().then_some(0.035),
        };
        let machine = Machine::here(0).unwrap();
        let report = Report {
            machine,
            rounds: 5,
            repeat: 1000,
            rows: vec![row(None), row(Some("left out: memory"))],
            services: Vec::new(),
        };
        let text = report.to_string();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("IPv4")).collect();
        assert!(lines[0].ends_with("10485760   250.0   230.0     1024     102     35.0     3.5 %"), "{}", lines[0]);
        assert!(lines[1].ends_with("left out: memory"), "{}", lines[1]);
    }

    #[test]
    fn what_is_free_is_in_kibibytes() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }
}
