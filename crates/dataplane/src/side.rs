//! The tables, wherever they are.

use crate::Counters;
use relvs_core::{Constants, Reason};
use std::sync::atomic::AtomicU64;

/// A table that user space reads and writes in place, as 64-bit words. [`relvs_core::table`] says what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Which half of the service tables is in use.
    Active,
    /// Interfaces that are served.
    Interfaces,
    /// Service entries of IPv4, both halves.
    Services4,
    /// Service entries of IPv6, both halves.
    Services6,
    /// Services, both halves.
    Services,
    /// Limits of services' new flows, both halves.
    Limits,
    /// Bands of rounds, both halves.
    Bands,
    /// Rings, both halves.
    Rings,
    /// Destinations.
    Destinations,
    /// Next hops.
    Hops,
    /// Settled flows of IPv4.
    Flows4,
    /// Young flows of IPv4.
    Young4,
    /// Settled flows of IPv6.
    Flows6,
    /// Young flows of IPv6.
    Young6,
    /// How loaded destinations are.
    Loads,
    /// Match rules, both halves.
    Rules,
    /// Filters of events.
    Trace,
}

impl Area {
    /// All of them.
    pub const ALL: [Area; 17] = [
        Area::Active,
        Area::Interfaces,
        Area::Services4,
        Area::Services6,
        Area::Services,
        Area::Limits,
        Area::Bands,
        Area::Rings,
        Area::Destinations,
        Area::Hops,
        Area::Flows4,
        Area::Young4,
        Area::Flows6,
        Area::Young6,
        Area::Loads,
        Area::Rules,
        Area::Trace,
    ];

    /// The map's name.
    pub const fn map(self) -> &'static str {
        match self {
            Area::Active => "ACTIVE",
            Area::Interfaces => "INTERFACES",
            Area::Services4 => "SERVICES4",
            Area::Services6 => "SERVICES6",
            Area::Services => "SERVICES",
            Area::Limits => "LIMITS",
            Area::Bands => "BANDS",
            Area::Rings => "RINGS",
            Area::Destinations => "DESTINATIONS",
            Area::Hops => "HOPS",
            Area::Flows4 => "FLOWS4",
            Area::Young4 => "YOUNG4",
            Area::Flows6 => "FLOWS6",
            Area::Young6 => "YOUNG6",
            Area::Loads => "LOADS",
            Area::Rules => "RULES",
            Area::Trace => "TRACE",
        }
    }

    /// Words of a record.
    pub const fn words(self) -> usize {
        match self {
            Area::Rings => 1,
            Area::Bands => 2,
            Area::Hops | Area::Loads | Area::Limits => 4,
            Area::Active | Area::Services4 | Area::Services | Area::Destinations | Area::Trace => 8,
            Area::Interfaces | Area::Services6 | Area::Flows4 | Area::Young4 | Area::Rules => 16,
            Area::Flows6 | Area::Young6 => 32,
        }
    }

    /// How many records there are.
    pub const fn records(self, sizes: &Sizes) -> u32 {
        match self {
            Area::Active => 1,
            Area::Interfaces => relvs_core::table::interface::SLOTS,
            Area::Services4 | Area::Services6 => 2 * sizes.sets,
            Area::Services | Area::Limits => 2 * sizes.services,
            Area::Bands => 2 * sizes.bands,
            Area::Rings => 2 * sizes.ring,
            Area::Destinations | Area::Loads => sizes.destinations,
            Area::Rules => 2 * sizes.rules,
            Area::Hops => sizes.hops,
            Area::Trace => relvs_core::table::trace::SLOTS,
            Area::Flows4 => sizes.flows4,
            Area::Young4 => sizes.young4,
            Area::Flows6 => sizes.flows6,
            Area::Young6 => sizes.young6,
        }
    }
}

