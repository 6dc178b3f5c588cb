//! One server of one service: what its checks together say, whether it is held down, and what weight it has.

use super::tally::Tally;
use relvs_model::{
    Server, ServiceKey,
    health::{Check, Damping, Says, ServerHealth},
};
use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

/// A server that comes back has its whole weight after so many steps: each is a change of the scheduler's table.
pub(super) const STEPS: u32 = 10;

/// The greatest weight: IPVS's weights are signed.
const MAX_WEIGHT: i64 = i32::MAX as i64;

/// A check of the server, and what is known by it.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) check: Check,
    /// The number of what is asked for it.
    pub(super) ask: u32,
    pub(super) tally: Tally,
}

/// The weight grows since then, and is that many steps of [`STEPS`] up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ramp {
    pub(super) from: Duration,
    pub(super) step: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) service: ServiceKey,
    pub(super) base: Server,
    /// The checks; empty: it is always up.
    pub(super) seats: Vec<Seat>,
    pub(super) up: bool,
    pub(super) since: Duration,
    pub(super) why: Arc<str>,
    pub(super) drained: bool,
    /// When it went down, the last times that damping asks for.
    pub(super) falls: VecDeque<Duration>,
    pub(super) held_until: Option<Duration>,
    pub(super) ramp: Option<Ramp>,
    pub(super) timer: Option<Duration>,
    /// What it adds to its service's sum of weights.
    pub(super) counted: u32,
    /// The weight by which it was last said to be scheduled.
    pub(super) laid: Option<u32>,
}

impl Member {
    pub(super) fn health(&self) -> Option<&ServerHealth> {
        self.base.health.as_deref()
    }

