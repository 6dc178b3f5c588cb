//! What a load brought: who answered how often, what failed and why, how long it took.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// The outcome of a load or an exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Requests begun.
    pub sent: u64,
    /// Requests answered wholly and rightly.
    pub ok: u64,
    /// How often each reason occurred; the rest of `sent`.
    pub failures: BTreeMap<String, u64>,
    /// Right answers by the name of the server that gave them.
    pub servers: BTreeMap<String, u64>,
    /// When the latest of those that failed was begun.
    pub last_failed: Option<Instant>,
    /// Time to the whole answer, of the right ones, in the order in which they came.
    pub(super) latencies: Vec<Duration>,
}

impl Report {
    /// Counts one outcome: the server's name, or the reason of the failure.
    pub(super) fn count(&mut self, outcome: Result<String, String>, took: Duration) {
        self.sent += 1;
        match outcome {
            Ok(server) => {
                self.ok += 1;
                *self.servers.entry(server).or_default() += 1;
                self.latencies.push(took);
            }
            Err(reason) => {
                *self.failures.entry(reason).or_default() += 1;
                self.last_failed = self.last_failed.max(Instant::now().checked_sub(took));
            }
        }
    }

    /// Requests that were begun and not answered rightly.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Right answers of that server.
    #[must_use]
    pub fn of(&self, server: &str) -> u64 {
        self.servers.get(server).copied().unwrap_or(0)
    }

    /// The latency that this share (0 to 100) of the right answers did not exceed; `None` when there was none.
    #[must_use]
    pub fn percentile(&self, share: u8) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        let index = sorted.len().checked_sub(1)? * usize::from(share.min(100)) / 100;
        Some(*sorted.select_nth_unstable(index).1)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} ok", self.sent, self.ok)?;
        for (server, count) in &self.servers {
            write!(f, ", {server} {count}")?;
        }
        for (reason, count) in &self.failures {
            write!(f, ", {count} failed: {reason}")?;
        }
        if let (Some(half), Some(most)) = (self.percentile(50), self.percentile(99)) {
            write!(f, ", p50 {half:.1?}, p99 {most:.1?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up() {
        let mut report = Report::default();
        for millis in (1..=100).rev() {
            report.count(Ok(format!("s{}", millis % 2)), Duration::from_millis(millis));
        }
        assert_eq!(report.last_failed, None);
        let (before, hour) = (Instant::now(), Duration::from_secs(3600));
        report.count(Err("connect: refused".into()), Duration::ZERO);
        report.count(Err("connect: refused".into()), hour);
        assert!(
            report.last_failed.is_some_and(|begun| begun >= before),
            "one that was begun an hour ago is not the latest"
        );
        assert_eq!((report.sent, report.ok, report.failed()), (102, 100, 2));
        assert_eq!((report.of("s0"), report.of("s1"), report.of("s9")), (50, 50, 0));
        assert_eq!(report.percentile(0), Some(Duration::from_millis(1)));
        assert_eq!(report.percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(report.percentile(100), Some(Duration::from_millis(100)));
        assert!(report.to_string().starts_with("102 sent, 100 ok, s0 50, s1 50, 2 failed: connect: refused"));
        assert_eq!(Report::default().percentile(50), None);
    }
}
