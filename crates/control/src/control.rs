//! What is applied, and how it becomes what is desired.

use crate::{
    Desired, Entries, Image, Limits, Plan, Refusal, check,
    compare::compare,
    destinations::{Assigned, Destinations, Held},
    image::{self, Known},
    laid::Laid,
    schedule::{Before, Start, preparation},
};
use relvs_core::table::destination::Destination;
use relvs_model::{Server, Service, ServiceKey, Timeouts};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// What is applied: what was desired, where the services' sequences began, and the numbers of destinations.
///
/// It goes to disk and comes back by serde, and each change of it by [`Prepared::step`]; without limits, see
/// [`Control::with_limits`].
#[derive(Clone, Debug)]
pub struct Control {
    pub(crate) limits: Limits,
    pub(crate) revision: u64,
    pub(crate) desired: Desired,
    /// Of each service.
    pub(crate) states: Vec<Applied>,
    /// The identity that was given last.
    pub(crate) last_identity: u32,
    /// Where in `services` each is.
    pub(crate) index: Arc<HashMap<ServiceKey, usize>>,
    pub(crate) destinations: Destinations,
    /// The entries that are in the tables, and the services that are gone of which they know; none if they are not of
    /// what is applied.
    pub(crate) entries: Option<(Arc<Entries>, Arc<BTreeSet<ServiceKey>>)>,
}

/// What is known of a service that is applied.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    /// Where its sequence began.
    pub(crate) start: Start,
    /// Its number in all halves, not 0.
    pub(crate) identity: u32,
    /// Its choices; none until they were laid out by this program.
    pub(crate) laid: Option<Arc<Laid>>,
}

impl PartialEq for Control {
    fn eq(&self, other: &Self) -> bool {
        let states = |control: &Control| -> Vec<_> {
            control.states.iter().map(|state| (state.start.clone(), state.identity)).collect()
        };
        // What is laid out follows from the rest.
        (self.limits, self.revision, self.last_identity) == (other.limits, other.revision, other.last_identity)
            && self.desired == other.desired
            && states(self) == states(other)
            && self.destinations == other.destinations
    }
}

impl Eq for Control {}

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
    pub(crate) next: Box<Next>,
}

/// What becomes of a control.
#[derive(Clone, Debug)]
pub(crate) struct Next {
    pub(crate) revision: u64,
    pub(crate) desired: Desired,
    pub(crate) states: Vec<Applied>,
    pub(crate) last_identity: u32,
    pub(crate) index: Arc<HashMap<ServiceKey, usize>>,
    pub(crate) put: Vec<(u32, Held)>,
    /// Numbers that are given now.
    pub(crate) new: BTreeSet<u32>,
    entries: (Arc<Entries>, Arc<BTreeSet<ServiceKey>>),
}

impl Prepared {
    /// The revision once this is applied.
    pub fn revision(&self) -> u64 {
        self.next.revision
    }

    /// Whether this counts as a change, so that it has a revision of its own. What is configured does, though tables may
    /// not express it; what follows from it, like a server that is down, does not.
    pub fn count(&mut self, before: &Control, counts: bool) {
        self.next.revision = before.revision + u64::from(counts);
    }

    /// The services that there are then.
    pub fn services(&self) -> &[Arc<Service>] {
        &self.next.desired.services
    }

    /// The destinations that become otherwise: number, service, server, and whether it is retired then.
    pub fn changed(&self) -> impl Iterator<Item = (u32, ServiceKey, &Server, bool)> {
        self.next.put.iter().map(|(number, held)| (*number, held.service, &held.server, held.retired))
    }

    /// The numbers that are given now.
    pub fn given(&self) -> &BTreeSet<u32> {
        &self.next.new
    }

    /// Whether a destination that becomes otherwise may have templates.
    pub fn persists(&self) -> bool {
        self.next.put.iter().any(|(_, held)| held.template_s > 0)
    }
}

/// A service that is applied.
struct Old<'a> {
    service: &'a Arc<Service>,
    state: &'a Applied,
}

