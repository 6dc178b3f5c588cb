//! How what is applied is written to disk: whole, or what a change makes otherwise. What contradicts itself is not read.

use crate::{
    Control, Desired, Limits, Prepared, Refusal, check,
    control::Applied,
    destinations::{Destinations, Held, Identity},
    schedule::Start,
};
use relvs_model::{Rule, Server, Service, ServiceKey, Settings, Timeouts};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// Why a stored state was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// Its services could not have been applied.
    #[error("the stored state contradicts itself: {0}")]
    Services(#[from] Refusal),
    /// The number is 0, or there twice, or its destination has another.
    #[error("the stored state contradicts itself: destination number {0} cannot be what it says")]
    Number(u32),
    /// Two services have the same identity.
    #[error("the stored state contradicts itself: two services have the identity {0}")]
    Identity(u32),
    /// A server has no destination, or a destination no server.
    #[error("the stored state contradicts itself: its servers and destinations differ")]
    Servers,
    /// A change is not of the state that it comes after.
    #[error("the stored state contradicts itself: a change to revision {0} is of another state")]
    Step(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    revision: u64,
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    last_identity: u32,
    services: Vec<StoredService>,
    destinations: Vec<StoredDestination>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredService {
    service: Arc<Service>,
    start: Start,
    /// 0 where an earlier version stored it.
    #[serde(default)]
    identity: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDestination {
    number: u32,
    service: ServiceKey,
    server: Server,
    #[serde(default)]
    client_port: bool,
    /// Missing where an earlier version stored it.
    #[serde(default)]
    last_weight: Option<u32>,
    #[serde(default)]
    template_s: u32,
    retired: bool,
}

/// What a change makes otherwise of a [`Control`]: of the state before it makes the state after, on disk and when it is
/// read again ([`Control::follow`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    revision: u64,
    last_identity: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Settings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeouts: Option<Timeouts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Rule>>,
    /// Those that come or are otherwise than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<StoredService>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<ServiceKey>,
    /// Of all services, unless those that come do so after the others, which keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<Vec<ServiceKey>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    destinations: Vec<StoredDestination>,
    /// Numbers that are free again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    released: Vec<u32>,
}

impl StoredService {
    fn of(service: &Arc<Service>, state: &Applied) -> Self {
        StoredService { service: Arc::clone(service), start: state.start.clone(), identity: state.identity }
    }
}

impl StoredDestination {
    fn of(number: u32, held: &Held) -> Self {
        StoredDestination {
            number,
            service: held.service,
            server: held.server.clone(),
            client_port: held.client_port,
            last_weight: Some(held.last_weight),
            template_s: held.template_s,
            retired: held.retired,
        }
    }

    fn held(self) -> (u32, Held) {
        let StoredDestination { number, service, server, client_port, last_weight, template_s, retired } = self;
        let last_weight = last_weight.unwrap_or(server.weight);
        (number, Held { service, server, client_port, last_weight, template_s, retired })
    }
}

impl Serialize for Control {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Desired { settings, timeouts, rules, services } = &self.desired;
        let stored = Stored {
            revision: self.revision,
            settings: settings.clone(),
            timeouts: *timeouts,
            rules: rules.clone(),
            last_identity: self.last_identity,
            services: services.iter().zip(&self.states).map(|(one, state)| StoredService::of(one, state)).collect(),
            destinations: self.destinations.iter().map(|(number, held)| StoredDestination::of(number, held)).collect(),
        };
        stored.serialize(serializer)
    }
}

impl<'d> Deserialize<'d> for Control {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        Control::try_from(Stored::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl TryFrom<Stored> for Control {
    type Error = Corrupt;

    fn try_from(stored: Stored) -> Result<Self, Corrupt> {
        let mut control = Control::new(Limits::default());
        control.last_identity = stored.last_identity;
        for StoredService { service, start, identity } in stored.services {
            let identity = if identity == 0 { control.last_identity.wrapping_add(1) } else { identity };
            control.last_identity = control.last_identity.max(identity);
            control.desired.services.push(service);
            control.states.push(Applied { start, identity, laid: None });
        }
        control.desired.settings = stored.settings;
        control.desired.timeouts = stored.timeouts;
        control.desired.rules = stored.rules;
        for destination in stored.destinations {
            let (number, held) = destination.held();
            if !control.destinations.adopt(number, held) {
                return Err(Corrupt::Number(number));
            }
        }
        control.revision = stored.revision;
        control.index_anew();
        control.agrees()?;
        Ok(control)
    }
}

impl Prepared {
    /// What is to be written down of it: what it makes otherwise of `before`, of which it was prepared.
    pub fn step(&self, before: &Control) -> Step {
        let (old, next) = (&before.desired, &*self.next);
        let is_new = |key: &ServiceKey| !before.index.contains_key(key);
        let same = |service: &Arc<Service>, state: &Applied| {
            let at = before.index.get(&service.key).copied();
            let there = at.and_then(|at| Some((old.services.get(at)?, before.states.get(at)?)));
            there.is_some_and(|(one, known)| {
                Arc::ptr_eq(one, service) && (&known.start, known.identity) == (&state.start, state.identity)
            })
        };
        let services = next.desired.services.iter().zip(&next.states).filter(|(service, state)| !same(service, state));
        let keys = || next.desired.services.iter().map(|service| service.key);
        let stay = old.services.iter().map(|service| service.key).filter(|key| next.index.contains_key(key));
        let in_order = stay.chain(keys().filter(is_new)).eq(keys());
        Step {
            revision: next.revision,
            last_identity: next.last_identity,
            settings: (next.desired.settings != old.settings).then(|| next.desired.settings.clone()),
            timeouts: (next.desired.timeouts != old.timeouts).then_some(next.desired.timeouts),
            rules: (next.desired.rules != old.rules).then(|| next.desired.rules.clone()),
            services: services.map(|(service, state)| StoredService::of(service, state)).collect(),
            gone: old.services.iter().map(|one| one.key).filter(|key| !next.index.contains_key(key)).collect(),
            order: (!in_order).then(|| keys().collect()),
            destinations: next.put.iter().map(|(number, held)| StoredDestination::of(*number, held)).collect(),
            released: Vec::new(),
        }
    }
}

impl Control {
    /// What is to be written down before these retired destinations are forgotten ([`Control::release`]).
    pub fn releasing(&self, numbers: &[u32]) -> Step {
        let (revision, last_identity) = (self.revision, self.last_identity);
        Step { revision, last_identity, released: numbers.to_vec(), ..Step::default() }
    }

    /// Makes the change again that was written down, after all those before it. [`Control::agrees`] says whether what came
    /// of all of them is right.
    ///
    /// # Errors
    ///
    /// It is of another state.
    pub fn follow(&mut self, step: Step) -> Result<(), Corrupt> {
        let Step { revision, last_identity, settings, timeouts, rules, services, gone, order, destinations, released } =
            step;
        let other = || Corrupt::Step(revision);
        let anew = !gone.is_empty() || order.is_some();
        (self.revision, self.last_identity, self.entries) = (revision, last_identity, None);
        self.desired.settings = settings.unwrap_or(std::mem::take(&mut self.desired.settings));
        self.desired.timeouts = timeouts.unwrap_or(self.desired.timeouts);
        self.desired.rules = rules.unwrap_or(std::mem::take(&mut self.desired.rules));
        for number in released {
            if !self.destinations.release(number) {
                return Err(Corrupt::Number(number));
            }
        }
        for StoredService { service, start, identity } in services {
            let state = Applied { start, identity, laid: None };
            match self.index.get(&service.key).copied() {
                Some(at) => (self.desired.services[at], self.states[at]) = (service, state),
                None => {
                    Arc::make_mut(&mut self.index).insert(service.key, self.states.len());
                    self.desired.services.push(service);
                    self.states.push(state);
                }
            }
        }
        for destination in destinations {
            let (number, held) = destination.held();
            let other = self.destinations.get(number).is_some_and(|there| there.identity() != held.identity())
                || self.destinations.number(&held.identity()).is_some_and(|there| there != number);
            if other || number == 0 {
                return Err(Corrupt::Number(number));
            }
            self.destinations.put(number, held);
        }
        if anew {
            self.rearrange(&gone, order.as_deref()).ok_or_else(other)?;
        }
        Ok(())
    }

    /// Drops these services, and brings the others into this order.
    fn rearrange(&mut self, gone: &[ServiceKey], order: Option<&[ServiceKey]>) -> Option<()> {
        let gone: HashSet<ServiceKey> = gone.iter().copied().collect();
        let services = std::mem::take(&mut self.desired.services).into_iter();
        let mut all: Vec<_> = services.zip(std::mem::take(&mut self.states)).map(Some).collect();
        let stay = |(service, _): &(Arc<Service>, Applied)| !gone.contains(&service.key);
        let sorted: Vec<_> = match order {
            None => all.into_iter().flatten().filter(stay).collect(),
            Some(order) => {
                let wanted = order.iter().map(|key| all.get_mut(*self.index.get(key)?)?.take().filter(stay));
                let sorted: Vec<_> = wanted.collect::<Option<_>>()?;
                all.into_iter().flatten().all(|one| !stay(&one)).then_some(sorted)?
            }
        };
        (self.desired.services, self.states) = sorted.into_iter().unzip();
        self.index_anew();
        Some(())
    }

    /// Whether it does not contradict itself, as one from disk may.
    ///
    /// # Errors
    ///
    /// It does.
    pub fn agrees(&self) -> Result<(), Corrupt> {
        let desired = &self.desired;
        check::rest(desired)?;
        for (at, service) in desired.services.iter().enumerate() {
            if self.index.get(&service.key) != Some(&at) {
                return Err(Refusal::ServiceTwice(service.key).into());
            }
            check::service(service)?;
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.states.iter().find(|state| !seen.insert(state.identity)) {
            return Err(Corrupt::Identity(twice.identity));
        }
        agree(&desired.services, &self.destinations)
    }
}

/// Every server has a destination that is not retired, and there are no others.
fn agree(services: &[Arc<Service>], destinations: &Destinations) -> Result<(), Corrupt> {
    let rest = |server: &Server| (server.weight, server.tunnel, server.upper_threshold, server.lower_threshold);
    let live = destinations.iter().filter(|(_, held)| !held.retired).count();
    let mut servers = 0;
    for service in services {
        for server in &service.servers {
            servers += 1;
            let number = destinations.number(&Identity::of(service, server));
            let held = number.and_then(|number| destinations.get(number)).filter(|held| !held.retired);
            if held.is_none_or(|held| rest(&held.server) != rest(server)) {
                return Err(Corrupt::Servers);
            }
        }
    }
    if servers == live { Ok(()) } else { Err(Corrupt::Servers) }
}
