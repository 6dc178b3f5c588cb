//! What signals ask for, as of keepalived: files that say what there is, what was counted, and the same for programs.
//!
//! The names of files, headings and values are keepalived's where it has the same (2.2.7, `keepalived(8)`, vrrp_data.c, vrrp_json.c);
//! what is said of virtual services is relvs's own. Nothing is changed by asking, but that counts may begin anew.

mod data;
mod file;
mod json;
mod statistics;

pub(crate) use file::write;

use relvs_model::vrrp::{Settings, Statistics, Status};
use std::{collections::BTreeMap, time::Duration};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dump {
    /// keepalived.data and keepalived_check.data: what there is.
    Data,
    /// keepalived.stats: what was counted of virtual routers.
    Statistics,
    /// The same, and counts begin anew.
    StatisticsClear,
    /// keepalived.json: both, for programs.
    Json,
}

impl Dump {
    /// All of them.
    pub const ALL: [Dump; 4] = [Dump::Data, Dump::Statistics, Dump::StatisticsClear, Dump::Json];

    /// Its name in `keepalived --signum`.
    pub const fn name(self) -> &'static str {
        match self {
            Dump::Data => "DATA",
            Dump::Statistics => "STATS",
            Dump::StatisticsClear => "STATS_CLEAR",
            Dump::Json => "JSON",
        }
    }

    /// The signal's number.
    pub fn signal(self) -> i32 {
        match self {
            Dump::Data => nix::libc::SIGUSR1,
            Dump::Statistics => nix::libc::SIGUSR2,
            Dump::StatisticsClear => nix::libc::SIGRTMAX() - 1,
            Dump::Json => nix::libc::SIGRTMIN() + 2,
        }
    }
}

/// Everything that can be told.
pub(crate) struct Seen<'a> {
    pub(crate) status: &'a relvs_api::Status,
    pub(crate) settings: &'a Settings,
    pub(crate) routers: &'a Status,
    /// The moment from which the routers' times count, since 1970.
    pub(crate) began: Duration,
}

/// What was counted before counts began anew, by instance.
pub(crate) type Cleared = BTreeMap<String, Statistics>;

impl Dump {
    /// The files that it makes: names and contents.
    pub(crate) fn files(self, seen: &Seen<'_>, cleared: &mut Cleared) -> Vec<(&'static str, String)> {
        match self {
            Dump::Data => {
                vec![("keepalived.data", data::routers(seen)), ("keepalived_check.data", data::services(seen.status))]
            }
            Dump::Statistics => vec![("keepalived.stats", statistics::text(seen.routers, cleared))],
            Dump::StatisticsClear => {
                let text = statistics::text(seen.routers, cleared);
                let counted = |one: &relvs_model::vrrp::InstanceStatus| (one.name.clone(), one.statistics);
                *cleared = seen.routers.instances.iter().map(counted).collect();
                vec![("keepalived.stats", text)]
            }
            Dump::Json => vec![("keepalived.json", json::text(seen, cleared))],
        }
    }
}