impl Control {
    /// Nothing is applied, to tables of this size.
    pub fn new(limits: Limits) -> Self {
        Control {
            limits,
            revision: 0,
            desired: Desired::default(),
            states: Vec::new(),
            last_identity: 0,
            index: Arc::default(),
            destinations: Destinations::default(),
            entries: None,
        }
    }

    /// The same with its index of the services made anew.
    pub(crate) fn index_anew(&mut self) {
        let keys = self.desired.services.iter().map(|service| service.key);
        self.index = Arc::new(keys.zip(0..).collect());
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
    pub fn services(&self) -> &[Arc<Service>] {
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

    /// Lays out what is desired for `half` (0 or 1), the one that is not in use. Services that stay as they are are
    /// not laid out anew.
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
        check::rest(desired)?;
        let desired = Desired { services: self.shared(&desired.services), ..desired.clone() };
        let services = &desired.services;
        let index = self.checked(services)?;
        let plan = compare(&self.desired, &desired);
        let stays = |old: &Option<Old<'_>>, service| old.as_ref().is_some_and(|old| Arc::ptr_eq(old.service, service));
        let olds: Vec<Option<Old<'_>>> = services.iter().map(|service| self.old(service.key)).collect();

        let gone = self.desired.services.iter().filter(|old| !index.contains_key(&old.key));
        let changed = services.iter().zip(&olds).filter(|(service, old)| !stays(old, service));
        let changed = changed.map(|(service, old)| (old.as_ref().map(|old| &**old.service), Some(&**service)));
        let pairs: Vec<_> = changed.chain(gone.map(|old| (Some(&**old), None))).collect();
        let Assigned { put, of } = self.destinations.assign(&pairs, &self.limits)?;
        let removed = self.removed(&index, &put);

        let (identities, last_identity) = self.identify(services, &olds);
        let mut image = Image::begin(&desired, &removed, &self.limits, half)?;
        let mut states = Vec::with_capacity(services.len());
        let mut of = of.iter();
        for ((service, old), identity) in services.iter().zip(&olds).zip(identities) {
            let room = image.room(&self.limits);
            let lay = |(numbers, weights): (&[u32], &[u32])| Laid::out(service, (numbers, weights), room).map(Arc::new);
            let laid = if !stays(old, service) {
                let (numbers, weights) = of.next().map_or((&[][..], &[][..]), |(n, w)| (n, w));
                lay((numbers, weights))?
            } else if let Some(laid) = old.as_ref().and_then(|old| old.state.laid.clone()) {
                laid.fits(service, room)?;
                laid
            } else {
                let (numbers, weights) = self.destinations.of_servers(service);
                lay((&numbers, &weights))?
            };
            let (start, cursor) = sequence(service, old.as_ref(), cursor);
            let known = Known { start: &start, cursor, identity };
            image.add(service, &known, &laid, &self.limits, half);
            states.push(Applied { start, identity, laid: Some(laid) });
        }
        image.add_removed(removed.len());
        let new: BTreeSet<u32> =
            put.iter().map(|(number, _)| *number).filter(|number| self.destinations.get(*number).is_none()).collect();
        let new_nat = put.iter().any(|(number, held)| held.rewritten_to().is_some() && new.contains(number));
        image.nat = new_nat || self.destinations.nat() > 0;
        let entries = match &self.entries {
            Some((entries, before)) if Arc::ptr_eq(&index, &self.index) && **before == removed && !new_nat => {
                (Arc::clone(entries), Arc::clone(before))
            }
            _ => {
                let there = &self.destinations;
                let entries = image::entries(services, &removed, there, &put, &self.limits, multiplier_seed)?;
                (Arc::new(entries), Arc::new(removed))
            }
        };
        let image = image.with_entries(Arc::clone(&entries.0), services);
        let records = put.iter().filter_map(|(number, held)| {
            let (old, new) = (self.destinations.get(*number).map(Held::record), held.record());
            (old != Some(new)).then_some((*number, new))
        });
        let mut records: Vec<_> = records.collect();
        records.sort_unstable_by_key(|(number, _)| *number);
        let revision = self.revision + u64::from(!plan.is_empty());
        let next = Next { revision, desired, states, last_identity, index, put, new, entries };
        Ok(Prepared { image, destinations: records, plan, next: Box::new(next) })
    }

    /// Makes this what is applied. It must have been prepared from what is applied now, without a
    /// [`Control::release`] in between.
    pub fn commit(&mut self, prepared: Prepared) {
        let Next { revision, desired, states, last_identity, index, put, entries, .. } = *prepared.next;
        for (number, held) in put {
            self.destinations.put(number, held);
        }
        self.entries = Some(entries);
        (self.revision, self.last_identity) = (revision, last_identity);
        (self.desired, self.states, self.index) = (desired, states, index);
    }

    /// These services, those that are applied already being the same [`Arc`].
    fn shared(&self, services: &[Arc<Service>]) -> Vec<Arc<Service>> {
        let same = |(at, service): (usize, &Arc<Service>)| {
            let there = self.desired.services.get(at).filter(|there| there.key == service.key);
            let there = there.or_else(|| self.old(service.key).map(|old| old.service));
            Arc::clone(there.filter(|there| *there == service).unwrap_or(service))
        };
        services.iter().enumerate().map(same).collect()
    }

    /// Checks the services that are not applied already, and gives where each is: the same index if that is as before.
    fn checked(&self, services: &[Arc<Service>]) -> Result<Arc<HashMap<ServiceKey, usize>>, Refusal> {
        let keys = |services: &[Arc<Service>]| -> Vec<ServiceKey> { services.iter().map(|one| one.key).collect() };
        let same_keys = keys(services) == keys(&self.desired.services);
        let mut index = HashMap::with_capacity(if same_keys { 0 } else { services.len() });
        for (at, service) in services.iter().enumerate() {
            if !same_keys && index.insert(service.key, at).is_some() {
                return Err(Refusal::ServiceTwice(service.key));
            }
            if !self.old(service.key).is_some_and(|old| Arc::ptr_eq(old.service, service)) {
                check::service(service)?;
            }
        }
        Ok(if same_keys { Arc::clone(&self.index) } else { Arc::new(index) })
    }

    /// The services that are then gone, but not their flows.
    fn removed(&self, index: &HashMap<ServiceKey, usize>, put: &[(u32, Held)]) -> BTreeSet<ServiceKey> {
        let before = self.destinations.retired().iter().filter_map(|number| self.destinations.get(*number));
        let all = before.chain(put.iter().map(|(_, held)| held).filter(|held| held.retired));
        all.map(|held| held.service).filter(|key| !index.contains_key(key)).collect()
    }

    /// The identities of these services, and the one that was given last. What a scheduler remembers goes by it, so a
    /// service that comes or gets another scheduler has a new one.
    fn identify(&self, services: &[Arc<Service>], olds: &[Option<Old<'_>>]) -> (Vec<u32>, u32) {
        let kept = |(service, old): (&Arc<Service>, &Option<Old<'_>>)| {
            let old = old.as_ref()?;
            (old.service.scheduler == service.scheduler).then_some(old.state.identity)
        };
        let kept: Vec<Option<u32>> = services.iter().zip(olds).map(kept).collect();
        let mut last = self.last_identity;
        if kept.iter().all(Option::is_some) {
            return (kept.into_iter().flatten().collect(), last);
        }
        let used: HashSet<u32> = kept.iter().flatten().copied().collect();
        let mut fresh = || loop {
            last = last.checked_add(1).unwrap_or(1);
            if !used.contains(&last) {
                return last;
            }
        };
        let identities = kept.into_iter().map(|kept| kept.unwrap_or_else(&mut fresh)).collect();
        (identities, last)
    }

    /// A service that is applied.
    fn old(&self, key: ServiceKey) -> Option<Old<'_>> {
        let at = *self.index.get(&key)?;
        Some(Old { service: self.desired.services.get(at)?, state: self.states.get(at)? })
    }

    /// The index of a service's record within its half.
    pub fn index_of(&self, key: ServiceKey) -> Option<u32> {
        self.index.get(&key).and_then(|at| u32::try_from(*at).ok())
    }

    /// A service that is applied.
    pub fn service(&self, key: ServiceKey) -> Option<&Arc<Service>> {
        self.old(key).map(|old| old.service)
    }

    /// All destinations by number: number, service, server, and whether it is retired.
    pub fn destinations(&self) -> impl Iterator<Item = (u32, ServiceKey, &Server, bool)> {
        self.destinations.iter().map(shown)
    }

    /// The same of one service.
    pub fn destinations_of(&self, key: ServiceKey) -> impl Iterator<Item = (u32, ServiceKey, &Server, bool)> {
        self.destinations.of_service(key).map(|(_, there)| shown(there))
    }

    /// Every destination's number is below this one.
    pub fn destinations_end(&self) -> u32 {
        self.destinations.end()
    }

    /// A destination's service.
    pub fn service_of(&self, number: u32) -> Option<ServiceKey> {
        self.destinations.get(number).map(|held| held.service)
    }

    /// The addresses of all servers, those of retired destinations included; each once.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.destinations.addresses()
    }

