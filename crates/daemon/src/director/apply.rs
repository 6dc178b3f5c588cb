//! From desired services to tables.
//!
//! The order matters to packets: new destinations are ready before the switch that lets them be chosen, removed ones are
//! closed after it. And to crashes: what will be applied is on disk before the switch, so that the next daemon knows
//! every destination that flows may refer to.

use super::{Director, Error};
use relvs_core::table::destination::{AVAILABLE, Destination};
use relvs_dataplane::{Half, inactive_half, install, write_destination};
use relvs_model::{Service, ServiceKey};
use relvs_net::Resolution;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

/// The longest wait for neighbours of new servers to answer.
const RESOLVE_LIMIT: Duration = Duration::from_millis(1500);
/// After a switch, no program reads the half before any more: they take microseconds.
const GRACE: Duration = Duration::from_millis(10);

impl Director {
    /// Brings the tables to these services. Gives the plan that was carried out, as text.
    pub(super) fn apply(&mut self, desired: &[Service]) -> Result<String, Error> {
        let half = inactive_half(&self.kernel);
        let cursors = self.cursors();
        let cursor = |key: ServiceKey| cursors.get(&key).copied().unwrap_or(0);
        let prepared = self.control.prepare(desired, half, super::random(), &cursor)?;
        let plan = prepared.plan.to_string();

        let mut next = self.control.clone();
        next.commit(prepared.clone());
        let servers: BTreeSet<IpAddr> = next.destinations().map(|(_, _, server, _)| server.address).collect();
        self.ways.retain(&servers);
        self.resolve(&servers)?;

        let addresses: BTreeMap<u32, IpAddr> =
            next.destinations().map(|(n, _, server, _)| (n, server.address)).collect();
        let (open, closed): (Vec<_>, Vec<_>) =
            prepared.destinations.iter().partition(|(_, d)| d.flags & AVAILABLE != 0);
        for (number, record) in &open {
            self.write(*number, addresses.get(number).copied(), record)?;
        }
        self.write_control(&next)?;
        if let Some(rest) = GRACE.checked_sub(self.switched.elapsed()) {
            thread::sleep(rest);
        }
        let image = &prepared.image;
        let tables = Half {
            sets4: &image.sets4,
            sets6: &image.sets6,
            services: &image.services,
            bands: &image.bands,
            rings: &image.rings,
            multiplier: image.multiplier,
            nat: image.nat,
        };
        install(&self.kernel, &tables);
        self.switched = Instant::now();
        for (number, record) in &closed {
            self.write(*number, addresses.get(number).copied(), record)?;
        }
        self.control = next;
        // Every other destination too: its way may have changed while no daemon was there to see it.
        let all: Vec<IpAddr> = servers.into_iter().collect();
        self.write_ways(&all)?;
        self.ways.mirror(&self.kernel)?;
        for line in plan.lines() {
            tracing::info!("applied: {line}");
        }
        Ok(plan)
    }

    /// The ways to these servers may have changed: asks, and writes those that did.
    pub(super) fn update(&mut self, servers: &[IpAddr]) -> Result<(), Error> {
        let mut changed = Vec::new();
        for server in servers {
            if self.ways.resolve(*server)? {
                changed.push(*server);
            }
        }
        for server in &changed {
            self.say(*server);
        }
        self.write_ways(&changed)
    }

    /// Asks for the ways to all these servers, and waits a moment for the neighbours of those that are new.
    fn resolve(&mut self, servers: &BTreeSet<IpAddr>) -> Result<(), Error> {
        let fresh: Vec<IpAddr> = servers.iter().copied().filter(|s| !self.is_ready(*s)).collect();
        let deadline = Instant::now() + RESOLVE_LIMIT;
        for server in &fresh {
            self.ways.resolve(*server)?;
        }
        while Instant::now() < deadline {
            let pending = self.ways.pending();
            if pending.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
            for server in pending {
                self.ways.resolve(server)?;
            }
        }
        for server in &fresh {
            self.say(*server);
        }
        Ok(())
    }

    /// Writes the destinations of these servers with the ways to them.
    fn write_ways(&mut self, servers: &[IpAddr]) -> Result<(), Error> {
        let servers: BTreeSet<&IpAddr> = servers.iter().collect();
        let of_them: Vec<_> = self.records().filter(|(_, address, _)| servers.contains(address)).collect();
        for (number, address, record) in of_them {
            self.write(number, Some(address), &record)?;
        }
        Ok(())
    }

    fn write(&mut self, number: u32, server: Option<IpAddr>, record: &Destination) -> Result<(), Error> {
        let record = match server {
            Some(server) => self.ways.complete(&self.kernel, server, record)?,
            None => *record,
        };
        write_destination(&self.kernel, number, &record);
        Ok(())
    }

    /// Every destination with its server and its record as control wants it, without the way.
    pub(super) fn records(&self) -> impl Iterator<Item = (u32, IpAddr, Destination)> {
        let servers = self.control.destinations().map(|(_, _, server, _)| server.address);
        self.control.records().zip(servers).map(|((number, record), address)| (number, address, record))
    }

    /// How many choices each service has made.
    fn cursors(&self) -> BTreeMap<ServiceKey, u64> {
        self.control
            .services()
            .iter()
            .filter_map(|service| {
                let index = self.control.index_of(service.key)?;
                Some((service.key, relvs_dataplane::cursor(&self.kernel, index)))
            })
            .collect()
    }

    /// Says in the log what is known of the way to a server.
    fn say(&self, server: IpAddr) {
        match self.ways.known(server) {
            Some(Resolution::Ready(hop)) => {
                let (interface, mac) = (self.ways.interface(hop.interface), relvs_net::mac_text(&hop.destination_mac));
                tracing::info!("server {server}: by {} ({mac}) on {interface}", hop.neighbour);
            }
            Some(Resolution::Pending { neighbour, .. }) => {
                tracing::warn!(
                    "server {server}: {neighbour} does not answer ARP or neighbour discovery; its packets are dropped until it does"
                );
            }
            Some(Resolution::Unreachable { why }) => tracing::warn!("server {server}: {why}; its packets are dropped"),
            Some(Resolution::Local) => {
                tracing::warn!(
                    "server {server}: is this director itself, which this version cannot serve; its packets are dropped"
                );
            }
            None => {}
        }
    }
}