    pub(super) const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.base.address, self.base.port)
    }

    pub(super) fn inhibits(&self) -> bool {
        self.health().is_some_and(|health| health.inhibit_on_failure)
    }

    pub(super) fn slow_start(&self) -> Duration {
        Duration::from_millis(self.health().map_or(0, |health| u64::from(health.slow_start_ms)))
    }

    /// What its checks and damping say.
    pub(super) fn should_be_up(&self) -> bool {
        self.held_until.is_none() && self.seats.iter().all(|seat| seat.tally.up)
    }

    /// Its weight if it is up and has been for long: the administrator's, with what checks say to it.
    ///
    /// As in keepalived every check that says something moves the weight by its difference. But where the administrator says
    /// 0, that is it.
    pub(super) fn weight(&self) -> u32 {
        if self.drained || self.base.weight == 0 {
            return 0;
        }
        let base = i64::from(self.base.weight);
        let moved = |seat: &Seat| match seat.tally.says {
            Some(Says::Weight(weight)) => i64::from(weight) - base,
            Some(Says::Add(add)) => i64::from(add),
            None => 0,
        };
        let weight = base + self.seats.iter().map(moved).sum::<i64>();
        u32::try_from(weight.clamp(0, MAX_WEIGHT)).unwrap_or(0)
    }

    /// Its weight now, when it is up.
    pub(super) fn weight_now(&self) -> u32 {
        let whole = self.weight();
        match self.ramp {
            Some(Ramp { step, .. }) if whole > 0 => {
                let part = u64::from(whole) * u64::from(step) / u64::from(STEPS);
                u32::try_from(part).unwrap_or(whole).max(1)
            }
            _ => whole,
        }
    }

    /// It begins to come back.
    pub(super) fn start_slowly(&mut self, now: Duration) {
        self.ramp = (!self.slow_start().is_zero()).then_some(Ramp { from: now, step: 0 });
    }

    /// It went down: from now on it is held, if that was once too often.
    pub(super) fn fell(&mut self, now: Duration) {
        self.ramp = None;
        let Some(Damping { falls, within_ms, hold_ms }) = self.health().and_then(|health| health.damping) else {
            self.falls.clear();
            return;
        };
        self.falls.push_back(now);
        while self.falls.len() > falls as usize {
            self.falls.pop_front();
        }
        let within = Duration::from_millis(u64::from(within_ms));
        let enough = falls > 0 && self.falls.len() == falls as usize;
        if enough && self.falls.front().is_some_and(|first| now.saturating_sub(*first) <= within) {
            self.held_until = Some(now + Duration::from_millis(u64::from(hold_ms)));
        }
    }

    /// Lets go what is over by now; whether anything was.
    pub(super) fn pass(&mut self, now: Duration) -> bool {
        let held = self.held_until.take_if(|until| *until <= now).is_some();
        let all = self.slow_start();
        let Some(ramp) = self.ramp else { return held };
        let steps = if all.is_zero() {
            u128::from(STEPS)
        } else {
            now.saturating_sub(ramp.from).as_millis() * u128::from(STEPS) / all.as_millis()
        };
        let step = u32::try_from(steps).unwrap_or(STEPS).min(STEPS);
        self.ramp = (step < STEPS).then_some(Ramp { from: ramp.from, step });
        held || step > ramp.step
    }

    /// When something is over next.
    pub(super) fn next(&self) -> Option<Duration> {
        let step = self.ramp.map(|ramp| {
            let all = u64::try_from(self.slow_start().as_millis()).unwrap_or(u64::MAX);
            let part = all.saturating_mul(u64::from(ramp.step) + 1).div_ceil(u64::from(STEPS));
            ramp.from + Duration::from_millis(part)
        });
        [self.held_until, step].into_iter().flatten().min()
    }

    /// What it says about the first check that fails, or about what holds it down.
    pub(super) fn complaint(&self, name: impl Fn(&Seat) -> String) -> Arc<str> {
        if let Some(seat) = self.seats.iter().find(|seat| !seat.tally.up) {
            let name = name(seat);
            return match &seat.tally.error {
                Some(error) => format!("{name}: {}", error.why).into(),
                None => format!("{name}: no success yet").into(),
            };
        }
        "held down for a while, as it went down too often".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::{Method, Protocol, health::Timing};

    fn member(weight: u32, health: ServerHealth) -> Member {
        let address = [10, 0, 0, 11].into();
        let mut base = Server::new(address, 80, weight, Method::Dr);
        base.health = Some(Arc::new(health));
        Member {
            service: ServiceKey::listen(Protocol::Tcp, address, 80),
            base,
            seats: Vec::new(),
            up: true,
            since: Duration::ZERO,
            why: "".into(),
            drained: false,
            falls: VecDeque::new(),
            held_until: None,
            ramp: None,
            timer: None,
            counted: 0,
            laid: None,
        }
    }

    fn with(weight: u32, says: &[Says]) -> u32 {
        let mut member = member(weight, ServerHealth::default());
        for says in says {
            let check =
                Check { probe: relvs_model::health::Probe::Tcp, target: Default::default(), timing: Timing::default() };
            let mut tally = Tally::inherited(Duration::ZERO, true);
            tally.says = Some(*says);
            member.seats.push(Seat { check, ask: 0, tally });
        }
        member.weight()
    }

    #[test]
    fn keepalived_weights_that_checks_say_are_added_up() {
        assert_eq!(with(10, &[]), 10);
        assert_eq!(with(10, &[Says::Weight(3)]), 3);
        assert_eq!(with(10, &[Says::Add(-4)]), 6);
        assert_eq!(with(10, &[Says::Weight(20), Says::Add(-4)]), 16);
        assert_eq!(with(10, &[Says::Add(-253)]), 0);
        assert_eq!(with(u32::MAX, &[Says::Add(i32::MAX)]), i32::MAX as u32);
        assert_eq!(with(10, &[Says::Weight(0)]), 0);
        // What the administrator has taken out no check brings back.
        assert_eq!(with(0, &[Says::Weight(20)]), 0);
    }

    #[test]
    fn the_weight_grows_in_steps_and_is_never_nothing() {
        let mut member = member(25, ServerHealth { slow_start_ms: 1_005, ..ServerHealth::default() });
        let start = Duration::from_secs(100);
        member.start_slowly(start);
        let mut seen = vec![(0, member.weight_now())];
        while let Some(next) = member.next() {
            assert!(!member.pass(next - Duration::from_millis(1)), "not before");
            assert!(member.pass(next));
            seen.push(((next - start).as_millis(), member.weight_now()));
        }
        let steps = [0, 101, 201, 302, 402, 503, 603, 704, 804, 905, 1005];
        let weights = [1, 2, 5, 7, 10, 12, 15, 17, 20, 22, 25];
        assert_eq!(seen, steps.into_iter().zip(weights).collect::<Vec<_>>());
        member.start_slowly(start);
        member.drained = true;
        assert_eq!(member.weight_now(), 0);
    }

    #[test]
    fn a_server_that_falls_too_often_is_held() {
        let damping = Some(Damping { falls: 3, within_ms: 10_000, hold_ms: 60_000 });
        let mut member = member(1, ServerHealth { damping, ..ServerHealth::default() });
        let second = Duration::from_secs;
        for now in [0, 5, 11] {
            member.fell(second(now));
            assert_eq!(member.held_until, None, "{now}");
        }
        member.fell(second(15));
        assert_eq!(member.held_until, Some(second(75)));
        assert!(!member.should_be_up());
        assert!(!member.pass(second(74)) && member.pass(second(75)) && member.should_be_up());
    }
}
