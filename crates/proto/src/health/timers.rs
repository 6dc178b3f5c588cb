//! What is due when: probes, answers to them, ends of holds, steps of slow starts.

use super::{Monitor, ProbeId, Start};
use relvs_model::health::Outcome;
use std::time::Duration;

/// Whose timer it is. Each has one at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// The next probe, or the answer to the one under way.
    Ask(u32),
    /// The end of a hold, or the next step of a slow start.
    Member(u32),
}

impl Monitor {
    pub(super) fn set_ask_timer(&mut self, number: u32, due: Option<Duration>) {
        let Some(ask) = self.asks.get_mut(number) else { return };
        if let Some(before) = std::mem::replace(&mut ask.timer, due) {
            self.timers.remove(&(before, Wake::Ask(number)));
        }
        if let Some(due) = due {
            self.timers.insert((due, Wake::Ask(number)));
        }
    }

    pub(super) fn set_member_timer(&mut self, number: u32) {
        let Some(member) = self.members.get_mut(number) else { return };
        let due = member.next();
        if member.timer == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut member.timer, due) {
            self.timers.remove(&(before, Wake::Member(number)));
        }
        if let Some(due) = due {
            self.timers.insert((due, Wake::Member(number)));
        }
    }

    /// Starts a probe, or gives one up that should have ended.
    pub(super) fn ask_is_due(&mut self, now: Duration, planned: Duration, number: u32) {
        let Some(ask) = self.asks.get_mut(number) else { return };
        ask.timer = None;
        if let Some(probe) = ask.running.take() {
            self.actions.cancel.push(ProbeId { ask: number, number: probe });
            let why = "the probe has not ended in its time".to_owned();
            self.answered(now, number, Outcome::Down { why });
            return;
        }
        self.probes += 1;
        ask.running = Some(self.probes);
        ask.began = now;
        let id = ProbeId { ask: number, number: self.probes };
        let (question, deadline) = (ask.subject.question.clone(), ask.subject.deadline(now));
        self.actions.start.push(Start { id, question, planned });
        self.set_ask_timer(number, Some(deadline));
    }

    pub(super) fn member_is_due(&mut self, now: Duration, number: u32) {
        let Some(member) = self.members.get_mut(number) else { return };
        member.timer = None;
        if member.pass(now) {
            self.judge(now, number);
        }
        self.set_member_timer(number);
    }

    /// A probe of it is made within the warm-up from now, unless it has its turn already.
    pub(super) fn begin_asking(&mut self, now: Duration, number: u32, warmup_ms: u32) {
        let idle = self.asks.get(number).is_some_and(|ask| ask.timer.is_none());
        if idle {
            let wait = Duration::from_millis(u64::from(self.random.up_to(warmup_ms)));
            self.set_ask_timer(number, Some(now + wait));
        }
    }

    /// Nothing is asked for now, and nothing is known.
    pub(super) fn stop_asking(&mut self, number: u32) {
        self.set_ask_timer(number, None);
        let Some(ask) = self.asks.get_mut(number) else { return };
        ask.last = None;
        if let Some(probe) = ask.running.take() {
            self.actions.cancel.push(ProbeId { ask: number, number: probe });
        }
    }
}
