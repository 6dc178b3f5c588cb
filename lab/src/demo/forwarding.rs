//! One method in one family: requests, datagrams, long transfers, each against what must come out.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::bypass::Watch;
use super::progress::Progress;
use super::results::{Case, Count, Moved, in_words, reasons};
use super::stage::{BULK, Family, HTTP, Offer, PACED, Stage, UDP, name};
use crate::traffic::{Load, Report, Transfer, UdpExchange, curl};
use relvs_model::Method;

/// HTTP requests, a connection each.
const REQUESTS: u64 = 300;
/// Requests under way at once.
const WORKERS: u16 = 4;
/// The longest that a request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(3);
/// No more requests are made when so many were lost.
const LOST_MAX: u64 = 10;
/// How often the requests are looked at.
const TICK: Duration = Duration::from_millis(10);
/// The longest that a datagram may take there and back.
const DATAGRAM_LIMIT: Duration = Duration::from_secs(1);
/// Datagrams, a source port each.
const DATAGRAMS: u64 = 60;
/// The longest that a transfer may take.
const BULK_LIMIT: Duration = Duration::from_secs(60);

/// Tries it all. What does not hold is in the case; an error means that it could not be tried.
///
/// `notes` takes what could not be tried at all.
pub(super) fn run(
    stage: &Stage,
    vip: u8,
    family: Family,
    progress: &mut Progress<'_>,
    notes: &mut Vec<String>,
) -> Result<Case> {
    let offer = stage.offer(vip)?;
    let target = |port| stage.target(offer, family, port);
    let title = format!("{} over {}", offer.method_name(), family.name());
    let scheduler = scheduler_in_words(offer);
    progress.step(format!("{title}: {REQUESTS} requests to {}, {scheduler}", target(HTTP)))?;
    let mut failures = Vec::new();
    let watch = match offer.method {
        Method::Nat => None,
        Method::Dr | Method::Tun => Some(Watch::start(stage, target(HTTP).ip())?),
    };
    let curl = match ask_with_curl(stage, target(HTTP)) {
        Ok(server) => {
            progress.say(format!("  curl http://{}/ says {server}", target(HTTP)))?;
            Some(server)
        }
        Err(error) if error.to_string().contains("not installed") => {
            let note = format!("{error}; every request was the built-in client's");
            if !notes.contains(&note) {
                notes.push(note);
            }
            None
        }
        Err(error) => {
            failures.push(format!("curl: {error:#}"));
            None
        }
    };
    let report = many(stage, target(HTTP), progress)?;
    let http = count("requests", &report, offer, REQUESTS, &mut failures);
    let (mut udp, mut download, mut upload) = (Count::default(), None, None);
    if report.failed() >= LOST_MAX {
        failures.push("datagrams and transfers were not tried, since so many requests were lost".to_owned());
    } else {
        progress.go_on()?;
        let report = UdpExchange::new(target(UDP), DATAGRAMS).timeout(DATAGRAM_LIMIT).run(stage.client()?)?;
        udp = count("datagrams", &report, offer, DATAGRAMS, &mut failures);
        progress.step(format!("{title}: 100 MB down, 100 MB up"))?;
        download = transfer(stage, "down", Transfer::download(target(HTTP), BULK), &mut failures)?;
        progress.go_on()?;
        upload = transfer(stage, "up", Transfer::upload(target(PACED), BULK).seed(1), &mut failures)?;
    }
    let bypass = match watch.map(|watch| watch.end(stage)).transpose()? {
        Some((seen, wrong)) => {
            failures.extend(wrong);
            Some(seen)
        }
        None => None,
    };
    for why in &failures {
        progress.say(format!("  FAILED: {why}"))?;
    }
    Ok(Case {
        method: offer.method_name(),
        family: family.name(),
        vip: target(HTTP).ip().to_string(),
        scheduler: offer.scheduler(),
        weights: offer.weights.iter().map(|(server, weight)| (name(*server), *weight)).collect(),
        curl,
        http,
        udp,
        download,
        upload,
        bypass,
        failures,
    })
}

fn scheduler_in_words(offer: &Offer) -> String {
    match offer.scheduler() {
        "wrr" => {
            let weights: Vec<String> = offer.weights.values().map(ToString::to_string).collect();
            format!("wrr with weights {}", weights.join(", "))
        }
        other => other.to_owned(),
    }
}

/// One request of a client that everybody knows; gives who answered.
fn ask_with_curl(stage: &Stage, target: SocketAddr) -> Result<String> {
    let reply = curl(stage.client()?, target, "/", &[])?;
    ensure!(reply.status == 200, "http://{target}/: status {}", reply.status);
    reply.server.with_context(|| format!("http://{target}/: the answer names no server"))
}

/// The requests, or as many as there were until too many were lost.
fn many(stage: &Stage, target: SocketAddr, progress: &Progress<'_>) -> Result<Report> {
    let load = Load { timeout: REQUEST_LIMIT, ..Load::new(target) };
    let running = load.requests(REQUESTS).workers(WORKERS).start(stage.client()?)?;
    while !running.is_finished() && running.so_far().failed() < LOST_MAX {
        progress.pause(TICK)?;
    }
    running.stop()
}

fn count(what: &str, report: &Report, offer: &Offer, asked: u64, failures: &mut Vec<String>) -> Count {
    let count = Count::new(report, offer.expected(asked));
    if count.sent != asked {
        failures.push(format!("{} {what} were made instead of {asked}", count.sent));
    }
    if count.lost > 0 {
        failures.push(format!("{} of {} {what} were lost: {}", count.lost, count.sent, reasons(report)));
    }
    if count.shares != count.expected {
        let (shares, expected) = (in_words(&count.shares), in_words(&count.expected));
        failures.push(format!("{what} were answered by {shares} instead of {expected}"));
    }
    count
}

fn transfer(stage: &Stage, way: &str, transfer: Transfer, failures: &mut Vec<String>) -> Result<Option<Moved>> {
    match transfer.limit(BULK_LIMIT).run(stage.client()?) {
        Ok(done) => Ok(Some(Moved { server: done.server, bytes: done.bytes, seconds: done.took.as_secs_f64() })),
        Err(error) => {
            failures.push(format!("100 MB {way}: {error:#}"));
            Ok(None)
        }
    }
}
