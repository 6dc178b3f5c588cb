//! A monitor with one service in virtual time, driven by the outcomes that a test names.

use relvs_model::{
    Method, Protocol, Scheduler, Server, Service, ServiceKey,
    health::{Check, Event, Outcome, Probe, Says, ServerHealth, ServiceHealth, Target, Timing},
};
use relvs_proto::health::{Actions, Input, Memory, Monitor, ProbeId, Start};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

pub(crate) const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));

pub(crate) fn key(port: u16) -> ServiceKey {
    ServiceKey::listen(Protocol::Tcp, VIP, port)
}

pub(crate) fn address(host: u8) -> IpAddr {
    [10, 0, 0, host].into()
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Asked every 2 s, and every second while failures are counted; at once at the beginning.
pub(crate) fn timing() -> Timing {
    Timing { warmup_ms: 0, ..Timing::default() }
}

pub(crate) fn tcp(timing: Timing) -> Check {
    Check { probe: Probe::Tcp, target: Target::default(), timing }
}

pub(crate) fn checked(check: Check) -> ServerHealth {
    ServerHealth { checks: vec![check], ..ServerHealth::default() }
}

pub(crate) fn server(host: u8, weight: u32, health: ServerHealth) -> Server {
    Server { health: Some(Arc::new(health)), ..Server::new(address(host), 80, weight, Method::Nat) }
}

pub(crate) fn service(health: ServiceHealth, servers: Vec<Server>) -> Service {
    Service { health: Some(Arc::new(health)), ..Service::new(key(80), Scheduler::Wlc, servers) }
}

pub(crate) fn sorry() -> Option<Server> {
    Some(Server::new(address(99), 80, 1, Method::Nat))
}

pub(crate) fn shared(services: &[Service]) -> Vec<Arc<Service>> {
    services.iter().cloned().map(Arc::new).collect()
}

/// An event in a few words.
pub(crate) fn word(event: &Event) -> String {
    match event {
        Event::Server { address, up, .. } => format!("{address} {}", if *up { "up" } else { "down" }),
        Event::Quorum { up, .. } => format!("quorum {}", if *up { "up" } else { "down" }),
        Event::Sorry { serving, .. } => format!("sorry {}", if *serving { "in" } else { "out" }),
        Event::Router { name, .. } => panic!("router {name}"),
    }
}

pub(crate) struct Scene {
    pub(crate) now: Duration,
    pub(crate) monitor: Monitor,
    pub(crate) services: Vec<Service>,
    /// What was told and not read yet.
    pub(crate) told: Vec<String>,
    pub(crate) last: Actions,
    running: BTreeMap<IpAddr, Vec<(ProbeId, Start)>>,
}

impl Scene {
    pub(crate) fn new(services: Vec<Service>) -> Self {
        Self::after(services, Memory::default(), seconds(1000))
    }

    pub(crate) fn after(services: Vec<Service>, memory: Memory, now: Duration) -> Self {
        let monitor = Monitor::new(now, 1, &shared(&services), memory);
        let mut scene =
            Scene { now, monitor, services, told: Vec::new(), last: Actions::default(), running: BTreeMap::new() };
        scene.take();
        scene
    }

    /// One service with default health.
    pub(crate) fn of(servers: Vec<Server>) -> Self {
        Self::new(vec![service(ServiceHealth::default(), servers)])
    }

    pub(crate) fn take(&mut self) {
        let actions = self.monitor.take();
        self.told.extend(actions.notify.iter().map(|notification| word(&notification.event)));
        for cancelled in &actions.cancel {
            self.running.values_mut().for_each(|probes| probes.retain(|(id, _)| id != cancelled));
        }
        for start in &actions.start {
            self.running.entry(start.question.asked.address).or_default().push((start.id, start.clone()));
        }
        self.last = actions;
    }

    /// Lets time pass until the next thing is due; probes stay unanswered.
    pub(crate) fn wait(&mut self) {
        self.now = self.monitor.poll_timeout().expect("something is due");
        self.monitor.handle_timeout(self.now);
        self.take();
    }

    /// Answers the next probe of a server, as `outcome` says it, a moment later.
    pub(crate) fn answer(&mut self, host: u8, outcome: &Outcome) {
        for _ in 0..1000 {
            if let Some((id, _)) = self.running.get_mut(&address(host)).and_then(Vec::pop) {
                self.now += Duration::from_millis(1);
                self.monitor.handle(self.now, [Input::Ended { id, outcome: outcome.clone() }]);
                self.take();
                return;
            }
            self.wait();
        }
        panic!("10.0.0.{host} is not asked");
    }

    pub(crate) fn good(&mut self, host: u8) {
        self.answer(host, &Outcome::Up { says: None });
    }

    pub(crate) fn says(&mut self, host: u8, says: Says) {
        self.answer(host, &Outcome::Up { says: Some(says) });
    }

    pub(crate) fn bad(&mut self, host: u8) {
        self.answer(host, &Outcome::Down { why: "connection refused".into() });
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.monitor.handle(self.now, [input]);
        self.take();
    }

    pub(crate) fn drain(&mut self, host: u8, drained: bool) {
        self.input(Input::Drain { service: key(80), server: SocketAddr::new(address(host), 80), drained });
    }

    pub(crate) fn reload(&mut self, services: Vec<Service>) {
        self.monitor.reload(self.now, &shared(&services));
        self.services = services;
        self.take();
    }

    /// Ends and begins again some time later.
    pub(crate) fn restart(&mut self, services: Vec<Service>, pause: Duration) {
        let memory = serde_json::to_string(&self.monitor.remembered()).unwrap();
        let told = std::mem::take(&mut self.told);
        *self = Scene::after(services, serde_json::from_str(&memory).unwrap(), self.now + pause);
        self.told.splice(0..0, told);
    }

    /// Each scheduled server's last octet and weight.
    pub(crate) fn laid(&self) -> Vec<(u8, u32)> {
        self.laid_of(0)
    }

    pub(crate) fn laid_of(&self, index: usize) -> Vec<(u8, u32)> {
        let desired = &self.services[index];
        let servers = self.monitor.effective(desired).unwrap_or_else(|| desired.servers.clone());
        let host = |server: &Server| match server.address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => panic!("the tests' servers are IPv4"),
        };
        servers.iter().map(|server| (host(server), server.weight)).collect()
    }

    /// What was told since the last call, in a line.
    pub(crate) fn heard(&mut self) -> String {
        std::mem::take(&mut self.told).join(", ")
    }

    /// How many probes are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.running.values().map(Vec::len).sum()
    }
}
