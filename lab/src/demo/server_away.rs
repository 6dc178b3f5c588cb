//! A server is taken away as one does it: its weight goes to 0 while a download from it runs, then it is removed and ended, then it comes back.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::load::{Downloads, Requests, Sum};
use super::progress::Progress;
use super::results::{Phase, ServerAway, in_words};
use super::stage::{Offer, SERVERS, Stage, name};

/// The one that goes.
const SERVER: u8 = 2;
/// Requests a second, over all addresses.
const RATE: u32 = 200;
/// Each phase is watched this long.
const PHASE: Duration = Duration::from_millis(1000);
/// What was under way when the tables changed is answered by then.
const SETTLE: Duration = Duration::from_millis(200);
/// Length of the downloads: longer than the first two phases.
const DOWNLOAD_SECONDS: u64 = 4;

/// Takes it away from these offers and gives it back. What does not hold is in the result; an error means that it could not be tried.
pub(super) fn run(stage: &mut Stage, vips: &[u8], progress: &mut Progress<'_>) -> Result<ServerAway> {
    let offers = stage.offers(vips);
    let offers: Vec<&Offer> = offers.iter().collect();
    let methods: Vec<String> = offers.iter().map(|offer| offer.method_name()).collect();
    let server = name(SERVER);
    progress
        .step(format!("a server away ({}): {RATE} requests/s, and downloads from every server", methods.join(", ")))?;
    let mut fault = ServerAway { methods, server: server.clone(), ..ServerAway::default() };
    let downloads = Downloads::start(stage, &offers, SERVERS, DOWNLOAD_SECONDS)?;
    let mut laps = Laps { requests: Requests::start(stage, &offers, RATE)?, mark: Sum::default() };

    progress.pause(PHASE)?;
    fault.phases.push(laps.phase("all three".to_owned()));

    progress.step(format!("  {server}: weight 0 in relvs.toml, SIGHUP"))?;
    stage.change(vips, SERVER, Some(0))?;
    let zero = Instant::now();
    if !downloads.all_run() {
        fault.failures.push("a download ended before the weight was 0: nothing is shown by it".to_owned());
    }
    progress.pause(SETTLE)?;
    laps.skip();
    progress.pause(PHASE)?;
    let (done, broken) = downloads.join(zero, &format!("{server} got weight 0"));
    fault.phases.push(laps.phase(format!("{server} has weight 0")));
    fault.downloads = done;
    fault.failures.extend(broken);
    let of_it = fault.downloads.iter().filter(|download| download.server == server).count();
    if of_it < offers.len() * 2 {
        fault.failures.push(format!("{of_it} downloads came from {server}, not one for each address"));
    }

    progress.step(format!("  {server}: removed from relvs.toml, SIGHUP; its processes killed"))?;
    stage.change(vips, SERVER, None)?;
    progress.pause(SETTLE)?;
    stage.stop_server(SERVER);
    laps.skip();
    progress.pause(PHASE)?;
    fault.phases.push(laps.phase(format!("{server} is removed")));

    progress.step(format!("  {server}: started and added again"))?;
    stage.start_server(SERVER)?;
    stage.change(vips, SERVER, Some(1))?;
    progress.pause(SETTLE)?;
    laps.skip();
    progress.pause(PHASE)?;
    fault.phases.push(laps.phase(format!("{server} is back")));

    let sum = laps.requests.stop()?;
    fault.requests = sum.sent;
    fault.lost = sum.lost;
    judge(&mut fault, &sum.why);
    for why in &fault.failures {
        progress.say(format!("  FAILED: {why}"))?;
    }
    Ok(fault)
}

/// The requests, counted from one mark to the next.
struct Laps {
    requests: Requests,
    mark: Sum,
}

impl Laps {
    /// What came since the last mark, which is now.
    fn phase(&mut self, what: String) -> Phase {
        let now = self.requests.so_far();
        let Sum { shares, lost, .. } = now.since(&self.mark);
        self.mark = now;
        Phase { what, answered: shares, lost }
    }

    /// Sets the mark: what came since the last one belongs to no phase.
    fn skip(&mut self) {
        self.mark = self.requests.so_far();
    }
}

/// Who must answer in each phase: all, the others, the others, all.
const PRESENT: [bool; 4] = [true, false, false, true];

fn judge(fault: &mut ServerAway, why: &str) {
    let mut failures = Vec::new();
    if fault.lost > 0 {
        failures.push(format!("{} of {} requests were lost: {why}", fault.lost, fault.requests));
    }
    for (phase, present) in fault.phases.iter().zip(PRESENT) {
        let of = |server: &str| phase.answered.get(server).copied().unwrap_or(0);
        let others = (1..=SERVERS).map(name).filter(|other| *other != fault.server);
        for other in others.filter(|other| of(other) == 0) {
            failures.push(format!("while {}: {other} answered nothing", phase.what));
        }
        if (of(&fault.server) > 0) != present {
            failures.push(format!("while {}: answered by {}", phase.what, in_words(&phase.answered)));
        }
    }
    fault.failures.extend(failures);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(second: [u64; 3]) -> ServerAway {
        let phase = |shares: [u64; 3]| Phase {
            what: "a phase".to_owned(),
            answered: (1..=SERVERS).map(name).zip(shares).filter(|(_, count)| *count > 0).collect(),
            lost: 0,
        };
        let phases = vec![phase([30, 30, 30]), phase(second), phase([50, 0, 50]), phase([30, 30, 30])];
        ServerAway { server: name(SERVER), requests: 400, phases, ..ServerAway::default() }
    }

    #[test]
    fn a_server_without_weight_must_not_answer_and_the_others_must() {
        for (second, wrong) in [([50, 0, 50], 0), ([50, 1, 49], 1), ([99, 0, 0], 1), ([0, 90, 0], 3)] {
            let mut fault = fault(second);
            judge(&mut fault, "");
            assert_eq!(fault.failures.len(), wrong, "{:?}", fault.failures);
        }
        let mut lossy = ServerAway { lost: 1, ..fault([50, 0, 50]) };
        judge(&mut lossy, "1 × connect: timed out");
        assert_eq!(lossy.failures, ["1 of 400 requests were lost: 1 × connect: timed out"]);
    }
}
