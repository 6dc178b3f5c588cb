//! What the outcomes of one check of one server add up to: `fall` failures in a row are down, `rise` successes are up.
//!
//! keepalived's rules (`retry`, `alpha`): the first outcome decides alone; without alpha a server is up until then. New is
//! `rise`.

use relvs_model::health::{Outcome, Says, Timing};
use std::{sync::Arc, time::Duration};

/// The last failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) at: Duration,
    pub(super) why: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) up: bool,
    /// Since then it is up, or down.
    pub(super) since: Duration,
    /// There was an outcome, or another check's verdict was taken over.
    pub(super) known: bool,
    /// In a row.
    pub(super) failures: u32,
    /// In a row.
    pub(super) successes: u32,
    /// What was said last about the weight.
    pub(super) says: Option<Says>,
    pub(super) error: Option<Failure>,
}

impl Tally {
    /// Nothing is known yet.
    pub(super) const fn new(now: Duration, timing: &Timing) -> Self {
        Tally { up: !timing.alpha, since: now, known: false, failures: 0, successes: 0, says: None, error: None }
    }

    /// Another check has judged this server already.
    pub(super) const fn inherited(now: Duration, up: bool) -> Self {
        Tally { up, since: now, known: true, failures: 0, successes: 0, says: None, error: None }
    }

    /// Takes an outcome in; whether it changed the verdict or the weight.
    pub(super) fn take(&mut self, now: Duration, outcome: &Outcome, timing: &Timing) -> bool {
        let first = !std::mem::replace(&mut self.known, true);
        let before = (self.up, self.says);
        match outcome {
            Outcome::Up { says } => {
                self.failures = 0;
                self.successes = self.successes.saturating_add(1);
                // A program that exits with 0 leaves the weight as it is.
                self.says = says.or(self.says);
                self.up |= first || self.successes >= timing.rise;
            }
            Outcome::Down { why } => {
                self.successes = 0;
                self.failures = self.failures.saturating_add(1);
                if self.error.as_ref().is_none_or(|error| *error.why != **why) {
                    self.error = Some(Failure { at: now, why: why.as_str().into() });
                } else if let Some(error) = &mut self.error {
                    error.at = now;
                }
                self.up &= !(first || self.failures >= timing.fall);
            }
        }
        if self.up != before.0 {
            self.since = now;
        }
        (self.up, self.says) != before
    }

    /// Whether the next probe is to come after the retry interval: failures are being counted, or recovery is to be fast.
    pub(super) const fn hurries(&self, timing: &Timing) -> bool {
        if self.up { self.failures > 0 } else { timing.fast_recovery }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn timing(fall: u32, rise: u32) -> Timing {
        Timing { fall, rise, ..Timing::default() }
    }

    /// `+` is a success, `-` a failure; the verdict after each.
    fn run(tally: &mut Tally, timing: &Timing, outcomes: &str) -> String {
        let verdict = |outcome| {
            let outcome =
                if outcome == '+' { Outcome::Up { says: None } } else { Outcome::Down { why: "refused".into() } };
            tally.take(NOW, &outcome, timing);
            if tally.up { 'U' } else { 'd' }
        };
        outcomes.chars().map(verdict).collect()
    }

    #[test]
    fn keepalived_retry_counts_failures_after_the_first_outcome() {
        // retry 2: the third failure in a row is one too many. A success between begins anew.
        let timing = timing(3, 1);
        assert_eq!(run(&mut Tally::new(NOW, &timing), &timing, "+--+---+"), "UUUUUUdU");
    }

    #[test]
    fn keepalived_the_first_outcome_decides_alone() {
        let timing = timing(3, 3);
        assert!(Tally::new(NOW, &timing).up);
        assert_eq!(run(&mut Tally::new(NOW, &timing), &timing, "-++-+++"), "ddddddU");
        let alpha = Timing { alpha: true, ..timing };
        assert!(!Tally::new(NOW, &alpha).up);
        assert_eq!(run(&mut Tally::new(NOW, &alpha), &alpha, "+--+"), "UUUU");
        assert_eq!(run(&mut Tally::new(NOW, &alpha), &alpha, "-++"), "ddd");
    }

    #[test]
    fn what_another_check_knew_is_not_lost_by_one_outcome() {
        let timing = timing(2, 2);
        assert_eq!(run(&mut Tally::inherited(NOW, true), &timing, "-+--"), "UUUd");
        assert_eq!(run(&mut Tally::inherited(NOW, false), &timing, "+-++"), "dddU");
    }

    #[test]
    fn fall_and_rise_of_zero_and_one_are_the_same() {
        for number in [0, 1] {
            let timing = timing(number, number);
            assert_eq!(run(&mut Tally::inherited(NOW, true), &timing, "-+-+"), "dUdU");
        }
    }

    #[test]
    fn keepalived_delay_before_retry_holds_while_failures_are_counted() {
        let slow = timing(3, 2);
        let fast = Timing { fast_recovery: true, ..slow };
        let mut tally = Tally::inherited(NOW, true);
        assert!(!tally.hurries(&slow));
        run(&mut tally, &slow, "-");
        assert!(tally.hurries(&slow));
        run(&mut tally, &slow, "--");
        assert!(!tally.up && !tally.hurries(&slow) && tally.hurries(&fast));
    }

    #[test]
    fn keepalived_exit_code_0_leaves_the_weight() {
        let timing = Timing::default();
        let mut tally = Tally::new(NOW, &timing);
        assert!(tally.take(NOW, &Outcome::Up { says: Some(Says::Weight(7)) }, &timing));
        assert!(!tally.take(NOW, &Outcome::Up { says: None }, &timing));
        assert_eq!(tally.says, Some(Says::Weight(7)));
        assert!(tally.take(NOW, &Outcome::Up { says: Some(Says::Add(-1)) }, &timing));
        assert_eq!(tally.says, Some(Says::Add(-1)));
    }
}
