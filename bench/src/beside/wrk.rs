//! wrk as the client: its arguments, and what it prints.
//!
//! Source: wrk(1) of Debian's 4.1.0, and its printed forms in the program's own manual (SCRIPTING, README).

use anyhow::{Context as _, Result};
use std::net::Ipv4Addr;
use std::process::Command;

/// What one run of wrk brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Answers {
    /// Requests that were answered.
    pub(super) requests: u64,
    /// Per second.
    pub(super) per_second: f64,
    /// Microseconds that half of the requests did not exceed.
    pub(super) p50_us: f64,
    /// Microseconds that 99 of 100 requests did not exceed.
    pub(super) p99_us: f64,
    /// Connections and answers that failed, and answers of another status than 2xx and 3xx.
    pub(super) failed: u64,
}

/// A run of so many seconds against this URL; each thread asks for `script` what it is to do.
pub(super) fn command(url: &str, kept: bool, seconds: u32, script: Option<&std::path::Path>) -> Command {
    let mut command = Command::new("wrk");
    command.args(["--threads", "3", "--connections", "48", "--latency", "--timeout", "5s"]);
    command.args(["--duration", &format!("{seconds}s")]);
    if !kept {
        command.args(["--header", "Connection: close"]);
    }
    if let Some(script) = script {
        command.arg("--script").arg(script);
    }
    command.arg(url);
    command
}

/// A script with which each thread asks a server of its own.
pub(super) fn one_server_a_thread(servers: &[Ipv4Addr], port: u16) -> String {
    let list: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    format!(
        "local servers = {{ {} }}\nlocal count = 0\nfunction setup(thread)\n   \
         thread.addr = wrk.lookup(servers[count % #servers + 1], \"{port}\")[1]\n   count = count + 1\nend\n",
        list.join(", ")
    )
}

/// Reads what it printed.
pub(super) fn parse(text: &str) -> Result<Answers> {
    let mut answers = Answers::default();
    let (mut counted, mut rated) = (false, false);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [number, "requests", "in", ..] => {
                answers.requests = number.parse().with_context(|| line.to_owned())?;
                counted = true;
            }
            ["Requests/sec:", number] => {
                answers.per_second = number.parse().with_context(|| line.to_owned())?;
                rated = true;
            }
            ["50%", time] => answers.p50_us = microseconds(time).with_context(|| line.to_owned())?,
            ["99%", time] => answers.p99_us = microseconds(time).with_context(|| line.to_owned())?,
            ["Socket", "errors:", ..] | ["Non-2xx", ..] => {
                let numbers = words.iter().filter_map(|word| word.trim_end_matches(',').parse::<u64>().ok());
                answers.failed += numbers.sum::<u64>();
            }
            _ => {}
        }
    }
    (counted && rated).then_some(answers).with_context(|| format!("wrk did not say how many requests it made: {text}"))
}

/// A time as wrk prints it: `87.00us`, `1.42ms`, `2.00s`.
fn microseconds(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let factor = match &text[digits.len()..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 2s test @ http://192.0.2.100/
  3 threads and 48 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.27ms    2.01ms  40.35ms   92.31%
    Req/Sec     9.07k     1.20k   12.81k    73.33%
  Latency Distribution
     50%  664.00us
     75%    1.31ms
     90%    2.87ms
     99%    9.91ms
  54361 requests in 2.01s, 8.97MB read
  Socket errors: connect 1, read 20, write 0, timeout 3
  Non-2xx or 3xx responses: 5
Requests/sec:  27044.31
Transfer/sec:      4.46MB
";

    #[test]
    fn a_run_is_read() {
        let answers = parse(PRINTED).unwrap();
        let expected = Answers { requests: 54361, per_second: 27044.31, p50_us: 664.0, p99_us: 9910.0, failed: 29 };
        assert_eq!(answers, expected);
    }

    #[test]
    fn a_run_without_a_result_is_none() {
        assert!(parse("unable to connect to 192.0.2.100:http Connection refused\n").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(microseconds("1.50s"), Some(1_500_000.0));
        assert_eq!(microseconds("2.00m"), Some(120_000_000.0));
        assert_eq!(microseconds("12"), None);
    }
}
