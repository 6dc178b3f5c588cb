//! Weighted round robin (ip_vs_wrr.c): pass after pass through the list, each taking the servers whose weight is at
//! least the current weight, which falls from the largest to the least by the weights' greatest common divisor.
//!
//! Divided by it, weights are levels: the passes of level `n` take the servers of level `n` or more. Between two
//! weights that occur all passes are the same, so a band stands for each distinct weight, and a round of any length
//! is a few bands.

use super::{Before, Full, Round, Servers, Start};
use relvs_core::schedule::HEAD;
use relvs_model::Server;
use std::collections::BTreeSet;

pub(super) fn lay_out(servers: Servers<'_>, round: &mut Round) -> Result<(), Full> {
    let levels = Levels::of(servers.servers);
    for step in &levels.steps {
        let takes = |server: &Server| u64::from(server.weight) / levels.divisor >= step.level;
        round.band(step.choices(), servers.list().filter(|(_, server)| takes(server)).map(|(at, _)| at))?;
    }
    Ok(())
}

/// With each change IPVS goes back to the head of the list and keeps its current weight as far as that is still one.
///
/// What goes or gets another weight does so at once, then what comes does so one after the other, in its order: so a
/// new service is what the same servers added by `ipvsadm -a` are, and begins with a pass of the lowest level.
pub(super) fn resume(before: &Before<'_>, after: &[Server]) -> Start {
    let known: BTreeSet<_> = before.servers.iter().map(|server| (server.address, server.port)).collect();
    let (stay, come): (Vec<_>, Vec<_>) =
        after.iter().partition(|server| known.contains(&(server.address, server.port)));
    let mut weights = Weights::default();
    stay.into_iter().for_each(|server| weights.add(server.weight));
    let mut current = weights.keep(current(before));
    for server in come {
        weights.add(server.weight);
        current = weights.keep(current);
    }
    let levels = Levels::of(after);
    Start { cursor: levels.begin(current.div_ceil(levels.divisor)), last: None }
}

/// IPVS's current weight: that of the last choice; where none was made yet, that of the pass that comes.
fn current(before: &Before<'_>) -> u64 {
    let levels = Levels::of(before.servers);
    let at_head = before.cursor == before.start.cursor || before.cursor & HEAD != 0;
    let choice = if at_head { Some(before.cursor & !HEAD) } else { before.cursor.checked_sub(1) };
    choice.and_then(|choice| levels.at(choice)).map_or(0, |level| (level - 1) * levels.divisor + 1)
}

/// What IPVS keeps about the weights.
#[derive(Default)]
struct Weights {
    /// The greatest common divisor of all but 0; 0 if there is no other.
    divisor: u64,
    largest: u64,
}

impl Weights {
    fn add(&mut self, weight: u32) {
        self.divisor = common_divisor(self.divisor, u64::from(weight));
        self.largest = self.largest.max(u64::from(weight));
    }

    /// The current weight after a change: a pass's own, which is one more than a multiple of the divisor.
    fn keep(&self, current: u64) -> u64 {
        let divisor = self.divisor.max(1);
        let most = self.largest + 1 - divisor;
        match current {
            0 => most,
            _ if current > most => most,
            _ if divisor == 1 => current,
            _ => current / divisor * divisor + 1,
        }
    }
}

fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Passes that take the same servers.
struct Step {
    /// The highest level, that of the first pass.
    level: u64,
    passes: u64,
    /// How many servers a pass takes.
    servers: u64,
}

impl Step {
    fn choices(&self) -> u64 {
        self.passes * self.servers
    }
}

struct Levels {
    /// At least 1.
    divisor: u64,
    steps: Vec<Step>,
}

impl Levels {
    fn of(servers: &[Server]) -> Self {
        let mut weights: Vec<u64> = servers.iter().map(|server| u64::from(server.weight)).filter(|w| *w > 0).collect();
        weights.sort_unstable_by(|a, b| b.cmp(a));
        let divisor = weights.iter().fold(0, |divisor, weight| common_divisor(divisor, *weight)).max(1);
        let mut steps = Vec::new();
        for (at, weight) in weights.iter().enumerate() {
            let next = weights.get(at + 1).copied().unwrap_or(0);
            if *weight != next {
                let passes = (weight - next) / divisor;
                steps.push(Step { level: weight / divisor, passes, servers: at as u64 + 1 });
            }
        }
        Levels { divisor, steps }
    }

    /// The level of the pass that this choice is in, unless there is none.
    fn at(&self, choice: u64) -> Option<u64> {
        let round: u64 = self.steps.iter().map(Step::choices).sum();
        let mut rest = choice.checked_rem(round)?;
        for step in &self.steps {
            if rest < step.choices() {
                return Some(step.level - rest / step.servers);
            }
            rest -= step.choices();
        }
        None
    }

    /// The first choice of this level's pass.
    fn begin(&self, level: u64) -> u64 {
        let passes = |step: &Step| step.level.saturating_sub(level).min(step.passes);
        self.steps.iter().map(|step| passes(step) * step.servers).sum()
    }
}
