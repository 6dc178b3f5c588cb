//! What comes out: a table for people, or JSON.

use crate::{case::Kind, measure::Bench};
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// Where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// The processor's name.
    processor: String,
    /// The kernel's release.
    kernel: String,
    /// The CPU that was measured on.
    cpu: usize,
    /// CPUs in all.
    cpus: usize,
}

impl Machine {
    /// This one.
    pub(crate) fn here(cpu: usize) -> Result<Self> {
        let info = std::fs::read_to_string("/proc/cpuinfo")?;
        let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Machine {
            processor: name.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            kernel: kernel.trim().to_owned(),
            cpu,
            cpus: info.lines().filter(|line| line.starts_with("processor")).count(),
        })
    }

    /// The CPU that was measured on.
    pub(crate) fn cpu(&self) -> usize {
        self.cpu
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, kernel, cpu, cpus } = self;
        write!(f, "{processor}, CPU {cpu} of {cpus}; Linux {kernel}")
    }
}

/// A case's times, in nanoseconds per packet.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    flows: u32,
    /// Of the rounds, the wrapper included.
    median_ns: f64,
    /// Of the rounds, the wrapper included.
    min_ns: f64,
    /// The median less that of the wrapper around an empty program.
    net_ns: f64,
    /// Net nanoseconds that design.md asks for.
    aim_ns: Option<f64>,
    /// Net, as a part of the aim.
    of_aim: Option<f64>,
    /// Net, as a part of what putting a constant header in front costs.
    of_encapsulation: Option<f64>,
    /// Net, as a part of the same case over IPv4.
    of_ipv4: Option<f64>,
    /// Live records of settled flows; NAT has two a flow.
    settled: u64,
    /// Live records of young flows.
    young: u64,
    /// Every round's time.
    rounds_ns: Vec<f64>,
}

/// All cases.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rounds: u32,
    repeat: u32,
    cases: Vec<Line>,
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2.0 }
}

impl Report {
    /// Of cases that have had their rounds.
    pub(crate) fn new(machine: Machine, rounds: u32, repeat: u32, benches: &[Bench<'_>]) -> Self {
        let empty = |six| {
            let floor = benches.iter().find(|bench| bench.case().kind == Kind::Empty && bench.case().six == six);
            floor.map_or(0.0, |floor| median(floor.times()))
        };
        let empty = [empty(false), empty(true)];
        let net = |bench: &Bench<'_>| median(bench.times()) - empty[usize::from(bench.case().six)];
        let encapsulation = benches.iter().find(|bench| bench.case().kind == Kind::Encapsulate).map(net);
        let cases = benches
            .iter()
            .map(|bench| {
                let case = bench.case();
                let [settled, young] = bench.live();
                let four = benches.iter().find(|other| {
                    case.six && !other.case().six && case.name == other.case().name.replace("IPv4", "IPv6")
                });
                let net_ns = net(bench);
                Line {
                    name: case.name.clone(),
                    flows: case.flows,
                    median_ns: median(bench.times()),
                    min_ns: bench.times().iter().copied().fold(f64::INFINITY, f64::min),
                    net_ns,
                    aim_ns: case.aim,
                    of_aim: case.aim.map(|aim| net_ns / aim),
                    of_encapsulation: encapsulation.filter(|_| case.kind != Kind::Empty).map(|floor| net_ns / floor),
                    of_ipv4: four.filter(|_| !case.is_floor()).map(|other| net_ns / net(other)),
                    settled,
                    young,
                    rounds_ns: bench.times().to_vec(),
                }
            })
            .collect();
        Report { machine, rounds, repeat, cases }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(
            f,
            "ns per packet: medians of {} rounds of {} packets; net of the wrapper around an empty program\n",
            self.rounds, self.repeat
        )?;
        writeln!(
            f,
            "{:<48} {:>7} {:>7} {:>7} {:>5} {:>6} {:>6} {:>6} {:>9} {:>7}",
            "case", "median", "min", "net", "aim", "x aim", "x IPIP", "x IPv4", "settled", "young"
        )?;
        let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        for line in &self.cases {
            writeln!(
                f,
                "{:<48} {:>7.1} {:>7.1} {:>7.1} {:>5} {:>6} {:>6} {:>6} {:>9} {:>7}",
                line.name,
                line.median_ns,
                line.min_ns,
                line.net_ns,
                line.aim_ns.map_or(String::new(), |aim| format!("{aim:.0}")),
                ratio(line.of_aim),
                ratio(line.of_encapsulation),
                ratio(line.of_ipv4),
                line.settled,
                line.young,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
