//! The ground of one act: a laid-out lab with servers that answer and a director with its services, all started as an administrator would.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use relvs_model::Method;

use super::progress::Progress;
use super::results::Shares;
use super::status::Status;
use crate::director::{Director, Service, configuration, realserver};
use crate::lab::Lab;
use crate::node::Node;
use crate::plan::{Shape, Topology};
use crate::process::Process;
use crate::registry::Started;
use crate::serving;
use crate::traffic::nginx_server;

/// HTTP of nginx, or of the built-in server where nginx is missing.
pub(super) const HTTP: u16 = 80;
/// HTTP of the built-in server, which takes uploads and paces downloads.
pub(super) const PACED: u16 = 8080;
/// UDP echo.
pub(super) const UDP: u16 = 53;
/// Length of the content that goes down and up, in bytes.
pub(super) const BULK: u64 = 100_000_000;
/// Servers in every lab of the demo.
pub(super) const SERVERS: u8 = 3;
/// A new configuration is in force at the latest after this.
const RELOAD_LIMIT: Duration = Duration::from_secs(10);
/// The director knows the way to every server at the latest after this.
const READY_LIMIT: Duration = Duration::from_secs(10);

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What one pair of virtual addresses, IPv4 and IPv6, offers: HTTP, paced HTTP and UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// Which of the plan's virtual addresses.
    pub(super) vip: u8,
    pub(super) method: Method,
    /// Weights by the server's number.
    pub(super) weights: BTreeMap<u8, u32>,
}

/// A lab at work. What runs in it is ended before it is removed.
pub(super) struct Stage {
    pub(super) director: Director,
    servers: BTreeMap<u8, Serving>,
    offers: Vec<Offer>,
    program: PathBuf,
    nginx: bool,
    pub(super) lab: Lab,
}

/// The processes of one server.
struct Serving {
    nginx: Option<Process>,
    built_in: Process,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

impl Offer {
    /// Every server with the same weight: `rr` does not ask for it.
    pub(super) fn equal(vip: u8, method: Method) -> Self {
        Self { vip, method, weights: (1..=SERVERS).map(|server| (server, 1)).collect() }
    }

    /// Weights 3, 2 and 1.
    pub(super) fn weighted(vip: u8, method: Method) -> Self {
        Self { weights: [(1, 3), (2, 2), (3, 1)].into(), ..Self::equal(vip, method) }
    }

    /// `wrr` where weights differ.
    pub(super) fn scheduler(&self) -> &'static str {
        let mut weights = self.weights.values().filter(|weight| **weight > 0);
        let first = weights.next();
        if weights.any(|weight| Some(weight) != first) { "wrr" } else { "rr" }
    }

    /// Who is to answer how many of `count` requests, which is a multiple of the sum of the weights.
    pub(super) fn expected(&self, count: u64) -> Shares {
        let sum: u64 = self.weights.values().map(|weight| u64::from(*weight)).sum();
        let share = |weight: u32| (count * u64::from(weight)).checked_div(sum).unwrap_or(0);
        self.weights.iter().map(|(server, weight)| (name(*server), share(*weight))).collect()
    }

    /// NAT, DR, TUN.
    pub(super) fn method_name(&self) -> String {
        self.method.name().to_uppercase()
    }
}

/// The short name of a server's node.
pub(super) fn name(server: u8) -> String {
    format!("s{server}")
}

