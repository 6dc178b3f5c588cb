//! From desired services to tables.
//!
//! The order matters to packets: new destinations are ready before the switch that lets them be chosen, removed ones are
//! closed after it. And to crashes: what will be applied is on disk before the switch, so that the next daemon knows
//! every destination that flows may refer to.

use super::{Director, Error, memory};
use relvs_control::{Control, Counted, Desired, Plan, Prepared, Statistics, compare_directors};
use relvs_core::{
    state::tcp,
    table::destination::{AVAILABLE, Destination},
};
use relvs_dataplane::{Half, Side as _, Timeouts, inactive_half, install, withdraw, write_destination, write_load};
use relvs_model::{Director as Own, ServiceKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

/// The longest wait for neighbours of new servers to answer; they are asked again later.
const RESOLVE_LIMIT: Duration = Duration::from_millis(300);
/// The same for the very first state.
const FIRST_RESOLVE_LIMIT: Duration = Duration::from_millis(1500);
/// So many lines of a plan are logged.
const LOGGED: usize = 200;
/// After a switch, no program reads the half before any more: they take microseconds.
const GRACE: Duration = Duration::from_millis(10);
/// So many of the core's seconds before a record's time goes round, a pass over the tables has found it, even if the
/// daemon was away for a while.
const LEEWAY: u16 = 600;

impl Director {
    /// Brings the tables to what is desired, and counters to nothing whose turn that is. `own` is in force already.
    /// Gives the plan that was carried out. On errors everything is as it was.
    pub(super) fn apply(&mut self, desired: &Desired, own: &Own, zero: &[Option<ServiceKey>]) -> Result<Plan, Error> {
        let prepared = self.prepared(desired)?;
        let mut next = Control::after(&prepared);
        let plan = self.plan(own, prepared.plan.clone());
        if next.revision() == self.control.revision() && !plan.is_empty() {
            next.count_change();
        }
        let servers: BTreeSet<IpAddr> = next.destinations().map(|(_, _, server, _)| server.address).collect();
        let (fresh, statistics) = match self.make_ready(&prepared, &next, own, &servers, zero) {
            Ok(ready) => ready,
            Err(error) => {
                self.undo();
                return Err(error);
            }
        };
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
        (self.control, self.statistics, self.own) = (next, statistics, own.clone());
        // It is in force: what fails from here on is made good with the next news of the network.
        if let Err(error) = self.follow_up(&prepared, &servers, fresh) {
            tracing::error!("{error}");
        }
        say(&plan);
        Ok(plan)
    }

    /// What is desired, laid out for the half that is not in use.
    pub(super) fn prepared(&self, desired: &Desired) -> Result<Prepared, Error> {
        let half = inactive_half(&self.kernel);
        let cursors = self.cursors();
        let cursor = |key: ServiceKey| cursors.get(&key).copied().unwrap_or(0);
        Ok(self.control.prepare(desired, half, super::random(), &cursor)?)
    }

    /// A plan of the tables with what changes about the director itself before it.
    pub(super) fn plan(&self, own: &Own, tables: Plan) -> Plan {
        Plan { changes: compare_directors(&self.own, own).chain(tables.changes).collect() }
    }

    /// All that must be there before the switch, of which no packet knows yet. Gives the servers whose way was not
    /// known, and the statistics that go with `next`.
    fn make_ready(
        &mut self,
        prepared: &Prepared,
        next: &Control,
        own: &Own,
        servers: &BTreeSet<IpAddr>,
        zero: &[Option<ServiceKey>],
    ) -> Result<(Vec<IpAddr>, Statistics), Error> {
        let fresh = self.resolve(servers)?;
        let statistics = self.begin_counting(next, zero)?;
        memory::write(&self.run_dir, next, &statistics, own)?;
        for (number, _, server, _) in next.destinations() {
            write_load(&self.kernel, number, server.weight, server.upper_threshold, server.lower_threshold);
        }
        let addresses: BTreeMap<u32, IpAddr> =
            next.destinations().map(|(n, _, server, _)| (n, server.address)).collect();
        for (number, record) in prepared.destinations.iter().filter(|(_, record)| record.flags & AVAILABLE != 0) {
            self.write(*number, addresses.get(number).copied(), record)?;
        }
        Ok((fresh, statistics))
    }

    /// After the switch: closes the destinations that are gone, and leads those of new servers to them: at the start
    /// that is all, whose ways may have changed while no daemon was there to see it.
    fn follow_up(&mut self, prepared: &Prepared, servers: &BTreeSet<IpAddr>, fresh: Vec<IpAddr>) -> Result<(), Error> {
        let mut closed = false;
        for (number, record) in prepared.destinations.iter().filter(|(_, record)| record.flags & AVAILABLE == 0) {
            // Its packets are dropped: it needs no way.
            self.write(*number, None, record)?;
            closed = true;
        }
        self.timeouts = self.timeouts(closed);
        self.ways.retain(servers);
        self.write_ways(&fresh)?;
        self.ways.mirror(&self.kernel)?;
        for server in fresh {
            self.say(server)?;
        }
        Ok(())
    }

    /// Everything as it was before a change that could not be made ready.
    fn undo(&mut self) {
        let servers: BTreeSet<IpAddr> = self.control.destinations().map(|(_, _, server, _)| server.address).collect();
        self.ways.retain(&servers);
        for (number, _, server, _) in self.control.destinations() {
            write_load(&self.kernel, number, server.weight, server.upper_threshold, server.lower_threshold);
        }
        let all: Vec<IpAddr> = servers.into_iter().collect();
        let written = self.write_ways(&all);
        let remembered = memory::write(&self.run_dir, &self.control, &self.statistics, &self.own);
        for error in [written.err(), remembered.err()].into_iter().flatten() {
            tracing::error!("after a change that failed: {error}");
        }
    }

    /// Numbers that are given now begin at nothing, whatever a daemon left there that ended while it took them back;
    /// and so do services that come, and what is set to `zero`. Gives the statistics that go with `next`.
    fn begin_counting(&self, next: &Control, zero: &[Option<ServiceKey>]) -> Result<Statistics, Error> {
        let known: BTreeSet<u32> = self.control.destinations().map(|(number, ..)| number).collect();
        let new: Vec<u32> = next.destinations().map(|(number, ..)| number).filter(|n| !known.contains(n)).collect();
        for number in &new {
            withdraw(&self.kernel, *number);
            self.kernel.clear_counters(*number)?;
        }
        let there: BTreeSet<ServiceKey> = self.control.services().iter().map(|service| service.key).collect();
        let wanted: BTreeSet<ServiceKey> = next.services().iter().map(|service| service.key).collect();
        let mut statistics = self.statistics.clone();
        statistics.retain(&wanted);
        // Reading every counter takes longer than most changes.
        if new.is_empty() && wanted.is_subset(&there) && zero.is_empty() {
            return Ok(statistics);
        }
        let counted = self.counted(next)?;
        for key in wanted.difference(&there) {
            statistics.begin(*key, &counted);
        }
        statistics.watch(&counted);
        set_to_zero(&mut statistics, zero, &counted);
        Ok(statistics)
    }

    /// Counters begin at nothing, and nothing else changes.
    pub(super) fn zero(&mut self, zero: &[Option<ServiceKey>]) -> Result<(), Error> {
        let mut statistics = self.statistics.clone();
        set_to_zero(&mut statistics, zero, &self.counted(&self.control)?);
        memory::write(&self.run_dir, &self.control, &statistics, &self.own)?;
        self.statistics = statistics;
        Ok(())
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

    /// Asks for the ways to those of these servers that are new, and waits a moment for their neighbours. Gives the new
    /// ones. The others are looked at again by themselves.
    fn resolve(&mut self, servers: &BTreeSet<IpAddr>) -> Result<Vec<IpAddr>, Error> {
        let new: BTreeSet<IpAddr> = servers.iter().copied().filter(|s| self.ways.known(*s).is_none()).collect();
        let limit = if self.control.revision() == 0 { FIRST_RESOLVE_LIMIT } else { RESOLVE_LIMIT };
        for server in &new {
            self.ways.resolve(*server)?;
        }
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let pending: Vec<IpAddr> = self.ways.pending().into_iter().filter(|s| new.contains(s)).collect();
            if pending.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
            for server in pending {
                if Instant::now() < deadline {
                    self.ways.resolve(server)?;
                }
            }
        }
        Ok(new.into_iter().collect())
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

fn set_to_zero(statistics: &mut Statistics, zero: &[Option<ServiceKey>], counted: &Counted) {
    for one in zero {
        match one {
            Some(key) => statistics.zero(*key, counted),
            None => statistics.zero_all(counted),
        }
    }
}

fn say(plan: &Plan) {
    let text = plan.to_string();
    for line in text.lines().take(LOGGED) {
        tracing::info!("applied: {line}");
    }
    let more = text.lines().count().saturating_sub(LOGGED);
    if more > 0 {
        tracing::info!("applied: {more} more lines like these");
    }
}
