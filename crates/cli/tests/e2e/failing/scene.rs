//! Six nginx servers, two behind each method, with a service for each method and family; clients that ask all the time.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use relvs_api::Status;
use relvs_lab::traffic::{Load, Report, RunningLoad, nginx_server};
use relvs_lab::{Process, Shape, Topology};
use relvs_model::{Method, Protocol, ServiceKey, health::ServerStatus};

use super::pace::PACE;
use crate::bed::{Bed, PATIENCE, until};
use crate::configuration::{rip, tcp};

/// A method, its services' port, its servers. The first of them will fail.
pub(super) struct Group {
    pub(super) method: Method,
    pub(super) port: u16,
    pub(super) servers: [&'static str; 2],
}

/// All of them; NAT last.
pub(super) const GROUPS: [Group; 3] = [
    Group { method: Method::Dr, port: 8080, servers: ["s1", "s2"] },
    Group { method: Method::Tun, port: 8081, servers: ["s3", "s4"] },
    Group { method: Method::Nat, port: 8082, servers: ["s5", "s6"] },
];

/// Requests a second of each load.
const RATE: u32 = 20;
/// Longest time of a request.
const REQUEST: Duration = Duration::from_secs(2);

/// What is asked, and of whom.
pub(super) struct Way {
    pub(super) group: &'static Group,
    pub(super) target: SocketAddr,
    /// Checked through the data path.
    pub(super) through: bool,
}

pub(super) struct Scene {
    pub(super) nginx: Vec<(&'static Group, Process)>,
    _others: Vec<Process>,
    pub(super) bed: Bed,
    pub(super) ways: Vec<Way>,
}

/// A load, and when it began.
pub(super) struct Steady(Vec<(Instant, RunningLoad)>);

/// From now on clients' connections have ports that no flow has: one that was lost left its port free at the client, but is known to the director,
/// and a connection by the same port would go where that went, as with IPVS. `moment` is another for each call.
pub(super) fn fresh_ports(bed: &Bed, moment: u16) {
    let first = 20_000 + moment * 4_000;
    bed.client().set_sysctl("ipv4/ip_local_port_range", &format!("{first} {}", first + 3_999)).unwrap();
}

impl Scene {
    /// All servers up, and asked for `/` through the data path where `through` says so. `None` as a bed.
    pub(super) fn start(groups: &'static [Group], through: impl Fn(Method, IpAddr) -> bool) -> Option<Self> {
        if std::process::Command::new("nginx").arg("-v").output().is_err() {
            println!("skipped: nginx is not installed");
            return None;
        }
        let count = u8::try_from(groups.len() * 2).unwrap();
        let mut bed = Bed::bare(&Shape::new(Topology::OneArmed).servers(count))?;
        let like = |group: &Group| tcp(group.port, "rr", &group.servers.map(|name| (name, group.method, 1)));
        bed.prepare(&groups.iter().map(like).collect::<Vec<_>>());
        let serve = |group: &Group, name| nginx_server(&bed.lab, bed.node(name), group.port, &[]).unwrap();
        let nginx = groups.iter().map(|group| (group, serve(group, group.servers[0]))).collect();
        let others = groups.iter().map(|group| serve(group, group.servers[1])).collect();
        let way =
            |group, vip| Way { group, target: SocketAddr::new(vip, group.port), through: through(group.method, vip) };
        let ways: Vec<Way> = groups.iter().flat_map(|group| bed.vips.map(|vip| way(group, vip))).collect();
        let sections = ways.iter().fold(String::new(), |mut text, way| {
            let lines = format!(
                "listen = \"{}/tcp\"\nscheduler = \"rr\"\nmethod = \"{}\"\n[service.check]\ntype = \"http\"\n\
                 through_data_path = {}\n{}",
                way.target,
                way.group.method,
                way.through,
                PACE.lines()
            );
            let _ = write!(text, "{}", bed.section(way.target.ip(), &lines, &way.group.servers.map(|name| (name, ""))));
            text
        });
        bed.configure_with(&sections);
        bed.director.start().unwrap();
        let scene = Self { nginx, _others: others, bed, ways };
        until("all servers were asked and are up", || {
            let status = scene.bed.status();
            let checks: Vec<_> =
                status.checks.iter().flat_map(|s| &s.servers).flat_map(|server| &server.checks).collect();
            checks.len() == scene.ways.len() * 2 && checks.iter().all(|check| check.known && check.up)
        });
        scene.bed.all_ready();
        Some(scene)
    }

    /// Requests at every target, all the time; each has been answered by both servers when this returns.
    pub(super) fn load(&self) -> Steady {
        let start = |way: &Way| {
            let load = Load { timeout: REQUEST, ..Load::new(way.target).rate(RATE, 64) };
            (Instant::now(), load.start(self.bed.client()).unwrap())
        };
        let loads = Steady(self.ways.iter().map(start).collect());
        until("both servers answer at every target", || {
            loads.0.iter().all(|(_, load)| load.so_far().servers.len() == 2)
        });
        loads
    }

    /// When the first server of each way was seen to be up, or down.
    pub(super) fn when(&self, up: bool) -> Vec<Instant> {
        let mut seen = vec![None; self.ways.len()];
        let deadline = Instant::now() + PATIENCE;
        while seen.contains(&None) {
            let status = self.bed.status();
            let now = Instant::now();
            for (seen, way) in seen.iter_mut().zip(&self.ways) {
                if seen.is_none() && self.status_of(&status, way, way.group.servers[0]).up == up {
                    *seen = Some(now);
                }
            }
            assert!(now < deadline, "not within {PATIENCE:?}: {:#?}", status.checks);
            std::thread::sleep(Duration::from_millis(5));
        }
        seen.into_iter().flatten().collect()
    }

    pub(super) fn status_of(&self, status: &Status, way: &Way, server: &str) -> ServerStatus {
        let key = ServiceKey::listen(Protocol::Tcp, way.target.ip(), way.target.port());
        let address = rip(&self.bed.lab, server, way.target.ip());
        let service = status.checks.iter().find(|service| service.service == key).unwrap();
        service.servers.iter().find(|server| server.address == address).unwrap().clone()
    }

    /// The processes of the servers that will fail.
    pub(super) fn failing(&mut self) -> impl Iterator<Item = (&'static str, &mut Process)> {
        self.nginx.iter_mut().map(|(group, process)| (group.servers[0], process))
    }
}

impl Steady {
    /// Requests that were begun at the latest by then, and had not ended: at most so many, for each way.
    pub(super) fn between(&self, ended: &[Report], until: &[Instant]) -> Vec<u64> {
        let begun = |(load, until): (&(Instant, RunningLoad), &Instant)| {
            (until.duration_since(load.0).as_secs_f64() * f64::from(RATE)) as u64 + 1
        };
        let begun = self.0.iter().zip(until).map(begun);
        begun.zip(ended).map(|(begun, ended)| begun.saturating_sub(ended.sent)).collect()
    }

    pub(super) fn so_far(&self) -> Vec<Report> {
        self.0.iter().map(|(_, load)| load.so_far()).collect()
    }

    pub(super) fn stop(self) -> Vec<Report> {
        self.0.into_iter().map(|(_, load)| load.stop().unwrap()).collect()
    }
}
