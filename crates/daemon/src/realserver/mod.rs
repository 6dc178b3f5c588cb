//! `relvs realserver up|down|check`: a real server made ready for DR and TUN, put back as it was, and examined.
//!
//! A DR or TUN server owns the VIP, so that it can answer the client itself, and must not be found by ARP for it, or
//! clients would reach it past the director (the "ARP problem" of the LVS-HOWTO). So `up` puts the VIP on lo and has the
//! kernel hide it: `arp_ignore` = 1 answers ARP only for addresses of the interface that was asked, `arp_announce` = 2
//! never shows the VIP as the sender of a question. IPv6 needs neither: a host answers neighbour solicitations only for
//! addresses of the interface that was asked, or of its proxy entries. For TUN `up` also attaches the decapsulator and
//! loosens `rp_filter`: the inner packet arrives on the interface that leads to the director while its source, the
//! client, may be reached by another, and a strict filter drops it without a word.
//!
//! What was there before is kept in the run directory, so that `down` restores it. Nothing here loads BPF: the caller
//! gives a [`Decapsulator`]. Everything acts in the network namespace of the calling thread.
//!
//! Source: Documentation/networking/ip-sysctl.rst of the kernel for the switches.

pub(crate) mod answers;
mod change;
mod check;
mod error;
mod interfaces;
mod report;
mod state;
mod switches;
#[cfg(test)]
mod tests;
mod updown;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::{Path, PathBuf},
};

use relvs_model::{Method, Tunnel};

pub use check::{PROBE_TIME, check};
pub use error::Error;
pub use report::{Level, Line, Report};
pub use updown::{down, up};

/// The state's file in the run directory.
pub const STATE_FILE: &str = "realserver.json";

/// What is to be set up or examined.
#[derive(Clone, Debug)]
pub struct Request {
    /// The virtual addresses.
    pub vips: BTreeSet<IpAddr>,
    /// DR or TUN.
    pub method: Method,
    /// What packets come in, by TUN. With or without a checksum is all the same.
    pub tunnel: Tunnel,
    /// The interfaces where the VIPs must stay hidden and where tunnelled packets arrive. Empty: every Ethernet
    /// interface that is up and is not a port of a bridge or bond, and those to come as far as ARP goes.
    pub interfaces: Vec<String>,
    /// Where the state is kept, as `/run/relvs`. `up` creates it.
    pub run_dir: PathBuf,
}

fn state_file(run_dir: &Path) -> PathBuf {
    run_dir.join(STATE_FILE)
}

/// The command that sets a VIP up, for remedies.
pub(crate) fn how_to_set_up(vip: IpAddr, method: Method) -> String {
    format!("relvs realserver up --method {method} --vip {vip}")
}

/// Why the decapsulator could not be attached or asked; one line, with what helps.
pub type DecapsulatorError = Box<dyn std::error::Error + Send + Sync>;

/// Where tunnelled packets are unpacked, and for which VIPs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decapsulation {
    /// The names of the interfaces that it is attached to.
    pub interfaces: BTreeSet<String>,
    /// The inner destinations that it unpacks for, and of which tunnels.
    pub vips: BTreeMap<IpAddr, Tunnel>,
}

impl Decapsulation {
    /// Whether nothing is to be unpacked.
    pub fn is_empty(&self) -> bool {
        self.interfaces.is_empty() && self.vips.is_empty()
    }
}

/// The real server's decapsulator, of this network namespace. It outlives the process that attached it.
pub trait Decapsulator {
    /// What is attached now; empty if nothing is.
    fn current(&mut self) -> Result<Decapsulation, DecapsulatorError>;

    /// Has exactly this attached. An empty one detaches everything and leaves nothing behind. After an error what was
    /// attached before still is.
    fn set(&mut self, wanted: &Decapsulation) -> Result<(), DecapsulatorError>;
}
