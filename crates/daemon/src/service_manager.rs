//! What the service manager is told: that the director is ready, reads its configuration again, ends, and lives.
//!
//! Without a service manager (no NOTIFY_SOCKET) nothing is sent. It never changes what the director does.
//! Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5).

use sd_notify::NotifyState::{self, ExtendTimeoutUsec, Ready, Reloading, Status, Stopping, Watchdog};
use std::time::Duration;

/// The longest that a start takes without any server: programs are verified, tables of any size are adopted.
const START: Duration = Duration::from_secs(120);
/// So much more for each server: 100 times what is measured.
const PER_SERVER: Duration = Duration::from_millis(5);
/// Signs of life in the time after which the service manager would give up.
const SIGNS: u32 = 3;

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}

/// Tables are adopted and laid out; with this many servers it may take its time.
pub(crate) fn starting(servers: usize) {
    let servers = u32::try_from(servers).unwrap_or(u32::MAX);
    let longest = START.saturating_add(PER_SERVER.saturating_mul(servers));
    let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
    tell(&[ExtendTimeoutUsec(longest), Status("loading programs, taking over what is there")]);
}

/// Frames are forwarded as configured, and the control socket answers.
pub(crate) fn ready(headline: &str) {
    tell(&[Ready, Status(headline)]);
}

/// Something of the headline changed.
pub(crate) fn status(headline: &str) {
    tell(&[Status(headline)]);
}

/// The configuration is read again by `read`.
pub(crate) fn reloading<T>(read: impl FnOnce() -> T) -> T {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[Reloading, now, Status("reading the configuration again")]),
        Err(error) => tracing::warn!("the monotonic clock: {error}"),
    }
    let outcome = read();
    tell(&[Ready]);
    outcome
}

/// The daemon ends.
pub(crate) fn stopping() {
    tell(&[Stopping, Status("ending")]);
}

/// The director's loop turns.
pub(crate) fn alive() {
    tell(&[Watchdog]);
}

/// How often the service manager wants to hear that, if it does.
pub(crate) fn period() -> Option<Duration> {
    Some(sd_notify::watchdog_enabled()? / SIGNS).filter(|period| !period.is_zero())
}
