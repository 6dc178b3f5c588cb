//! Requests of the control API, counted by the status of their answers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Every status that is ever answered; the last stands for any other.
const STATUSES: [&str; 16] =
    ["200", "400", "401", "403", "404", "405", "408", "411", "412", "413", "415", "422", "429", "500", "503", "other"];

/// How often each was answered since the daemon started.
#[derive(Debug, Default)]
pub(crate) struct Requests([AtomicU64; STATUSES.len()]);

impl Requests {
    /// One more.
    pub(crate) fn count(&self, status: u16) {
        let text = status.to_string();
        let place = STATUSES.iter().position(|known| *known == text).unwrap_or(STATUSES.len() - 1);
        if let Some(count) = self.0.get(place) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// All of them.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        STATUSES.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_count() {
        let requests = Requests::default();
        for status in [200, 200, 503, 418, 599] {
            requests.count(status);
        }
        let counts = requests.counts();
        let of = |status: &str| counts.iter().find(|(known, _)| *known == status).unwrap().1;
        assert_eq!([of("200"), of("503"), of("other"), of("404")], [2, 1, 2, 0]);
    }
}
