//! What came out: tables for people, and JSON.

use crate::report::{Machine, median};
use serde::Serialize;
use std::fmt;

/// A number that was measured several times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of all rounds; `None` where there was none.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let of = |start, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
        Some(Spread { median: median(values), min: of(f64::INFINITY, f64::min), max: of(f64::NEG_INFINITY, f64::max) })
    }

    /// Half of the way from the least to the most, as a part of the median.
    pub(crate) fn part(self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.max - self.min) / 2.0 / self.median }
    }
}

/// Datagrams through one way.
#[derive(Debug, Serialize)]
pub(super) struct PacketsRow {
    pub(super) name: String,
    pub(super) flows: u32,
    /// Why there is nothing.
    pub(super) absent: Option<String>,
    /// That arrived, a second of the clock.
    pub(super) per_second: Option<Spread>,
    /// Processor nanoseconds each, generator and receiver included.
    pub(super) cpu_ns: Option<Spread>,
    /// Less the floor of the same number of flows.
    pub(super) net_ns: Option<f64>,
    /// Net, as a part of plain forwarding.
    pub(super) of_forwarding: Option<f64>,
    /// In all measurements.
    pub(super) sent: u64,
    /// In all measurements, by server.
    pub(super) received: Vec<u64>,
}

/// Datagrams.
#[derive(Debug, Serialize)]
pub(super) struct Packets {
    /// The one CPU that does it all.
    pub(super) cpu: usize,
    pub(super) frame_bytes: usize,
    pub(super) rows: Vec<PacketsRow>,
}

/// Requests through one way.
#[derive(Debug, Serialize)]
pub(super) struct RequestsRow {
    pub(super) name: String,
    /// Connections are kept; otherwise each request has its own.
    pub(super) kept: bool,
    /// Why there is nothing.
    pub(super) absent: Option<String>,
    pub(super) per_second: Option<Spread>,
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    /// Processor microseconds each: client, servers, director, softirq.
    pub(super) cpu_us: Option<Spread>,
    /// Less the floor.
    pub(super) net_us: Option<f64>,
    /// Of it the director's processes.
    pub(super) director_us: Option<f64>,
    /// Processor microseconds each, by the whole machine.
    pub(super) system_us: Option<Spread>,
    /// Less the floor.
    pub(super) system_net_us: Option<f64>,
    /// Of it in softirq.
    pub(super) softirq_us: Option<f64>,
    /// Of all rounds.
    pub(super) failed: u64,
}

/// Requests.
#[derive(Debug, Serialize)]
pub(super) struct Requests {
    /// Of one measurement.
    pub(super) seconds: u32,
    pub(super) servers: usize,
    pub(super) rows: Vec<RequestsRow>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) machine: Machine,
    /// The commit that was measured; `+` behind it if files were changed.
    pub(super) commit: String,
    /// Seconds since 1970.
    pub(super) at: u64,
    /// The load of the machine before the beginning and at the end, of one minute each.
    pub(super) load: [f64; 2],
    pub(super) versions: Vec<String>,
    pub(super) rounds: u32,
    /// What the run took.
    pub(super) seconds: f64,
    pub(super) packets: Option<Packets>,
    pub(super) requests: Option<Requests>,
    pub(super) notes: Vec<String>,
}

fn number(value: Option<f64>, places: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.places$}"))
}

fn spread(value: Option<Spread>) -> String {
    value.map_or_else(String::new, |value| format!("{:.0} %", value.part() * 100.0))
}

