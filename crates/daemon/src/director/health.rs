//! Whether servers are up: between the machines that judge it (`relvs-proto`), the probes and those who are told, and the
//! tables.
//!
//! What is configured and what is scheduled are two things. Services that are scheduled otherwise than they are configured,
//! because servers are down or drained, are kept as configured beside what is applied; all edits are of that.

use super::{Director, Error};
use crate::{
    files,
    health::{Notifier, Prober, Voice},
    metrics::Checked,
};
use relvs_control::Desired;
use relvs_model::{
    Edit, Server, Service, ServiceKey,
    health::{Event, Notify, Outcome, ServiceStatus},
    vrrp,
};
use relvs_proto::health::{Actions, Input, Memory, Monitor, ProbeId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::mpsc::UnboundedReceiver;

/// What is known, for the next daemon.
const FILE: &str = "health.json";
/// Counts and moments of the next daemon are so old at the most.
const WRITTEN: Duration = Duration::from_secs(60);
/// So many services with servers that were not asked yet are said.
const SAID: usize = 10;
/// So long those who are told have at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Services as they are configured, where they are scheduled otherwise.
pub(super) type Overlaid = BTreeMap<ServiceKey, Arc<Service>>;

/// How probes end, as they end.
pub(crate) type Outcomes = UnboundedReceiver<(ProbeId, Outcome)>;

/// Health checks at work.
pub(super) struct Health {
    pub(super) monitor: Monitor,
    pub(super) overlaid: Overlaid,
    prober: Prober<ProbeId>,
    notifier: Notifier,
    /// Who is told of everything.
    told: Notify,
    path: PathBuf,
    written: Instant,
    /// All servers were asked once, since the daemon began.
    asked: bool,
    /// A change of the tables failed: it is made with the next occasion.
    behind: bool,
    began: (Duration, Instant),
}

impl Health {
    /// Begins with what the daemon before knew. No service is checked yet.
    pub(super) fn start(
        run_dir: &Path,
        notify: Notify,
        overlaid: Overlaid,
        seed: u64,
    ) -> Result<(Self, Outcomes), Error> {
        let path = run_dir.join(FILE);
        let failed = |source| Error::File { path: path.clone(), source };
        let (prober, outcomes) = Prober::start().map_err(failed)?;
        let notifier = Notifier::start(notify.clone()).map_err(failed)?;
        let began = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), Instant::now());
        let monitor = Monitor::new(began.0, seed, &[], Memory::default());
        let health = Health {
            monitor,
            overlaid,
            prober,
            notifier,
            told: notify,
            path,
            written: began.1,
            asked: false,
            behind: false,
            began,
        };
        Ok((health, outcomes))
    }

    /// What the daemon before knew. Nothing, where it cannot be read: checks soon know again.
    fn remembered(&self) -> Memory {
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!("{}: {error}; servers count as they are found", self.path.display());
                Memory::default()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!("{}: {error}; servers count as they are found", self.path.display());
                }
                Memory::default()
            }
        }
    }

    /// What others in this process tell by.
    pub(super) fn voice(&self) -> Voice {
        self.notifier.voice()
    }

    /// This moment, as the machines count.
    fn now(&self) -> Duration {
        self.began.0 + self.began.1.elapsed()
    }

    fn write(&mut self) {
        self.written = Instant::now();
        let memory = self.monitor.remembered();
        let written = files::replace(&self.path, |file| serde_json::to_writer(file, &memory).map_err(io::Error::other));
        if let Err(error) = written {
            tracing::error!("{}: {error}; a restart may not know which servers are down", self.path.display());
        }
    }

    /// Leaves nothing to the next daemon.
    pub(super) fn forget(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::File { path: self.path.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// Whether any service is checked, or any server drained.
    fn is_idle(&self, configured: &Desired) -> bool {
        self.overlaid.is_empty() && !configured.services.iter().any(|service| is_checked(service))
    }
}

fn is_checked(service: &Service) -> bool {
    service.health.is_some() || service.servers.iter().any(|server| server.health.is_some())
}

impl Director {
    /// All that is configured, whatever of it is scheduled now.
    pub(super) fn configured(&self) -> Desired {
        let mut configured = self.control.desired().clone();
        if !self.health.overlaid.is_empty() {
            for service in &mut configured.services {
                if let Some(own) = self.health.overlaid.get(&service.key) {
                    *service = own.clone();
                }
            }
        }
        configured
    }

    /// The machines as they would go on with this configuration.
    pub(super) fn monitor_of(&self, configured: &Desired) -> Monitor {
        let mut monitor = self.health.monitor.clone();
        if !self.health.is_idle(configured) || monitor.poll_timeout().is_some() {
            monitor.reload(self.health.now(), &configured.services);
        }
        monitor
    }

    /// What is to be scheduled of what is configured, and what of it is configured otherwise.
    pub(super) fn laid(&self, monitor: &Monitor, configured: &Desired) -> (Desired, Overlaid) {
        let (mut laid, mut overlaid) = (configured.clone(), Overlaid::new());
        for service in &mut laid.services {
            if let Some(other) = self.laid_service(monitor, service) {
                overlaid.insert(service.key, std::mem::replace(service, other));
            }
        }
        (laid, overlaid)
    }

    /// A service as it is scheduled; none: as it is configured.
    fn laid_service(&self, monitor: &Monitor, configured: &Arc<Service>) -> Option<Arc<Service>> {
        let servers = monitor.effective(configured).filter(|servers| *servers != configured.servers)?;
        // What is applied already is seen to be the same without being read.
        let applied = self.control.service(configured.key);
        let service = Service { servers, ..Service::clone(configured) };
        Some(applied.filter(|applied| ***applied == service).cloned().unwrap_or_else(|| Arc::new(service)))
    }

    /// Begins with what is configured: what the daemon before knew counts.
    pub(super) fn begin_checks(&mut self, configured: &Desired) {
        let memory = self.health.remembered();
        let (now, seed) = (self.health.now(), super::random());
        self.health.monitor = Monitor::new(now, seed, &configured.services, memory);
    }

    /// When checks want to go on.
    pub(crate) fn next_check(&self) -> Option<Instant> {
        let due = self.health.monitor.poll_timeout()?;
        Some(self.health.began.1 + due.saturating_sub(self.health.began.0))
    }

    /// Goes on with the checks.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        let now = self.health.now();
        self.health.monitor.handle_timeout(now);
        self.act()
    }

    /// Probes have ended.
    pub(crate) fn ended(&mut self, outcomes: Vec<(ProbeId, Outcome)>) -> Result<(), Error> {
        let now = self.health.now();
        self.health.monitor.handle(now, outcomes.into_iter().map(|(id, outcome)| Input::Ended { id, outcome }));
        self.act()
    }

    /// An administrator drains a server of a service, or takes that back.
    pub(crate) fn drain(&mut self, service: ServiceKey, server: SocketAddr, drained: bool) -> Result<(), Error> {
        let now = self.health.now();
        self.health.monitor.handle(now, [Input::Drain { service, server, drained }]);
        self.health.behind = true;
        self.act()
    }

    /// Whoever gives a server a weight wants it to have that.
    pub(super) fn end_drains(&mut self, edits: &[Edit]) -> Result<(), Error> {
        for edit in edits {
            let Edit::EditServer(edit) = edit else { continue };
            let (service, server) = (edit.service, edit.endpoint().socket());
            if edit.weight.is_some_and(|weight| weight > 0) && self.is_drained(service, server) {
                self.drain(service, server, false)?;
            }
        }
        Ok(())
    }

    fn is_drained(&self, service: ServiceKey, server: SocketAddr) -> bool {
        let Some(configured) = self.health.overlaid.get(&service) else { return false };
        let laid = self.control.service(service).and_then(|service| server_of(service, server));
        laid.zip(server_of(configured, server)).is_some_and(|(laid, wanted)| laid.weight == 0 && wanted.weight > 0)
    }

    /// The addresses of this machine may be others.
    pub(super) fn see_addresses(&mut self, addresses: BTreeSet<IpAddr>) -> Result<(), Error> {
        let now = self.health.now();
        self.health.monitor.handle(now, [Input::Here(addresses)]);
        self.act()
    }

    /// From now on these are told of everything. Gives what changed, a line each.
    pub(super) fn tell_these(&mut self, notify: Notify) -> Vec<String> {
        let changes = self.health.told.changes(&notify);
        for change in &changes {
            tracing::info!("applied: {change}");
        }
        self.health.told.clone_from(&notify);
        self.health.notifier.configure(notify);
        changes
    }

    /// How what no request changes differs from what is in force, a line each.
    /// With `partial` whom `notify` does not name is told as now.
    pub(crate) fn differences(&self, mut notify: Notify, vrrp: &vrrp::Settings, partial: bool) -> Vec<String> {
        let told = &self.health.told;
        if partial {
            notify.fifo = notify.fifo.or_else(|| told.fifo.clone());
            notify.mail = notify.mail.or_else(|| told.mail.clone());
            notify.webhooks.clone_from(&told.webhooks);
        }
        self.routers.changes(vrrp).into_iter().chain(told.changes(&notify)).collect()
    }

    /// From now on the machines are these, whose effects are in force.
    pub(super) fn go_on_with(&mut self, monitor: Monitor, overlaid: Overlaid) {
        (self.health.monitor, self.health.overlaid) = (monitor, overlaid);
        let actions = self.health.monitor.take();
        if !actions.is_empty() {
            self.health.write();
        }
        self.tell_and_ask(actions);
    }

    /// Once a second: makes good what failed, and writes down what is known.
    pub(super) fn tend_checks(&mut self) -> Result<(), Error> {
        if self.health.written.elapsed() >= WRITTEN && self.health.monitor.poll_timeout().is_some() {
            self.health.write();
        }
        if !self.health.asked {
            self.health.asked = self.health.monitor.unasked().next().is_none();
        }
        if self.health.behind { self.act() } else { Ok(()) }
    }

    /// What is to be waited for until all servers have been asked once. Those that come later are not waited for: the director
    /// serves the others already.
    pub(super) fn unasked(&self) -> Vec<String> {
        if self.health.asked {
            return Vec::new();
        }
        let of_service = |(service, number)| match number {
            1 => format!("service {service}: 1 server has not been asked yet"),
            _ => format!("service {service}: {number} servers have not been asked yet"),
        };
        let mut unasked = self.health.monitor.unasked();
        let mut reasons: Vec<String> = unasked.by_ref().take(SAID).map(of_service).collect();
        let more = unasked.count();
        if more > 0 {
            reasons.push(format!("and the same of {more} more services"));
        }
        reasons
    }

    /// What is known by checks, what is under way, and who has been told.
    pub(super) fn checked(&self) -> Checked {
        let (services, servers) = self.health.monitor.figures();
        Checked { services, servers, probes: self.health.prober.figures(), told: self.health.notifier.told() }
    }

    /// Does what the machines want done.
    fn act(&mut self) -> Result<(), Error> {
        let actions = self.health.monitor.take();
        let behind = std::mem::take(&mut self.health.behind);
        let scheduled = if behind || !actions.effective.is_empty() {
            // First on disk: a server that is known to be down must not be scheduled by the next daemon.
            self.health.write();
            self.schedule(if behind { None } else { Some(&actions.effective) })
        } else {
            Ok(())
        };
        self.health.behind = scheduled.is_err();
        self.tell_and_ask(actions);
        self.tell_routers();
        scheduled
    }

    /// Brings these services, or all, into force as they are to be scheduled.
    fn schedule(&mut self, only: Option<&BTreeSet<ServiceKey>>) -> Result<(), Error> {
        let (mut desired, mut overlaid) = (self.control.desired().clone(), self.health.overlaid.clone());
        for service in &mut desired.services {
            if only.is_some_and(|only| !only.contains(&service.key)) {
                continue;
            }
            let configured = overlaid.get(&service.key).unwrap_or(service).clone();
            match self.laid_service(&self.health.monitor, &configured) {
                Some(other) => {
                    *service = other;
                    overlaid.insert(configured.key, configured);
                }
                None => {
                    overlaid.remove(&configured.key);
                    *service = configured;
                }
            }
        }
        let own = self.own.clone();
        self.apply(&desired, &own, &[], &overlaid, false)?;
        self.health.overlaid = overlaid;
        Ok(())
    }

    fn tell_and_ask(&self, actions: Actions) {
        let Actions { notify, complaints, cancel, start, .. } = actions;
        for notification in notify {
            say(&notification.event);
            self.health.notifier.tell(notification.event, notification.script);
        }
        for complaint in complaints {
            let (server, service) = (complaint.server, complaint.service);
            tracing::info!("{}: server {server} of {service}: {}", complaint.question, complaint.why);
        }
        for id in cancel {
            self.health.prober.cancel(id);
        }
        for started in start {
            let planned = self.health.began.1 + started.planned.saturating_sub(self.health.began.0);
            self.health.prober.ask_as_planned(started.id, started.question, planned);
        }
    }

    /// What is known of all services that are checked.
    pub(crate) fn health(&self) -> Vec<ServiceStatus> {
        self.health.monitor.shown()
    }

    /// Whether a service has this server, as it is configured.
    pub(crate) fn has_server(&self, service: ServiceKey, server: SocketAddr) -> bool {
        let applied = || self.control.service(service);
        let found = self.health.overlaid.get(&service).or_else(applied);
        found.is_some_and(|found| server_of(found, server).is_some())
    }

    /// The daemon ends: those who want to know are told, and the next one is.
    pub(super) fn end_checks(&mut self) {
        let now = self.health.now();
        self.health.monitor.handle(now, [Input::End]);
        let actions = self.health.monitor.take();
        self.health.write();
        self.tell_and_ask(Actions { start: Vec::new(), ..actions });
        let none = Notifier::start(Notify::default());
        if let Ok(none) = none {
            std::mem::replace(&mut self.health.notifier, none).end(PATIENCE);
        }
    }
}

fn server_of(service: &Service, server: SocketAddr) -> Option<&Server> {
    service.servers.iter().find(|one| SocketAddr::new(one.address, one.port) == server)
}

fn say(event: &Event) {
    match event {
        Event::Server { service, address, port, up, why, .. } => {
            let (server, state) = (SocketAddr::new(*address, *port), if *up { "up" } else { "down" });
            tracing::info!("server {server} of {service} is {state}: {why}");
        }
        Event::Quorum { service, up, why, .. } => {
            tracing::info!("service {service} {} its quorum: {why}", if *up { "has" } else { "has lost" });
        }
        Event::Sorry { service, address, port, serving } => {
            let server = SocketAddr::new(*address, *port);
            tracing::info!("sorry server {server} of {service} {}", if *serving { "serves" } else { "rests" });
        }
        // The machine of the virtual routers says what happens in the log itself.
        Event::Router { .. } => {}
    }
}
