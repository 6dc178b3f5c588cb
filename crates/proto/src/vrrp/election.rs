//! Adverts that are believed, and who is master after them: RFC 9568 sections 6.4.2 and 6.4.3.

use super::{
    action::{Action, Event, Level},
    input::Datagram,
    instance::{Instance, millis},
    packet::Packet,
    timers::Wait,
};
use relvs_model::vrrp::{ConditionKind, MasterStatus, State};
use std::{cmp::Ordering, collections::VecDeque, net::IpAddr, time::Duration};

/// What an advert has changed, as far as others of the group are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// We were master, and another has the higher priority.
    GaveWay,
    /// We were handing over, and another has taken over.
    Succeeded,
    /// As master we heard one of a lower priority.
    Lower,
}

impl Instance {
    /// A datagram about this virtual router came.
    pub(super) fn receive(&mut self, now: Duration, datagram: &Datagram<'_>, actions: &mut VecDeque<Action>) -> Heard {
        if matches!(self.state, State::Initialize | State::Fault) {
            return Heard::Nothing;
        }
        let from = datagram.source;
        let packet = match self.accept(datagram) {
            Ok(packet) => packet,
            Err(rejected) => {
                rejected.count(&mut self.statistics);
                self.conditions.note(now, ConditionKind::AdvertsDropped, &from.to_string());
                let text = || format!("dropped an advert of {from}: {rejected}");
                self.conditions.log(now, rejected.name(), Level::Warning, actions, text);
                return Heard::Nothing;
            }
        };
        self.statistics.advert_rcvd += 1;
        self.peers.heard(now, from, &packet);
        if let Some(text) = self.compare_addresses(now, from, &packet) {
            self.conditions.log(now, "addresses", Level::Warning, actions, || format!("{from} {text}"));
        }
        if packet.interval() != self.interval {
            let text = || format!("{from} advertises every {:?}, not {:?}", packet.interval(), self.interval);
            self.conditions.log(now, "other interval", Level::Warning, actions, text);
        }
        if Some(from) == self.standing.source {
            self.conditions.note(now, ConditionKind::DuplicateSource, &from.to_string());
            let text = || format!("another router sends adverts from our address {from}: give each its own");
            self.conditions.log(now, "duplicate source", Level::Warning, actions, text);
        }
        if packet.priority() == 0 {
            self.statistics.pri_zero_rcvd += 1;
        }
        match self.state {
            State::Backup => {
                self.backup_heard(now, from, &packet, actions);
                Heard::Nothing
            }
            State::Master => self.master_heard(now, from, &packet, actions),
            State::Initialize | State::Fault => Heard::Nothing,
        }
    }

    /// RFC 9568 section 6.4.2, with keepalived's delay of preemption.
    fn backup_heard(&mut self, now: Duration, from: IpAddr, packet: &Packet<'_>, actions: &mut VecDeque<Action>) {
        let priority = packet.priority();
        if priority == 0 {
            self.wait = (now, Wait::Resigned);
            self.conditions.log(now, "resigned", Level::Info, actions, || format!("master {from} leaves"));
            return;
        }
        let higher = priority >= self.standing.priority;
        let delay = Duration::from_millis(self.settings.preempt_delay_ms.into());
        if higher {
            self.preempt_at = None;
        } else if !delay.is_zero() && self.preempt_at.is_none() {
            self.preempt_at = Some(now + delay);
        }
        let left_alone = self.settings.nopreempt || self.held || self.preempt_at.is_some_and(|at| now < at);
        if !higher && !left_alone {
            let text = || format!("{from} is master with priority {priority}, less than {}", self.standing.priority);
            self.conditions.log(now, "lower priority", Level::Info, actions, text);
            self.preempts = true;
            self.remember_master(now, from, priority);
            return;
        }
        if self.version == relvs_model::vrrp::Version::V3 {
            self.master_interval = packet.interval();
        }
        self.wait = (now, Wait::Missed);
        (self.wants_master, self.preempts) = (false, false);
        self.conditions.clear(ConditionKind::ArbiterWithholds);
        self.remember_master(now, from, priority);
    }

    /// RFC 9568 section 6.4.3.
    fn master_heard(
        &mut self,
        now: Duration,
        from: IpAddr,
        packet: &Packet<'_>,
        actions: &mut VecDeque<Action>,
    ) -> Heard {
        let (priority, own) = (packet.priority(), self.standing.priority);
        if self.hand_over.is_some() {
            // Whoever speaks now is the one that takes over; one that leaves as well is not.
            if priority == 0 {
                return Heard::Nothing;
            }
            self.learn(now, from, packet);
            return Heard::Succeeded;
        }
        if priority == 0 {
            self.advertise(own, actions);
            self.advert_at = now + self.interval;
            return Heard::Nothing;
        }
        let by_address = self.standing.source.map_or(Ordering::Greater, |source| from.cmp(&source));
        match priority.cmp(&own).then(by_address) {
            Ordering::Greater => {
                if self.settings.higher_prio_send_advert {
                    self.advertise(own, actions);
                }
                self.learn(now, from, packet);
                let than = if priority == own { "the higher address" } else { "more" };
                let why = format!("{from} is master with priority {priority}, {than}");
                self.become_backup(now, Wait::Missed, why, actions);
                Heard::GaveWay
            }
            // From our own address: neither of us could know who is meant.
            Ordering::Equal => Heard::Nothing,
            Ordering::Less => {
                self.lower_heard(now, from, priority, actions);
                Heard::Lower
            }
        }
    }

    /// RFC 9568 asserts itself at once; RFC 5798 and RFC 3768 were silent.
    fn lower_heard(&mut self, now: Duration, from: IpAddr, priority: u8, actions: &mut VecDeque<Action>) {
        let own = self.standing.priority;
        self.statistics.other_master_rcvd += 1;
        let text = || format!("{from} is master too, with priority {priority} and we with {own}");
        self.conditions.log(now, "lower master", Level::Info, actions, text);
        if self.peers.persists(now, from, self.interval, self.down_interval()) {
            self.conditions.note(now, ConditionKind::TwoMasters, &from.to_string());
            let text = || format!("two masters: {from} goes on and does not hear us: look at the link between");
            self.conditions.log(now, "two masters", Level::Warning, actions, text);
        }
        if !self.settings.lower_prio_no_advert && !self.settings.strict {
            self.advertise(own, actions);
        }
        self.announcer.lower_priority(now);
        self.notify(Event::MasterRxLowerPri, actions);
    }

    /// Another is master: by its interval its silence is measured.
    fn learn(&mut self, now: Duration, from: IpAddr, packet: &Packet<'_>) {
        if self.version == relvs_model::vrrp::Version::V3 {
            self.master_interval = packet.interval();
        }
        self.remember_master(now, from, packet.priority());
    }

    fn remember_master(&mut self, now: Duration, address: IpAddr, priority: u8) {
        match &mut self.master {
            Some(master) if master.address == address => master.priority = priority,
            _ => self.master = Some(MasterStatus { address, priority, since_ms: millis(now) }),
        }
    }
}
