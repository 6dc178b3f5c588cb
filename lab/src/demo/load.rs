//! What goes on while something is taken away: steady requests and paced downloads to every address of some offers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::results::{Download, Shares, reasons};
use super::stage::{Family, HTTP, Offer, PACED, Stage};
use crate::traffic::{Load, Report, RunningLoad, RunningTransfer, Transfer, Transferred};

/// Requests under way at once to each target.
const WORKERS: u16 = 8;
/// Bytes of a paced download.
const PACED_BYTES: u64 = 4_000_000;
/// A download has surely begun after these bytes.
const BEGUN: u64 = 100_000;
/// And does so within this time.
const BEGIN_LIMIT: Duration = Duration::from_secs(5);
/// It ends at the latest so long after its time.
const LATE_MAX: Duration = Duration::from_secs(10);

/// Requests to several targets, each at its rate.
pub(super) struct Requests {
    running: Vec<RunningLoad>,
}

/// What was answered and lost up to a moment.
#[derive(Debug, Default, Clone)]
pub(super) struct Sum {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) shares: Shares,
    pub(super) lost: u64,
    /// Why, as far as it is to be shown.
    pub(super) why: String,
}

/// Downloads that are under way.
pub(super) struct Downloads {
    running: Vec<(SocketAddr, RunningTransfer)>,
}

impl Requests {
    /// Begins: `rate` a second in all, over both families of all offers.
    pub(super) fn start(stage: &Stage, offers: &[&Offer], rate: u32) -> Result<Self> {
        let targets = targets(stage, offers, HTTP);
        let each = rate / u32::try_from(targets.len()).unwrap_or(1).max(1);
        let begin = |target| Load::new(target).rate(each, WORKERS).start(stage.client()?);
        Ok(Self { running: targets.into_iter().map(begin).collect::<Result<_>>()? })
    }

    /// Up to now.
    pub(super) fn so_far(&self) -> Sum {
        Sum::of(self.running.iter().map(RunningLoad::so_far))
    }

    /// Makes no more, and waits for the last answers.
    pub(super) fn stop(self) -> Result<Sum> {
        Ok(Sum::of(self.running.into_iter().map(RunningLoad::stop).collect::<Result<Vec<_>>>()?))
    }
}

impl Sum {
    fn of(reports: impl IntoIterator<Item = Report>) -> Self {
        let mut sum = Self::default();
        let mut why = Vec::new();
        for report in reports {
            sum.sent += report.sent;
            sum.answered += report.ok;
            sum.lost += report.failed();
            for (server, count) in &report.servers {
                *sum.shares.entry(server.clone()).or_default() += count;
            }
            if report.failed() > 0 {
                why.push(reasons(&report));
            }
        }
        sum.why = why.join("; ");
        sum
    }

    /// What came after `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let share = |(server, count): (&String, &u64)| {
            (server.clone(), count - earlier.shares.get(server).copied().unwrap_or(0))
        };
        Self {
            sent: self.sent - earlier.sent,
            answered: self.answered - earlier.answered,
            lost: self.lost - earlier.lost,
            shares: self.shares.iter().map(share).filter(|(_, count)| *count > 0).collect(),
            why: self.why.clone(),
        }
    }
}

impl Downloads {
    /// Begins `count` of these seconds at each address of the offers, and waits until content flows.
    pub(super) fn start(stage: &Stage, offers: &[&Offer], count: u8, seconds: u64) -> Result<Self> {
        let limit = Duration::from_secs(seconds) + LATE_MAX;
        let mut running = Vec::new();
        for target in targets(stage, offers, PACED) {
            for _ in 0..count {
                let transfer = Transfer::slow_download(target, PACED_BYTES, seconds).seed(2).limit(limit);
                running.push((target, transfer.start(stage.client()?)?));
            }
        }
        for (target, transfer) in &running {
            transfer.wait_for(BEGUN, BEGIN_LIMIT).with_context(|| format!("a download by {target} did not begin"))?;
        }
        Ok(Self { running })
    }

    /// Waits for them: those that came whole, and what is wrong with the others. They were under way at `since`, and are to end after it.
    pub(super) fn join(self, since: Instant, what: &str) -> (Vec<Download>, Vec<String>) {
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        for (target, transfer) in self.running {
            let outcome = transfer.join();
            let ended = since.elapsed().as_secs_f64();
            match outcome {
                Ok(Transferred { server, bytes, .. }) => {
                    let target = target.to_string();
                    done.push(Download { target, server, bytes, ended_after_seconds: ended });
                }
                Err(error) => failures.push(format!("a download that ran when {what} broke: {error:#}")),
            }
        }
        (done, failures)
    }

    /// Whether all are still under way.
    pub(super) fn all_run(&self) -> bool {
        self.running.iter().all(|(_, transfer)| transfer.done() < PACED_BYTES)
    }
}

fn targets(stage: &Stage, offers: &[&Offer], port: u16) -> Vec<SocketAddr> {
    offers.iter().flat_map(|offer| Family::BOTH.map(|family| stage.target(offer, family, port))).collect()
}
