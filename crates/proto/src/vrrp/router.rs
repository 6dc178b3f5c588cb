//! All virtual routers of this machine: gives each what concerns it, and lets groups change together.

use super::{
    action::{Action, Event, Level},
    announce::Pace,
    election::Heard,
    group::Group,
    input::{Datagram, Input},
    instance::{Instance, Then, millis},
    packet,
    timers::Wait,
    track::World,
};
use relvs_model::vrrp::{ConditionKind, GroupStatus, InitialState, Settings, State, Status, TrackSource};
use std::{collections::VecDeque, net::IpAddr, time::Duration};

/// The machine. Time is a duration since a beginning that the caller chooses, and never runs backwards.
///
/// A caller hands in everything that it has received before it calls [`Self::handle_timeout`]: after a pause, in which
/// adverts arrived and nobody looked, a timer would otherwise tell of a silence that never was.
pub struct Router {
    pub(super) instances: Vec<Instance>,
    pub(super) groups: Vec<Group>,
    pub(super) world: World,
    pub(super) actions: VecDeque<Action>,
    pace: Pace,
    startup_delay: Duration,
    begin_at: Option<Duration>,
    pub(super) started: bool,
    pub(super) stopping: bool,
    unknown_router: u64,
    too_short: u64,
}

impl Router {
    /// Of settings without fatal problems ([`Settings::problems`]). Nothing happens before [`Input::Start`].
    pub fn new(settings: &Settings) -> Self {
        let groups: Vec<Group> = settings.groups.iter().map(|group| Group::new(group, settings)).collect();
        let of = |at: usize| groups.iter().position(|group| group.members.contains(&at));
        let instances = settings.instances.iter().enumerate();
        let instances = instances.map(|(at, instance)| Instance::new(instance.clone(), of(at))).collect();
        Router {
            instances,
            groups,
            world: World::default(),
            actions: VecDeque::new(),
            pace: Pace::new(),
            startup_delay: Duration::from_millis(settings.startup_delay_ms.into()),
            begin_at: None,
            started: false,
            stopping: false,
            unknown_router: 0,
            too_short: 0,
        }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Start => {
                self.begin_at = Some(now + self.startup_delay);
                self.begin_if_due(now);
            }
            Input::Stop { hand_over } => self.stop(now, hand_over),
            Input::Datagram(datagram) => self.receive(now, &datagram),
            Input::Interface { name, up } => {
                self.world.interfaces.insert(name.to_owned(), up);
                self.evaluate(now);
            }
            Input::Source { interface, is_ipv6, address } => {
                self.world.sources.insert((interface.to_owned(), is_ipv6), address);
                self.evaluate(now);
            }
            Input::Tracked { source, outcome } => {
                let was_well = self.world.is_well(source);
                self.world.tracked.insert(source.clone(), outcome);
                self.evaluate(now);
                if !was_well && self.world.is_well(source) {
                    self.arbiter_is_back(now, source);
                }
            }
            Input::Claimed { interface, address, by } => self.claimed(now, interface, address, by),
            Input::AddressLost { interface, address } => self.address_lost(now, interface, address),
            Input::Routes => self.restore_routes(),
        }
        self.settle(now);
    }

    /// The time of [`Self::poll_timeout`] has come, or any other.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.begin_if_due(now);
        for at in 0..self.instances.len() {
            if let Some(deadline) = self.instances[at].deadline().filter(|&deadline| deadline <= now) {
                self.count_lateness(at, now - deadline);
                self.due(now, at);
            }
        }
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] has something to do; none if only an input can change anything.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let instances = self.instances.iter();
        let timers = instances.flat_map(|instance| [instance.deadline(), instance.announcer.next(&self.pace)]);
        timers.flatten().chain(self.begin_at).min()
    }

    /// What is to be done next, in order.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether everything has ended after [`Input::Stop`].
    pub fn is_stopped(&self) -> bool {
        self.stopping && self.instances.iter().all(|instance| instance.state == State::Initialize)
    }

    /// What can be seen from outside.
    pub fn status(&self, now: Duration) -> Status {
        let group = |group: &Group| GroupStatus {
            name: group.name.to_string(),
            members: group.settings.members.clone(),
            state: group.state,
            since_ms: millis(group.since),
        };
        Status {
            now_ms: millis(now),
            instances: self.instances.iter().map(|instance| instance.status(now)).collect(),
            groups: self.groups.iter().map(group).collect(),
            unknown_router: self.unknown_router,
            too_short: self.too_short,
            restarts: 0,
        }
    }

    fn begin_if_due(&mut self, now: Duration) {
        if self.begin_at.is_some_and(|at| at <= now) {
            self.begin_at = None;
            self.started = true;
            self.evaluate(now);
        }
    }

    fn count_lateness(&mut self, at: usize, late: Duration) {
        let instance = &mut self.instances[at];
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        instance.statistics.timer_late_max_us = instance.statistics.timer_late_max_us.max(us);
        if late >= instance.interval {
            instance.statistics.timer_late += 1;
        }
    }

    /// What follows from what is known of the world, for all.
    pub(super) fn evaluate(&mut self, now: Duration) {
        for instance in &mut self.instances {
            let group = instance.group.map(|group| &self.groups[group].settings.track);
            let mut standing = self.world.standing(&instance.settings, group.map_or(&[], Vec::as_slice));
            if instance.maintenance {
                standing.fault = "maintenance".into();
            }
            let (old, new) = (instance.standing.priority, standing.priority);
            instance.standing = standing;
            let event = match instance.state {
                State::Master => Event::MasterPriority,
                State::Backup => Event::BackupPriority,
                State::Initialize | State::Fault => continue,
            };
            if old != new {
                let (name, text) = (instance.name.clone(), format!("priority {new}, was {old}"));
                self.actions.push_back(Action::Log { name, level: Level::Info, text });
                if instance.settings.notify.priority_changes {
                    instance.notify(event, &mut self.actions);
                }
            }
        }
        if self.started && !self.stopping {
            for at in 0..self.instances.len() {
                self.follow_standing(now, at);
            }
        }
    }

    /// Into FAULT and out of it, and out of the beginning.
    fn follow_standing(&mut self, now: Duration, at: usize) {
        let fault = self.of_group(at, |instance| &instance.standing.fault);
        let waits_for = self.of_group(at, |instance| &instance.standing.waits_for);
        let instance = &mut self.instances[at];
        match (instance.state, fault) {
            (State::Fault, Some(_)) => {}
            (_, Some(why)) => instance.become_fault(now, why, &mut self.actions),
            (State::Backup | State::Master, None) => {}
            (State::Initialize | State::Fault, None) => match waits_for {
                Some(what) => instance.waits(&what),
                None => self.begin(now, at),
            },
        }
    }

    /// The instance's own text of a kind, else that of another of its group, with its name.
    fn of_group(&self, at: usize, text: impl Fn(&Instance) -> &String) -> Option<String> {
        let own = text(&self.instances[at]);
        if !own.is_empty() {
            return Some(own.clone());
        }
        let others = self.members(at).into_iter().map(|other| &self.instances[other]);
        others.filter(|other| !text(other).is_empty()).map(|other| format!("{}: {}", other.name, text(other))).next()
    }

    /// RFC 9568 section 6.4.1.
    fn begin(&mut self, now: Duration, at: usize) {
        let instance = &mut self.instances[at];
        let first = instance.state == State::Initialize && instance.settings.state == InitialState::Master;
        instance.master_interval = instance.interval;
        if instance.is_owner() {
            self.want_master(now, at, "it owns the addresses");
            let instance = &mut self.instances[at];
            if instance.state != State::Master {
                let why = "it owns the addresses, but may not have them yet".into();
                instance.become_backup(now, Wait::First, why, &mut self.actions);
                instance.wants_master = true;
            }
        } else {
            let wait = if first { Wait::First } else { Wait::Missed };
            instance.become_backup(now, wait, "it may begin".into(), &mut self.actions);
        }
    }

    /// An instance's time has come.
    fn due(&mut self, now: Duration, at: usize) {
        let instance = &mut self.instances[at];
        match (instance.state, instance.hand_over) {
            (State::Initialize | State::Fault, _) => {}
            (State::Backup, _) => {
                let why = match instance.wait.1 {
                    _ if instance.preempts => "it has a higher priority than the master that was heard",
                    Wait::Missed => "no master was heard in time",
                    Wait::Resigned => "the master has left",
                    Wait::First => "state MASTER, and no other was heard",
                };
                self.want_master(now, at, why);
            }
            (State::Master, None) => {
                instance.advertise(instance.standing.priority, &mut self.actions);
                // In step, unless a step was left out.
                let next = instance.advert_at + instance.interval;
                instance.advert_at = if next > now { next } else { now + instance.interval };
            }
            (State::Master, Some(hand_over)) if hand_over.more != 0 => {
                instance.advertise(0, &mut self.actions);
                let until = now + instance.hand_over_span();
                if let Some(hand_over) = &mut instance.hand_over {
                    (hand_over.until, hand_over.more) = (until, hand_over.more - 1);
                }
            }
            (State::Master, Some(hand_over)) => self.end_hand_over(now, at, hand_over.then, false),
        }
    }

    /// It would be master: so it becomes, if its arbiter and its group let it.
    pub(super) fn want_master(&mut self, now: Duration, at: usize, why: &str) {
        let instance = &mut self.instances[at];
        instance.wants_master = true;
        instance.wait = (now, Wait::Missed);
        if let Some(arbiter) = &instance.settings.arbiter
            && !self.world.is_well(arbiter)
        {
            instance.statistics.arbiter_withheld += 1;
            instance.conditions.note(now, ConditionKind::ArbiterWithholds, &arbiter.to_string());
            let text = || format!("would be master ({why}), but {arbiter} is not well: does not take over");
            instance.conditions.log(now, "arbiter", Level::Warning, &mut self.actions, text);
            return;
        }
        let members = self.members(at);
        let ready = |&at: &usize| {
            let instance = &self.instances[at];
            let allowed = instance.settings.arbiter.as_ref().is_none_or(|arbiter| self.world.is_well(arbiter));
            instance.state == State::Master || (instance.wants_master && allowed)
        };
        if !members.iter().all(ready) {
            return;
        }
        for member in members {
            let instance = &mut self.instances[member];
            if instance.state != State::Master {
                instance.become_master(now, why.into(), &mut self.actions);
            }
        }
    }

    /// Where the arbiter could not be reached the master could not be heard: who was held back listens anew, for as long as
    /// any other backup.
    fn arbiter_is_back(&mut self, now: Duration, source: &TrackSource) {
        for instance in &mut self.instances {
            let concerned = instance.settings.arbiter.as_ref() == Some(source);
            if concerned && instance.wants_master && instance.state == State::Backup {
                instance.wants_master = false;
                instance.wait = (now, Wait::Missed);
                instance.conditions.clear(ConditionKind::ArbiterWithholds);
                let text = || format!("{source} is well: takes over if no master is heard");
                instance.conditions.log(now, "arbiter is back", Level::Info, &mut self.actions, text);
            }
        }
    }

    fn receive(&mut self, now: Duration, datagram: &Datagram<'_>) {
        let Some(router_id) = packet::router_id(datagram.payload) else {
            self.too_short += 1;
            return;
        };
        let Some(at) = self.find(datagram, router_id) else {
            self.unknown_router += 1;
            return;
        };
        match self.instances[at].receive(now, datagram, &mut self.actions) {
            Heard::Nothing => {}
            Heard::GaveWay => self.group_gives_way(now, at),
            Heard::Succeeded => {
                if let Some(hand_over) = self.instances[at].hand_over {
                    self.end_hand_over(now, at, hand_over.then, true);
                }
            }
            // The whole group of the other was master, and announced its addresses.
            Heard::Lower => {
                for other in self.members(at).into_iter().filter(|&other| other != at) {
                    self.instances[other].announcer.lower_priority(now);
                }
            }
        }
    }

    /// Whose advert this is: the number tells it, and among unicast instances of one number the peer.
    fn find(&self, datagram: &Datagram<'_>, router_id: u8) -> Option<usize> {
        let fits = |&(_, instance): &(usize, &Instance)| {
            let settings = &instance.settings;
            settings.router_id == router_id
                && settings.interface == datagram.interface
                && settings.is_ipv6() == datagram.source.is_ipv6()
        };
        let likely = |&(_, instance): &(usize, &Instance)| match &instance.settings.unicast {
            None => datagram.destination.is_multicast(),
            Some(unicast) => unicast.peers.iter().any(|peer| peer.address == datagram.source),
        };
        let candidates = || self.instances.iter().enumerate().filter(fits);
        candidates().find(likely).or_else(|| candidates().next()).map(|(at, _)| at)
    }

    fn claimed(&mut self, now: Duration, interface: &str, address: IpAddr, by: [u8; 6]) {
        let [a, b, c, d, e, f] = by;
        for instance in &mut self.instances {
            if instance.state != State::Master || instance.hand_over.is_some() || !has(instance, interface, address) {
                continue;
            }
            // Another master's, which the adverts tell of.
            if instance.settings.virtual_mac.is_some() && instance.settings.virtual_mac_address() == by {
                continue;
            }
            instance.statistics.claimed_by_other += 1;
            let who = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
            instance.conditions.note(now, ConditionKind::ClaimedByOther, &format!("{address} by {who}"));
            let text =
                || format!("{who} says that it has our address {address}: find it, and remove the address there");
            instance.conditions.log(now, "claimed", Level::Warning, &mut self.actions, text);
            instance.announcer.defend(now, address);
        }
    }

    fn address_lost(&mut self, now: Duration, interface: &str, address: IpAddr) {
        for instance in &mut self.instances {
            if instance.state != State::Master || !has(instance, interface, address) {
                continue;
            }
            let mut all = instance.settings.addresses.iter().chain(&instance.settings.excluded);
            if all.any(|known| known.address == address && known.no_track) {
                continue;
            }
            let text = || format!("someone removed {address} from {interface}: adding it again");
            instance.conditions.log(now, "lost", Level::Warning, &mut self.actions, text);
            self.actions.push_back(Action::AddAddresses(instance.settings.clone()));
            instance.announcer.defend(now, address);
        }
    }

    /// Ours may be among those that someone removed: what is there is not added again.
    fn restore_routes(&mut self) {
        for instance in self.instances.iter().filter(|instance| instance.state == State::Master) {
            let settings = &instance.settings;
            if settings.routes.iter().any(|route| !route.no_track) || settings.rules.iter().any(|rule| !rule.no_track) {
                self.actions.push_back(Action::RestoreRoutes(settings.clone()));
            }
        }
    }

    fn stop(&mut self, now: Duration, hand_over: bool) {
        self.stopping = true;
        self.begin_at = None;
        for instance in &mut self.instances {
            if instance.state == State::Master && hand_over {
                if instance.hand_over.is_none_or(|already| already.then != Then::Stop) {
                    instance.begin_hand_over(now, Then::Stop, &mut self.actions);
                }
            } else if instance.state != State::Initialize {
                instance.stop(now, Event::Stop, &mut self.actions);
            }
        }
    }

    /// After every call: groups follow their members, and what is due is announced.
    pub(super) fn settle(&mut self, now: Duration) {
        for instance in &mut self.instances {
            instance.statistics.announced += instance.announcer.run(now, &mut self.pace, &mut self.actions);
        }
        self.settle_groups(now);
    }
}

/// Whether an instance has an address on an interface while it is master.
fn has(instance: &Instance, interface: &str, address: IpAddr) -> bool {
    let settings = &instance.settings;
    let mut all = settings.addresses.iter().chain(&settings.excluded).filter(|own| own.address == address);
    // Others are heard on the interface underneath a virtual one.
    all.any(|own| {
        own.interface.as_deref().unwrap_or(&settings.interface) == interface || settings.interface_of(own) == interface
    })
}
