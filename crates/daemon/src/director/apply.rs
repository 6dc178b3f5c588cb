//! From desired services to tables.
//!
//! The order matters to packets: new destinations are ready before the switch that lets them be chosen, removed ones are
//! closed after it. And to crashes: what will be applied is on disk before the switch, so that the next daemon knows
//! every destination that flows may refer to.

use super::{Director, Error, memory};
use relvs_control::{Control, Desired, Statistics};
use relvs_core::{
    state::tcp,
    table::destination::{AVAILABLE, Destination},
};
use relvs_dataplane::{Half, Side as _, Timeouts, inactive_half, install, withdraw, write_destination, write_load};
use relvs_model::ServiceKey;
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
/// So many of the core's seconds before a record's time goes round, a pass over the tables has found it, even if the
/// daemon was away for a while.
const LEEWAY: u16 = 600;

impl Director {
    /// Brings the tables to what is desired. Gives the plan that was carried out, as text.
    pub(super) fn apply(&mut self, desired: &Desired) -> Result<String, Error> {
        let half = inactive_half(&self.kernel);
        let cursors = self.cursors();
        let cursor = |key: ServiceKey| cursors.get(&key).copied().unwrap_or(0);
        let prepared = self.control.prepare(desired, half, super::random(), &cursor)?;
        let plan = prepared.plan.to_string();

        let mut next = self.control.clone();
        next.commit(prepared.clone());
        let servers: BTreeSet<IpAddr> = next.destinations().map(|(_, _, server, _)| server.address).collect();
        self.ways.retain(&servers);
        let fresh = self.resolve(&servers)?;
        let statistics = self.begin_counting(&next)?;

        let addresses: BTreeMap<u32, IpAddr> =
            next.destinations().map(|(n, _, server, _)| (n, server.address)).collect();
        let (open, closed): (Vec<_>, Vec<_>) =
            prepared.destinations.iter().partition(|(_, d)| d.flags & AVAILABLE != 0);
        for (number, _, server, _) in next.destinations() {
            write_load(&self.kernel, number, server.weight, server.upper_threshold, server.lower_threshold);
        }
        for (number, record) in &open {
            self.write(*number, addresses.get(number).copied(), record)?;
        }
        memory::write(&self.run_dir, &next, &statistics)?;
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
            rules: &image.rules,
            switch: image.switch(),
        };
        install(&self.kernel, &tables);
        self.switched = Instant::now();
        for (number, record) in &closed {
            self.write(*number, addresses.get(number).copied(), record)?;
        }
        (self.control, self.statistics) = (next, statistics);
        self.timeouts = self.timeouts(!closed.is_empty());
        // Every other destination too: its way may have changed while no daemon was there to see it.
        let all: Vec<IpAddr> = servers.into_iter().collect();
        self.write_ways(&all)?;
        self.ways.mirror(&self.kernel)?;
        for server in fresh {
            self.say(server)?;
        }
        for line in plan.lines() {
            tracing::info!("applied: {line}");
        }
        Ok(plan)
    }

    /// Numbers that are given now begin at nothing, whatever a daemon left there that ended while it took them back;
    /// and so do services that come. Gives the statistics that go with `next`.
    fn begin_counting(&self, next: &Control) -> Result<Statistics, Error> {
        let known: BTreeSet<u32> = self.control.destinations().map(|(number, ..)| number).collect();
        for (number, ..) in next.destinations().filter(|(number, ..)| !known.contains(number)) {
            withdraw(&self.kernel, number);
            self.kernel.clear_counters(number)?;
        }
        let counted = self.counted(next)?;
        let there: BTreeSet<ServiceKey> = self.control.services().iter().map(|service| service.key).collect();
        let wanted: BTreeSet<ServiceKey> = next.services().iter().map(|service| service.key).collect();
        let mut statistics = self.statistics.clone();
        statistics.retain(&wanted);
        for key in wanted.difference(&there) {
            statistics.begin(*key, &counted);
        }
        statistics.watch(&counted);
        Ok(statistics)
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
            self.say(*server)?;
        }
        self.write_ways(&changed)
    }

    /// Asks for the ways to all these servers, and waits a moment for the neighbours of those that are new. Gives those
    /// whose way was not known.
    fn resolve(&mut self, servers: &BTreeSet<IpAddr>) -> Result<Vec<IpAddr>, Error> {
        let fresh: Vec<IpAddr> = servers.iter().copied().filter(|s| !self.ways.leads_to(*s)).collect();
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
        Ok(fresh)
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

    /// When flows are forgotten. `ipvsadm --set` changes three timeouts and no other state's, and so does relvs.
    ///
    /// Under expire_nodest_conn the flows of all removed servers end with the next server that is `removed`, as by
    /// ip_vs_expire_nodest_conn_flush; what is removed before it is set waits for that, or for a packet.
    fn timeouts(&self, removed: bool) -> Timeouts {
        let desired = self.control.desired();
        let retired: BTreeSet<u32> = self.control.retired().map(|(number, ..)| number).collect();
        let orphans = if removed && desired.settings.expire_nodest_conn != 0 {
            retired
        } else {
            self.timeouts.orphans.intersection(&retired).copied().collect()
        };
        // A record's time goes round after 65,536 of the core's seconds, which may be shorter than one.
        let longest = (f64::from(u16::MAX - LEEWAY) * self.kernel.second()) as u32;
        let longest = longest.min(relvs_model::Timeouts::LONGEST_S);
        let mut timeouts = Timeouts {
            udp_s: desired.timeouts.udp_s.min(longest),
            templates_s: self.control.template_timeouts().map(|(number, s)| (number, s.min(longest))).collect(),
            orphans,
            ..Timeouts::default()
        };
        let set =
            [(tcp::State::Established, desired.timeouts.tcp_s), (tcp::State::FinWait, desired.timeouts.tcp_fin_s)];
        for (state, seconds) in set {
            timeouts.tcp_s[state as usize] = seconds.min(longest);
        }
        timeouts
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
}
