//! Instances that change together, and what an operator commands of them.

use super::{
    action::{Action, Event, Level, Notification},
    input::{Command, Refused},
    instance::{Instance, Then},
    router::Router,
    timers::Wait,
};
use relvs_model::vrrp::{Settings, State, SyncGroup};
use std::{sync::Arc, time::Duration};

/// A sync group.
pub(super) struct Group {
    pub(super) settings: SyncGroup,
    pub(super) name: Arc<str>,
    /// Places of its members.
    pub(super) members: Vec<usize>,
    pub(super) state: State,
    pub(super) since: Duration,
}

impl Group {
    pub(super) fn new(group: &SyncGroup, settings: &Settings) -> Self {
        let place = |name: &String| settings.instances.iter().position(|instance| instance.name == *name);
        Group {
            settings: group.clone(),
            name: group.name.as_str().into(),
            members: group.members.iter().filter_map(place).collect(),
            state: State::Initialize,
            since: Duration::ZERO,
        }
    }
}

impl Router {
    /// An operator wants something of an instance with its group, or of a group.
    pub fn command(&mut self, now: Duration, name: &str, command: Command) -> Result<(), Refused> {
        let group = self.groups.iter().find(|group| &*group.name == name).map(|group| group.members.clone());
        let instance = || self.instances.iter().position(|instance| &*instance.name == name);
        let targets = group.or_else(|| instance().map(|at| self.members(at)));
        let targets = targets.ok_or_else(|| Refused::Unknown(name.to_owned()))?;
        let masters: Vec<usize> =
            targets.iter().copied().filter(|&at| self.instances[at].state == State::Master).collect();
        match command {
            Command::FailOver if masters.is_empty() => return Err(Refused::NotMaster(name.to_owned())),
            Command::FailOver => self.hand_over(now, &masters, Then::Hold),
            Command::Maintain if masters.is_empty() => {
                for at in targets {
                    self.instances[at].maintenance = true;
                }
            }
            Command::Maintain => self.hand_over(now, &masters, Then::Maintain),
            Command::Release => self.release(now, &targets),
        }
        self.evaluate(now);
        self.settle(now);
        Ok(())
    }

    fn hand_over(&mut self, now: Duration, masters: &[usize], then: Then) {
        for &at in masters {
            let instance = &mut self.instances[at];
            match &mut instance.hand_over {
                // What was wanted last counts, but the end stays the end.
                Some(already) if already.then != Then::Stop => already.then = then,
                Some(_) => {}
                None => instance.begin_hand_over(now, then, &mut self.actions),
            }
        }
    }

    fn release(&mut self, now: Duration, targets: &[usize]) {
        for &at in targets {
            let instance = &mut self.instances[at];
            (instance.held, instance.maintenance) = (false, false);
            if instance.hand_over.is_some_and(|hand_over| hand_over.then != Then::Stop) {
                self.stay_master(now, at);
            }
        }
    }

    /// The instance and all others of its group.
    pub(super) fn members(&self, at: usize) -> Vec<usize> {
        self.instances[at].group.map_or_else(|| vec![at], |group| self.groups[group].members.clone())
    }

    /// One of a group has found a master with a higher priority: the rest gives way too.
    pub(super) fn group_gives_way(&mut self, now: Duration, at: usize) {
        let why = format!("{} of its group gave way", self.instances[at].name);
        for other in self.members(at) {
            let instance = &mut self.instances[other];
            instance.wants_master = false;
            if instance.state == State::Master {
                instance.become_backup(now, Wait::Missed, why.clone(), &mut self.actions);
            }
        }
    }

    /// Another has taken over, or nobody has.
    pub(super) fn end_hand_over(&mut self, now: Duration, at: usize, then: Then, succeeded: bool) {
        for member in self.members(at) {
            let instance = &mut self.instances[member];
            let master = instance.state == State::Master;
            match then {
                Then::Hold if !succeeded && master => {
                    let text = "nobody took over: stays master".to_owned();
                    let name = instance.name.clone();
                    self.actions.push_back(Action::Log { name, level: Level::Warning, text });
                    self.stay_master(now, member);
                }
                Then::Hold if master => {
                    instance.become_backup(now, Wait::Missed, "handed over on command".into(), &mut self.actions);
                    instance.held = true;
                }
                Then::Hold => {}
                Then::Maintain => instance.maintenance = true,
                Then::Stop if master => instance.stop(now, Event::Stop, &mut self.actions),
                Then::Stop => {}
            }
        }
        self.evaluate(now);
    }

    fn stay_master(&mut self, now: Duration, at: usize) {
        let instance = &mut self.instances[at];
        instance.hand_over = None;
        instance.advertise(instance.standing.priority, &mut self.actions);
        instance.advert_at = now + instance.interval;
    }

    /// Groups are what their members are, and tell it after them.
    pub(super) fn settle_groups(&mut self, now: Duration) {
        for group in &mut self.groups {
            let members = || group.members.iter().map(|&at| &self.instances[at]);
            let any = |state: State| members().any(|member: &Instance| member.state == state);
            let state = if any(State::Fault) {
                State::Fault
            } else if any(State::Initialize) {
                State::Initialize
            } else if any(State::Backup) {
                State::Backup
            } else {
                State::Master
            };
            if state == group.state || group.members.is_empty() {
                continue;
            }
            if state == State::Initialize && members().any(|member| member.state != State::Initialize) {
                // On the way to the end, one after the other.
                continue;
            }
            (group.state, group.since) = (state, now);
            let event = Event::of(state).or_else(|| self.stopping.then_some(Event::Stop));
            let name = group.name.clone();
            if let Some(event) = event {
                let mail = group.settings.notify.smtp_alert;
                self.actions.push_back(Action::Notify(Notification { group: true, name, event, priority: 0, mail }));
            }
        }
    }
}
