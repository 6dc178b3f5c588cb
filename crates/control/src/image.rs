//! One half of the service tables, whole.

use crate::{
    Desired, Limits, Refusal,
    destinations::Destinations,
    entries::{Draft, Entries},
    laid::Laid,
    record::{FTP, record},
    rules,
    schedule::Start,
    settings,
};
use relvs_core::{
    schedule::REMOVED,
    table::{
        active, limit,
        service::{self, BANDS},
    },
};
use relvs_model::{Service, ServiceKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Everything that one half of the service tables holds. Indices inside the records are of the whole table, so that
/// the half is a part of them; those of the entries are not.
///
/// Of tables but the entries what is beyond the vectors' ends may stay as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Service entries. The same as before is the same [`Arc`].
    pub entries: Arc<Entries>,
    /// Services, in the order of the desired state; then those that were removed and may have flows.
    pub services: Vec<[u64; 8]>,
    /// How many new flows those of the desired state take ([`relvs_core::table::limit`]).
    pub limits: Vec<[u64; 4]>,
    /// Bands.
    pub bands: Vec<[u64; 2]>,
    /// Ring slots: numbers of destinations and their weights.
    pub rings: Vec<u64>,
    /// Match rules ([`relvs_core::table::rule`]), in their order.
    pub rules: Vec<[u64; 16]>,
    /// Whether some destination uses NAT, a retired one included.
    pub nat: bool,
    /// Whether some destination is of a mark's service, a retired one included, or some rule gives a mark.
    pub marks: bool,
    /// Whether the port of some entry is 0, which is any: a service's, or that of a NAT server that keeps the clients'.
    pub any_port: bool,
    /// The settings as bits of the switch ([`relvs_core::table::active::SETTINGS`]).
    pub settings: u64,
    /// One in so many packets that would open a flow is dropped, where the settings say so.
    pub drop_rate: u32,
}

/// What is known of a service beside its configuration.
pub(crate) struct Known<'a> {
    /// Where its sequence began.
    pub(crate) start: &'a Start,
    /// Its cursor.
    pub(crate) cursor: u64,
    /// Its number in all halves.
    pub(crate) identity: u32,
}

impl Image {
    /// An empty half, with the rules and settings of what is desired. `removed` are services that are gone, but not their
    /// flows.
    pub(crate) fn begin(
        desired: &Desired,
        removed: &BTreeSet<ServiceKey>,
        limits: &Limits,
        half: u32,
    ) -> Result<Self, Refusal> {
        let all = desired.services.len() + removed.len();
        if all > limits.services as usize {
            return Err(Refusal::Services { services: all, limit: limits.services });
        }
        let keys = desired.services.iter().map(|service| service.key).chain(removed.iter().copied());
        let marks: BTreeMap<_, u32> = (half * limits.services..)
            .zip(keys)
            .filter_map(|(index, key)| match key {
                ServiceKey::Mark(mark) => Some((mark, index)),
                ServiceKey::Listen(_) => None,
            })
            .collect();
        let rules = rules::lay_out(&desired.rules, &marks, limits)?;
        let marks = !(marks.is_empty() && rules.is_empty());
        Ok(Image {
            rules,
            marks,
            settings: settings::word(&desired.settings),
            drop_rate: desired.settings.am_droprate,
            ..Image::default()
        })
    }

    /// Bands and slots that are left for a service.
    pub(crate) fn room(&self, limits: &Limits) -> (usize, usize) {
        let bands = (limits.bands as usize - self.bands.len()).min(BANDS as usize);
        (bands, limits.ring as usize - self.rings.len())
    }

    /// Adds a service, which must fit.
    pub(crate) fn add(&mut self, service: &Service, known: &Known<'_>, laid: &Laid, limits: &Limits, half: u32) {
        let bands = (&mut self.bands, half * limits.bands);
        let record = laid.add_to(record(service, known), bands, (&mut self.rings, half * limits.ring));
        self.services.push(record.pack());
        self.limits.push(limit::of_rate(service.new_flows_per_second));
    }

    /// Adds so many services that are gone: packets of these must still find their destinations, to be dropped, or
    /// forwarded when the service is back (as IPVS does with its trash).
    pub(crate) fn add_removed(&mut self, count: usize) {
        let record = service::Service { scheduler: REMOVED, ..service::Service::default() }.pack();
        self.services.extend(std::iter::repeat_n(record, count));
    }

    /// Takes the entries, which then say with the services whether a port may be any.
    pub(crate) fn with_entries(self, entries: Arc<Entries>, services: &[Arc<Service>]) -> Self {
        let ftp = |service: &Arc<Service>| service.key.port() == FTP && service.persistence.is_some();
        Image { any_port: entries.any_port || services.iter().any(ftp), entries, ..self }
    }

    /// The bits of the switch ([`relvs_core::table::active`]), but for the one that says which half is in use.
    pub fn switch(&self) -> u64 {
        let there = [(self.nat, active::NAT), (self.marks, active::RULES), (self.any_port, active::ANY_PORT)];
        there.into_iter().filter(|(is, _)| *is).fold(self.settings, |switch, (_, bit)| switch | bit)
    }
}

/// The entries of these services, of those that were removed after them, and of the NAT servers.
pub(crate) fn entries(
    services: &[Arc<Service>],
    removed: &BTreeSet<ServiceKey>,
    destinations: &Destinations,
    come: &[(u32, crate::destinations::Held)],
    limits: &Limits,
    seed: u64,
) -> Result<Entries, Refusal> {
    let mut draft = Draft::default();
    let keys = services.iter().map(|service| service.key).chain(removed.iter().copied());
    for (index, key) in (0..).zip(keys) {
        if let ServiceKey::Listen(listen) = key {
            draft.service(listen, index);
        }
    }
    let come = come.iter().filter(|(number, _)| destinations.get(*number).is_none());
    for (number, held) in destinations.iter().chain(come.map(|(number, held)| (*number, held))) {
        if let Some(server) = held.rewritten_to() {
            for protocol in held.service.protocols() {
                draft.server(server, protocol.number(), number);
            }
        }
    }
    draft.place(limits.sets, seed)
}
