//! A lab with servers that answer, a director, and what tests ask of both.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

use relvs_api::{Client, Status, Way};
use relvs_lab::director::{Director, realserver};
use relvs_lab::traffic::{Load, Report, Serve, Server};
use relvs_lab::{Gateway, Lab, Node, Shape, Topology};
use relvs_model::{Method, Protocol};

use crate::configuration::{self, Service};

/// The program under test.
pub(crate) const RELVS: &str = env!("CARGO_BIN_EXE_relvs");
/// Whatever is waited for is there at the latest after this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A lab with one director, `d1`. What ends first when it is dropped stands first.
pub(crate) struct Bed {
    _servers: Vec<Server>,
    pub(crate) director: Director,
    pub(crate) lab: Lab,
    /// The VIPs of `d1`, IPv4 and IPv6.
    pub(crate) vips: [IpAddr; 2],
    /// Further lines of `[director]`.
    settings: &'static str,
}

impl Bed {
    /// A lab whose servers serve on their own addresses, and a director that has its VIPs and is not started.
    /// `None`, with a printed line, where no lab can be built.
    pub(crate) fn bare(shape: &Shape) -> Option<Self> {
        let lab = lab(shape)?;
        let vips = <[IpAddr; 2]>::from(lab.plan().vip(0));
        for vip in vips {
            lab.add_vip("d1", vip).unwrap();
        }
        let serve = |node: &Node| (80..=82).fold(Serve::new(node.name()).udp(53).udp(54), Serve::http);
        let servers = lab.servers().map(|node| Server::start(node, serve(node)).unwrap()).collect();
        let config = lab.directory().join("relvs.toml");
        let director = Director::new(&lab, "d1", Path::new(RELVS)).unwrap();
        let director = director.arguments(["--config".to_owned(), config.display().to_string()]);
        Some(Self { _servers: servers, director, lab, vips, settings: "" })
    }

    /// The same with a running director and its servers made ready for their methods.
    pub(crate) fn start(shape: &Shape, services: &[Service]) -> Option<Self> {
        let mut bed = Self::bare(shape)?;
        bed.run(services);
        Some(bed)
    }

    /// With further lines of `[director]` in every configuration written from now on.
    pub(crate) fn settings(self, settings: &'static str) -> Self {
        Self { settings, ..self }
    }

    /// Makes the servers ready and starts the director.
    pub(crate) fn run(&mut self, services: &[Service]) {
        self.prepare(services);
        self.configure(services);
        self.director.start().unwrap();
    }

    /// Makes each server ready for the method by which it is reached: the director as its gateway, or the VIPs on lo.
    pub(crate) fn prepare(&self, services: &[Service]) {
        let servers = services.iter().flat_map(|service| &service.servers);
        let methods: BTreeMap<&str, Method> = servers.map(|(name, method, _)| (*name, *method)).collect();
        std::thread::scope(|scope| {
            for (name, method) in methods {
                scope.spawn(move || match method {
                    Method::Nat if self.lab.plan().topology == Topology::TwoArmed => {}
                    Method::Nat => self.lab.set_gateway(name, Gateway::Director).unwrap(),
                    Method::Dr | Method::Tun => succeeded(&self.realserver(name, "up", method)),
                });
            }
        });
    }

    /// `relvs realserver VERB` for both VIPs on a server.
    pub(crate) fn realserver(&self, name: &str, verb: &str, method: Method) -> Output {
        realserver(&self.lab, self.node(name), Path::new(RELVS), verb, &self.vips, method).unwrap()
    }

    /// Where the director's configuration is.
    pub(crate) fn config(&self) -> PathBuf {
        self.lab.directory().join("relvs.toml")
    }

    /// Writes the director's configuration.
    pub(crate) fn configure(&self, services: &[Service]) {
        let text = configuration::text(&self.lab, "d1", self.settings, &self.vips, services);
        self.lab.write_file("relvs.toml", &text).unwrap();
    }

    /// The same as [`Bed::start`] with sections in their own words; `like` says how the servers are reached.
    pub(crate) fn start_with(shape: &Shape, like: &[Service], sections: impl FnOnce(&Self) -> String) -> Option<Self> {
        let mut bed = Self::bare(shape)?;
        bed.prepare(like);
        bed.configure_with(&sections(&bed));
        bed.director.start().unwrap();
        Some(bed)
    }

    /// Writes a configuration of these sections behind `[director]`.
    pub(crate) fn configure_with(&self, sections: &str) {
        let text = configuration::head(&self.lab, "d1", self.settings) + sections;
        self.lab.write_file("relvs.toml", &text).unwrap();
    }

    /// The same, and brings it into force.
    pub(crate) fn reload_with(&self, sections: &str) {
        self.configure_with(sections);
        self.reread();
    }

