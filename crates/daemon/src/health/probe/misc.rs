//! Does a program say that the server is up? (MISC_CHECK)
//!
//! Its exit code says so, and with `dynamic` a weight. Its time is the check's, and it waits for a place among the programs
//! that run already: not within that time.

use super::{Reason, Talk, course::Time};
use crate::health::program::{End, Ending};
use relvs_model::health::{MiscProbe, Says};
use std::time::Duration;

/// Before the whole time is over the program is ended, so that its reason can be said.
const TO_END_IN: Duration = Duration::from_millis(300);

/// Runs it.
pub(super) async fn probe(talk: &Talk<'_>, misc: &MiscProbe) -> Result<Option<Says>, Reason> {
    let whole = talk.course.whole();
    let limit = Duration::from_millis(misc.script.timeout_ms.into()).min(whole.saturating_sub(TO_END_IN));
    let ending = talk.shared.programs.run(&misc.script, &[], limit).await?;
    judge(&ending, misc.dynamic, limit)
}

fn judge(ending: &Ending, dynamic: bool, limit: Duration) -> Result<Option<Says>, Reason> {
    let said = if ending.said.is_empty() { String::new() } else { format!(": {}", ending.said) };
    match ending.how {
        End::Code(0) => Ok(None),
        // keepalived's: 2 to 255 are a weight and two.
        End::Code(code @ 2..) if dynamic => Ok(Some(Says::Weight(code.unsigned_abs() - 2))),
        End::Code(code) => Err(format!("exit code {code}{said}")),
        End::Signal(signal) => Err(format!("ended by signal {signal}{said}")),
        End::TimedOut => Err(format!("not done within {}{said}", Time(limit))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_an_outcome_and_perhaps_a_weight() {
        let outcome = |how, dynamic| judge(&Ending { how, said: "why".to_owned() }, dynamic, Duration::from_secs(3));
        assert_eq!(outcome(End::Code(0), true), Ok(None));
        assert_eq!(outcome(End::Code(1), true), Err("exit code 1: why".to_owned()));
        assert_eq!(outcome(End::Code(2), true), Ok(Some(Says::Weight(0))));
        assert_eq!(outcome(End::Code(255), true), Ok(Some(Says::Weight(253))));
        assert_eq!(outcome(End::Code(2), false), Err("exit code 2: why".to_owned()));
        assert_eq!(outcome(End::Signal(9), false), Err("ended by signal 9: why".to_owned()));
        assert_eq!(outcome(End::TimedOut, false), Err("not done within 3 s: why".to_owned()));
    }
}