impl Stage {
    /// Lays it out and starts everything; `notes` takes what had to be done in another way.
    pub(super) fn build(
        program: &Path,
        topology: Topology,
        offers: Vec<Offer>,
        progress: &mut Progress<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        progress.step(match topology {
            Topology::TwoArmed => "two-armed lab: client, director d1, and behind it s1, s2, s3, whose gateway it is",
            Topology::OneArmed | Topology::Wan => {
                "one-armed lab: client, router; on its LAN the director d1, s1, s2, s3"
            }
        })?;
        let lab = Lab::build(&Shape::new(topology).servers(SERVERS))?;
        for offer in &offers {
            for vip in addresses(&lab, offer) {
                lab.add_vip("d1", vip)?;
            }
        }
        let director = Director::new(&lab, "d1", program)?;
        let program = program.to_owned();
        let mut stage = Self { director, servers: BTreeMap::new(), offers, program, nginx: true, lab };
        stage.start_servers(progress, notes)?;
        stage.prepare_servers()?;
        let path = stage.write_configuration()?;
        let path = path.to_str().context("the configuration's path is not UTF-8")?;
        let director = Director::new(&stage.lab, "d1", &stage.program)?;
        stage.director = director.arguments(["--config", path]);
        stage.director.start()?;
        let status = stage.ready()?;
        let modes: Vec<String> = status.interfaces.iter().map(|on| format!("{} ({})", on.name, on.mode)).collect();
        let server = if stage.nginx { "nginx" } else { "the built-in HTTP server" };
        progress.say(format!("  {server} on every server; relvs on d1 serves {}", modes.join(" and ")))?;
        Ok(stage)
    }

    fn start_servers(&mut self, progress: &mut Progress<'_>, notes: &mut Vec<String>) -> Result<()> {
        for number in 1..=SERVERS {
            progress.go_on()?;
            if let Err(error) = self.start_server(number) {
                if !self.nginx {
                    return Err(error);
                }
                let note = format!("{error:#}; the built-in HTTP server answered in nginx's place");
                if !notes.contains(&note) {
                    notes.push(note);
                }
                self.nginx = false;
                self.servers.clear();
                // A large file may be what did not fit.
                let _ = std::fs::remove_dir_all(self.lab.directory().join("files"));
                return self.start_servers(progress, notes);
            }
        }
        Ok(())
    }

    /// Starts what a server serves with.
    pub(super) fn start_server(&mut self, number: u8) -> Result<()> {
        let node = self.lab.server(number)?;
        let nginx = self.nginx.then(|| nginx_server(&self.lab, node, HTTP, &[BULK])).transpose()?;
        let ports: &[u16] = if nginx.is_some() { &[PACED] } else { &[HTTP, PACED] };
        let mut built_in = serving::start(node, &self.program, ports, UDP)?;
        serving::wait(node, &mut built_in, PACED)?;
        self.servers.insert(number, Serving { nginx, built_in });
        Ok(())
    }

    /// Kills what a server serves with.
    pub(super) fn stop_server(&mut self, number: u8) {
        self.servers.remove(&number);
    }

    /// VIPs on lo and, for TUN, the tunnel's end.
    fn prepare_servers(&self) -> Result<()> {
        for method in [Method::Dr, Method::Tun] {
            let vips: Vec<IpAddr> = self
                .offers
                .iter()
                .filter(|offer| offer.method == method)
                .flat_map(|o| addresses(&self.lab, o))
                .collect();
            for server in self.lab.servers().filter(|_| !vips.is_empty()) {
                let output = realserver(&self.lab, server, &self.program, "up", &vips, method)?;
                let said = String::from_utf8_lossy(&output.stderr);
                ensure!(output.status.success(), "{}: relvs realserver up: {}", server.name(), said.trim());
            }
        }
        Ok(())
    }

    fn write_configuration(&self) -> Result<PathBuf> {
        let mut services = Vec::new();
        for offer in &self.offers {
            for vip in addresses(&self.lab, offer) {
                let mut servers = Vec::new();
                for (number, weight) in &offer.weights {
                    let node = self.lab.server(*number)?;
                    servers.push((if vip.is_ipv4() { node.v4().into() } else { node.v6().into() }, *weight));
                }
                for (port, protocol) in [(HTTP, "tcp"), (PACED, "tcp"), (UDP, "udp")] {
                    let listen = SocketAddr::new(vip, port);
                    let (scheduler, method, servers) = (offer.scheduler(), offer.method, servers.clone());
                    services.push(Service { listen, protocol, scheduler, method, servers });
                }
            }
        }
        let interfaces: Vec<&str> = self.lab.director(1)?.ports().iter().map(|port| port.interface.as_str()).collect();
        self.lab.write_file("relvs.toml", &configuration(&interfaces, &services))
    }

