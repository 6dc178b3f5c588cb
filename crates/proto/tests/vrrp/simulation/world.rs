//! Routers in virtual time: each with a clock of its own, between them a network that loses, delays and doubles.

use super::{
    check::{Broken, Checks},
    plan::{Mishap, Plan, Time, address, script},
    random::Random,
};
use relvs_model::vrrp::State;
use relvs_proto::vrrp::{Action, Command, Datagram, Input, Outcome, Router, Transmit};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

/// A fault that is planted on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// Addresses stay when they should go.
    KeepsAddresses,
    /// One router never hears that its time has come.
    Sleeps,
    /// One router believes that every advert comes from priority 1.
    MisreadsPriorities,
    /// Notifications of backups are lost.
    LosesNotifications,
}

/// A machine.
struct Machine {
    router: Option<Router>,
    started: Time,
    drift: i64,
    up: bool,
    deaf: bool,
    stalled: Time,
    /// What came while it was stalled.
    backlog: VecDeque<Rc<Message>>,
    due: Option<Time>,
    part: u8,
    failed: bool,
}

struct Message {
    interface: String,
    from: IpAddr,
    to: IpAddr,
    payload: Vec<u8>,
    /// The part that its sender was in, when it was sent.
    part: u8,
}

pub(crate) struct World<'a> {
    plan: &'a Plan,
    random: Random,
    machines: Vec<Machine>,
    on_the_way: BinaryHeap<Reverse<(Time, u64, usize, Sent)>>,
    sent: u64,
    checks: Checks,
    planted: Planted,
    trace: Option<Vec<String>>,
}

/// A message on its way; the order among those of one moment is that of sending.
struct Sent(Rc<Message>);

impl PartialEq for Sent {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Sent {}
impl PartialOrd for Sent {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Sent {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

const MILLION: i64 = 1_000_000;

impl Machine {
    /// What its clock shows.
    fn clock(&self, at: Time) -> Duration {
        let rate = u64::try_from(MILLION + self.drift).unwrap();
        Duration::from_nanos((at - self.started) * rate / MILLION.unsigned_abs())
    }

    /// When its clock shows this.
    fn moment(&self, clock: Duration) -> Time {
        let rate = u64::try_from(MILLION + self.drift).unwrap();
        self.started + (clock.as_nanos() as u64 * MILLION.unsigned_abs()).div_ceil(rate)
    }
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: &'a Plan, random: Random, planted: Planted, trace: bool) -> Self {
        let machine = |&drift: &i64| Machine {
            router: None,
            started: 0,
            drift,
            up: true,
            deaf: false,
            stalled: 0,
            backlog: VecDeque::new(),
            due: None,
            part: 0,
            failed: false,
        };
        World {
            plan,
            random,
            machines: plan.drift.iter().map(machine).collect(),
            on_the_way: BinaryHeap::new(),
            sent: 0,
            checks: Checks::new(plan),
            planted,
            trace: trace.then(Vec::new),
        }
    }

    /// Lets the whole run happen.
    pub(crate) fn run(mut self) -> Result<u64, (Broken, Vec<String>)> {
        let outcome = self.events();
        outcome.map(|()| self.sent).map_err(|broken| (broken, self.trace.unwrap_or_default()))
    }

    fn events(&mut self) -> Result<(), Broken> {
        let mut mishaps = self.plan.mishaps.iter().peekable();
        let end = self.plan.calm + self.plan.promised + self.plan.interval * 5;
        for router in 0..self.machines.len() {
            self.start(0, router)?;
        }
        // Everything that happens takes time, so there is an end; should it not, then there is one here.
        for _ in 0..200_000 {
            let due = self.machines.iter().enumerate().filter_map(|(router, machine)| {
                let timer = machine.due.map(|due| due.max(machine.stalled));
                let backlog = (!machine.backlog.is_empty()).then_some(machine.stalled);
                [timer, backlog].into_iter().flatten().min().map(|due| (due, router))
            });
            let timer = due.min();
            let message = self.on_the_way.peek().map(|Reverse((at, ..))| *at);
            let mishap = mishaps.peek().map(|(at, _)| *at);
            let at = [timer.map(|(at, _)| at), message, mishap].into_iter().flatten().min().unwrap_or(end);
            if at >= end {
                self.checks.masters(end, &self.states())?;
                return Ok(());
            }
            if mishap == Some(at) {
                if let Some((_, mishap)) = mishaps.next() {
                    self.mishap(at, mishap)?;
                }
            } else if message == Some(at) {
                if let Some(Reverse((_, _, to, Sent(message)))) = self.on_the_way.pop() {
                    self.arrives(at, to, message)?;
                }
            } else if let Some((_, router)) = timer {
                self.wakes(at, router)?;
            }
            let states = self.states();
            self.checks.masters(at, &states)?;
        }
        Err(Broken("there is no end of events".into()))
    }

