//! An address that is asked again and again whether it answers: the arbiter between two directors that are cut off from each other.
//!
//! The request is that of the health check (RFC 792, RFC 4443).

use super::Line;
use crate::health::Probes;
use relvs_model::{
    health::{Asked, Outcome as Answer, PingProbe, Probe, Question, Target},
    vrrp::{TrackPing, TrackSource},
};
use relvs_proto::vrrp::{Outcome, Tally};
use std::{sync::Arc, time::Duration};
use tokio::time::MissedTickBehavior;

/// Not more often than this, whatever is configured.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Asks for ever. One that has not answered when the next request is due is waited for.
pub(super) async fn run(ping: TrackPing, probes: Arc<Probes>, line: Line) {
    let source = TrackSource::Ping(ping.name.clone());
    let question = question(&ping);
    let mut tally = Tally::of_ping(&ping);
    let mut turns = tokio::time::interval(Duration::from_millis(ping.interval_ms.into()).max(INTERVAL_MIN));
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        turns.tick().await;
        let answer = probes.probe(&question).await;
        if !tally.count(matches!(answer, Answer::Up { .. })) {
            continue;
        }
        match answer {
            Answer::Up { .. } => tracing::info!("{source}: {} answers", ping.address),
            Answer::Down { why } => tracing::warn!("{source}: {} does not answer: {why}", ping.address),
        }
        line.report(&source, tally.outcome().unwrap_or(Outcome::Failed));
    }
}

fn question(ping: &TrackPing) -> Question {
    let target = Target { from: ping.from, interface: ping.interface.clone(), ..Target::default() };
    Question {
        probe: Probe::Ping(PingProbe::default()),
        asked: Asked::new(ping.address, 0),
        target,
        timeout_ms: ping.timeout_ms,
        connect_timeout_ms: 0,
    }
}