/// How large the tables are. Those of flows are in buckets of four records; sets, services, bands, rings and rules are of
/// one half. Powers of two where a hash is cut to them: buckets and sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sizes {
    /// Buckets of settled IPv4 flows.
    pub flows4: u32,
    /// Buckets of young IPv4 flows.
    pub young4: u32,
    /// Buckets of settled IPv6 flows.
    pub flows6: u32,
    /// Buckets of young IPv6 flows.
    pub young6: u32,
    /// Sets of service entries.
    pub sets: u32,
    /// Services.
    pub services: u32,
    /// Bands of rounds.
    pub bands: u32,
    /// Ring slots.
    pub ring: u32,
    /// Match rules.
    pub rules: u32,
    /// Destinations, those that are gone but not forgotten included.
    pub destinations: u32,
    /// Next hops.
    pub hops: u32,
}

impl Sizes {
    /// For this many flows of each family, NAT's counted twice. Half of a table stays empty at that number. A director of
    /// many flows may have many services and NAT servers: about 0.07 for each flow.
    pub fn for_flows(flows: u32) -> Self {
        let buckets = |records: u64| u32::try_from((records / 4).max(64).next_power_of_two()).unwrap_or(1 << 26);
        let settled = buckets(u64::from(flows) * 2).min(1 << 26);
        let young = buckets(u64::from(flows) / 8).clamp(1 << 10, 1 << 14);
        Sizes {
            flows4: settled,
            young4: young,
            flows6: settled,
            young6: young,
            sets: (flows / 4).clamp(1 << 15, 1 << 19).next_power_of_two(),
            services: 1 << 14,
            bands: 1 << 16,
            ring: 1 << 20,
            rules: 1 << 12,
            destinations: 1 << 17,
            hops: 1 << 16,
        }
    }

    /// How much memory all tables take, in bytes. What each CPU has of its own comes on top.
    pub fn bytes(&self) -> u64 {
        Area::ALL.iter().map(|area| area.words() as u64 * 8 * u64::from(area.records(self))).sum()
    }

    /// Small tables, for tests: buckets fill and spill.
    pub const fn small() -> Self {
        Sizes {
            flows4: 128,
            young4: 64,
            flows6: 128,
            young6: 64,
            sets: 64,
            services: 64,
            bands: 256,
            ring: 1 << 14,
            rules: 64,
            destinations: 256,
            hops: 256,
        }
    }
}

/// The tables of one director.
pub trait Side {
    /// How large they are.
    fn sizes(&self) -> &Sizes;
    /// What was fixed when they were made.
    fn constants(&self) -> Constants;
    /// A table's words.
    fn area(&self, area: Area) -> &[AtomicU64];
    /// The time as the core sees it.
    ///
    /// # Errors
    ///
    /// The kernel refused to tell.
    fn now(&self) -> Result<u16, crate::Error>;
    /// Length of the core's second, in seconds.
    fn second(&self) -> f64;
    /// Makes a next hop findable by its interface and MAC (low 48 bits), or no more with a reference of 0.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    fn set_hop_of(&self, interface: u32, mac: u64, reference: u32) -> Result<(), crate::Error>;
    /// Clients whose neighbour must be resolved before anything can be sent to them (words as in the tables). Each is
    /// told once.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    fn wanted(&self) -> Result<Vec<[u64; 2]>, crate::Error>;
    /// A destination's counters, of all CPUs together.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    fn counters(&self, destination: u32) -> Result<Counters, crate::Error>;
    /// Gives the counters of all destinations below `end` that have counted anything, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    fn counters_below(&self, end: u32, give: &mut dyn FnMut(u32, Counters)) -> Result<(), crate::Error> {
        for number in 0..end.min(self.sizes().destinations) {
            let counters = self.counters(number)?;
            if counters != Counters::default() {
                give(number, counters);
            }
        }
        Ok(())
    }
    /// Begins a destination's counters at nothing.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    fn clear_counters(&self, destination: u32) -> Result<(), crate::Error>;
    /// How often there was this reason.
    ///
    /// # Errors
    ///
    /// The kernel refused.
    fn reason(&self, reason: Reason) -> Result<u64, crate::Error>;

    /// A record's words.
    fn record(&self, area: Area, index: u32) -> Option<&[AtomicU64]> {
        let words = area.words();
        let at = index as usize * words;
        self.area(area).get(at..at + words)
    }
}
