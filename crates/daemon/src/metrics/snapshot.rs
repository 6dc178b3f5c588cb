//! Everything that metrics are made of, at one moment. Small enough for a hundred thousand servers: about a hundred bytes
//! each.

use super::process::Process;
use crate::health::{Figures as Probing, Told};
use relvs_control::Figures;
use relvs_core::Reason;
use relvs_model::{Scheduler, ServiceKey, vrrp::Status};
use relvs_proto::health::{ServerFigures, ServiceFigures};
use std::{net::IpAddr, time::Duration};

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// When the daemon started, in seconds since 1970.
    pub(crate) started_s: f64,
    /// Whether it took over the tables of an earlier daemon.
    pub(crate) adopted: bool,
    /// How often the configuration was changed.
    pub(crate) revision: u64,
    /// Whether something else is in force than the file says.
    pub(crate) changed: bool,
    /// How often the tables were switched since the daemon started.
    pub(crate) switches: u64,
    /// How often the file was read again and taken, and refused.
    pub(crate) reloads: [u64; 2],
    /// Interfaces that are to be served, and the mode if they are.
    pub(crate) interfaces: Vec<(String, Option<&'static str>)>,
    /// By [`Reason`], in the order of [`Reason::ALL`].
    pub(crate) reasons: Vec<u64>,
    /// Sums over all services, those that were removed included.
    pub(crate) total: Figures,
    /// The flow tables: of IPv4 and IPv6, settled and young.
    pub(crate) tables: [[Fill; 2]; 2],
    /// Clients that persistence keeps.
    pub(crate) templates: u64,
    /// Flows forgotten since the daemon started.
    pub(crate) expired: u64,
    /// Passes over the tables, the time of all of them, and of the last.
    pub(crate) passes: u64,
    pub(crate) in_passes: Duration,
    pub(crate) last_pass: Duration,
    /// Servers' addresses by what is known of the way to them.
    pub(crate) ways: Ways,
    /// Services, in the order of the configuration.
    pub(crate) services: Vec<ServiceRow>,
    /// Their servers that are scheduled, those of one service together.
    pub(crate) servers: Vec<ServerRow>,
    /// Servers that are configured, once for each service.
    pub(crate) configured: u64,
    /// What is known by health checks.
    pub(crate) checked: Checked,
    /// The virtual routers, if there are any.
    pub(crate) vrrp: Option<Status>,
    /// This process; filled in beside the loop.
    pub(crate) process: Process,
    /// Requests of the API by their answers' status; filled in beside the loop.
    pub(crate) requests: Vec<(&'static str, u64)>,
}

impl Snapshot {
    /// How often there was this reason.
    pub(crate) fn reason(&self, reason: Reason) -> u64 {
        self.reasons.get(reason as usize).copied().unwrap_or(0)
    }
}

/// What is known by health checks, and what has been told of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    /// Services with anything to be checked.
    pub(crate) services: Vec<ServiceFigures>,
    /// Their servers, those of one service together.
    pub(crate) servers: Vec<ServerFigures>,
    /// Probes that are under way.
    pub(crate) probes: Probing,
    /// Events that were told.
    pub(crate) told: Told,
}

/// How full a table is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fill {
    /// Records in use at the last pass.
    pub(crate) used: u64,
    /// Records that there are.
    pub(crate) capacity: u64,
}

/// Servers' addresses by what is known of the way to them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ways {
    pub(crate) ready: u64,
    pub(crate) pending: u64,
    pub(crate) unreachable: u64,
    pub(crate) local: u64,
}

/// A service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceRow {
    pub(crate) key: ServiceKey,
    pub(crate) scheduler: Scheduler,
    pub(crate) counters: Figures,
}

/// A server that is configured.
#[derive(Clone, Debug)]
pub(crate) struct ServerRow {
    /// Its service, by its place in [`Snapshot::services`].
    pub(crate) service: u32,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) overloaded: bool,
    pub(crate) reachable: bool,
    pub(crate) weight: u32,
    pub(crate) upper_threshold: u32,
    pub(crate) active: u32,
    pub(crate) inactive: u32,
    pub(crate) templates: u32,
    pub(crate) counters: Figures,
}
