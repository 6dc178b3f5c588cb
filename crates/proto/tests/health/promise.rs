//! How long until a server that fails is out: what docs/health-checks.md promises, for every moment at which it may fail.

use crate::scene::{checked, key, seconds, server, service, shared, tcp, timing};
use relvs_model::health::{Outcome, ServiceHealth, Timing};
use relvs_proto::health::{Input, Memory, Monitor};
use std::time::Duration;

const fn ms(ms: u32) -> Duration {
    Duration::from_millis(ms as u64)
}

/// A probe of a good server takes so long.
const GOOD: Duration = ms(3);

/// From its failure to the change of the tables, for a server that fails so long after the end of its first probe. A probe that finds it
/// broken takes `fails_after`, or its timeout.
fn out_after(timing: &Timing, fails: Duration, fails_after: Duration) -> Duration {
    let services = shared(&[service(ServiceHealth::default(), vec![server(11, 1, checked(tcp(*timing)))])]);
    let begin = seconds(1000);
    let mut monitor = Monitor::new(begin, 1, &services, Memory::default());
    let broken = begin + GOOD + fails;
    let mut ends: Option<(Duration, Input)> = None;
    for _ in 0..10_000 {
        let due = monitor.poll_timeout().unwrap();
        let now = ends.as_ref().map_or(due, |(end, _)| due.min(*end));
        match ends.take_if(|(end, _)| *end == now) {
            Some((_, input)) => monitor.handle(now, [input]),
            None => monitor.handle_timeout(now),
        }
        let actions = monitor.take();
        if actions.effective.contains(&key(80)) {
            return now - broken;
        }
        for start in actions.start {
            let bad = now + GOOD > broken;
            let (takes, outcome) = if bad {
                (fails_after.min(ms(timing.timeout_ms)), Outcome::Down { why: "refused".to_owned() })
            } else {
                (GOOD, Outcome::Up { says: None })
            };
            ends = Some((now + takes, Input::Ended { id: start.id, outcome }));
        }
    }
    panic!("it is never out: {timing:?}");
}

#[test]
fn a_server_that_fails_is_out_when_its_settings_promise_it() {
    let of = |interval_ms, retry_interval_ms, timeout_ms, fall| Timing {
        interval_ms,
        retry_interval_ms,
        timeout_ms,
        fall,
        ..timing()
    };
    let settings = [timing(), of(200, 100, 1000, 2), of(200, 50, 100, 1), of(500, 0, 300, 3), of(100, 700, 50, 4)];
    for timing in settings {
        let (interval, timeout) = (ms(timing.interval_ms), ms(timing.timeout_ms));
        let retry = if timing.retry_interval_ms == 0 { interval } else { ms(timing.retry_interval_ms) };
        for fails_after in [ms(0), ms(40), timeout, 3 * timeout] {
            let promise = interval + timing.fall * fails_after.min(timeout) + (timing.fall - 1) * retry;
            // Just after a probe has found it well is the worst moment, and no other is worse.
            assert_eq!(out_after(&timing, Duration::ZERO, fails_after), promise, "{timing:?}, {fails_after:?}");
            for moment in (0..=interval.as_millis() as u32 * 2).step_by(7) {
                let took = out_after(&timing, ms(moment), fails_after);
                assert!(took <= promise, "{timing:?}, {fails_after:?}, {moment} ms: {took:?}, promised {promise:?}");
            }
        }
    }
}
