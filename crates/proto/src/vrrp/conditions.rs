//! What is wrong and lasts, and what of it is logged.

use super::action::{Action, Level};
use relvs_model::vrrp::{Condition, ConditionKind};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// So many are kept: who forges adverts must not fill the memory.
const MOST: usize = 16;
/// A line of one kind is written once in this time; how many were left out is said with the next.
const QUIET: Duration = Duration::from_secs(60);

/// What is wrong with one virtual router.
pub(super) struct Conditions {
    name: Arc<str>,
    list: Vec<Condition>,
    logged: BTreeMap<&'static str, (Duration, u64)>,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Conditions {
    pub(super) const fn new(name: Arc<str>) -> Self {
        Conditions { name, list: Vec::new(), logged: BTreeMap::new() }
    }

    /// Something is wrong, now.
    pub(super) fn note(&mut self, now: Duration, kind: ConditionKind, who: &str) {
        let last_ms = millis(now);
        if let Some(known) = self.list.iter_mut().find(|known| known.kind == kind && known.who == who) {
            (known.last_ms, known.count) = (last_ms, known.count + 1);
            return;
        }
        if self.list.len() == MOST
            && let Some((oldest, _)) = self.list.iter().enumerate().min_by_key(|(_, known)| known.last_ms)
        {
            self.list.remove(oldest);
        }
        self.list.push(Condition { kind, who: who.to_owned(), since_ms: last_ms, last_ms, count: 1 });
    }

    /// It is not wrong any more.
    pub(super) fn clear(&mut self, kind: ConditionKind) {
        self.list.retain(|known| known.kind != kind);
    }

    /// Those that were seen within a time.
    pub(super) fn within(&self, now: Duration, time: Duration) -> Vec<Condition> {
        let oldest = millis(now.saturating_sub(time));
        self.list.iter().filter(|known| known.last_ms >= oldest).cloned().collect()
    }

    /// A new state: what was logged before may be logged again.
    pub(super) fn speak_again(&mut self) {
        self.logged.clear();
    }

    /// Writes a line of a kind, unless one was written lately.
    pub(super) fn log(
        &mut self,
        now: Duration,
        kind: &'static str,
        level: Level,
        actions: &mut VecDeque<Action>,
        text: impl FnOnce() -> String,
    ) {
        let left_out = match self.logged.get_mut(kind) {
            Some((last, left_out)) if now < *last + QUIET => {
                *left_out += 1;
                return;
            }
            Some((_, left_out)) => *left_out,
            None => 0,
        };
        self.logged.insert(kind, (now, 0));
        let mut text = text();
        if left_out != 0 {
            text.push_str(&format!(" ({left_out} more like it before)"));
        }
        actions.push_back(Action::Log { name: self.name.clone(), level, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_line_a_minute_says_how_many_were_left_out() {
        let mut conditions = Conditions::new("web".into());
        let mut actions = VecDeque::new();
        for at in 0..=60 {
            conditions.log(s(at), "ttl", Level::Warning, &mut actions, || format!("at {at}"));
        }
        conditions.log(s(60), "other", Level::Info, &mut actions, || "other".into());
        let texts: Vec<String> = actions
            .iter()
            .filter_map(|action| if let Action::Log { text, .. } = action { Some(text.clone()) } else { None })
            .collect();
        assert_eq!(texts, ["at 0", "at 60 (59 more like it before)", "other"]);
    }

    #[test]
    fn what_is_seen_no_more_is_gone_and_the_list_is_bounded() {
        let mut conditions = Conditions::new("web".into());
        for at in 0..40 {
            conditions.note(s(at), ConditionKind::AdvertsDropped, &at.to_string());
        }
        conditions.note(s(39), ConditionKind::AdvertsDropped, "39");
        assert_eq!(conditions.within(s(40), s(100)).len(), MOST);
        let last = conditions.within(s(40), s(1));
        assert!(matches!(&last[..], [one] if one.who == "39" && one.count == 2), "{last:?}");
        conditions.clear(ConditionKind::AdvertsDropped);
        assert_eq!(conditions.within(s(40), s(100)), []);
    }
}
