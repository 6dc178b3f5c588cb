//! From outcomes to verdicts: a check, its server, its service; and what is told of it.

use super::{Complaint, Monitor, Notification, ProbeId, quorum::Quorum};
use relvs_model::{
    ServiceKey,
    health::{Event, Outcome},
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

impl Monitor {
    pub(super) fn ended(&mut self, now: Duration, id: ProbeId, outcome: Outcome) {
        if self.asks.get(id.ask).is_some_and(|ask| ask.is_running(id)) {
            self.answered(now, id.ask, outcome);
        }
    }

    /// Tells all who asked, and plans the next probe.
    pub(super) fn answered(&mut self, now: Duration, number: u32, outcome: Outcome) {
        let Some(ask) = self.asks.get_mut(number) else { return };
        ask.running = None;
        ask.took = Some(now.saturating_sub(ask.began));
        ask.made += 1;
        ask.failed += u64::from(matches!(outcome, Outcome::Down { .. }));
        let (seats, subject) = (std::mem::take(&mut ask.seats), ask.subject.clone());
        let mut hurry = false;
        for (member, seat) in &seats {
            hurry |= self.deliver(now, *member, *seat, &outcome);
        }
        if let Some(ask) = self.asks.get_mut(number) {
            ask.seats = seats;
            ask.last = Some(outcome);
        }
        self.set_ask_timer(number, Some(now + subject.pause(hurry)));
    }

    /// Tells one check of one server; whether it wants to know more soon.
    pub(super) fn deliver(&mut self, now: Duration, number: u32, seat: u32, outcome: &Outcome) -> bool {
        let Some(member) = self.members.get_mut(number) else { return false };
        let (service, server) = (member.service, member.socket());
        if self.groups.get(&service).is_none_or(|group| group.suspended) {
            return false;
        }
        let Some(seat) = member.seats.get_mut(seat as usize) else { return false };
        let timing = &seat.check.timing;
        let was = seat.tally.up;
        let changed = seat.tally.take(now, outcome, timing);
        let (hurries, failures) = (seat.tally.hurries(timing), seat.tally.failures);
        if let Outcome::Down { why } = outcome
            && timing.log_all_failures
            && seat.tally.up == was
            && let Some(ask) = self.asks.get(seat.ask)
        {
            let question = ask.subject.question.clone();
            self.actions.complaints.push(Complaint { service, server, question, failures, why: why.clone() });
        }
        if changed {
            self.judge(now, number);
        }
        hurries
    }

    /// Judges a server by its checks, and counts its weight.
    pub(super) fn judge(&mut self, now: Duration, number: u32) {
        let Some(member) = self.members.get_mut(number) else { return };
        let up = member.should_be_up();
        if member.up != up {
            member.up = up;
            member.since = now;
            if up {
                member.start_slowly(now);
            } else {
                member.fell(now);
            }
            let why = self.reason(number);
            if let Some(member) = self.members.get_mut(number) {
                member.why = why.clone();
            }
            self.set_member_timer(number);
            self.tell_server(number, up, &why);
        }
        self.count(number);
    }

    /// Brings the service's sum of weights up to date.
    pub(super) fn count(&mut self, number: u32) {
        let Some(member) = self.members.get_mut(number) else { return };
        let weight = if member.up { member.weight() } else { 0 };
        let before = std::mem::replace(&mut member.counted, weight);
        let Some(group) = self.groups.get_mut(&member.service) else { return };
        group.weight = group.weight + u64::from(weight) - u64::from(before);
        self.unsettle(self.members.get(number).map(|member| member.service));
    }

    /// The service's quorum is judged at the end of this call.
    pub(super) fn unsettle(&mut self, service: Option<ServiceKey>) {
        let Some(group) = service.and_then(|service| self.groups.get_mut(&service)) else { return };
        if !std::mem::replace(&mut group.unsettled, true) {
            self.unsettled.push(group.base.key);
        }
    }

    /// Why a server is up or down.
    pub(super) fn reason(&self, number: u32) -> Arc<str> {
        let Some(member) = self.members.get(number) else { return "".into() };
        let name = |ask: u32| self.asks.get(ask).map(|ask| ask.subject.question.to_string()).unwrap_or_default();
        if !member.up {
            return member.complaint(|seat| name(seat.ask));
        }
        match member.seats.as_slice() {
            [] => "it has no checks".into(),
            [seat] => format!("{}: it succeeds", name(seat.ask)).into(),
            [..] => "all its checks succeed".into(),
        }
    }

    pub(super) fn tell_server(&mut self, number: u32, up: bool, why: &str) {
        let Some(member) = self.members.get(number) else { return };
        let health = member.health();
        let script = health.and_then(|health| if up { &health.notify_up } else { &health.notify_down }.clone());
        let event = Event::Server {
            service: member.service,
            address: member.base.address,
            port: member.base.port,
            up,
            weight: if up { member.weight() } else { 0 },
            why: why.to_owned(),
        };
        self.actions.notify.push(Notification { event, script });
    }

    pub(super) fn tell_quorum(&mut self, service: ServiceKey, up: bool, why: String) {
        let Some(group) = self.groups.get(&service) else { return };
        let script = if up { &group.health.quorum_up } else { &group.health.quorum_down }.clone();
        self.actions
            .notify
            .push(Notification { event: Event::Quorum { service, up, weight: group.weight, why }, script });
    }

    /// Judges quorums, at the end of a call.
    pub(super) fn settle(&mut self, now: Duration) {
        for service in std::mem::take(&mut self.unsettled) {
            self.changed.insert(service);
            let Some(group) = self.groups.get_mut(&service) else { continue };
            group.unsettled = false;
            let quorum = Quorum::of(&group.health);
            let won = quorum.judge(group.won, group.weight);
            if won != group.won {
                let needed = quorum.needed(group.won);
                group.won = won;
                group.since = now;
                let how = if won { "of" } else { "less than" };
                let why =
                    format!("the servers that are up have weight {}, {how} the {needed} that are needed", group.weight);
                self.tell_quorum(service, won, why);
            }
            self.settle_sorry(service);
        }
    }

    fn settle_sorry(&mut self, service: ServiceKey) {
        let Some(group) = self.groups.get_mut(&service) else { return };
        let serving = !group.won && group.health.sorry.is_some();
        if std::mem::replace(&mut group.sorry, serving) == serving {
            return;
        }
        // A sorry server that is no longer in the configuration has left with it.
        if let Some(sorry) = &group.health.sorry {
            let event = Event::Sorry { service, address: sorry.address, port: sorry.port, serving };
            self.actions.notify.push(Notification { event, script: None });
        }
    }

    pub(super) fn drain(&mut self, now: Duration, service: ServiceKey, server: SocketAddr, drained: bool) {
        let key = (service, server);
        let new = if drained { self.drained.insert(key) } else { self.drained.remove(&key) };
        let Some(group) = self.groups.get(&service) else {
            if new {
                self.actions.effective.insert(service);
            }
            return;
        };
        let is_it = |number: &u32| self.members.get(*number).is_some_and(|member| member.socket() == server);
        let Some(number) = group.members.iter().copied().find(is_it) else { return };
        if let Some(member) = self.members.get_mut(number)
            && std::mem::replace(&mut member.drained, drained) != drained
        {
            if !drained && member.up {
                member.start_slowly(now);
            }
            self.set_member_timer(number);
            self.count(number);
        }
    }

    /// Suspends and resumes checks by the VIPs that are here.
    pub(super) fn see_addresses(&mut self, now: Duration, addresses: BTreeSet<IpAddr>) {
        self.here = Some(addresses);
        let keys = self.groups.keys().copied().collect::<Vec<_>>();
        for service in keys {
            let Some(group) = self.groups.get_mut(&service) else { continue };
            let suspended = group.health.ha_suspend
                && service.address().is_some_and(|vip| !super::reload::is_here(&self.here, vip));
            if std::mem::replace(&mut group.suspended, suspended) == suspended {
                continue;
            }
            let members = group.members.clone();
            for number in members {
                let seats = self.members.get(number).map(|member| {
                    member.seats.iter().map(|seat| (seat.ask, seat.check.timing.warmup_ms)).collect::<Vec<_>>()
                });
                for (number, warmup_ms) in seats.unwrap_or_default() {
                    let Some(ask) = self.asks.get_mut(number) else { continue };
                    if suspended {
                        ask.active -= 1;
                        if ask.active == 0 {
                            self.stop_asking(number);
                        }
                    } else {
                        ask.active += 1;
                        self.begin_asking(now, number, warmup_ms);
                    }
                }
            }
        }
    }

    /// keepalived's omega: what is up is told to be down.
    pub(super) fn end(&mut self) {
        let keys = self.groups.iter().filter(|(_, group)| group.health.omega && !group.ended).map(|(key, _)| *key);
        for service in keys.collect::<Vec<_>>() {
            self.tell_down(service, "the director ends");
            if let Some(group) = self.groups.get_mut(&service) {
                group.ended = true;
            }
        }
    }

    /// Tells of all that is up in a service as if it went down.
    pub(super) fn tell_down(&mut self, service: ServiceKey, why: &str) {
        let Some(group) = self.groups.get(&service) else { return };
        let (members, won) = (group.members.clone(), group.won);
        for number in members {
            if self.members.get(number).is_some_and(|member| member.up) {
                self.tell_server(number, false, why);
            }
        }
        if won {
            self.tell_quorum(service, false, why.to_owned());
        }
    }
}
