//! `relvs lab demo`: NAT, DR and TUN over IPv4 and IPv6 with real requests, then a server and the director taken away; and whether it all held.
//!
//! Two acts. NAT plays in the two-armed lab, where the director is the servers' gateway; DR and TUN play in the one-armed one, where servers
//! answer the client past the director. Nothing of it touches the machine's own network, and nothing stays behind.

mod bypass;
mod director_away;
mod forwarding;
mod load;
mod progress;
mod results;
mod server_away;
mod show;
mod stage;
mod status;

use std::path::Path;

use anyhow::{Context, Result, bail};
use relvs_model::Method;

pub use progress::{Interrupted, Progress};
pub use results::Results;
pub use show::show;

use crate::plan::Topology;
use stage::{Family, Offer, Stage};

/// Exit code after SIGINT, as shells give it.
pub const INTERRUPTED: u8 = 130;

/// Virtual addresses of the act with NAT, and of the one with DR and TUN. There a fault gets addresses of its own, which no client has
/// asked before. NAT has one for all: a reply is known by server and client, so a client's port may serve only one of two addresses.
const NAT: u8 = 0;
const DR: u8 = 0;
const TUN: u8 = 1;
const DR_FAULT: u8 = 2;
const TUN_FAULT: u8 = 3;

/// Plays it with that relvs; `keep` leaves both labs standing. Gives what came out, and the names of labs that stand.
///
/// # Errors
/// It could not even begin: not root, a tool is missing; or it was [`Interrupted`]. What did not hold is in the results, also what ended it
/// early.
pub fn play(program: &Path, keep: bool, progress: &mut Progress<'_>) -> Result<(Results, Vec<String>)> {
    if let Some(reason) = crate::skip_reason() {
        bail!("the demo {reason}");
    }
    let mut results = Results::default();
    let mut kept = Vec::new();
    let outcome = acts(program, keep, progress, &mut results, &mut kept);
    // Ctrl-C reaches every program in the terminal: whatever failed since then is no news.
    if outcome.is_err() && progress.is_interrupted() {
        return Err(Interrupted.into());
    }
    if let Err(error) = outcome {
        if results.cases.is_empty() {
            return Err(error);
        }
        results.ended_early = Some(format!("{error:#}"));
    }
    results.conclude(progress.elapsed().as_secs_f64());
    Ok((results, kept))
}

fn acts(
    program: &Path,
    keep: bool,
    progress: &mut Progress<'_>,
    results: &mut Results,
    kept: &mut Vec<String>,
) -> Result<()> {
    let offers = vec![Offer::equal(NAT, Method::Nat)];
    let mut stage = Stage::build(program, Topology::TwoArmed, offers, progress, &mut results.notes)?;
    for family in Family::BOTH {
        results.cases.push(forwarding::run(&stage, NAT, family, progress, &mut results.notes)?);
    }
    results.server_away.push(server_away::run(&mut stage, &[NAT], progress)?);
    results.director_away.push(director_away::run(&mut stage, &[NAT], progress)?);
    // Kept labs stand until the demo has come to its end: an error removes both.
    let first = if keep { Some(stage) } else { stage.remove().map(|()| None)? };

    let offers = vec![
        Offer::equal(DR, Method::Dr),
        Offer::weighted(TUN, Method::Tun),
        Offer::equal(DR_FAULT, Method::Dr),
        Offer::equal(TUN_FAULT, Method::Tun),
    ];
    let mut stage = Stage::build(program, Topology::OneArmed, offers, progress, &mut results.notes)?;
    for (vip, family) in [DR, TUN].into_iter().flat_map(|vip| Family::BOTH.map(|family| (vip, family))) {
        results.cases.push(forwarding::run(&stage, vip, family, progress, &mut results.notes)?);
    }
    results.server_away.push(server_away::run(&mut stage, &[DR_FAULT, TUN_FAULT], progress)?);
    results.director_away.push(director_away::run(&mut stage, &[DR, TUN], progress)?);
    if !keep {
        return stage.remove();
    }
    for stage in first.into_iter().chain([stage]) {
        kept.push(stage.keep().context("the lab cannot be kept")?);
    }
    Ok(())
}
