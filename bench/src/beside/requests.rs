//! Requests a second and what each costs: wrk on the client, nginx on three servers, one way after the other between them.
//!
//! A request's processor time is that of all processes of the lab (client, servers, what runs on the director) and of the kernel's
//! softirq threads: forwarding in the kernel is done in the time of whoever sent the packet. What a way costs is the difference to
//! the same client asking the same servers with nothing between them. Beside it stands the whole machine's time of /proc/stat,
//! which says the same on a machine that does nothing else.

use super::{
    cpu::{self, System},
    outcome::{Requests, RequestsRow, Spread},
    stand::{Standing, absent, until},
    ways::{Choice, Service, Way},
    wrk,
};
use anyhow::{Context as _, Result, ensure};
use relvs_lab::{Gateway, Lab, Node, Process, demo::Progress, director::realserver, traffic::nginx_server};
use relvs_model::Method;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PORT: u16 = 80;
/// A request of a probe at the longest.
const PROBE: Duration = Duration::from_secs(1);

/// Each has a virtual address of its own: its number here.
const WAYS: [Way; 9] = [
    Way::Direct,
    Way::Nftables(Choice::Numgen),
    Way::Ipvs(Method::Nat),
    Way::Ipvs(Method::Dr),
    Way::Relvs(Method::Nat),
    Way::Relvs(Method::Dr),
    Way::Haproxy,
    Way::NginxStream,
    Way::Envoy,
];

/// One way, with a connection for each request or with kept ones.
struct Case {
    way: Way,
    kept: bool,
    absent: Option<String>,
    runs: Vec<Run>,
}

/// One run of the client; times are microseconds a request.
#[derive(Clone, Copy, Default)]
struct Run {
    answers: wrk::Answers,
    all: f64,
    director: f64,
    system: f64,
    softirq: f64,
}

/// Servers that answer, and what was measured.
pub(super) struct Bed<'a> {
    lab: &'a Lab,
    relvs: &'a Path,
    seconds: u32,
    servers: Vec<Process>,
    addresses: Vec<Ipv4Addr>,
    script: PathBuf,
    cases: Vec<Case>,
}

impl<'a> Bed<'a> {
    /// Starts the servers.
    pub(super) fn new(lab: &'a Lab, relvs: &'a Path, seconds: u32, filter: &[String]) -> Result<Self> {
        let servers: Result<Vec<Process>> = lab.servers().map(|node| nginx_server(lab, node, PORT, &[])).collect();
        let addresses: Vec<Ipv4Addr> = lab.servers().map(Node::v4).collect();
        let script = lab.write_file("direct.lua", &wrk::one_server_a_thread(&addresses, PORT))?;
        for number in 0..WAYS.len() {
            lab.add_vip("d1", vip(lab, number).into())?;
            addressed_apart(lab, number, &addresses)?;
        }
        for (number, way) in WAYS.into_iter().enumerate().filter(|(_, way)| way.keeps_the_address()) {
            let vip = [IpAddr::V4(vip(lab, number))];
            for server in lab.servers().filter(|_| absent(way).is_none()) {
                let output = realserver(lab, server, relvs, "up", &vip, Method::Dr)?;
                let said = String::from_utf8_lossy(&output.stderr);
                ensure!(output.status.success(), "{}: relvs realserver up: {}", server.name(), said.trim());
            }
        }
        for node in [lab.client()?, lab.director(1)?] {
            // Both open many connections to few addresses.
            node.set_sysctl("ipv4/tcp_tw_reuse", "1")?;
        }
        let both = |way| [false, true].map(|kept| (way, kept));
        let case = |(way, kept)| Case { way, kept, absent: absent(way), runs: Vec::new() };
        let cases = WAYS.into_iter().filter(|way| way.is_wanted(filter)).flat_map(both).map(case).collect();
        Ok(Bed { lab, relvs, seconds, servers: servers?, addresses, script, cases })
    }

    /// Measures every way once.
    pub(super) fn round(&mut self, number: u32, progress: &mut Progress<'_>) -> Result<()> {
        let order = (0..WAYS.len()).cycle().skip(number as usize).take(WAYS.len());
        for at in order.filter(|at| absent(WAYS[*at]).is_none()) {
            if self.cases.iter().all(|case| case.way != WAYS[at]) {
                continue;
            }
            progress.go_on()?;
            let measured = self.way(at).with_context(|| format!("requests, {}", WAYS[at].name()));
            progress.say(format!("  requests, {}: {}", WAYS[at].name(), measured?))?;
        }
        Ok(())
    }

