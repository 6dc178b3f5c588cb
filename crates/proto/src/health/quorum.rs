//! Whether enough servers are up, by keepalived's rule with its hysteresis.

use relvs_model::health::ServiceHealth;

/// The sums of weights at which a service goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quorum {
    /// From this on it is won.
    wins: u64,
    /// Below this it is lost.
    keeps: u64,
}

impl Quorum {
    /// A hysteresis that is not less than the quorum is cut to one less than it.
    pub(super) fn of(health: &ServiceHealth) -> Self {
        let quorum = u64::from(health.quorum.max(1));
        let hysteresis = u64::from(health.hysteresis).min(quorum - 1);
        Quorum { wins: quorum + hysteresis, keeps: quorum - hysteresis }
    }

    /// Whether it is won, when it was, or was not.
    pub(super) const fn judge(self, was: bool, weight: u64) -> bool {
        weight >= self.needed(was)
    }

    /// The sum that keeps it, or that wins it again.
    pub(super) const fn needed(self, was: bool) -> u64 {
        if was { self.keeps } else { self.wins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts for sums that follow each other, beginning with a quorum.
    fn run(quorum: u32, hysteresis: u32, sums: &[u64]) -> String {
        let quorum = Quorum::of(&ServiceHealth { quorum, hysteresis, ..ServiceHealth::default() });
        let mut won = true;
        let verdict = |sum: &u64| {
            won = quorum.judge(won, *sum);
            if won { 'U' } else { 'd' }
        };
        sums.iter().map(verdict).collect()
    }

    #[test]
    fn keepalived_quorum_and_hysteresis() {
        assert_eq!(run(1, 0, &[3, 1, 0, 1]), "UUdU");
        // Lost below 10 - 3, won from 10 + 3.
        assert_eq!(run(10, 3, &[8, 7, 6, 12, 13, 7]), "UUddUU");
    }

    #[test]
    fn keepalived_hysteresis_is_cut_so_that_no_server_is_no_quorum() {
        for hysteresis in [2, 3, u32::MAX] {
            assert_eq!(run(3, hysteresis, &[1, 0, 4, 5, 1, 0]), "UddUUd", "{hysteresis}");
        }
        assert_eq!(run(1, 5, &[1, 0, 1]), "UdU");
        assert_eq!(run(0, 0, &[1, 0, 1]), "UdU");
    }
}