    /// The destinations whose server has this address: number, and record as of [`Control::record`].
    pub fn records_of(&self, address: IpAddr) -> impl Iterator<Item = (u32, Destination)> {
        self.destinations.of_address(address).map(|(number, held)| (number, held.record()))
    }

    /// Whose the destination with this number is, and where its packets go; port 0 is the one they came to.
    pub fn sent_to(&self, number: u32) -> Option<(ServiceKey, SocketAddr)> {
        self.destinations.get(number).map(|held| (held.service, held.replies_from()))
    }

    /// The latest weight of a destination that was not 0; 0 if there was none since it came.
    pub fn last_weight(&self, number: u32) -> u32 {
        self.destinations.get(number).map_or(0, |held| held.last_weight)
    }

    /// The record of a destination. What only the caller knows is 0.
    pub fn record(&self, number: u32) -> Option<Destination> {
        self.destinations.get(number).map(Held::record)
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
        let retired = self.destinations.retired().iter();
        retired.filter_map(|number| self.destinations.get(*number).map(|held| (*number, held.service, &held.server)))
    }

    /// Forgets a retired destination to which no flow refers any more; its number is free. Whether there was one.
    ///
    /// The entry of a NAT server stays in the tables until the next image.
    pub fn release(&mut self, number: u32) -> bool {
        if self.destinations.get(number).is_some_and(|held| held.retired && held.rewritten_to().is_some()) {
            self.entries = None;
        }
        self.destinations.release(number)
    }
}

fn shown((number, held): (u32, &Held)) -> (u32, ServiceKey, &Server, bool) {
    (number, held.service, &held.server, held.retired)
}

/// Where a service's sequence goes on: what is to be remembered, and its cursor.
fn sequence(service: &Service, old: Option<&Old<'_>>, cursor: &dyn Fn(ServiceKey) -> u64) -> (Start, u64) {
    let resume = preparation(service.scheduler).resume;
    let start = match old {
        None => resume(&Before { servers: &[], start: &Start::default(), cursor: 0 }, &service.servers),
        // IPVS tells its scheduler of every server that is edited, and of nothing else that is edited.
        Some(Old { service: old, state }) if old.scheduler == service.scheduler && old.servers == service.servers => {
            return (state.start.clone(), cursor(service.key));
        }
        Some(Old { service: old, .. }) if old.scheduler != service.scheduler => Start::default(),
        Some(Old { service: old, state }) => {
            let before = Before { servers: &old.servers, start: &state.start, cursor: cursor(service.key) };
            resume(&before, &service.servers)
        }
    };
    let cursor = start.cursor;
    (start, cursor)
}
