//! What is applied, and how it becomes what is desired.

use crate::{
    Desired, Image, Limits, Plan, Refusal,
    check::check,
    compare::compare,
    destinations::Destinations,
    image::{self, Known},
    schedule::{Before, Start, preparation},
    stored::Stored,
};
use relvs_core::table::destination::Destination;
use relvs_model::{Server, Service, ServiceKey, Timeouts};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

/// What is applied: what was desired, where the services' sequences began, and the numbers of destinations.
///
/// It goes to disk and comes back by serde; without limits, see [`Control::with_limits`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Control {
    pub(crate) limits: Limits,
    pub(crate) revision: u64,
    pub(crate) desired: Desired,
    /// Of each service.
    pub(crate) starts: Vec<Start>,
    /// Of each service: its number in all halves, not 0.
    pub(crate) identities: Vec<u32>,
    /// The identity that was given last.
    pub(crate) last_identity: u32,
    /// Where in `services` each is.
    index: BTreeMap<ServiceKey, usize>,
    pub(crate) destinations: Destinations,
}

/// A desired state that can be applied.
///
/// First the destinations that are available are written, then the image, then the switch is made, then the retired
/// destinations are written, which were still chosen until then; last comes [`Control::commit`].
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The half, to be written whole.
    pub image: Image,
    /// The destinations that are new, revived, retired ([`relvs_core::table::destination::AVAILABLE`] is cleared), or
    /// otherwise not what they were, by number. Next hop, MTU and DIP are 0: the caller knows them.
    pub destinations: Vec<(u32, Destination)>,
    /// What changes.
    pub plan: Plan,
    next: Box<Control>,
}

impl Control {
    /// Nothing is applied, to tables of this size.
    pub fn new(limits: Limits) -> Self {
        Control {
            limits,
            revision: 0,
            desired: Desired::default(),
            starts: Vec::new(),
            identities: Vec::new(),
            last_identity: 0,
            index: BTreeMap::new(),
            destinations: Destinations::default(),
        }
    }

    /// The same with its index of the services made anew.
    #[must_use]
    pub(crate) fn indexed(mut self) -> Self {
        self.index = self.desired.services.iter().enumerate().map(|(at, service)| (service.key, at)).collect();
        self
    }

    /// The same with tables of this size. One that comes from disk refuses everything before.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many changes were applied.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Counts a change of something that no table expresses, so that it has a revision of its own.
    pub fn count_change(&mut self) {
        self.revision += 1;
    }

    /// The services, in the order of the state that was applied last.
    pub fn services(&self) -> &[Service] {
        &self.desired.services
    }

    /// All that is applied.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What would change. It does not say whether that is possible.
    pub fn plan(&self, desired: &Desired) -> Plan {
        compare(&self.desired, desired)
    }

    /// Lays out what is desired for `half` (0 or 1), the one that is not in use.
    ///
    /// `multiplier_seed` begins the search for a multiplier that places the service entries; any number will do.
    /// `cursor` tells how many choices were made in the applied round of a service, which is the cursor of its record
    /// ([`Control::index_of`]) in the half in use; it is asked only about services that are applied.
    ///
    /// # Errors
    ///
    /// The desired state contradicts itself or does not fit into the tables.
    pub fn prepare(
        &self,
        desired: &Desired,
        half: u32,
        multiplier_seed: u64,
        cursor: &dyn Fn(ServiceKey) -> u64,
    ) -> Result<Prepared, Refusal> {
        check(desired)?;
        let plan = self.plan(desired);
        let mut destinations = self.destinations.clone();
        let records = destinations.assign(&desired.services, &self.limits)?;
        let (identities, last_identity) = self.identify(&desired.services);
        let known: Vec<Known> = (desired.services.iter().zip(&identities))
            .map(|(service, &identity)| {
                let (start, cursor) = self.sequence(service, cursor);
                Known { start, cursor, identity }
            })
            .collect();
        let image = image::lay_out(desired, &known, &destinations, &self.limits, half, multiplier_seed)?;
        let next = Control {
            limits: self.limits,
            revision: self.revision + u64::from(!plan.is_empty()),
            desired: desired.clone(),
            starts: known.into_iter().map(|known| known.start).collect(),
            identities,
            last_identity,
            index: BTreeMap::new(),
            destinations,
        };
        Ok(Prepared { image, destinations: records, plan, next: Box::new(next.indexed()) })
    }

    /// Makes this what is applied. It must have been prepared from what is applied now, without a
    /// [`Control::release`] in between.
    pub fn commit(&mut self, prepared: Prepared) {
        *self = *prepared.next;
    }