    /// Each machine's part and the state of its instances; none for one that is off or whose links are down.
    fn states(&self) -> Vec<Option<u8>> {
        let takes_part = |machine: &&Machine| machine.router.is_some() && machine.up;
        self.machines.iter().map(|machine| Some(machine).filter(takes_part).map(|machine| machine.part)).collect()
    }

    fn say(&mut self, at: Time, router: usize, text: &dyn std::fmt::Display) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:12.6} {router} {text}", at as f64 / 1e9));
        }
    }

    fn start(&mut self, at: Time, router: usize) -> Result<(), Broken> {
        let settings = &self.plan.settings[router];
        self.say(at, router, &"starts");
        let machine = &mut self.machines[router];
        (machine.router, machine.started, machine.stalled) = (Some(Router::new(settings)), at, at);
        machine.backlog.clear();
        self.checks.restarted(router);
        let is_ipv6 = settings.instances[0].is_ipv6();
        for instance in &settings.instances {
            let up = self.machines[router].up;
            self.handle(at, router, Input::Interface { name: &instance.interface, up })?;
            let address = Some(address(is_ipv6, router));
            self.handle(at, router, Input::Source { interface: &instance.interface, is_ipv6, address })?;
        }
        let outcome = if self.machines[router].failed { Outcome::Failed } else { Outcome::Well };
        self.handle(at, router, Input::Tracked { source: &script(), outcome })?;
        self.handle(at, router, Input::Start)
    }

    fn handle(&mut self, at: Time, router: usize, input: Input<'_>) -> Result<(), Broken> {
        let machine = &mut self.machines[router];
        let clock = machine.clock(at);
        if let Some(machine) = &mut machine.router {
            machine.handle(clock, input);
        }
        self.done(at, router)
    }

    /// Does what the machine wants done.
    fn done(&mut self, at: Time, router: usize) -> Result<(), Broken> {
        let machine = &mut self.machines[router];
        let clock = machine.clock(at);
        let Some(mut of) = machine.router.take() else { return Ok(()) };
        while let Some(action) = of.poll() {
            self.say(at, router, &crate::script::text(&action));
            match action {
                Action::Transmit(transmit) => {
                    self.checks.sent(at, router, &transmit, &of.status(clock))?;
                    self.transmit(at, router, &transmit);
                }
                Action::RemoveAddresses(_) if self.planted == Planted::KeepsAddresses => {}
                Action::AddAddresses(instance) => self.checks.addresses(router, &instance.name, true)?,
                Action::RemoveAddresses(instance) => self.checks.addresses(router, &instance.name, false)?,
                Action::Notify(told) => {
                    let lost = self.planted == Planted::LosesNotifications && told.event.word() == "BACKUP";
                    if !lost {
                        self.checks.told(router, &told)?;
                    }
                }
                Action::Announce { interface, .. } => self.checks.announced(router, &interface)?,
                Action::LeaveVirtualMac(_) | Action::RestoreRoutes(_) | Action::Log { .. } => {}
            }
        }
        self.checks.settled(router, &of.status(clock))?;
        let machine = &mut self.machines[router];
        machine.due = of.poll_timeout().map(|due| machine.moment(due).max(at));
        if of.is_stopped() {
            machine.due = None;
            self.checks.restarted(router);
        } else {
            machine.router = Some(of);
        }
        Ok(())
    }

    fn transmit(&mut self, at: Time, router: usize, transmit: &Transmit) {
        let sender = &self.machines[router];
        if !sender.up {
            return;
        }
        let message = Rc::new(Message {
            interface: transmit.instance.interface.clone(),
            from: transmit.source,
            to: transmit.destination,
            payload: transmit.payload.clone(),
            part: sender.part,
        });
        let calm = at >= self.plan.calm;
        for other in (0..self.machines.len()).filter(|&other| other != router) {
            let addressed = transmit.destination.is_multicast()
                || transmit.destination == address(transmit.source.is_ipv6(), other);
            if !addressed || (!calm && self.random.once_in(self.plan.loss)) {
                continue;
            }
            for _ in 0..1 + u64::from(self.random.once_in(self.plan.doubled)) {
                let arrives = at + self.random.within(self.plan.delay / 10 + 1, self.plan.delay + 2);
                self.sent += 1;
                self.on_the_way.push(Reverse((arrives, self.sent, other, Sent(message.clone()))));
            }
        }
    }

    fn arrives(&mut self, at: Time, to: usize, message: Rc<Message>) -> Result<(), Broken> {
        let machine = &mut self.machines[to];
        if machine.router.is_none() || !machine.up || machine.deaf || machine.part != message.part {
            return Ok(());
        }
        if machine.stalled > at {
            machine.backlog.push_back(message);
            return Ok(());
        }
        self.hears(at, to, &message)
    }

    fn hears(&mut self, at: Time, to: usize, message: &Message) -> Result<(), Broken> {
        let mut payload = message.payload.clone();
        if self.planted == Planted::MisreadsPriorities && to == 0 && payload[2] > 1 {
            // The checksum is that of the sum, so what the priority lost the unused byte 4 gains; version 2 has a use for it.
            payload[4] = payload[4].wrapping_add(payload[2] - 1);
            payload[2] = 1;
        }
        let payload = payload.as_slice();
        let (source, destination) = (message.from, message.to);
        let datagram = Datagram { interface: &message.interface, source, destination, ttl: Some(255), payload };
        self.handle(at, to, Input::Datagram(datagram))
    }

    /// What came in a stall first, then what is due.
    fn wakes(&mut self, at: Time, router: usize) -> Result<(), Broken> {
        while let Some(message) = self.machines[router].backlog.pop_front() {
            self.hears(at, router, &message)?;
        }
        let machine = &mut self.machines[router];
        if self.planted == Planted::Sleeps && router == 0 {
            machine.due = machine.due.map(|due| due.max(at) + self.plan.interval);
            return Ok(());
        }
        let clock = machine.clock(at);
        if let Some(of) = &mut machine.router {
            of.handle_timeout(clock);
            if of.poll_timeout().is_some_and(|next| next <= clock) {
                return Err(Broken(format!("router {router}: the timer of {clock:?} is due again at once")));
            }
        }
        self.done(at, router)
    }

    fn mishap(&mut self, at: Time, mishap: &Mishap) -> Result<(), Broken> {
        self.say(at, 9, &format_args!("{mishap:?}"));
        self.checks.disturbed(at);
        match *mishap {
            Mishap::Calm => {
                for machine in &mut self.machines {
                    machine.deaf = false;
                    machine.stalled = machine.stalled.min(at);
                }
                Ok(())
            }
            Mishap::Crash(router) => {
                let machine = &mut self.machines[router];
                (machine.router, machine.due) = (None, None);
                machine.backlog.clear();
                self.checks.restarted(router);
                Ok(())
            }
            Mishap::Restart(router) if self.machines[router].router.is_none() => self.start(at, router),
            Mishap::Restart(_) => Ok(()),
            Mishap::Stall(router, time) => {
                self.machines[router].stalled = (at + time).min(self.plan.calm);
                Ok(())
            }
            Mishap::Down(router) => self.links(at, router, false),
            Mishap::Up(router) => self.links(at, router, true),
            Mishap::Fail(router) => self.script(at, router, true),
            Mishap::Mend(router) => self.script(at, router, false),
            Mishap::FailOver(router) => self.command(at, router, Command::FailOver),
            Mishap::Release(router) => self.command(at, router, Command::Release),
            Mishap::Stop(router) => self.handle(at, router, Input::Stop { hand_over: true }),
            Mishap::Split(parts) => {
                for (machine, part) in self.machines.iter_mut().zip(parts) {
                    machine.part = part;
                }
                Ok(())
            }
            Mishap::Deaf(router) => {
                self.machines[router].deaf = true;
                Ok(())
            }
        }
    }

    fn links(&mut self, at: Time, router: usize, up: bool) -> Result<(), Broken> {
        self.machines[router].up = up;
        for instance in &self.plan.settings[router].instances {
            self.handle(at, router, Input::Interface { name: &instance.interface, up })?;
        }
        Ok(())
    }

    fn script(&mut self, at: Time, router: usize, failed: bool) -> Result<(), Broken> {
        self.machines[router].failed = failed;
        let outcome = if failed { Outcome::Failed } else { Outcome::Well };
        self.handle(at, router, Input::Tracked { source: &script(), outcome })
    }

    fn command(&mut self, at: Time, router: usize, command: Command) -> Result<(), Broken> {
        let machine = &mut self.machines[router];
        let clock = machine.clock(at);
        if let Some(of) = &mut machine.router {
            let name = if self.plan.grouped { "g" } else { "a" };
            let master = of.status(clock).instances[0].state == State::Master;
            let done = of.command(clock, name, command);
            if command == Command::FailOver && done.is_ok() != master {
                return Err(Broken(format!("router {router}: a hand-over was {done:?}")));
            }
        }
        self.done(at, router)
    }
}
