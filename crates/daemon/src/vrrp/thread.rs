//! The thread: waits for packets, changes, requests and the time, hands them to the machine, and does what it says.

use super::{
    Error, addresses,
    claim::Claims,
    links::{Known, Links, all},
    promote::Promoting,
    refuse::Refusing,
    routes,
    socket::{Sockets, whole},
    tell::Voice,
    virtual_mac::{Answers, VirtualMacs},
};
use relvs_model::vrrp::{Settings, Status, TrackSource};
use relvs_net::{Events, Mac, Network};
use relvs_proto::vrrp::{Action, Command, Datagram, Input, Level, Notification, Outcome, Refused, Router, Transmit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    collections::BTreeSet,
    net::IpAddr,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// What the rest of the daemon asks.
pub(super) enum Request {
    Status(mpsc::SyncSender<Status>),
    Command { name: String, command: Command, answer: mpsc::SyncSender<Result<(), Refused>> },
    Tracked { source: TrackSource, outcome: Outcome },
    Claimed { interface: String, address: IpAddr, by: Mac },
    Apply { settings: Settings, answer: mpsc::SyncSender<Result<(), Error>> },
    Stop { hand_over: bool },
}

type Told = Box<dyn FnMut(&Notification) + Send>;

/// A flood on one socket must not keep the others, or the timers, waiting.
const PACKETS_MAX: usize = 256;
/// While a needed interface is missing it is looked for again and again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A machine whose routes change all the time must not be asked for ours all the time.
const ROUTES_PAUSE: Duration = Duration::from_millis(200);
/// The lowest of the real-time priorities comes before all that have none.
const REAL_TIME: u8 = 1;

pub(super) struct Thread {
    router: Router,
    settings: Settings,
    began: Instant,
    network: Network,
    events: Events,
    links: Links,
    claims: Claims,
    sockets: Vec<Sockets>,
    virtual_macs: VirtualMacs,
    promoting: Promoting,
    refusing: Refusing,
    wake: Arc<OwnedFd>,
    requests: mpsc::Receiver<Request>,
    told: Told,
    voice: Voice,
    /// When routes are looked at, as some have changed.
    routes_at: Option<Instant>,
}

impl Thread {
    pub(super) fn open(
        settings: &Settings,
        wake: Arc<OwnedFd>,
        requests: mpsc::Receiver<Request>,
        told: Told,
        voice: Voice,
        answers: Answers,
    ) -> Result<Self, Error> {
        let mut claims = Claims::default();
        claims.extend(settings)?;
        // Changes are listened for before the first look, so that none falls between.
        let events = Events::open()?;
        let mut network = Network::open()?;
        let mut links = Links::new(settings);
        links.refresh(&mut network)?;
        // First, or what is cleaned away takes others with it.
        let mut promoting = Promoting::default();
        promoting.set(&mut network, &links, settings);
        addresses::clean(&mut network, &links, settings);
        let mut virtual_macs = VirtualMacs::new(answers);
        if let Err(e) = virtual_macs.make(&mut network, &links, settings) {
            virtual_macs.retain(&mut network, &Settings::default());
            promoting.retain(&mut network, &links, &Settings::default());
            return Err(e);
        }
        links.refresh(&mut network)?;
        let mut thread = Thread {
            router: Router::new(settings),
            settings: settings.clone(),
            began: Instant::now(),
            network,
            events,
            links,
            claims,
            sockets: Vec::new(),
            virtual_macs,
            promoting,
            refusing: Refusing::default(),
            wake,
            requests,
            told,
            voice,
            routes_at: None,
        };
        if let Err(e) = thread.open_sockets(None) {
            thread.leave_interfaces();
            return Err(e);
        }
        Ok(thread)
    }

    /// Runs until it is stopped.
    pub(super) fn run(&mut self) {
        let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
        let priority = ThreadPriorityValue::try_from(REAL_TIME).map(ThreadPriority::Crossplatform);
        if !priority.is_ok_and(|priority| set_thread_priority_and_policy(thread_native_id(), priority, policy).is_ok())
        {
            tracing::warn!("no real-time priority for VRRP (CAP_SYS_NICE): on a busy machine adverts may be late");
        }
        let names: Vec<(String, Known)> =
            self.links.known().map(|(name, _)| (name.clone(), Known::default())).collect();
        self.tell_links(names);
        let now = self.now();
        self.router.handle(now, Input::Start);
        self.act();
        while !self.router.is_stopped() {
            if let Err(e) = self.turn() {
                tracing::error!("VRRP: {e}");
                // What failed may fail at once again.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.leave_interfaces();
    }

    /// After a fault: nobody says any more that we are master, so another soon is, and two must not answer for the addresses.
    pub(super) fn give_up(&mut self) {
        tracing::error!("the thread of the virtual routers has panicked: their addresses are removed");
        addresses::clean(&mut self.network, &self.links, &self.settings);
        self.leave_interfaces();
    }

    /// Interfaces are as they were before.
    fn leave_interfaces(&mut self) {
        let none = Settings::default();
        self.virtual_macs.retain(&mut self.network, &none);
        self.promoting.retain(&mut self.network, &self.links, &none);
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits, then everything that came first, then what is due: adverts that wait in a socket are no silence.
    fn turn(&mut self) -> Result<(), Error> {
        let timeout = self.router.poll_timeout().map(|due| due.saturating_sub(self.now()));
        let missing = self.settings.instances.iter().any(|instance| self.links.index(&instance.interface).is_none());
        let timeout =
            if missing { Some(timeout.map_or(LOOK_AGAIN, |timeout| timeout.min(LOOK_AGAIN))) } else { timeout };
        let routes = self.routes_at.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = timeout.into_iter().chain(routes).min();
        let spec = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let fds = [self.wake.as_fd(), self.events.as_fd()];
        let fds = fds.into_iter().chain(self.sockets.iter().map(AsFd::as_fd));
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut fds, spec.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Error::socket("wait for adverts", e)),
        }
        drop(fds);
        let mut failed = None;
        for at in 0..self.sockets.len() {
            if let Err(e) = self.receive(at) {
                failed = Some(e);
            }
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.wake, &mut count);
        let (links, routes) = Links::concerned(&mut self.events)?;
        if routes && self.routes_at.is_none() {
            self.routes_at = Some(Instant::now() + ROUTES_PAUSE);
        }
        if links || missing {
            let mut changed = self.links.refresh(&mut self.network)?;
            if !changed.is_empty() {
                if let Err(e) = self.virtual_macs.make(&mut self.network, &self.links, &self.settings) {
                    tracing::error!("{e}");
                }
                changed.extend(self.links.refresh(&mut self.network)?);
                self.virtual_macs.keep_up(&mut self.network, &self.links);
                self.promoting.set(&mut self.network, &self.links, &self.settings);
                self.promoting.retain(&mut self.network, &self.links, &self.settings);
                self.open_sockets(None)?;
                self.tell_links(changed);
            }
        }
        if self.routes_at.is_some_and(|at| at <= Instant::now()) {
            self.routes_at = None;
            self.router.handle(self.now(), Input::Routes);
        }
        while let Ok(request) = self.requests.try_recv() {
            self.answer(request);
        }
        let now = self.now();
        if self.router.poll_timeout().is_some_and(|due| due <= now) {
            self.router.handle_timeout(now);
        }
        self.act();
        if self.virtual_macs.changed() {
            self.open_sockets(None)?;
        }
        failed.map_or(Ok(()), Err)
    }

    fn receive(&mut self, at: usize) -> Result<(), Error> {
        for _ in 0..PACKETS_MAX {
            let Some(received) = self.sockets[at].receive()? else { break };
            let router_id = received.payload.get(1).copied().unwrap_or_default();
            let elsewhere = match self.sockets[at].only() {
                Some(only) => only != router_id,
                None => {
                    received.destination.is_multicast()
                        && self.virtual_macs.hears(self.sockets[at].interface(), received.source.is_ipv6(), router_id)
                }
            };
            if elsewhere {
                continue;
            }
            let now = self.began.elapsed();
            let datagram = Datagram {
                interface: self.sockets[at].interface(),
                source: received.source,
                destination: received.destination,
                ttl: received.ttl,
                payload: &received.payload,
            };
            self.router.handle(now, Input::Datagram(datagram));
            self.act();
        }
        Ok(())
    }

    fn answer(&mut self, request: Request) {
        let now = self.now();
        match request {
            Request::Status(answer) => drop(answer.send(self.router.status(now))),
            Request::Command { name, command, answer } => {
                let outcome = self.router.command(now, &name, command);
                self.act();
                drop(answer.send(outcome));
            }
            Request::Tracked { source, outcome } => {
                self.router.handle(now, Input::Tracked { source: &source, outcome });
            }
            Request::Claimed { interface, address, by } => {
                self.router.handle(now, Input::Claimed { interface: &interface, address, by });
            }
            Request::Apply { settings, answer } => drop(answer.send(self.apply(settings))),
            Request::Stop { hand_over } => self.router.handle(now, Input::Stop { hand_over }),
        }
        self.act();
    }

    /// Other settings. The interfaces that they need are known, and heard, before the machine has them.
    fn apply(&mut self, settings: Settings) -> Result<(), Error> {
        self.claims.extend(&settings)?;
        self.links.widen(&settings);
        let changed = self.links.refresh(&mut self.network)?;
        let old = std::mem::replace(&mut self.settings, settings);
        let made = self.virtual_macs.make(&mut self.network, &self.links, &self.settings);
        if let Err(e) = made.and_then(|()| self.open_sockets(Some(&old))) {
            self.settings = old;
            self.virtual_macs.retain(&mut self.network, &self.settings);
            return Err(e);
        }
        self.voice.configure(&self.settings);
        self.promoting.set(&mut self.network, &self.links, &self.settings);
        self.tell_links(changed);
        self.router.reconfigure(self.now(), &self.settings);
        self.act();
        self.virtual_macs.retain(&mut self.network, &self.settings);
        self.promoting.retain(&mut self.network, &self.links, &self.settings);
        self.open_sockets(None)
    }

    /// Sockets on the interfaces that are there; an interface that came back has another index, and wants new ones.
    /// Those of other settings, the old ones, are kept for their last word.
    fn open_sockets(&mut self, and: Option<&Settings>) -> Result<(), Error> {
        let instances = self.settings.instances.iter().chain(and.iter().flat_map(|and| &and.instances));
        let wanted: BTreeSet<(&str, bool)> = instances.map(|i| (i.interface.as_str(), i.is_ipv6())).collect();
        let wanted: Vec<(&str, u32, bool)> = wanted
            .into_iter()
            .filter_map(|(name, is_ipv6)| self.links.index(name).map(|index| (name, index, is_ipv6)))
            .collect();
        let heard: Vec<u32> = self.virtual_macs.heard().filter_map(|(name, ..)| self.links.index(name)).collect();
        self.sockets.retain(|sockets| {
            wanted.iter().any(|&(_, index, is_ipv6)| sockets.is_for(index, is_ipv6))
                || sockets.only().is_some() && heard.iter().any(|index| sockets.is_on(*index))
        });
        for (name, index, is_ipv6) in wanted {
            if !self.sockets.iter().any(|sockets| sockets.is_for(index, is_ipv6)) {
                self.sockets.push(Sockets::open(name, index, is_ipv6)?);
            }
        }
        // What comes from another master has the same MAC, so that the kernel gives it to the virtual interface alone.
        for (name, base, is_ipv6, router_id) in self.virtual_macs.heard() {
            let Some(index) = self.links.index(name) else { continue };
            if !self.sockets.iter().any(|sockets| sockets.is_for(index, is_ipv6)) {
                self.sockets.push(Sockets::open(name, index, is_ipv6)?.standing_for(base, router_id));
            }
        }
        Ok(())
    }

    /// What has changed of interfaces, compared with what they were.
    fn tell_links(&mut self, changed: Vec<(String, Known)>) {
        let now = self.now();
        for (name, before) in changed {
            let Some((_, known)) = self.links.known().find(|(other, _)| **other == name) else { continue };
            let known = known.clone();
            for (is_ipv6, address) in [false, true].into_iter().zip(known.sources) {
                self.router.handle(now, Input::Source { interface: &name, is_ipv6, address });
            }
            self.router.handle(now, Input::Interface { name: &name, up: known.up });
            let mut lost: BTreeSet<IpAddr> = before.addresses.difference(&known.addresses).copied().collect();
            if known.index != before.index {
                // One that was made anew has none of them, whatever was seen of the one before.
                let own = self.settings.instances.iter().filter(|one| one.virtual_interface().as_ref() == Some(&name));
                lost.extend(
                    own.flat_map(|one| all(one).filter(|own| one.is_at_virtual_mac(own))).map(|own| own.address),
                );
            }
            for address in lost {
                self.router.handle(now, Input::AddressLost { interface: &name, address });
            }
            self.act();
        }
    }

    /// Does what the machine says.
    fn act(&mut self) {
        while let Some(action) = self.router.poll() {
            match action {
                Action::Transmit(transmit) => self.transmit(&transmit),
                Action::AddAddresses(instance) => {
                    self.virtual_macs.raise(&mut self.network, &mut self.links, &instance);
                    self.refusing.begin(&self.links, &instance);
                    addresses::add(&mut self.network, &self.links, &instance);
                    routes::add(&mut self.network, &self.links, &instance);
                }
                Action::RemoveAddresses(instance) => {
                    routes::remove(&mut self.network, &self.links, &instance);
                    addresses::remove(&mut self.network, &self.links, &instance);
                    self.refusing.end(&instance);
                }
                Action::LeaveVirtualMac(instance) => {
                    self.virtual_macs.lower(&mut self.network, &self.links, &instance);
                }
                Action::RestoreRoutes(instance) => routes::restore(&mut self.network, &self.links, &instance),
                Action::Announce { interface, address } => addresses::announce(&self.links, &interface, address),
                Action::Notify(notification) => {
                    self.voice.tell(&notification);
                    (self.told)(&notification);
                }
                Action::Log { name, level: Level::Info, text } => tracing::info!("{name}: {text}"),
                Action::Log { name, level: Level::Warning, text } => tracing::warn!("{name}: {text}"),
            }
        }
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let packet =
            || whole(transmit.source, transmit.destination, transmit.ttl, &transmit.payload).unwrap_or_default();
        if let Some(sent) = self.virtual_macs.send(&transmit.instance, transmit.destination, packet) {
            if let Err(e) = sent {
                tracing::warn!("{}: {e}", transmit.instance.name);
            }
            return;
        }
        let Some(index) = self.links.index(&transmit.instance.interface) else { return };
        let is_ipv6 = transmit.source.is_ipv6();
        let sockets = self.sockets.iter_mut().find(|sockets| sockets.is_for(index, is_ipv6));
        let Some(sockets) = sockets else { return };
        if let Err(e) = sockets.send(transmit.source, transmit.destination, transmit.ttl, &transmit.payload) {
            tracing::warn!("{}: {e}", transmit.instance.name);
        }
    }
}
