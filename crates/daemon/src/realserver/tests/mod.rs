//! Real servers, directors and onlookers on one link, each in a namespace of its own. Needs root, or skips.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic and says what it skips"
)]

mod checked;
mod restored;
mod served;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use relvs_model::{Method, Tunnel};
use relvs_net::namespace::Namespace;
use tempfile::TempDir;

use super::{Decapsulation, Decapsulator, DecapsulatorError, Error, Report, Request};

const V4: &str = "192.0.2.100";
const V6: &str = "2001:db8:ff::100";

type OnSet = Box<dyn FnMut(&Decapsulation) -> Result<(), DecapsulatorError> + Send>;

/// A decapsulator that keeps in mind what it was told.
#[derive(Default)]
struct Remembering {
    now: Decapsulation,
    /// Runs before each change, and may fail or disturb.
    on_set: Option<OnSet>,
}

impl Remembering {
    fn that(on_set: impl FnMut(&Decapsulation) -> Result<(), DecapsulatorError> + Send + 'static) -> Self {
        Remembering { now: Decapsulation::default(), on_set: Some(Box::new(on_set)) }
    }
}

impl Decapsulator for Remembering {
    fn current(&mut self) -> Result<Decapsulation, DecapsulatorError> {
        Ok(self.now.clone())
    }

    fn set(&mut self, wanted: &Decapsulation) -> Result<(), DecapsulatorError> {
        if let Some(on_set) = &mut self.on_set {
            on_set(wanted)?;
        }
        self.now = wanted.clone();
        Ok(())
    }
}

/// A host on the link `lan`, with a run directory of its own.
struct Host {
    namespace: Namespace,
    run_dir: TempDir,
}

impl Host {
    fn request(&self, vips: &[&str], method: Method) -> Request {
        let vips = vips.iter().map(|vip| vip.parse().unwrap()).collect();
        Request { vips, method, tunnel: Tunnel::Ipip, interfaces: vec![], run_dir: self.run_dir.path().into() }
    }

    fn up(&self, vips: &[&str]) -> Report {
        self.up_with(&self.request(vips, Method::Dr), &mut Remembering::default()).unwrap()
    }

    fn up_with(&self, request: &Request, decapsulator: &mut (dyn Decapsulator + Send)) -> Result<Report, Error> {
        self.namespace.run(|| super::up(request, decapsulator)).unwrap()
    }

    fn down(&self, vips: &[&str]) -> Report {
        self.down_with(vips, &mut Remembering::default()).unwrap()
    }

    fn down_with(&self, vips: &[&str], decapsulator: &mut (dyn Decapsulator + Send)) -> Result<Report, Error> {
        let vips = vips.iter().map(|vip| vip.parse().unwrap()).collect();
        self.namespace.run(|| super::down(self.run_dir.path(), &vips, decapsulator)).unwrap()
    }

    fn state_file(&self) -> Option<String> {
        fs::read_to_string(super::state_file(self.run_dir.path())).ok()
    }

    fn switch(&self, path: &str, value: &str) {
        self.namespace.run(|| fs::write(Path::new("/proc/sys/net").join(path), value).unwrap()).unwrap();
    }

    /// All that `up` could have changed and `down` must restore.
    fn photograph(&self) -> Photograph {
        let mut facts = BTreeMap::new();
        for listing in ["addr", "route show table all", "-6 route show table all", "rule", "-6 rule"] {
            // A listing's order tells when something was added.
            let mut lines: Vec<String> = self.namespace.ip(listing).unwrap().lines().map(Into::into).collect();
            if listing != "addr" {
                lines.sort();
            }
            facts.insert(format!("ip {listing}"), lines.join("\n"));
        }
        self.namespace.run(|| read_all(Path::new("/proc/sys/net"), 0, &mut facts)).unwrap();
        assert!(facts.len() > 300, "too few switches seen: {}", facts.len());
        Photograph(facts)
    }