    /// Gives one server this weight in these offers, or removes it: in the file, then in the director by SIGHUP. Waits until it is in force.
    pub(super) fn change(&mut self, vips: &[u8], server: u8, weight: Option<u32>) -> Result<()> {
        for offer in self.offers.iter_mut().filter(|offer| vips.contains(&offer.vip)) {
            match weight {
                Some(weight) => offer.weights.insert(server, weight),
                None => offer.weights.remove(&server),
            };
        }
        self.write_configuration()?;
        let before = self.status()?.revision;
        self.director.reload()?;
        let deadline = Instant::now() + RELOAD_LIMIT;
        while self.status()?.revision == before {
            if Instant::now() >= deadline {
                bail!("d1 did not take up the changed relvs.toml: {}", self.director.log().trim());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until the director knows the way to every server.
    pub(super) fn ready(&self) -> Result<Status> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let status = self.status()?;
            let Some(server) = status.not_ready() else { return Ok(status) };
            ensure!(Instant::now() < deadline, "d1 does not find the way to {server}: {}", self.director.log().trim());
            sleep(Duration::from_millis(50));
        }
    }

    /// What the director says of itself.
    pub(super) fn status(&self) -> Result<Status> {
        let output = self.director.relvs(["status", "--json"])?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "relvs status: {}", said.trim());
        serde_json::from_slice(&output.stdout).context("relvs status --json")
    }

    pub(super) fn offer(&self, vip: u8) -> Result<&Offer> {
        self.offers.iter().find(|offer| offer.vip == vip).context("no such offer")
    }

    /// The offers of these virtual addresses.
    pub(super) fn offers(&self, vips: &[u8]) -> Vec<Offer> {
        self.offers.iter().filter(|offer| vips.contains(&offer.vip)).cloned().collect()
    }

    pub(super) fn client(&self) -> Result<&Node> {
        self.lab.client()
    }

    /// A virtual address with a port.
    pub(super) fn target(&self, offer: &Offer, family: Family, port: u16) -> SocketAddr {
        let (v4, v6) = self.lab.plan().vip(offer.vip);
        let vip = match family {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        SocketAddr::new(vip, port)
    }

    /// Removes everything.
    pub(super) fn remove(self) -> Result<()> {
        let Self { director, servers, lab, .. } = self;
        drop((director, servers));
        let name = lab.name().to_owned();
        lab.remove().with_context(|| format!("lab {name} could not be removed: try `relvs lab down {name}`"))
    }

    /// Leaves everything running, and gives the lab's name.
    pub(super) fn keep(self) -> Result<String> {
        let Self { director, servers, lab, .. } = self;
        let pid = director.leave_running()?;
        let mut started = vec![Started { node: "d1".to_owned(), what: "relvs run".to_owned(), pid }];
        for (number, serving) in servers {
            for (process, what) in [(serving.nginx, "nginx"), (Some(serving.built_in), "serve")] {
                let Some(process) = process else { continue };
                started.push(Started { node: name(number), what: what.to_owned(), pid: process.pid() });
                process.leave_running();
            }
        }
        let name = lab.name().to_owned();
        lab.keep(started)?;
        Ok(name)
    }
}

fn addresses(lab: &Lab, offer: &Offer) -> [IpAddr; 2] {
    lab.plan().vip(offer.vip).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let shares = |offer: &Offer, count| Vec::from_iter(offer.expected(count).into_values());
        assert_eq!(shares(&Offer::equal(0, Method::Nat), 300), [100, 100, 100]);
        assert_eq!(shares(&Offer::weighted(0, Method::Tun), 300), [150, 100, 50]);
        assert_eq!(shares(&Offer::weighted(0, Method::Tun), 60), [30, 20, 10]);
        let none = Offer { weights: [(1, 0)].into(), ..Offer::equal(0, Method::Dr) };
        assert_eq!(shares(&none, 60), [0]);
    }

    #[test]
    fn only_different_weights_need_wrr() {
        assert_eq!(Offer::equal(0, Method::Nat).scheduler(), "rr");
        assert_eq!(Offer::weighted(0, Method::Nat).scheduler(), "wrr");
        // A server that is being drained is not a share.
        let drained = Offer { weights: [(1, 1), (2, 0), (3, 1)].into(), ..Offer::equal(0, Method::Dr) };
        assert_eq!(drained.scheduler(), "rr");
    }
}
