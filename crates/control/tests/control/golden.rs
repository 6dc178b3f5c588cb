//! Sequences recorded from a real kernel, arrival by arrival.
//!
//! What a flow adds to its server's counts is added here as IPVS does: the flow table that does it is not among what is
//! tested.

use crate::{
    both::arrival,
    ipvs::Caller,
    rig::{Rig, SMALL},
};
use relvs_core::{Block, table::load};
use relvs_model::{Method, Protocol, Scheduler, SchedulerFlags, Server, Service, ServiceKey};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

#[test]
fn recorded_sequences_are_repeated() {
    // The daemon's tests play the same records through the whole data path.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/tests/golden");
    let (ran, shared) = folder(&own);
    assert_eq!((ran, shared), (128, 4), "of the repository's own records: run, and shares alone compared");
    if let Some(named) = std::env::var_os("RELVS_GOLDEN") {
        folder(&PathBuf::from(named));
    }
}

/// Runs the records of a folder, and gives how many, and of how many only the shares are compared.
fn folder(path: &Path) -> (usize, usize) {
    let Ok(text) = std::fs::read_to_string(path.join("sched.jsonl")) else {
        println!("{}: no sched.jsonl", path.display());
        return (0, 0);
    };
    let (mut ran, mut shared, mut skipped) = (0, 0, Vec::new());
    for (at, line) in text.lines().enumerate() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("line {}: {e}", at + 1));
        let name = format!("line {}, {} {}", at + 1, record["sched"], record["name"]);
        let draft = match Draft::of(&record) {
            Ok(draft) => draft,
            Err(reason) => {
                skipped.push(format!("{name}: {reason}"));
                continue;
            }
        };
        for singly in [false, true] {
            draft.run(singly, &name);
        }
        if draft.service.scheduler == Scheduler::Twos { shared += 1 } else { ran += 1 }
    }
    println!("{}: {ran} records run, of {shared} more the shares", path.display());
    println!("not run:\n  {}", skipped.join("\n  "));
    (ran, shared)
}

/// A record, read.
struct Draft {
    service: Service,
    kind: Kind,
    callers: Vec<Caller>,
    /// Before which arrival.
    steps: Vec<(usize, Step)>,
    sequence: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Udp,
    /// Held.
    Tcp,
    Closed,
}

enum Step {
    Scheduler(Scheduler),
    Weight(SocketAddr, u32),
    Add(SocketAddr),
    Remove(SocketAddr),
    CloseAll,
}

