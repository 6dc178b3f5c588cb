//! How far a probe has come, for what is said when its time is over.

use super::{Limits, Reason};
use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// What a probe waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// The server's end of a connection.
    Connection,
    /// The end of TLS's handshake.
    Tls,
    /// The first, or the next, answer.
    Answer,
    /// The rest of an answer.
    Rest,
    /// A program's or a file's end.
    Other,
}

const ALL: [Waits; 5] = [Waits::Connection, Waits::Tls, Waits::Answer, Waits::Rest, Waits::Other];

/// One probe's way through its phases.
#[derive(Debug)]
pub(super) struct Course {
    begun: Instant,
    limits: Limits,
    waits: AtomicU8,
    connected: OnceLock<Duration>,
    read: AtomicU64,
}

impl Course {
    /// From now.
    pub(super) fn begin(limits: Limits) -> Self {
        Course {
            begun: Instant::now(),
            limits,
            waits: AtomicU8::new(Waits::Other as u8),
            connected: OnceLock::new(),
            read: AtomicU64::new(0),
        }
    }

    /// When it must be over.
    pub(super) fn deadline(&self) -> Instant {
        self.begun + self.limits.whole
    }

    /// How long it may take in all.
    pub(super) fn whole(&self) -> Duration {
        self.limits.whole
    }

    /// From now on it waits for that.
    pub(super) fn waits_for(&self, what: Waits) {
        self.waits.store(what as u8, Ordering::Relaxed);
    }

    /// The connection stands.
    pub(super) fn connected(&self) {
        // A second connection of one probe changes nothing.
        let _ = self.connected.set(self.begun.elapsed());
        self.waits_for(Waits::Answer);
    }

    /// So many bytes more of the answer have come.
    pub(super) fn read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Gives the connection its own time, which may be shorter than the whole.
    pub(super) async fn connecting<T>(&self, connect: impl Future<Output = Result<T, Reason>>) -> Result<T, Reason> {
        self.waits_for(Waits::Connection);
        if self.limits.connect >= self.limits.whole {
            return connect.await;
        }
        let deadline = self.begun + self.limits.connect;
        tokio::time::timeout_at(deadline, connect)
            .await
            .unwrap_or_else(|_| Err(format!("no connection within {}", Time(self.limits.connect))))
    }

    /// What is said when the whole time is over.
    pub(super) fn timed_out(&self) -> Reason {
        let (limit, read) = (Time(self.limits.whole), self.read.load(Ordering::Relaxed));
        let connected = match self.connected.get() {
            Some(after) => format!("connected after {}", Time(*after)),
            None => "without a connection".to_owned(),
        };
        let waits = ALL.get(usize::from(self.waits.load(Ordering::Relaxed))).copied().unwrap_or(Waits::Other);
        match waits {
            Waits::Connection => format!("no connection within {limit}"),
            Waits::Tls => format!("no TLS handshake within {limit} ({connected})"),
            Waits::Answer if self.connected.get().is_some() => format!("no answer within {limit} ({connected})"),
            Waits::Answer => format!("no answer within {limit}"),
            Waits::Rest => format!("no whole answer within {limit} ({connected}, then {read} bytes)"),
            Waits::Other => format!("not done within {limit}"),
        }
    }
}

/// A time for people: `3 s`, `250 ms`, `1.5 s`.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        if milliseconds < 1000 {
            write!(f, "{milliseconds} ms")
        } else {
            write!(f, "{} s", milliseconds as f64 / 1000.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_shortly() {
        let text = |milliseconds| Time(Duration::from_millis(milliseconds)).to_string();
        assert_eq!([text(3000), text(250), text(1500), text(0)], ["3 s", "250 ms", "1.5 s", "0 ms"]);
    }

    #[test]
    fn every_phase_says_what_is_missing() {
        let course = Course::begin(Limits { whole: Duration::from_secs(3), connect: Duration::from_secs(3) });
        let said = |what| {
            course.waits_for(what);
            course.timed_out()
        };
        assert_eq!(said(Waits::Connection), "no connection within 3 s");
        assert_eq!(said(Waits::Answer), "no answer within 3 s");
        assert_eq!(said(Waits::Other), "not done within 3 s");
        course.connected.set(Duration::from_millis(2)).unwrap();
        course.read(17);
        assert_eq!(said(Waits::Tls), "no TLS handshake within 3 s (connected after 2 ms)");
        assert_eq!(said(Waits::Answer), "no answer within 3 s (connected after 2 ms)");
        assert_eq!(said(Waits::Rest), "no whole answer within 3 s (connected after 2 ms, then 17 bytes)");
    }
}
