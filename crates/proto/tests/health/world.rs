//! Random services for the simulation: few addresses, so that much is shared, and short times, so that much happens.

use relvs_model::{
    Method, Protocol, Scheduler, SchedulerFlags, Server, Service, ServiceKey,
    health::{Check, Damping, HttpProbe, Probe, ServerHealth, ServiceHealth, Target, Timing},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

pub(crate) const VIPS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3)),
];

/// Interval and retry interval. A check's timeout is 1000 ms and the number of its pace.
const PACES: [(u32, u32); 3] = [(1000, 300), (1500, 0), (400, 700)];

pub(crate) fn pace(timeout_ms: u32, hurry: bool) -> Duration {
    let (interval, retry) = PACES[(timeout_ms - 1000) as usize];
    Duration::from_millis(if hurry && retry > 0 { retry } else { interval }.into())
}

/// xorshift64*: not the monitor's generator.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that differ by one bit must not begin alike.
        let mixed = (seed ^ 0x1234_5678_9abc_def1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Dice((mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) | 1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * u128::from(end)) >> 64) as u64
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

fn check(dice: &mut Dice) -> Check {
    let pace = dice.below(PACES.len() as u64) as u32;
    let (interval_ms, retry_interval_ms) = PACES[pace as usize];
    let probe = if dice.percent(70) { Probe::Tcp } else { Probe::Http(HttpProbe::default()) };
    let timing = Timing {
        interval_ms,
        retry_interval_ms,
        timeout_ms: 1000 + pace,
        connect_timeout_ms: 0,
        fall: dice.pick(&[0, 1, 2, 3]),
        rise: dice.pick(&[0, 1, 1, 2, 3]),
        warmup_ms: dice.pick(&[0, 200, 1000]),
        fast_recovery: dice.percent(20),
        alpha: dice.percent(30),
        log_all_failures: dice.percent(20),
    };
    Check { probe, target: Target::default(), timing }
}

fn server_health(dice: &mut Dice) -> ServerHealth {
    let checks = dice.pick(&[0, 1, 1, 1, 2]);
    let damping = dice.percent(25).then(|| Damping {
        falls: dice.pick(&[1, 2, 3]),
        within_ms: dice.pick(&[3000, 9000]),
        hold_ms: 4000,
    });
    ServerHealth {
        checks: (0..checks).map(|_| check(dice)).collect(),
        inhibit_on_failure: dice.percent(25),
        slow_start_ms: dice.pick(&[0, 0, 1000, 4500]),
        damping,
        notify_up: None,
        notify_down: None,
    }
}

fn server(dice: &mut Dice) -> Server {
    let address = [10, 0, 0, dice.pick(&[1, 2, 3, 4])].into();
    let health = dice.percent(90).then(|| Arc::new(server_health(dice)));
    Server { health, ..Server::new(address, 80, dice.pick(&[0, 1, 1, 1, 2, 5, 20]), Method::Nat) }
}

fn servers(dice: &mut Dice) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for _ in 0..dice.below(4) {
        add(&mut servers, server(dice));
    }
    servers
}

fn add(servers: &mut Vec<Server>, server: Server) {
    if servers.iter().all(|known| known.address != server.address) {
        servers.push(server);
    }
}

fn service_health(dice: &mut Dice) -> ServiceHealth {
    // Some are real servers of the service too.
    let sorry = dice.pick(&[None, Some(99), Some(98), Some(1)]);
    ServiceHealth {
        quorum: dice.pick(&[1, 1, 2, 3, 6]),
        hysteresis: dice.pick(&[0, 0, 1, 2, 9]),
        sorry: sorry.map(|host| Server::new([10, 0, 0, host].into(), 80, dice.pick(&[0, 1, 3]), Method::Nat)),
        inhibit_sorry: dice.percent(30),
        omega: dice.percent(40),
        ha_suspend: dice.percent(40),
        quorum_up: None,
        quorum_down: None,
    }
}

fn service(dice: &mut Dice, vip: IpAddr) -> Service {
    let key = ServiceKey::listen(Protocol::Tcp, vip, 80);
    let scheduler = dice.pick(&[Scheduler::Wlc, Scheduler::Mh, Scheduler::Sh, Scheduler::Dh]);
    let mut service = Service::new(key, scheduler, servers(dice));
    service.flags = dice.pick(&[SchedulerFlags::NONE, SchedulerFlags::FALLBACK]);
    service.health = dice.percent(85).then(|| Arc::new(service_health(dice)));
    service
}

/// Up to three services.
pub(crate) fn services(dice: &mut Dice) -> Vec<Service> {
    let mut services = Vec::new();
    for vip in VIPS {
        if dice.percent(70) {
            services.push(service(dice, vip));
        }
    }
    services
}

/// The same services but for one or a few things.
pub(crate) fn otherwise(dice: &mut Dice, services: &[Service]) -> Vec<Service> {
    let mut services = services.to_vec();
    for _ in 0..=dice.below(3) {
        let vip = dice.pick(&VIPS);
        let at = services.iter().position(|service| service.key.address() == Some(vip));
        let Some(at) = at else {
            services.insert(dice.below(services.len() as u64 + 1) as usize, service(dice, vip));
            continue;
        };
        let known = &mut services[at];
        let which = dice.below(known.servers.len() as u64 + 1) as usize;
        match (dice.below(10), known.servers.get_mut(which)) {
            (0, _) => drop(services.remove(at)),
            (1, _) => known.health = dice.percent(80).then(|| Arc::new(service_health(dice))),
            (2, _) => {
                known.health = None;
                known.servers.iter_mut().for_each(|server| server.health = None);
            }
            (3, Some(_)) => drop(known.servers.remove(which)),
            (4 | 5, Some(server)) => server.weight = dice.pick(&[0, 1, 2, 5]),
            (6, Some(server)) => server.health = Some(Arc::new(server_health(dice))),
            (7 | 8, Some(server)) => {
                // One of its checks is another one.
                let mut health = server.health.as_deref().cloned().unwrap_or_default();
                health.checks.pop();
                health.checks.push(check(dice));
                server.health = Some(Arc::new(health));
            }
            _ => add(&mut known.servers, server(dice)),
        }
    }
    services
}
