//! Whether servers are up: what is asked of them, how often, and what follows.
//!
//! Values only; the machines that act on them are in `proto`, the conversations in the daemon. The words and defaults are
//! keepalived's (`keepalived.conf(5)`, virtual_server and real_server), where it has them. Times are in milliseconds.

mod event;
mod notify;
mod probe;
mod question;
mod script;
mod status;
mod text;

pub use event::Event;
pub use notify::{Encryption, Mail, Notify, Webhook};
pub use probe::{
    Asked, DataPath, DnsProbe, DnsType, FileProbe, GrpcProbe, HttpProbe, HttpVersion, MiscProbe, Outcome, PingProbe,
    Probe, Says, SmtpProbe, StatusRange, Tls, UdpProbe,
};
pub use question::Question;
pub use script::Script;
pub use status::{CheckStatus, ServerStatus, ServiceStatus};

use crate::Server;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// One thing that is asked of a server again and again. A server is up while all its checks say so.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What is asked, and what a good answer is.
    pub probe: Probe,
    /// Whom, and by which way.
    #[serde(default)]
    pub target: Target,
    /// How often, and how many outcomes make a change.
    #[serde(default)]
    pub timing: Timing,
}

/// Where a probe goes: to the server's address and port, but for what is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Target {
    /// This address in place of the server's (keepalived: connect_ip).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// This port in place of the server's (connect_port).
    #[serde(default)]
    pub port: Option<u16>,
    /// From this address (bindto).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub from: Option<IpAddr>,
    /// From this port (bind_port).
    #[serde(default)]
    pub from_port: Option<u16>,
    /// By this interface (bind_if).
    #[serde(default)]
    pub interface: Option<String>,
    /// With this mark for the routing rules (fwmark); 0 is none.
    #[serde(default)]
    pub mark: u32,
    /// To the VIP itself, at this server: as the data goes, by its MAC address or through its tunnel. So a server that
    /// lacks the VIP or does not take packets out of the tunnel is down. For DR and TUN.
    #[serde(default)]
    pub through_data_path: bool,
}

/// When a check is made, and how many outcomes make a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Timing {
    /// From the end of one probe to the next (delay_loop).
    pub interval_ms: u32,
    /// How long a whole probe may take (connect_timeout, misc_timeout).
    pub timeout_ms: u32,
    /// How much of it the connection may take; 0 is all of it.
    pub connect_timeout_ms: u32,
    /// So many failures in a row make a server down: keepalived's `retry` and one.
    pub fall: u32,
    /// So many successes in a row make it up again.
    pub rise: u32,
    /// From a failure to the next probe, as long as failures are counted (delay_before_retry); 0 is the interval.
    pub retry_interval_ms: u32,
    /// The first probe is made at a moment of this time that is drawn at random, so that not all begin at once (warmup).
    pub warmup_ms: u32,
    /// A server that is down is asked at the retry interval (fast_recovery).
    pub fast_recovery: bool,
    /// A server is down until this check has succeeded (alpha). Without it, it is up until the first outcome, which may be a
    /// single failure.
    pub alpha: bool,
    /// Every failure is logged, not only the one that changes something (log_all_failures).
    pub log_all_failures: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            interval_ms: 2_000,
            timeout_ms: 5_000,
            connect_timeout_ms: 0,
            fall: 2,
            rise: 1,
            retry_interval_ms: 1_000,
            warmup_ms: 2_000,
            fast_recovery: false,
            alpha: false,
            log_all_failures: false,
        }
    }
}

/// A server that leaves and comes back too often stays away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Damping {
    /// So many times down ...
    pub falls: u32,
    /// ... within this time ...
    pub within_ms: u32,
    /// ... and it stays down at least for this long.
    pub hold_ms: u32,
}

/// What is known by checks about one server, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ServerHealth {
    /// All of them must succeed. None: the server is always up.
    pub checks: Vec<Check>,
    /// A server that is down keeps its place with weight 0, and its flows (inhibit_on_failure). Else it is removed.
    pub inhibit_on_failure: bool,
    /// Over this time a server that comes back gets its weight step by step; 0 is at once.
    pub slow_start_ms: u32,
    /// See there.
    pub damping: Option<Damping>,
    /// Run when it comes up (notify_up).
    pub notify_up: Option<Script>,
    /// Run when it goes down (notify_down).
    pub notify_down: Option<Script>,
}

/// What a service does by how many of its servers are up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ServiceHealth {
    /// The sum of weights of servers that are up from which on the service is (quorum).
    pub quorum: u32,
    /// Up from `quorum` and this, down below `quorum` less this (hysteresis).
    pub hysteresis: u32,
    /// Takes the place of all servers while there is no quorum (sorry_server).
    pub sorry: Option<Server>,
    /// A sorry server that is not needed keeps its place with weight 0 (sorry_server_inhibit).
    pub inhibit_sorry: bool,
    /// The scripts for down are run too when the daemon ends or the service is removed (omega).
    pub omega: bool,
    /// Checks are made only while the VIP is on this machine (ha_suspend).
    pub ha_suspend: bool,
    /// Run when the quorum is won (quorum_up).
    pub quorum_up: Option<Script>,
    /// Run when it is lost (quorum_down).
    pub quorum_down: Option<Script>,
}

impl Default for ServiceHealth {
    fn default() -> Self {
        ServiceHealth {
            quorum: 1,
            hysteresis: 0,
            sorry: None,
            inhibit_sorry: false,
            omega: false,
            ha_suspend: false,
            quorum_up: None,
            quorum_down: None,
        }
    }
}
