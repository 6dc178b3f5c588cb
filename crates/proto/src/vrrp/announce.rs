//! When neighbours are told where the addresses are: at once, again later, and again and again.

use super::action::Action;
use relvs_model::vrrp::{Announcements, Instance};
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

/// When the next announcement of a family may go out on an interface.
pub(super) type Pace = BTreeMap<(Arc<str>, bool), Duration>;

/// What is announced, and when.
pub(super) struct Announcer {
    settings: Announcements,
    addresses: Vec<(Arc<str>, IpAddr)>,
    /// Waiting for their turn: places in `addresses`.
    queue: VecDeque<usize>,
    again: Option<Duration>,
    refresh: Option<Duration>,
    lower: Option<Duration>,
    defended: Option<Duration>,
}

/// Not more often than this an address that another claims is announced for that reason (RFC 5227 section 2.4 has 10 s).
const DEFEND: Duration = Duration::from_secs(10);

const fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms as u64)
}

impl Announcer {
    pub(super) fn new(instance: &Instance) -> Self {
        let all = instance.addresses.iter().chain(&instance.excluded);
        let addresses = all.map(|address| (instance.interface_of(address).into(), address.address));
        Announcer {
            settings: instance.announcements,
            addresses: addresses.collect(),
            queue: VecDeque::new(),
            again: None,
            refresh: None,
            lower: None,
            defended: None,
        }
    }

    /// The addresses have come here.
    pub(super) fn begin(&mut self, now: Duration) {
        let delay = millis(self.settings.delay_ms);
        self.cancel();
        self.enqueue(self.settings.repeat);
        self.again = (!delay.is_zero()).then(|| now + delay);
        self.refresh = (self.settings.refresh_ms != 0).then(|| now + delay + millis(self.settings.refresh_ms));
    }

    /// They have left.
    pub(super) fn cancel(&mut self) {
        self.queue.clear();
        (self.again, self.refresh, self.lower) = (None, None, None);
    }

    /// Another with a lower priority thought to be master, and may have announced the addresses.
    pub(super) fn lower_priority(&mut self, now: Duration) {
        let repeat = self.settings.lower_prio_repeat.unwrap_or(self.settings.repeat);
        let delay = millis(self.settings.lower_prio_delay_ms.unwrap_or(self.settings.delay_ms));
        if repeat != 0 {
            self.enqueue(repeat);
            self.lower = (!delay.is_zero()).then(|| now + delay);
        }
    }

    /// Another claims an address.
    pub(super) fn defend(&mut self, now: Duration, address: IpAddr) {
        if self.defended.is_none_or(|last| now >= last + DEFEND) {
            self.defended = Some(now);
            self.queue.extend((0..self.addresses.len()).filter(|&at| self.addresses[at].1 == address));
        }
    }

    /// All addresses, so many times. What waits already counts: a slow pace is no reason for an endless queue.
    fn enqueue(&mut self, rounds: u32) {
        for _ in 0..rounds {
            if self.queue.len() < self.addresses.len().saturating_mul(rounds as usize) {
                self.queue.extend(0..self.addresses.len());
            }
        }
    }

    /// When [`Self::run`] has something to do; none if never.
    pub(super) fn next(&self, pace: &Pace) -> Option<Duration> {
        let turn = self.queue.iter().map(|&at| pace.get(&self.key(at)).copied().unwrap_or_default());
        [self.again, self.refresh, self.lower].into_iter().flatten().chain(turn).min()
    }

    fn key(&self, at: usize) -> (Arc<str>, bool) {
        let (interface, address) = &self.addresses[at];
        (interface.clone(), address.is_ipv6())
    }

    /// Announces what is due. Gives how many.
    pub(super) fn run(&mut self, now: Duration, pace: &mut Pace, actions: &mut VecDeque<Action>) -> u64 {
        if self.again.is_some_and(|at| at <= now) {
            self.again = None;
            self.enqueue(self.settings.repeat);
        }
        if self.lower.is_some_and(|at| at <= now) {
            self.lower = None;
            self.enqueue(self.settings.lower_prio_repeat.unwrap_or(self.settings.repeat));
        }
        if self.refresh.is_some_and(|at| at <= now) {
            self.refresh = Some(now + millis(self.settings.refresh_ms));
            self.enqueue(self.settings.refresh_repeat);
        }
        let mut sent = 0;
        for _ in 0..self.queue.len() {
            let Some(at) = self.queue.pop_front() else { break };
            let (interface, address) = self.addresses[at].clone();
            let gap =
                millis(if address.is_ipv4() { self.settings.garp_interval_ms } else { self.settings.gna_interval_ms });
            if !gap.is_zero() {
                let turn = pace.entry((interface.clone(), address.is_ipv6())).or_default();
                if *turn > now {
                    self.queue.push_back(at);
                    continue;
                }
                *turn = now + gap;
            }
            actions.push_back(Action::Announce { interface, address });
            sent += 1;
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::vrrp::VirtualAddress;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn announcer(change: &dyn Fn(&mut Announcements)) -> Announcer {
        let mut instance = Instance { interface: "eth0".into(), ..Instance::default() };
        instance.addresses = ["192.0.2.1", "192.0.2.2"].map(|a| VirtualAddress::new(a.parse().unwrap())).into();
        change(&mut instance.announcements);
        Announcer::new(&instance)
    }

    /// When how many go out, over the first minute.
    fn schedule(announcer: &mut Announcer) -> Vec<(u128, u64)> {
        let (mut pace, mut actions, mut times) = (Pace::new(), VecDeque::new(), Vec::new());
        let mut now = Duration::ZERO;
        for _ in 0..1_000 {
            let sent = announcer.run(now, &mut pace, &mut actions);
            if sent != 0 {
                times.push((now.as_millis(), sent));
            }
            match announcer.next(&pace) {
                Some(next) if next <= s(60) => {
                    assert!(next > now, "{next:?} is not after {now:?}");
                    now = next;
                }
                _ => return times,
            }
        }
        panic!("no end: {times:?}");
    }

    #[test]
    fn five_at_once_and_five_later() {
        let mut announcer = announcer(&|_| {});
        announcer.begin(s(0));
        assert_eq!(schedule(&mut announcer), [(0, 10), (5_000, 10)]);
    }

    #[test]
    fn a_refresh_goes_on() {
        let mut announcer = announcer(&|settings| {
            (settings.repeat, settings.delay_ms, settings.refresh_ms, settings.refresh_repeat) = (1, 0, 25_000, 2);
        });
        announcer.begin(s(0));
        assert_eq!(schedule(&mut announcer), [(0, 2), (25_000, 4), (50_000, 4)]);
        announcer.cancel();
        assert_eq!(schedule(&mut announcer), []);
    }

    #[test]
    fn the_gap_is_kept_and_the_queue_is_bounded() {
        let mut announcer = announcer(&|settings| {
            (settings.repeat, settings.delay_ms, settings.garp_interval_ms) = (2, 0, 1_000);
        });
        announcer.begin(s(0));
        announcer.lower_priority(s(0));
        announcer.lower_priority(s(0));
        assert_eq!(schedule(&mut announcer), [(0, 1), (1_000, 1), (2_000, 1), (3_000, 1)]);
    }

    #[test]
    fn an_address_is_defended_now_and_then() {
        let mut announcer = announcer(&|_| {});
        let address = "192.0.2.2".parse().unwrap();
        announcer.defend(s(1), address);
        announcer.defend(s(2), address);
        assert_eq!(announcer.queue.len(), 1);
        announcer.defend(s(11), address);
        assert_eq!(announcer.queue.len(), 2);
    }
}