impl fmt::Display for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Datagrams in frames of {} bytes over veth, made, forwarded and received by CPU {}\n",
            self.frame_bytes + 4,
            self.cpu
        )?;
        writeln!(
            f,
            "{:<32} {:>6} {:>8} {:>6} {:>9} {:>6} {:>7} {:>9} {:>7}",
            "way", "flows", "Mpps", "+-", "CPU ns", "+-", "net ns", "x forward", "lost"
        )?;
        for row in &self.rows {
            if let Some(why) = &row.absent {
                writeln!(f, "{:<32} {:>6} {why}", row.name, row.flows)?;
                continue;
            }
            let received: u64 = row.received.iter().sum();
            let lost = row.sent.saturating_sub(received) as f64 / row.sent.max(1) as f64;
            writeln!(
                f,
                "{:<32} {:>6} {:>8} {:>6} {:>9} {:>6} {:>7} {:>9} {:>5.2} %",
                row.name,
                row.flows,
                number(row.per_second.map(|spread| spread.median / 1e6), 2),
                spread(row.per_second),
                number(row.cpu_ns.map(|spread| spread.median), 0),
                spread(row.cpu_ns),
                number(row.net_ns, 0),
                number(row.of_forwarding, 2),
                lost * 100.0,
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "HTTP requests of wrk (48 connections) to {} servers with nginx, {} s each; CPU in microseconds a request",
            self.servers, self.seconds
        )?;
        for (kept, heading) in [(false, "a connection for each request"), (true, "connections kept")] {
            writeln!(
                f,
                "\n{heading:<30} {:>9} {:>5} {:>8} {:>8} {:>7} {:>5} {:>7} {:>9} {:>8} {:>8} {:>7}",
                "req/s", "+-", "p50 us", "p99 us", "CPU", "+-", "net", "processes", "machine", "softirq", "failed"
            )?;
            for row in self.rows.iter().filter(|row| row.kept == kept) {
                if let Some(why) = &row.absent {
                    writeln!(f, "{:<30} {why}", row.name)?;
                    continue;
                }
                writeln!(
                    f,
                    "{:<30} {:>9} {:>5} {:>8} {:>8} {:>7} {:>5} {:>7} {:>9} {:>8} {:>8} {:>7}",
                    row.name,
                    number(row.per_second.map(|spread| spread.median), 0),
                    spread(row.per_second),
                    number(row.p50_us, 0),
                    number(row.p99_us, 0),
                    number(row.cpu_us.map(|spread| spread.median), 1),
                    spread(row.cpu_us),
                    number(row.net_us, 1),
                    number(row.director_us, 1),
                    number(row.system_net_us, 1),
                    number(row.softirq_us, 1),
                    row.failed,
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.load;
        writeln!(f, "{}; commit {}", self.machine, self.commit)?;
        writeln!(f, "{}; load {before:.1} before, {after:.1} after", self.versions.join(", "))?;
        writeln!(f, "medians of {} rounds, +- half of the spread; {:.0} s in all\n", self.rounds, self.seconds)?;
        if let Some(packets) = &self.packets {
            writeln!(f, "{packets}")?;
        }
        if let Some(requests) = &self.requests {
            writeln!(f, "{requests}")?;
        }
        for note in &self.notes {
            writeln!(f, "* {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets() -> Packets {
        let row = |name: &str, absent: Option<&str>, times: &[f64]| PacketsRow {
            name: name.to_owned(),
            flows: 1024,
            absent: absent.map(str::to_owned),
            per_second: Spread::of(&times.iter().map(|time| 1e9 / time).collect::<Vec<_>>()),
            cpu_ns: Spread::of(times),
            net_ns: Spread::of(times).map(|spread| spread.median - 100.0),
            of_forwarding: None,
            sent: 200,
            received: vec![50, 50, 50],
        };
        let rows = vec![row("relvs DR", None, &[300.0, 200.0, 250.0]), row("kernel, IPVS DR", Some("not here"), &[])];
        Packets { cpu: 1, frame_bytes: 60, rows }
    }

    #[test]
    fn a_spread_has_its_median_and_ends() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(spread.part(), 0.5);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_row_shows_numbers_or_why_there_are_none() {
        let text = packets().to_string();
        let row = text.lines().find(|line| line.starts_with("relvs DR")).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words, ["relvs", "DR", "1024", "4.00", "21", "%", "250", "20", "%", "150", "25.00", "%"]);
        let row = text.lines().find(|line| line.starts_with("kernel, IPVS DR")).unwrap();
        assert!(row.ends_with(" not here"), "{row}");
    }

    #[test]
    fn json_has_every_round_s_summary() {
        let value = serde_json::to_value(packets()).unwrap();
        let rows = &value["rows"];
        assert_eq!(rows[0]["cpu_ns"]["median"], 250.0);
        assert_eq!(rows[0]["received"][2], 50);
        assert_eq!(rows[1]["absent"], "not here");
        assert!(rows[1]["cpu_ns"].is_null());
    }

    #[test]
    fn requests_come_in_two_tables() {
        let row = |kept| RequestsRow {
            name: "haproxy, mode tcp".to_owned(),
            kept,
            absent: None,
            per_second: Spread::of(&[1000.0]),
            p50_us: Some(100.0),
            p99_us: Some(200.0),
            cpu_us: Spread::of(&[80.5]),
            net_us: Some(30.5),
            director_us: Some(25.0),
            system_us: Spread::of(&[90.0]),
            system_net_us: Some(31.5),
            softirq_us: Some(9.0),
            failed: 0,
        };
        let text = Requests { seconds: 2, servers: 3, rows: vec![row(false), row(true)] }.to_string();
        let heading = text.find("connections kept").unwrap();
        assert_eq!(text.matches("haproxy, mode tcp").count(), 2);
        assert_eq!(text[..heading].matches("haproxy, mode tcp").count(), 1);
        assert!(text.contains(" 30.5 "), "{text}");
    }
}