    /// What is applied once this is prepared and committed.
    pub fn after(prepared: &Prepared) -> Self {
        (*prepared.next).clone()
    }

    /// The identities of these services, and the one that was given last. What a scheduler remembers goes by it, so a
    /// service that comes or gets another scheduler has a new one.
    fn identify(&self, services: &[Service]) -> (Vec<u32>, u32) {
        let kept = |service: &Service| {
            let (old, _, identity) = self.applied(service.key)?;
            (old.scheduler == service.scheduler).then_some(identity)
        };
        let kept: Vec<Option<u32>> = services.iter().map(kept).collect();
        let used: BTreeSet<u32> = kept.iter().flatten().copied().collect();
        let mut last = self.last_identity;
        let mut fresh = || loop {
            last = last.checked_add(1).unwrap_or(1);
            if !used.contains(&last) {
                return last;
            }
        };
        let identities = kept.into_iter().map(|kept| kept.unwrap_or_else(&mut fresh)).collect();
        (identities, last)
    }

    /// A service that is applied, where its sequence began, and its identity.
    fn applied(&self, key: ServiceKey) -> Option<(&Service, &Start, u32)> {
        let at = *self.index.get(&key)?;
        Some((self.desired.services.get(at)?, self.starts.get(at)?, *self.identities.get(at)?))
    }

    /// Where a service's sequence goes on: what is to be remembered, and its cursor.
    fn sequence(&self, service: &Service, cursor: &dyn Fn(ServiceKey) -> u64) -> (Start, u64) {
        let resume = preparation(service.scheduler).resume;
        let start = match self.applied(service.key) {
            None => resume(&Before { servers: &[], start: &Start::default(), cursor: 0 }, &service.servers),
            // IPVS tells its scheduler of every server that is edited, and of nothing else that is edited.
            Some((old, start, _)) if old.scheduler == service.scheduler && old.servers == service.servers => {
                return (start.clone(), cursor(service.key));
            }
            Some((old, ..)) if old.scheduler != service.scheduler => Start::default(),
            Some((old, start, _)) => {
                resume(&Before { servers: &old.servers, start, cursor: cursor(service.key) }, &service.servers)
            }
        };
        let cursor = start.cursor;
        (start, cursor)
    }

    /// The index of a service's record within its half.
    pub fn index_of(&self, key: ServiceKey) -> Option<u32> {
        self.index.get(&key).and_then(|at| u32::try_from(*at).ok())
    }

    /// All destinations by number: number, service, server, and whether it is retired.
    pub fn destinations(&self) -> impl Iterator<Item = (u32, ServiceKey, &Server, bool)> {
        self.destinations.iter().map(|(number, held)| (number, held.service, &held.server, held.retired))
    }

    /// Whose the destination with this number is, and where its packets go; port 0 is the one they came to.
    pub fn sent_to(&self, number: u32) -> Option<(ServiceKey, SocketAddr)> {
        self.destinations.get(number).map(|held| (held.service, held.replies_from()))
    }

    /// The latest weight of a destination that was not 0; 0 if there was none since it came.
    pub fn last_weight(&self, number: u32) -> u32 {
        self.destinations.get(number).map_or(0, |held| held.last_weight)
    }

    /// The records of all destinations by number, for tables that were made anew. What only the caller knows is 0.
    pub fn records(&self) -> impl Iterator<Item = (u32, Destination)> {
        self.destinations.iter().map(|(number, held)| (number, held.record()))
    }

    /// How long templates last, in seconds, of the destinations that may have some: number and time, which is at most
    /// [`Timeouts::LONGEST_S`].
    pub fn template_timeouts(&self) -> impl Iterator<Item = (u32, u32)> {
        let some = self.destinations.iter().filter(|(_, held)| held.template_s > 0);
        some.map(|(number, held)| (number, held.template_s.min(Timeouts::LONGEST_S)))
    }

    /// The destinations that are gone but keep their numbers for their flows: number, service, server.
    pub fn retired(&self) -> impl Iterator<Item = (u32, ServiceKey, &Server)> {
        self.destinations().filter(|(.., retired)| *retired).map(|(number, key, server, _)| (number, key, server))
    }

    /// Forgets a retired destination to which no flow refers any more; its number is free. Whether there was one.
    ///
    /// The entry of a NAT server stays in the tables until the next image.
    pub fn release(&mut self, number: u32) -> bool {
        self.destinations.release(number)
    }
}
