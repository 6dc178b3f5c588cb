//! Virtual routers of directors: addresses that come and go, and traffic that goes on.

mod commands;
mod failover;
mod life;
mod refuse;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use relvs_api::Client;
use relvs_lab::director::Director;
use relvs_lab::{Lab, Node};

use crate::bed::{RELVS, hangup};
use crate::configuration;

/// Ten adverts a second.
pub(crate) const QUICK: &str = "version = 3\ninterval = \"100ms\"\n";

/// One a second, by version 2.
pub(crate) const SLOW: &str = "interval = 1\n";

/// A director of a lab, not started; its configuration is a file of its own.
pub(crate) struct One {
    pub(crate) director: Director,
    pub(crate) node: Node,
    run_dir: PathBuf,
    config: String,
    head: String,
}

impl One {
    pub(crate) fn new(lab: &Lab, name: &str) -> Self {
        let config = lab.directory().join(format!("{name}.toml")).display().to_string();
        let director = Director::new(lab, name, Path::new(RELVS)).unwrap();
        let director = director.arguments(["--config".to_owned(), config.clone()]);
        let head = configuration::head(lab, name, "");
        let (node, run_dir) = (lab.node(name).unwrap().clone(), lab.run_dir(name));
        Self { director, node, run_dir, config, head }
    }

    /// Writes its configuration: these sections.
    pub(crate) fn configure(&self, sections: &str) {
        std::fs::write(&self.config, format!("{}{sections}", self.head)).unwrap();
    }

    /// Writes it, sends SIGHUP and gives what the director says until it is done with it.
    pub(crate) fn reload(&self, sections: &str) -> String {
        self.configure(sections);
        hangup(&self.director)
    }

    /// Brings its configuration into force.
    pub(crate) fn reread(&self) {
        let said = hangup(&self.director);
        assert!(said.contains("configuration read again"), "{said}");
    }

    /// Its first interface.
    pub(crate) fn interface(&self) -> String {
        self.node.ports()[0].interface.clone()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.run_dir)
    }

    /// What Prometheus would read.
    pub(crate) fn metrics(&self) -> String {
        let socket = relvs_api::socket(&self.run_dir).display().to_string();
        let arguments = ["-sS", "--max-time", "20", "--unix-socket", &socket, "http://relvs/metrics"];
        self.node.check("curl", arguments).unwrap()
    }

    /// Whether it has an address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let listed = self.node.ip("-oneline addr show").unwrap();
        listed.contains(&format!(" {address}/"))
    }
}

/// A virtual router on an interface, in ten adverts a second.
pub(crate) fn instance(name: &str, interface: &str, id: u8, more: &str, addresses: &[IpAddr]) -> String {
    instance_every(QUICK, name, interface, id, more, addresses)
}

/// A virtual router on an interface.
pub(crate) fn instance_every(
    every: &str,
    name: &str,
    interface: &str,
    id: u8,
    more: &str,
    addresses: &[IpAddr],
) -> String {
    let mut text =
        format!("[[vrrp.instance]]\nname = \"{name}\"\ninterface = \"{interface}\"\nid = {id}\n{every}{more}\n");
    let quoted: Vec<String> =
        addresses.iter().map(|address| format!("\"{address}/{}\"", if address.is_ipv4() { 24 } else { 64 })).collect();
    let _ = writeln!(text, "addresses = [{}]", quoted.join(", "));
    text
}
