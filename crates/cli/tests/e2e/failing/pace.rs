//! How often servers are asked, and what follows from it: how long a server that fails stays in.

use std::fmt::Write as _;
use std::time::Duration;

/// The settings of a check that its promise depends on.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) retry_interval: Duration,
    pub(super) fall: u32,
}

/// Short, but a server that is only slow, because the machine is busy, has time enough.
pub(super) const PACE: Pace = Pace {
    interval: Duration::from_millis(200),
    timeout: Duration::from_secs(1),
    retry_interval: Duration::from_millis(100),
    fall: 2,
};

impl Pace {
    /// The lines of a `[service.check]`.
    pub(super) fn lines(self) -> String {
        let Self { interval, timeout, retry_interval, fall } = self;
        let mut lines = format!("fall = {fall}\nwarmup = \"50ms\"\n");
        for (key, time) in [("interval", interval), ("timeout", timeout), ("retry_interval", retry_interval)] {
            let _ = writeln!(lines, "{key} = \"{}ms\"", time.as_millis());
        }
        lines
    }

    /// A server whose probes fail after this time is out at the latest after this (docs/health-checks.md): it has just been found well,
    /// and fails then.
    pub(super) fn promise(self, fails_after: Duration) -> Duration {
        self.interval + self.fall * fails_after.min(self.timeout) + (self.fall - 1) * self.retry_interval
    }

    /// One that is well again is in at the latest after this, by `rise = 1`: a probe has just failed, or is under way and will.
    pub(super) fn return_promise(self, fails_after: Duration) -> Duration {
        fails_after.min(self.timeout) + self.interval
    }
}

/// What a machine that does much else at the same time may need beyond a promise: one probe more than promised may fail for want of a CPU.
pub(super) fn slack(promise: Duration) -> Duration {
    promise + Duration::from_secs(3)
}