    /// The kernel adds and removes IPv6's routes a moment after their addresses.
    fn await_photograph(&self, expected: &Photograph, when: &str) {
        let end = Instant::now() + Duration::from_secs(3);
        loop {
            let differing = expected.changed(&self.photograph());
            if differing.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "{when}: {differing:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The outputs of ip(8) and the switches' values, by command and path.
#[derive(Debug)]
struct Photograph(BTreeMap<String, String>);

impl Photograph {
    /// What differs in the other one, with the values there.
    fn changed(&self, after: &Photograph) -> Vec<(String, String)> {
        let keys: BTreeSet<&String> = self.0.keys().chain(after.0.keys()).collect();
        let differing = keys.into_iter().filter(|key| self.0.get(*key) != after.0.get(*key));
        let value = |key| after.0.get(key).cloned().unwrap_or_else(|| "gone".into());
        differing.map(|key| (key.trim_start_matches("/proc/sys/net/").to_owned(), value(key))).collect()
    }

    /// The switches among these.
    fn switched(&self, after: &Photograph) -> Vec<String> {
        let changed = self.changed(after).into_iter().filter(|(key, _)| !key.starts_with("ip "));
        changed.map(|(key, value)| format!("{key} {value}")).collect()
    }

    fn addresses(&self) -> &str {
        &self.0["ip addr"]
    }
}

fn read_all(directory: &Path, depth: usize, facts: &mut BTreeMap<String, String>) {
    assert!(depth < 8, "too deep: {}", directory.display());
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        // Counters of the moment live there, and nothing that is ours.
        if entry.file_name() == "netfilter" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            read_all(&entry.path(), depth + 1, facts);
        } else if let Ok(value) = fs::read_to_string(entry.path()) {
            facts.insert(entry.path().display().to_string(), value.trim_end().into());
        }
    }
}

/// Hosts on one bridge, which stands in a namespace without addresses. None without privilege.
struct Lan {
    bridge: Namespace,
    hosts: usize,
}

impl Lan {
    fn new() -> Option<Lan> {
        if !nix::unistd::Uid::effective().is_root() {
            println!("skipped: network namespaces need root");
            return None;
        }
        let bridge = Namespace::new().unwrap();
        bridge.ip("link add br0 type bridge").unwrap();
        bridge.ip("link set br0 up").unwrap();
        Some(Lan { bridge, hosts: 0 })
    }

    /// A host with addresses 10.0.0.N and 2001:db8::N and MAC address 02:00:00:00:00:0N on eth0, from 1 on.
    fn host(&mut self) -> Host {
        self.hosts += 1;
        let host = Host { namespace: Namespace::new().unwrap(), run_dir: tempfile::tempdir().unwrap() };
        self.connect(&host, "eth0", &format!("02:00:00:00:00:0{}", self.hosts));
        let number = self.hosts;
        host.namespace.ip(&format!("addr add 10.0.0.{number}/24 brd + dev eth0")).unwrap();
        host.namespace.ip(&format!("addr add 2001:db8::{number}/64 dev eth0 nodad")).unwrap();
        settled(&host, &format!("local 2001:db8::{number} dev eth0"));
        host
    }

    fn connect(&self, host: &Host, interface: &str, mac: &str) {
        let port = format!("p{}{interface}", mac.trim_start_matches("02:").replace(':', "").trim_start_matches('0'));
        let peer = host.namespace.path();
        self.bridge.ip(&format!("link add {port} type veth peer name {interface} netns {peer}")).unwrap();
        self.bridge.ip(&format!("link set {port} master br0 up")).unwrap();
        host.switch(&format!("ipv6/conf/{interface}/accept_dad"), "0");
        host.namespace.ip(&format!("link set {interface} address {mac} up")).unwrap();
        settled(
            host,
            &format!("local fe80::ff:fe00:{} dev {interface}", mac[12..].replace(':', "").trim_start_matches('0')),
        );
    }
}

/// Waits for a local IPv6 route, the last trace of a new address.
fn settled(host: &Host, route: &str) {
    let end = Instant::now() + Duration::from_secs(3);
    while !host.namespace.ip("-6 route show table local").unwrap().contains(route) {
        assert!(Instant::now() < end, "no route: {route}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
