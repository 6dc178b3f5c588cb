//! A script that is run again and again (vrrp_script).

use super::Line;
use crate::health::program::{End, Programs};
use relvs_model::vrrp::{TrackScript, TrackSource};
use relvs_proto::vrrp::{Outcome, Tally};
use std::{sync::Arc, time::Duration};
use tokio::time::MissedTickBehavior;

/// Not more often than this, whatever is configured.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Runs it for ever. One that is not done when the next is due is waited for: two of one name never run at once.
pub(super) async fn run(script: TrackScript, programs: Arc<Programs>, line: Line) {
    let source = TrackSource::Script(script.name.clone());
    let limit = Duration::from_millis(script.script.timeout_ms.into());
    let mut tally = Tally::of_script(&script);
    if let Some(outcome) = tally.outcome() {
        line.report(&source, outcome);
    }
    let mut turns = tokio::time::interval(Duration::from_millis(script.interval_ms.into()).max(INTERVAL_MIN));
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        turns.tick().await;
        let why = failure(&programs, &script, limit).await;
        if !tally.count(why.is_none()) {
            continue;
        }
        match why {
            None => tracing::info!("{source}: well"),
            Some(why) => tracing::warn!("{source}: failed: {why}"),
        }
        line.report(&source, tally.outcome().unwrap_or(Outcome::Failed));
    }
}

/// Runs it once. Gives why it failed, if it did.
async fn failure(programs: &Programs, script: &TrackScript, limit: Duration) -> Option<String> {
    let ending = match programs.run(&script.script, &[], limit).await {
        Ok(ending) => ending,
        Err(why) => return Some(why),
    };
    let said = if ending.said.is_empty() { String::new() } else { format!(": {}", ending.said) };
    match ending.how {
        End::Code(0) => None,
        End::Code(code) => Some(format!("exit code {code}{said}")),
        End::Signal(signal) => Some(format!("ended by signal {signal}{said}")),
        End::TimedOut => Some(format!("not done within {limit:?}{said}")),
    }
}
