//! From desired services to tables.
//!
//! The order matters to packets: new destinations are ready before the switch that lets them be chosen, removed ones are
//! closed after it. And to crashes: what will be applied is on disk before the switch, so that the next daemon knows
//! every destination that flows may refer to.

use super::{Director, Error, health::Overlaid, memory::Line};
use relvs_control::{Counted, Desired, Entries as Placed, Plan, Prepared, Statistics, compare_directors};
use relvs_core::{
    state::tcp,
    table::destination::{AVAILABLE, Destination},
};
use relvs_dataplane::{
    Before, Entries, Half, Side as _, Timeouts, inactive_half, install, withdraw, write_destination, write_load,
};
use relvs_model::{Director as Own, ServiceKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// The longest wait for neighbours of new servers to answer; they are asked again later.
const RESOLVE_LIMIT: Duration = Duration::from_millis(300);
/// The same for the very first state.
const FIRST_RESOLVE_LIMIT: Duration = Duration::from_millis(1500);
/// So many lines of a plan, or ways to servers, are logged.
const LOGGED: usize = 200;
/// Counters of more destinations than these are first read all at once, to clear only those that are not 0.
const CLEARED: usize = 64;
/// Servers that do not answer are asked about so many at a time.
const ASKED: usize = 64;
/// After a switch, no program reads the half before any more: they take microseconds.
const GRACE: Duration = Duration::from_millis(10);
/// So many of the core's seconds before a record's time goes round, a pass over the tables has found it, even if the
/// daemon was away for a while.
const LEEWAY: u16 = 600;

/// What is ready before a switch, of which no packet knows yet.
struct Ready {
    /// Destinations that may be chosen after the switch, with the ways to them.
    open: Vec<(u32, Destination)>,
    /// The statistics then, if they change.
    statistics: Option<Statistics>,
}

impl Director {
    /// Brings the tables to what is desired, and counters to nothing whose turn that is. `own` is in force already;
    /// `overlaid` are services that are configured otherwise than they are to be scheduled, and whether what is configured
    /// changes is `counted`. On errors everything is as it was.
    pub(super) fn apply(
        &mut self,
        desired: &Desired,
        own: &Own,
        zero: &[Option<ServiceKey>],
        overlaid: &Overlaid,
        counted: bool,
    ) -> Result<(), Error> {
        let mut prepared = self.prepared(desired)?;
        let plan = self.plan(own, std::mem::take(&mut prepared.plan));
        prepared.count(&self.control, counted);
        let fresh = self.fresh(&prepared);
        let ready = match self.make_ready(&prepared, own, &fresh, zero, overlaid) {
            Ok(ready) => ready,
            Err(error) => {
                self.undo(&fresh);
                return Err(error);
            }
        };
        self.write_changed(&prepared, &ready.open);
        if let Some(rest) = GRACE.checked_sub(self.switched.elapsed()) {
            thread::sleep(rest);
        }
        self.switch(&prepared);
        let closed: Vec<_> =
            prepared.destinations.iter().filter(|(_, record)| record.flags & AVAILABLE == 0).copied().collect();
        let persists = prepared.persists() || self.whole;
        self.control.commit(prepared);
        self.statistics = ready.statistics.unwrap_or_else(|| std::mem::take(&mut self.statistics));
        self.own = own.clone();
        // It is in force: what fails from here on is made good with the next news of the network.
        if let Err(error) = self.follow_up(&closed, &fresh, persists) {
            tracing::error!("{error}");
        }
        self.whole = false;
        say(&plan);
        Ok(())
    }

    /// Writes the half that is not in use, and switches to it.
    fn switch(&mut self, prepared: &Prepared) {
        let image = &prepared.image;
        let tables = Half {
            entries: entries(&image.entries),
            services: &image.services,
            limits: &image.limits,
            bands: &image.bands,
            rings: &image.rings,
            rules: &image.rules,
            switch: image.switch(),
            drop_rate: image.drop_rate,
        };
        let held = &mut self.halves[inactive_half(&self.kernel) as usize];
        let before = match held {
            None => Before::Unknown,
            Some(there) if Arc::ptr_eq(there, &image.entries) => Before::Same,
            Some(there) => Before::Others(entries(there)),
        };
        install(&self.kernel, &tables, before);
        *held = Some(Arc::clone(&image.entries));
        self.switched = Instant::now();
        self.counts.switches += 1;
    }

    /// What is desired, laid out for the half that is not in use.
    pub(super) fn prepared(&self, desired: &Desired) -> Result<Prepared, Error> {
        let half = inactive_half(&self.kernel);
        let index = |key: ServiceKey| self.control.index_of(key);
        let cursor = |key| index(key).map_or(0, |index| relvs_dataplane::cursor(&self.kernel, index));
        Ok(self.control.prepare(desired, half, super::random(), &cursor)?)
    }

    /// A plan of the tables with what changes about the director itself before it.
    pub(super) fn plan(&self, own: &Own, tables: Plan) -> Plan {
        Plan { changes: compare_directors(&self.own, own).chain(tables.changes).collect() }
    }

    /// The servers to which no way is known yet: at the start that is all, else at the most those that come.
    fn fresh(&self, prepared: &Prepared) -> Vec<IpAddr> {
        let come = prepared.changed().map(|(_, _, server, _)| server.address);
        let mut all: Vec<IpAddr> =
            if self.whole { self.control.addresses().chain(come).collect() } else { come.collect() };
        all.retain(|server| self.ways.known(*server).is_none());
        all.sort_unstable();
        all.dedup();
        all
    }

    /// All that can fail before the switch; nothing that a packet meets is changed. Writing it down comes last, so that
    /// nothing has to be taken back from the disk.
    fn make_ready(
        &mut self,
        prepared: &Prepared,
        own: &Own,
        fresh: &[IpAddr],
        zero: &[Option<ServiceKey>],
        overlaid: &Overlaid,
    ) -> Result<Ready, Error> {
        self.resolve(fresh)?;
        let addresses: BTreeMap<u32, IpAddr> =
            prepared.changed().map(|(number, _, server, _)| (number, server.address)).collect();
        let mut open = Vec::new();
        for (number, record) in prepared.destinations.iter().filter(|(_, record)| record.flags & AVAILABLE != 0) {
            let Some(server) = addresses.get(number) else { continue };
            open.push((*number, self.ways.complete(&self.kernel, *server, record)?));
        }
        self.begin_counters(prepared.given())?;
        let statistics = self.begin_counting(prepared, zero)?;
        self.write_down(prepared, statistics.as_ref(), own, overlaid)?;
        Ok(Ready { open, statistics })
    }

    /// Writes down what will be applied in a moment.
    fn write_down(
        &mut self,
        prepared: &Prepared,
        statistics: Option<&Statistics>,
        own: &Own,
        overlaid: &Overlaid,
    ) -> Result<(), Error> {
        let anew = self.whole && !self.kernel.adopted();
        let step = prepared.step(&self.control);
        let line = Line {
            anew,
            control: (step != self.control.releasing(&[])).then_some(step),
            statistics: statistics.and_then(|statistics| statistics.step(&self.statistics)),
            director: (anew || self.written.as_ref() != Some(own)).then(|| own.clone()),
            overlaid: (anew || self.health.overlaid != *overlaid).then(|| overlaid.values().cloned().collect()),
            ..Line::default()
        };
        if line != Line::default() {
            self.memory.add(line)?;
            self.written = Some(own.clone());
        }
        Ok(())
    }

    /// Writes the destinations that become otherwise, as far as packets may be sent to them.
    fn write_changed(&self, prepared: &Prepared, open: &[(u32, Destination)]) {
        for number in prepared.given() {
            withdraw(&self.kernel, *number);
        }
        let all = self.whole.then(|| self.control.destinations()).into_iter().flatten();
        for (number, _, server, _) in all.chain(prepared.changed()) {
            write_load(&self.kernel, number, server.weight, server.upper_threshold, server.lower_threshold);
        }
        for (number, record) in open {
            write_destination(&self.kernel, *number, record);
        }
    }

    /// After the switch: closes the destinations that are gone, and leads those of new servers to them: at the start
    /// that is all, whose ways may have changed while no daemon was there to see it.
    fn follow_up(&mut self, closed: &[(u32, Destination)], fresh: &[IpAddr], persists: bool) -> Result<(), Error> {
        for (number, record) in closed {
            // Its packets are dropped: it needs no way.
            write_destination(&self.kernel, *number, record);
        }
        self.timeouts = self.timeouts(!closed.is_empty(), persists);
        if self.whole {
            self.write_ways(fresh)?;
            self.ways.mirror(&self.kernel)?;
        }
        self.say_all(fresh)
    }

    fn say_all(&mut self, servers: &[IpAddr]) -> Result<(), Error> {
        for server in servers.iter().take(LOGGED) {
            self.say(*server)?;
        }
        if servers.len() > LOGGED {
            tracing::info!("and the ways to {} more servers", servers.len() - LOGGED);
        }
        Ok(())
    }

    /// Everything as it was before a change that could not be made ready: no packet has met any of it.
    fn undo(&mut self, fresh: &[IpAddr]) {
        for server in fresh {
            if self.control.records_of(*server).next().is_none() {
                self.ways.forget(*server);
            }
        }
        if let Err(error) = self.ways.mirror(&self.kernel) {
            tracing::error!("after a change that failed: {error}");
        }
    }

    /// Numbers that are given now begin at nothing, whatever a daemon left there that ended while it took them back.
    fn begin_counters(&self, given: &BTreeSet<u32>) -> Result<(), Error> {
        let Some(last) = given.last() else { return Ok(()) };
        let mut used: Vec<u32> = given.iter().copied().collect();
        if used.len() > CLEARED {
            used.clear();
            self.kernel.counters_below(last + 1, &mut |number, _| used.extend(given.get(&number)))?;
        }
        for number in used {
            self.kernel.clear_counters(number)?;
        }
        Ok(())
    }

    /// Services that come, and what is set to `zero`, begin at nothing. Gives the statistics then, if they change.
    fn begin_counting(&self, next: &Prepared, zero: &[Option<ServiceKey>]) -> Result<Option<Statistics>, Error> {
        let come: Vec<ServiceKey> = (next.services().iter().map(|service| service.key))
            .filter(|key| self.control.service(*key).is_none())
            .collect();
        let stay = next.services().len() - come.len();
        if come.is_empty() && stay == self.control.services().len() && zero.is_empty() && !self.whole {
            return Ok(None);
        }
        let mut statistics = self.statistics.clone();
        statistics.retain(&next.services().iter().map(|service| service.key).collect());
        let new = |key: &ServiceKey| self.control.destinations_of(*key).next().is_some();
        let mut counted = if self.whole || come.iter().any(new) || !zero.is_empty() {
            self.counted(&self.control)?
        } else {
            Counted::new()
        };
        // What a number's last owner had is none of it.
        counted.retain(|number, _| !next.given().contains(number));
        for key in come {
            statistics.begin(key, &counted);
        }
        statistics.watch(&counted);
        set_to_zero(&mut statistics, zero, &counted);
        Ok(Some(statistics))
    }

    /// Counters begin at nothing, and nothing else changes.
    pub(super) fn zero(&mut self, zero: &[Option<ServiceKey>]) -> Result<(), Error> {
        let mut statistics = self.statistics.clone();
        set_to_zero(&mut statistics, zero, &self.counted(&self.control)?);
        if let Some(step) = statistics.step(&self.statistics) {
            self.memory.add(Line { statistics: Some(step), ..Line::default() })?;
        }
        self.statistics = statistics;
        Ok(())
    }

    /// The ways to these servers may have changed: asks, and writes those that did.
    pub(super) fn update(&mut self, servers: &[IpAddr]) -> Result<(), Error> {
        let changed = self.ways.resolve(servers)?;
        self.say_all(&changed)?;
        self.write_ways(&changed)
    }

    /// Asks for the ways to servers that are new, and waits a moment for their neighbours. They are looked at again by
    /// themselves.
    fn resolve(&mut self, new: &[IpAddr]) -> Result<(), Error> {
        let limit = if self.control.revision() == 0 { FIRST_RESOLVE_LIMIT } else { RESOLVE_LIMIT };
        self.ways.resolve(new)?;
        let deadline = Instant::now() + limit;
        loop {
            let pending: Vec<IpAddr> =
                new.iter().copied().filter(|server| self.ways.pending().contains(server)).collect();
            if pending.is_empty() || Instant::now() >= deadline {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
            for some in pending.chunks(ASKED) {
                if Instant::now() < deadline {
                    self.ways.resolve(some)?;
                }
            }
        }
    }

    /// Writes the destinations of these servers with the ways to them.
    pub(super) fn write_ways(&mut self, servers: &[IpAddr]) -> Result<(), Error> {
        for server in servers {
            let of_it: Vec<_> = self.control.records_of(*server).collect();
            for (number, record) in of_it {
                let record = self.ways.complete(&self.kernel, *server, &record)?;
                write_destination(&self.kernel, number, &record);
            }
        }
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
    /// Without new ones that `persists` the times of templates are as they were.
    fn timeouts(&mut self, removed: bool, persists: bool) -> Timeouts {
        let templates_s = std::mem::take(&mut self.timeouts.templates_s);
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
            templates_s: if persists {
                self.control.template_timeouts().map(|(number, s)| (number, s.min(longest))).collect()
            } else {
                templates_s
            },
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
}

fn entries(placed: &Placed) -> Entries<'_> {
    Entries { multiplier: placed.multiplier, four: &placed.four, six: &placed.six }
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
    // The whole text of thousands of services would only be thrown away.
    let mut lines =
        plan.changes.iter().flat_map(|change| change.to_string().lines().map(str::to_owned).collect::<Vec<_>>());
    for line in lines.by_ref().take(LOGGED) {
        tracing::info!("applied: {line}");
    }
    let more = plan.changes.len();
    if lines.next().is_some() {
        tracing::info!("applied: more lines like these, of {more} changes");
    }
}
