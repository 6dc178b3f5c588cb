//! Other settings while it runs: what has not changed goes on, what has keeps its state where it can.

use super::{
    action::{Action, Event},
    announce::Announcer,
    group::Group,
    instance::Instance,
    router::Router,
    timers::Wait,
};
use relvs_model::vrrp::{self, Settings, State, VirtualAddress};
use std::{mem, sync::Arc, time::Duration};

impl Router {
    /// Other settings, without fatal problems. An instance of the same name that is the same virtual router on the same
    /// interface keeps its state; of its addresses only those that are new come, and only those that are gone go. All that
    /// go do so before any come, so an address may move from one instance to another.
    pub fn reconfigure(&mut self, now: Duration, settings: &Settings) {
        let mut old: Vec<Option<Instance>> = mem::take(&mut self.instances).into_iter().map(Some).collect();
        let mut groups: Vec<Group> = settings.groups.iter().map(|group| Group::new(group, settings)).collect();
        for group in &mut groups {
            if let Some(before) = self.groups.iter().find(|before| before.name == group.name) {
                (group.state, group.since) = (before.state, before.since);
            }
        }
        let mut kept: Vec<Option<Instance>> = Vec::new();
        for new in &settings.instances {
            let same = |old: &&mut Option<Instance>| old.as_ref().is_some_and(|old| is_same(&old.settings, new));
            kept.push(old.iter_mut().find(same).and_then(Option::take));
        }
        for mut gone in old.into_iter().flatten() {
            if gone.state != State::Initialize {
                let event = if gone.settings.notify.deleted.is_some() { Event::Deleted } else { Event::Removed };
                gone.stop(now, event, &mut self.actions);
            }
        }
        for (old, new) in kept.iter().zip(&settings.instances) {
            if let Some(old) = old.as_ref().filter(|old| old.state == State::Master) {
                self.actions.extend(removal(&old.settings, new));
            }
        }
        for (at, (old, new)) in kept.into_iter().zip(&settings.instances).enumerate() {
            let group = groups.iter().position(|group| group.members.contains(&at));
            self.instances.push(match old {
                Some(mut instance) => {
                    instance.take_settings(now, new, group, &mut self.actions);
                    instance
                }
                None => Instance::new(new.clone(), group),
            });
        }
        self.groups = groups;
        self.world.keep_tracked(settings);
        self.evaluate(now);
        self.even_groups(now);
        self.settle(now);
    }

    /// A group that has got other members may be of several states: then none of it is master.
    fn even_groups(&mut self, now: Duration) {
        for at in 0..self.instances.len() {
            let uneven = self.members(at).iter().any(|&other| self.instances[other].state != State::Master);
            let instance = &mut self.instances[at];
            if instance.state == State::Master && uneven {
                instance.become_backup(now, Wait::Missed, "its group has other members".into(), &mut self.actions);
            }
        }
    }
}

/// Whether it is the same virtual router, however it is set.
fn is_same(old: &vrrp::Instance, new: &vrrp::Instance) -> bool {
    let key = |instance: &vrrp::Instance| (instance.router_id, instance.is_ipv6(), instance.spoken_version());
    old.name == new.name
        && old.interface == new.interface
        && old.virtual_interface() == new.virtual_interface()
        && key(old) == key(new)
}

fn all(instance: &vrrp::Instance) -> impl Iterator<Item = &VirtualAddress> {
    instance.addresses.iter().chain(&instance.excluded)
}

/// The removal of addresses, routes and rules that are gone, if any are.
fn removal(old: &vrrp::Instance, new: &vrrp::Instance) -> Option<Action> {
    let gone: Vec<VirtualAddress> = all(old).filter(|old| all(new).all(|new| new != *old)).cloned().collect();
    let routes: Vec<_> = old.routes.iter().filter(|old| !new.routes.contains(old)).cloned().collect();
    let rules: Vec<_> = old.rules.iter().filter(|old| !new.rules.contains(old)).cloned().collect();
    let some = !gone.is_empty() || !routes.is_empty() || !rules.is_empty();
    let only = vrrp::Instance { addresses: gone, excluded: Vec::new(), routes, rules, ..old.clone() };
    some.then(|| Action::RemoveAddresses(Arc::new(only)))
}

impl Instance {
    fn take_settings(
        &mut self,
        now: Duration,
        new: &vrrp::Instance,
        group: Option<usize>,
        actions: &mut std::collections::VecDeque<Action>,
    ) {
        self.group = group;
        if *self.settings == *new {
            return;
        }
        let old = self.settings.clone();
        let fresh = Instance::new(new.clone(), group);
        (self.settings, self.authentication) = (fresh.settings, fresh.authentication);
        // What was learned from another master stays.
        if self.master_interval == self.interval {
            self.master_interval = fresh.interval;
        }
        self.interval = fresh.interval;
        let moved = !all(&old).eq(all(new));
        if moved || old.announcements != new.announcements {
            self.announcer = Announcer::new(new);
        }
        if self.state == State::Master {
            // The others learn at once what is different.
            self.advert_at = self.advert_at.min(now);
            if moved || old.refuses() != new.refuses() || old.routes != new.routes || old.rules != new.rules {
                actions.push_back(Action::AddAddresses(self.settings.clone()));
            }
            if moved {
                self.announcer.begin(now);
            }
        }
    }
}