    fn way(&mut self, at: usize) -> Result<String> {
        let way = WAYS[at];
        let service = Service {
            protocol: "tcp",
            vip: vip(self.lab, at),
            port: PORT,
            servers: self.addresses.clone(),
            interfaces: vec![self.lab.director(1)?.port_on("lan")?.interface.clone()],
        };
        for server in self.lab.servers() {
            let gateway = if way.needs_the_way_back() { Gateway::Director } else { Gateway::Router };
            self.lab.set_gateway(server.name(), gateway)?;
        }
        let standing = Standing::up(self.lab, self.relvs, way, &service)?;
        let targets = if way == Way::Direct { self.addresses.clone() } else { vec![service.vip] };
        let mut seen = BTreeSet::new();
        let ready = until("every server answers", || {
            for target in &targets {
                let target = SocketAddr::new((*target).into(), PORT);
                // A refusal or silence is why it is asked again.
                seen.extend(self.lab.client()?.with(|| ask(target))?.ok());
            }
            Ok(seen.len() == self.addresses.len())
        });
        ready.with_context(|| format!("{} of {} servers; {}", seen.len(), self.addresses.len(), standing.said()))?;
        let mut said = Vec::new();
        for kept in [false, true] {
            let run = self.run(&standing, way, kept, service.vip).with_context(|| standing.said())?;
            said.push(format!("{:.0}/s", run.answers.per_second));
            let case = self.cases.iter_mut().find(|case| case.way == way && case.kept == kept);
            case.context("no such case")?.runs.push(run);
        }
        standing.end()?;
        Ok(format!("{} a connection each, {} kept", said[0], said[1]))
    }

    fn run(&self, standing: &Standing<'_>, way: Way, kept: bool, vip: Ipv4Addr) -> Result<Run> {
        let client = self.lab.client()?;
        let direct = way == Way::Direct;
        let host = if direct { self.addresses[0] } else { vip };
        let url = format!("http://{host}:{PORT}/");
        let command = wrk::command(&url, kept, self.seconds, direct.then_some(self.script.as_path()));
        let director = standing.groups();
        let servers: Vec<u32> = self.servers.iter().map(Process::pid).collect();
        let look = || {
            let own = cpu::groups(&director);
            let others = cpu::groups(&servers) + cpu::softirq_threads(None) + cpu::children()?;
            Ok::<_, anyhow::Error>((own, own + others, System::now()?))
        };
        let before = look()?;
        let output = client.run_command(command, "")?;
        let after = look()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let answers = wrk::parse(&text)?;
        ensure!(answers.requests > 0, "no request was answered: {text}");
        let each = |seconds: f64| seconds * 1e6 / answers.requests as f64;
        let system = after.2.since(before.2);
        Ok(Run {
            answers,
            all: each(after.1 - before.1),
            director: each(after.0 - before.0),
            system: each(system.busy),
            softirq: each(system.softirq),
        })
    }

    /// What came out.
    pub(super) fn outcome(&self) -> Requests {
        let median = |case: &Case, value: fn(&Run) -> f64| {
            let values: Vec<f64> = case.runs.iter().map(value).collect();
            Spread::of(&values)
        };
        let row = |case: &Case| {
            let floor = self.cases.iter().find(|floor| floor.way == Way::Direct && floor.kept == case.kept);
            let net = |value| {
                let floor = median(floor?, value)?.median;
                (case.way != Way::Direct).then_some(median(case, value)?.median - floor)
            };
            RequestsRow {
                name: case.way.name(),
                kept: case.kept,
                absent: case.absent.clone(),
                per_second: median(case, |run| run.answers.per_second),
                p50_us: median(case, |run| run.answers.p50_us).map(|spread| spread.median),
                p99_us: median(case, |run| run.answers.p99_us).map(|spread| spread.median),
                cpu_us: median(case, |run| run.all),
                net_us: net(|run| run.all),
                director_us: median(case, |run| run.director).map(|spread| spread.median),
                system_us: median(case, |run| run.system),
                system_net_us: net(|run| run.system),
                softirq_us: median(case, |run| run.softirq).map(|spread| spread.median),
                failed: case.runs.iter().map(|run| run.answers.failed).sum(),
            }
        };
        Requests { seconds: self.seconds, servers: self.addresses.len(), rows: self.cases.iter().map(row).collect() }
    }
}

fn vip(lab: &Lab, number: usize) -> Ipv4Addr {
    match lab.plan().vip(number as u8).0 {
        IpAddr::V4(vip) => vip,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// Gives each way a client address of its own: behind NAT a server knows a connection by the client's address and port alone, and
/// would take a new one for an old one of another way.
fn addressed_apart(lab: &Lab, number: usize, servers: &[Ipv4Addr]) -> Result<()> {
    let (client, router) = (lab.client()?, lab.node("r")?.v4());
    let port = client.port_on("outside")?;
    let [a, b, c, _] = port.v4.octets();
    let own = Ipv4Addr::new(a, b, c, 20 + number as u8);
    client.ip(&format!("address add {own}/24 dev {}", port.interface))?;
    let to = if WAYS[number] == Way::Direct { servers.to_vec() } else { vec![vip(lab, number)] };
    for to in to {
        client.ip(&format!("route add {to}/32 via {router} src {own}"))?;
    }
    Ok(())
}

/// One request; gives which server answered.
fn ask(target: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, PROBE)?;
    stream.set_read_timeout(Some(PROBE))?;
    stream.write_all(format!("GET / HTTP/1.0\r\nHost: {}\r\n\r\n", target.ip()).as_bytes())?;
    let (mut text, deadline) = (Vec::new(), Instant::now() + PROBE);
    let mut piece = [0; 1024];
    loop {
        ensure!(Instant::now() < deadline, "no whole answer");
        match stream.read(&mut piece)? {
            0 => break,
            length => text.extend_from_slice(&piece[..length]),
        }
    }
    let text = String::from_utf8_lossy(&text);
    let name = text.lines().find_map(|line| line.strip_prefix("X-Server: "));
    Ok(name.context("the answer names no server")?.to_owned())
}
