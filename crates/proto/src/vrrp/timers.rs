//! How long a backup waits: RFC 9568 section 6.1, RFC 3768 section 6.1.

use super::instance::Instance;
use relvs_model::vrrp::Version;
use std::time::Duration;

/// What a backup waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Adverts are missed (Active_Down_Interval).
    Missed,
    /// The master has said that it leaves (Skew_Time).
    Resigned,
    /// It is meant to be master and gives another one interval to speak.
    First,
}

/// Who has the higher priority waits less, so that not all take over at once. In version 2 by parts of a second, in
/// version 3 by parts of the interval.
pub(super) fn skew(version: Version, priority: u8, interval: Duration) -> Duration {
    let unit = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    unit * (256 - u32::from(priority)) / 256
}

impl Instance {
    /// How long this wait is. The interval is the master's.
    pub(super) fn span(&self, wait: Wait) -> Duration {
        let skew = |priority| skew(self.version, priority, self.master_interval);
        match wait {
            Wait::Missed => self.down_interval(),
            Wait::Resigned => skew(self.standing.priority),
            Wait::First => self.master_interval + skew(u8::MAX),
        }
    }

    /// The time without adverts after which the master is gone.
    pub(super) fn down_interval(&self) -> Duration {
        let skew = skew(self.version, self.standing.priority, self.master_interval);
        self.master_interval * u32::from(self.settings.down_timer_adverts) + skew
    }

    /// How long a master that hands over waits for another: the longest skew, and a little for the way.
    pub(super) fn hand_over_span(&self) -> Duration {
        let skew = skew(self.version, 0, self.interval);
        skew + skew / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_is_that_of_the_version() {
        let ms = Duration::from_millis;
        assert_eq!(skew(Version::V2, 128, ms(5_000)), ms(500));
        assert_eq!(skew(Version::V3, 128, ms(5_000)), ms(2_500));
        assert_eq!(skew(Version::V3, 254, ms(10)), Duration::from_nanos(78_125));
        assert_eq!(skew(Version::V3, 1, ms(40_950)) + ms(0), ms(40_950) * 255 / 256);
    }
}
