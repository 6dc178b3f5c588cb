//! What a service says for its servers, these for their checks, and each of these again for itself.

use crate::keepalived::{
    Statement,
    keywords::Context,
    reading::{Reading, keep},
};

/// The longest of times: a day.
const LONGEST_MS: u32 = 86_400_000;
/// KEEPALIVED_DEFAULT_DELAY
const DELAY_LOOP_MS: u32 = 60_000;
/// The time for connecting, if none is said.
const CONNECT_TIMEOUT_MS: u32 = 5_000;

/// What is said; what is not comes from the block around.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    retry: Option<u32>,
    delay_before_retry_ms: Option<u32>,
    warmup_ms: Option<u32>,
    delay_loop_ms: Option<u32>,
    connect_timeout_ms: Option<u32>,
    alpha: Option<bool>,
    pub(super) log_all_failures: Option<bool>,
    pub(super) inhibit_on_failure: Option<bool>,
    pub(super) virtualhost: Option<String>,
}

impl Given {
    /// Takes a keyword that stands in all these blocks. Gives whether it was one.
    pub(super) fn take(&mut self, keyword: &str, statement: &Statement, reading: &mut Reading<'_>) -> bool {
        match keyword {
            "retry" => {
                // Only a checker may have none, as in keepalived.
                let least = u32::from(matches!(reading.context, Context::Service | Context::Server));
                keep(&mut self.retry, reading.integer(statement, 0, least..=u32::MAX - 1));
            }
            "delay_before_retry" => {
                keep(&mut self.delay_before_retry_ms, reading.seconds(statement, 0, 0..=LONGEST_MS));
            }
            "warmup" => keep(&mut self.warmup_ms, reading.seconds(statement, 0, 0..=LONGEST_MS)),
            "delay_loop" => keep(&mut self.delay_loop_ms, reading.seconds(statement, 0, 1..=LONGEST_MS)),
            "connect_timeout" => keep(&mut self.connect_timeout_ms, reading.seconds(statement, 0, 1..=LONGEST_MS)),
            "alpha" => keep(&mut self.alpha, reading.boolean(statement)),
            "log_all_failures" => keep(&mut self.log_all_failures, reading.boolean(statement)),
            "inhibit_on_failure" => keep(&mut self.inhibit_on_failure, reading.boolean(statement)),
            "smtp_alert" => reading.alerts |= reading.boolean(statement) == Some(true),
            "virtualhost" => {
                let host = reading.word(statement, 0, "a name").map(str::to_owned);
                keep(&mut self.virtualhost, host);
            }
            _ => return false,
        }
        true
    }

    /// What is said here, and what is said around where nothing is.
    pub(super) fn within(&self, around: &Given) -> Given {
        Given {
            retry: self.retry.or(around.retry),
            delay_before_retry_ms: self.delay_before_retry_ms.or(around.delay_before_retry_ms),
            warmup_ms: self.warmup_ms.or(around.warmup_ms),
            delay_loop_ms: self.delay_loop_ms.or(around.delay_loop_ms),
            connect_timeout_ms: self.connect_timeout_ms.or(around.connect_timeout_ms),
            alpha: self.alpha.or(around.alpha),
            log_all_failures: self.log_all_failures.or(around.log_all_failures),
            inhibit_on_failure: self.inhibit_on_failure.or(around.inhibit_on_failure),
            virtualhost: self.virtualhost.clone().or_else(|| around.virtualhost.clone()),
        }
    }

    pub(super) fn delay_loop_ms(&self) -> u32 {
        self.delay_loop_ms.unwrap_or(DELAY_LOOP_MS)
    }

    /// Of a checker with these defaults of its own: retries, and the delay before one.
    pub(super) fn timing(&self, retry: u32, delay_before_retry_ms: u32) -> relvs_model::health::Timing {
        let connect_timeout_ms = self.connect_timeout_ms.unwrap_or(CONNECT_TIMEOUT_MS);
        relvs_model::health::Timing {
            interval_ms: self.delay_loop_ms(),
            timeout_ms: connect_timeout_ms,
            connect_timeout_ms: 0,
            fall: self.retry.unwrap_or(retry) + 1,
            rise: 1,
            retry_interval_ms: self.delay_before_retry_ms.unwrap_or(delay_before_retry_ms),
            warmup_ms: self.warmup_ms.unwrap_or_else(|| self.delay_loop_ms()),
            fast_recovery: false,
            alpha: self.alpha.unwrap_or(false),
            log_all_failures: self.log_all_failures.unwrap_or(false),
        }
    }
}