    /// A service in its own words at a VIP: see [`configuration::section`].
    pub(crate) fn section(&self, vip: IpAddr, lines: &str, servers: &[(&str, &str)]) -> String {
        configuration::section(&self.lab, vip, lines, servers)
    }

    /// Writes the configuration, sends SIGHUP and waits until it is in force.
    pub(crate) fn reload(&self, services: &[Service]) {
        self.configure(services);
        self.reread();
    }

    fn reread(&self) {
        let log = self.hangup();
        assert!(log.contains("configuration read again"), "{log}");
    }

    /// Sends SIGHUP and gives what the director says until it is done with it.
    pub(crate) fn hangup(&self) -> String {
        hangup(&self.director)
    }

    pub(crate) fn node(&self, name: &str) -> &Node {
        self.lab.node(name).unwrap()
    }

    pub(crate) fn client(&self) -> &Node {
        self.lab.client().unwrap()
    }

    /// Both VIPs with this port.
    pub(crate) fn targets(&self, port: u16) -> [SocketAddr; 2] {
        self.vips.map(|vip| SocketAddr::new(vip, port))
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.lab.run_dir("d1")
    }

    pub(crate) fn status(&self) -> Status {
        Client::new(&self.run_dir()).status().unwrap()
    }

    /// What `relvs status` shows.
    pub(crate) fn page(&self) -> String {
        let output = self.director.relvs(["status"]).unwrap();
        succeeded(&output);
        text(&output.stdout)
    }

    /// Gives the client one more address of the family of `like`, which ends in this number, and says which.
    pub(crate) fn another_client(&self, like: IpAddr, last: u8) -> IpAddr {
        let port = self.client().port_on("outside").unwrap();
        let (v4, v6) = self.lab.plan().segment("outside").unwrap().host(last);
        let (address, prefix): (IpAddr, u8) = if like.is_ipv4() { (v4.into(), 24) } else { (v6.into(), 64) };
        // Deprecated (RFC 6724 rule 3), so that it is no source but where it is asked for.
        let more = if like.is_ipv4() { "" } else { " nodad preferred_lft 0" };
        self.client().ip(&format!("addr add {address}/{prefix} dev {}{more}", port.interface)).unwrap();
        address
    }

    /// The server that answered all of so many requests, one after the other.
    pub(crate) fn one_server(&self, load: Load, count: u64) -> String {
        let report = load.requests(count).run(self.client()).unwrap();
        assert_eq!(report.ok, count, "{report}");
        assert_eq!(report.servers.len(), 1, "{report}");
        report.servers.into_keys().collect()
    }

    /// How many requests, each on a connection of its own, `workers` at once: none may fail.
    pub(crate) fn requests(&self, target: SocketAddr, count: u64) -> Report {
        let report = Load::new(target).requests(count).workers(4).run(self.client()).unwrap();
        assert_eq!(report.ok, count, "{target}: {report}");
        report
    }

    /// Waits until the way to every server is known.
    pub(crate) fn all_ready(&self) {
        until("every server is reachable", || {
            let status = self.status();
            let mut ways = status.services.iter().flat_map(|s| &s.servers).map(|server| &server.way);
            ways.all(|way| matches!(way, Way::Ready { .. }))
        });
    }
}

/// A lab, or `None` with a printed line where none can be built.
pub(crate) fn lab(shape: &Shape) -> Option<Lab> {
    if let Some(reason) = relvs_lab::skip_reason() {
        println!("skipped: {reason}");
        return None;
    }
    Some(Lab::build(shape).unwrap())
}

/// Sends SIGHUP to a director and gives what it says until it is done with it.
pub(crate) fn hangup(director: &Director) -> String {
    let before = director.log().len();
    director.reload().unwrap();
    let mut said = String::new();
    until("SIGHUP is answered in the log", || {
        said = director.log().split_off(before);
        said.contains("configuration read again") || said.contains("the configuration was refused")
    });
    said
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Fails unless exactly these servers gave exactly so many answers, and nothing failed.
#[track_caller]
pub(crate) fn assert_shares(report: &Report, expected: &[(&str, u64)]) {
    let expected: BTreeMap<String, u64> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.servers, expected, "{report}");
}

/// Fails unless the program said that it succeeded.
#[track_caller]
pub(crate) fn succeeded(output: &Output) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
}

/// What a program printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The counters of a service, summed over its servers.
pub(crate) fn counters(status: &Status, target: SocketAddr, protocol: Protocol) -> relvs_api::Counters {
    let key = relvs_model::ServiceKey::listen(protocol, target.ip(), target.port());
    let service = status.services.iter().find(|service| service.key == key);
    service.unwrap_or_else(|| panic!("no service {key} in {status:?}")).counters
}

/// How often a reason occurred.
pub(crate) fn reason(status: &Status, name: &str) -> u64 {
    status.reasons.iter().find(|reason| reason.name == name).map_or(0, |reason| reason.count)
}
