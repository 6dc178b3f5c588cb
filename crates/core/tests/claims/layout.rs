//! Where everything is in a scene's memory: the flow tables first, which all CPUs share, then what does not change or is
//! one CPU's own.

use relvs_core::{Family as _, V4, V6, Zone, flow::control::SLOTS};

/// Destinations that a scene may have, and one more.
pub(crate) const DESTINATIONS: usize = 5;

#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// Words of a record.
    pub(crate) record: usize,
    /// Its word of the link.
    pub(crate) link: usize,
    /// Its word of the ports.
    pub(crate) ports: usize,
    /// Buckets of each table, a power of two.
    pub(crate) buckets: usize,
    /// End of the flow tables.
    pub(crate) flows: usize,
    pub(crate) active: usize,
    pub(crate) interface: usize,
    pub(crate) entries: usize,
    pub(crate) service: usize,
    pub(crate) destinations: usize,
    pub(crate) hops: usize,
    pub(crate) loads: usize,
    pub(crate) request: usize,
    pub(crate) answers: usize,
    pub(crate) end: usize,
}

impl Layout {
    pub(crate) fn new(six: bool, buckets: usize) -> Self {
        let (record, link) = if six { (V6::RECORD, V6::LINK) } else { (V4::RECORD, V4::LINK) };
        let ports = if six { V6::PORTS } else { V4::PORTS };
        let flows = 2 * buckets * SLOTS * record;
        let active = flows;
        let interface = active + 8;
        let entries = interface + 16;
        let service = entries + 16;
        let destinations = service + 8;
        let hops = destinations + 8 * DESTINATIONS;
        let loads = hops + 4 * DESTINATIONS;
        let request = loads + 4 * DESTINATIONS;
        let answers = request + 32;
        Layout {
            record,
            link,
            ports,
            buckets,
            flows,
            active,
            interface,
            entries,
            service,
            destinations,
            hops,
            loads,
            request,
            answers,
            end: answers + 8,
        }
    }

    /// First word of a bucket.
    pub(crate) fn bucket(&self, zone: Zone, bucket: u32) -> usize {
        let table = if zone == Zone::Young { self.buckets } else { 0 };
        (table + bucket as usize % self.buckets) * SLOTS * self.record
    }

    /// First word of the record at a place.
    pub(crate) fn place(&self, zone: Zone, place: usize) -> usize {
        self.bucket(zone, (place / SLOTS) as u32) + place % SLOTS * self.record
    }

    pub(crate) fn is_control(&self, word: usize) -> bool {
        word < self.flows && word.is_multiple_of(self.record)
    }

    pub(crate) fn is_link(&self, word: usize) -> bool {
        word < self.flows && word % self.record == self.link
    }

    /// The table of a flow's word.
    pub(crate) fn zone(&self, word: usize) -> Zone {
        if word < self.flows / 2 { Zone::Settled } else { Zone::Young }
    }
}
