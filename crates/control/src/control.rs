//! What is applied, and how it becomes what is desired.

use crate::{
    Image, Limits, Plan, Refusal,
    check::check,
    compare::compare,
    destinations::Destinations,
    image,
    schedule::{Before, Start, preparation},
    stored::Stored,
};
use relvs_core::table::destination::Destination;
use relvs_model::{Server, Service, ServiceKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is applied: services, where their sequences began, and the numbers of destinations.
///
/// It goes to disk and comes back by serde; without limits, see [`Control::with_limits`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Control {
    pub(crate) limits: Limits,
    pub(crate) revision: u64,
    pub(crate) services: Vec<Service>,
    /// Of each service.
    pub(crate) starts: Vec<Start>,
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
    /// The destinations that are new, revived or retired ([`relvs_core::table::destination::AVAILABLE`] is cleared),
    /// by number. Next hop, MTU and DIP are 0: the caller knows them.
    pub destinations: Vec<(u32, Destination)>,
    /// What changes.
    pub plan: Plan,
    next: Box<Control>,
}

impl Control {
    /// Nothing is applied, to tables of this size.
    pub fn new(limits: Limits) -> Self {
        Self::of(limits, 0, Vec::new(), Vec::new(), Destinations::default())
    }

    pub(crate) fn of(
        limits: Limits,
        revision: u64,
        services: Vec<Service>,
        starts: Vec<Start>,
        destinations: Destinations,
    ) -> Self {
        let index = services.iter().enumerate().map(|(at, service)| (service.key, at)).collect();
        Control { limits, revision, services, starts, index, destinations }
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

    /// The services, in the order of the state that was applied last.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// What would change. It does not say whether that is possible.
    pub fn plan(&self, desired: &[Service]) -> Plan {
        compare(&self.services, desired)
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
        desired: &[Service],
        half: u32,
        multiplier_seed: u64,
        cursor: &dyn Fn(ServiceKey) -> u64,
    ) -> Result<Prepared, Refusal> {
        check(desired)?;
        let plan = self.plan(desired);
        let mut destinations = self.destinations.clone();
        let changed = destinations.assign(desired, &self.limits)?;
        let (starts, cursors): (Vec<_>, Vec<_>) = desired.iter().map(|service| self.sequence(service, cursor)).unzip();
        let image = image::lay_out(desired, &cursors, &destinations, &self.limits, half, multiplier_seed)?;
        let revision = self.revision + u64::from(!plan.is_empty());
        let next = Box::new(Self::of(self.limits, revision, desired.to_vec(), starts, destinations));
        Ok(Prepared { image, destinations: changed, plan, next })
    }

    /// Makes this what is applied. It must have been prepared from what is applied now, without a
    /// [`Control::release`] in between.
    pub fn commit(&mut self, prepared: Prepared) {
        *self = *prepared.next;
    }

    /// Where a service's sequence goes on: what is to be remembered, and its cursor.
    fn sequence(&self, service: &Service, cursor: &dyn Fn(ServiceKey) -> u64) -> (Start, u64) {
        let applied =
            self.index.get(&service.key).and_then(|at| Some((self.services.get(*at)?, self.starts.get(*at)?)));
        let resume = preparation(service.scheduler).resume;
        let start = match applied {
            None => resume(&Before { servers: &[], start: &Start::default(), cursor: 0 }, &service.servers),
            Some((old, start)) if old == service => return (start.clone(), cursor(service.key)),
            Some((old, _)) if old.scheduler != service.scheduler => Start::default(),
            Some((old, start)) => {
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

    /// The records of all destinations by number, for tables that were made anew. What only the caller knows is 0.
    pub fn records(&self) -> impl Iterator<Item = (u32, Destination)> {
        self.destinations.iter().map(|(number, held)| (number, held.record()))
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
