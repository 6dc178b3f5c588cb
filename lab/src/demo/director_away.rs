//! The director's daemon is killed under load and started again: forwarding is the kernel's, and goes on.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::load::{Downloads, Requests};
use super::progress::Progress;
use super::results::DirectorAway;
use super::stage::{Offer, Stage};

/// Requests a second, over all addresses.
const RATE: u32 = 200;
/// Before the kill, and after the start.
const AROUND: Duration = Duration::from_millis(1000);
/// No daemon for this long.
const AWAY: Duration = Duration::from_millis(1500);
/// Downloads that last from before the kill to after the start.
const DOWNLOAD_SECONDS: u64 = 4;
/// A client's packets for one request, at the very least: SYN, ACK, the request, FIN.
const PACKETS_MIN: u64 = 4;

/// Tries it with these offers. What does not hold is in the result; an error means that it could not be tried.
pub(super) fn run(stage: &mut Stage, vips: &[u8], progress: &mut Progress<'_>) -> Result<DirectorAway> {
    let offers = stage.offers(vips);
    let offers: Vec<&Offer> = offers.iter().collect();
    let methods: Vec<String> = offers.iter().map(|offer| offer.method_name()).collect();
    progress.step(format!("the director away ({}): {RATE} requests/s and downloads", methods.join(", ")))?;
    let mut fault = DirectorAway { methods, requests_a_second: RATE, ..DirectorAway::default() };
    let begin = stage.status()?.packets();
    let downloads = Downloads::start(stage, &offers, 1, DOWNLOAD_SECONDS)?;
    let requests = Requests::start(stage, &offers, RATE)?;
    progress.pause(AROUND)?;
    let status = stage.status()?;
    let (flows, packets) = (status.flows(), status.packets());
    if !downloads.all_run() {
        fault.failures.push("a download ended before the kill: nothing is shown by it".to_owned());
    }

    progress.step("  SIGKILL to relvs on d1")?;
    stage.director.kill()?;
    let killed = Instant::now();
    let before = requests.so_far();
    progress.pause(AWAY)?;
    let away = requests.so_far().since(&before);
    fault.answered_without_daemon = away.answered;

    progress.step("  relvs started again")?;
    stage.director.start()?;
    fault.seconds_without_daemon = killed.elapsed().as_secs_f64();
    let status = stage.status()?;
    fault.adopted = status.adopted;
    let adopted = (status.flows(), status.packets());
    progress.pause(AROUND)?;
    let sum = requests.stop()?;
    let (done, broken) = downloads.join(killed, "the daemon was killed");
    fault.downloads = done;
    fault.failures.extend(broken);
    fault.requests = sum.sent;
    fault.lost = sum.lost;
    let status = stage.status()?;
    fault.flows = [flows, adopted.0, status.flows()];
    fault.packets = [packets, adopted.1, status.packets()];
    judge(&mut fault, begin, &sum.why);
    for why in &fault.failures {
        progress.say(format!("  FAILED: {why}"))?;
    }
    Ok(fault)
}

fn judge(fault: &mut DirectorAway, begin: u64, why: &str) {
    let mut failures = Vec::new();
    if fault.lost > 0 {
        failures.push(format!("{} of {} requests were lost: {why}", fault.lost, fault.requests));
    }
    if fault.answered_without_daemon == 0 {
        failures.push("no request was answered while no daemon ran".to_owned());
    }
    if !fault.adopted {
        failures.push("the new daemon did not adopt the tables of the killed one".to_owned());
    }
    for (what, counts) in [("flows", fault.flows), ("packets", fault.packets)] {
        if !counts.is_sorted() {
            failures.push(format!("the counter of {what} went back: {counts:?}"));
        }
    }
    let counted = fault.packets[2].saturating_sub(begin);
    let (requests, least) = (fault.requests, fault.requests * PACKETS_MIN);
    if counted < least {
        failures.push(format!("{counted} packets were counted for {requests} requests, which have at least {least}"));
    }
    fault.failures.extend(failures);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> DirectorAway {
        DirectorAway {
            requests: 700,
            answered_without_daemon: 300,
            adopted: true,
            flows: [200, 500, 700],
            packets: [1000, 2500, 5200],
            ..DirectorAway::default()
        }
    }

    #[test]
    fn a_break_is_noticed() {
        let whole = [
            (fault(), 0),
            (DirectorAway { lost: 1, ..fault() }, 1),
            (DirectorAway { answered_without_daemon: 0, ..fault() }, 1),
            (DirectorAway { adopted: false, ..fault() }, 1),
            (DirectorAway { flows: [200, 0, 200], ..fault() }, 1),
            (DirectorAway { packets: [1000, 1000, 1200], ..fault() }, 1),
        ];
        for (mut fault, wrong) in whole {
            judge(&mut fault, 400, "");
            assert_eq!(fault.failures.len(), wrong, "{:?}", fault.failures);
        }
    }
}