impl Draft {
    /// Err if the record is about something else too.
    fn of(record: &Value) -> Result<Self, String> {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        let numbers = |name: &str| {
            record[name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect::<Vec<_>>()
        };
        let kind = match text("kind") {
            "udp" => Kind::Udp,
            "tcp" => Kind::Tcp,
            "tcpc" => Kind::Closed,
            other => return Err(format!("of the kind `{other}`")),
        };
        if !text("opts").is_empty() {
            return Err(format!("with {}", text("opts")));
        }
        let list = |name: &str| record[name].as_array().into_iter().flatten().map(|item| item.as_str().unwrap());
        // A mark's service is sent to by addresses of any kind: here it is the first one's.
        let destinations: Vec<IpAddr> = list("dsts").map(|address| address.parse().unwrap()).collect();
        let vip = match destinations.first() {
            Some(first) => SocketAddr::new(*first, 80),
            None => text("vip").parse().map_err(|_| format!("to {}", record["vip"]))?,
        };
        let protocol = if kind == Kind::Udp { Protocol::Udp } else { Protocol::Tcp };
        let key = ServiceKey::listen(protocol, vip.ip(), vip.port());
        let mut flags = SchedulerFlags::NONE;
        for flag in text("flags").split(',').filter(|flag| !flag.is_empty()) {
            flags = flags.with(SchedulerFlags::named(flag).unwrap().0);
        }
        let mut words = text("thresholds").split_whitespace();
        let mut thresholds = [0; 2];
        while let Some(option) = words.next() {
            thresholds[usize::from(option == "-y")] = words.next().unwrap().parse().unwrap();
        }
        let servers: Vec<Server> = list("servers")
            .zip(numbers("weights"))
            .map(|(endpoint, weight)| {
                let [upper_threshold, lower_threshold] = thresholds;
                let endpoint = endpoint.parse().or_else(|_| format!("{endpoint}:80").parse()).unwrap();
                let of = server(endpoint, weight);
                Server { upper_threshold, lower_threshold, ..of }
            })
            .collect();
        let port = servers.first().map_or(0, |server| server.port).to_string();
        let mut steps = Vec::new();
        for step in record["steps"].as_array().unwrap() {
            for command in step[1].as_array().unwrap() {
                let command = command.as_str().unwrap().replace("RP", &port);
                steps.push((step[0].as_u64().unwrap() as usize, Step::of(&command)?));
            }
        }
        let sources: Vec<IpAddr> = list("srcs").map(|source| source.parse().unwrap()).collect();
        let count = record["n"].as_u64().unwrap() as usize;
        let first_port = record["sports"][0].as_u64().unwrap_or(1024) as u16;
        let callers = (0..count).map(|n| Caller {
            source: SocketAddr::new(turn(&sources, n).unwrap_or([192, 168, 1, 10].into()), first_port + n as u16),
            destination: turn(&destinations, n).unwrap_or(vip.ip()),
        });
        let scheduler = text("sched").parse().map_err(|()| "of an unknown scheduler".to_owned())?;
        Ok(Draft {
            service: Service { flags, ..Service::new(key, scheduler, servers) },
            kind,
            callers: callers.collect(),
            steps,
            sequence: text("seq").to_owned(),
        })
    }

    /// Runs it, with the servers added at once or one after another.
    fn run(&self, singly: bool, name: &str) {
        let mut service = self.service.clone();
        let mut rig = Rig::new(SMALL);
        let first = if singly { 0 } else { service.servers.len() };
        for servers in first..=service.servers.len() {
            rig.apply(&[Service { servers: service.servers[..servers].to_vec(), ..service.clone() }]).unwrap();
        }
        let mut seen = String::new();
        let mut places: Vec<SocketAddr> = service.servers.iter().map(endpoint).collect();
        for (at, caller) in self.callers.iter().enumerate() {
            let mut due = self.steps.iter().filter(|(due, _)| *due == at).map(|(_, step)| step).peekable();
            if due.peek().is_some() {
                seen.push('|');
            }
            for step in due {
                step.take(&rig, &mut service);
                if let Step::Add(server) = step {
                    places.push(*server);
                }
                rig.apply(std::slice::from_ref(&service)).unwrap();
            }
            let reached = rig.arrive_as(service.key, &arrival(caller));
            seen.push(reached.map_or('-', |reached| digit(places.iter().position(|place| *place == reached).unwrap())));
            if let Some(reached) = reached {
                self.count(rig.load_of(service.key, reached), &service, reached);
            }
        }
        let name = format!("{name}, servers added one after another: {singly}");
        if service.scheduler == Scheduler::Twos {
            assert!(alike(&shares(&seen), &shares(&self.sequence)), "{name}: {seen}, recorded {}", self.sequence);
        } else {
            assert_eq!(seen, self.sequence, "{name}");
        }
    }

    /// Counts a connection that its server has now.
    fn count(&self, record: impl Block, service: &Service, reached: SocketAddr) {
        let share = if self.kind == Kind::Tcp { load::ACTIVE } else { load::INACTIVE };
        let counts = record.fetch_add(load::COUNTS, share) + share;
        let server = service.servers.iter().find(|server| endpoint(server) == reached).unwrap();
        if load::rises(load::thresholds(server.upper_threshold, server.lower_threshold), load::total(counts)) {
            record.store(load::OVERLOAD, 1);
        }
    }
}

impl Step {
    /// What an `ipvsadm` command does.
    fn of(command: &str) -> Result<Self, String> {
        let words: Vec<_> = command.split_whitespace().collect();
        let server = |text: &str| text.parse::<SocketAddr>().map_err(|_| format!("has the step {command}"));
        match words[..] {
            ["-E", "SVC", "-s", scheduler] => {
                scheduler.parse().map(Step::Scheduler).map_err(|()| format!("has the step {command}"))
            }
            ["-e", "SVC", "-r", to, "-m", "-w", weight] => Ok(Step::Weight(server(to)?, weight.parse().unwrap())),
            ["-a", "SVC", "-r", to, "-m"] => Ok(Step::Add(server(to)?)),
            ["-d", "SVC", "-r", to] => Ok(Step::Remove(server(to)?)),
            ["closeall"] => Ok(Step::CloseAll),
            _ => Err(format!("has the step {command}")),
        }
    }

    fn take(&self, rig: &Rig, service: &mut Service) {
        let place = |to: &SocketAddr| service.servers.iter().position(|server| endpoint(server) == *to).unwrap();
        match self {
            Step::Scheduler(scheduler) => service.scheduler = *scheduler,
            Step::Weight(to, weight) => {
                let at = place(to);
                service.servers[at].weight = *weight;
            }
            Step::Add(to) => service.servers.push(server(*to, 1)),
            Step::Remove(to) => {
                let at = place(to);
                service.servers.remove(at);
            }
            Step::CloseAll => {
                for server in &service.servers {
                    let record = rig.load_of(service.key, endpoint(server));
                    let flows = load::total(record.load(load::COUNTS));
                    record.store(load::COUNTS, u64::from(flows) * load::INACTIVE);
                }
            }
        }
    }
}

/// The addresses in turn.
fn turn(addresses: &[IpAddr], n: usize) -> Option<IpAddr> {
    addresses.iter().cycle().nth(n).copied()
}

fn server(endpoint: SocketAddr, weight: u32) -> Server {
    Server::new(endpoint.ip(), endpoint.port(), weight, Method::Nat)
}

fn endpoint(server: &Server) -> SocketAddr {
    SocketAddr::new(server.address, server.port)
}

fn digit(place: usize) -> char {
    char::from_digit(place as u32 + 1, 10).unwrap()
}

fn shares(sequence: &str) -> BTreeMap<char, i32> {
    let mut shares = BTreeMap::new();
    for server in sequence.chars() {
        *shares.entry(server).or_default() += 1;
    }
    shares
}

/// Whether nobody is in one and not in the other, and nobody's shares differ by more than chance makes likely in a few
/// dozen draws.
fn alike(one: &BTreeMap<char, i32>, other: &BTreeMap<char, i32>) -> bool {
    one.keys().eq(other.keys()) && one.iter().all(|(server, share)| (share - other[server]).abs() <= 12)
}
