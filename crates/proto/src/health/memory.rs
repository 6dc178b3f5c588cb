//! What the next daemon is to know: verdicts, counts and drains. Values that can be written to a file and read again.

use super::{
    Monitor,
    member::Ramp,
    reload::{Known, Past, socket},
    tally::{Failure, Tally},
};
use relvs_model::{
    ServiceKey,
    health::{Check, Says},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

/// What a monitor leaves to the next one: give it to [`Monitor::new`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    services: Vec<ServiceMemory>,
    drained: Vec<(ServiceKey, SocketAddr)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ServiceMemory {
    service: ServiceKey,
    up: bool,
    since_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sorry: Option<SocketAddr>,
    #[serde(default)]
    ended: bool,
    servers: Vec<ServerMemory>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ServerMemory {
    server: SocketAddr,
    up: bool,
    since_ms: u64,
    why: String,
    #[serde(default)]
    taken_out: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    falls_ms: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_until_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slow_start_ms: Option<u64>,
    checks: Vec<CheckMemory>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CheckMemory {
    check: Check,
    up: bool,
    since_ms: u64,
    known: bool,
    failures: u32,
    successes: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    says: Option<Says>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<(u64, String)>,
}

pub(super) fn millis(moment: Duration) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(u64::MAX)
}

impl Monitor {
    /// What is to be known after a restart.
    pub fn remembered(&self) -> Memory {
        let services = self.groups.values().map(|group| ServiceMemory {
            service: group.base.key,
            up: group.won,
            since_ms: millis(group.since),
            sorry: group.health.sorry.as_ref().filter(|_| group.sorry).map(socket),
            ended: group.ended,
            servers: group.members.iter().filter_map(|number| self.server_memory(*number)).collect(),
        });
        Memory { services: services.collect(), drained: self.drained.iter().copied().collect() }
    }

    fn server_memory(&self, number: u32) -> Option<ServerMemory> {
        let member = self.members.get(number)?;
        let checks = member.seats.iter().map(|seat| CheckMemory {
            check: seat.check.clone(),
            up: seat.tally.up,
            since_ms: millis(seat.tally.since),
            known: seat.tally.known,
            failures: seat.tally.failures,
            successes: seat.tally.successes,
            says: seat.tally.says,
            error: seat.tally.error.as_ref().map(|error| (millis(error.at), error.why.to_string())),
        });
        Some(ServerMemory {
            server: member.socket(),
            up: member.up,
            since_ms: millis(member.since),
            why: member.why.to_string(),
            taken_out: member.base.weight == 0,
            falls_ms: member.falls.iter().copied().map(millis).collect(),
            held_until_ms: member.held_until.map(millis),
            slow_start_ms: member.ramp.map(|ramp| millis(ramp.from)),
            checks: checks.collect(),
        })
    }
}

impl Memory {
    pub(super) fn drained(&self) -> BTreeSet<(ServiceKey, SocketAddr)> {
        self.drained.iter().copied().collect()
    }

    /// What is known of services. No moment lies after now, even if the clock was set back.
    pub(super) fn pasts(self, now: Duration) -> BTreeMap<ServiceKey, Past> {
        let past = |service: ServiceMemory| {
            let servers = service.servers.into_iter().map(|server| (server.server, server.known(now))).collect();
            let ServiceMemory { service: key, up, since_ms, sorry, ended, .. } = service;
            (key, Past { won: up, since: moment(since_ms, now), sorry, ended, servers })
        };
        self.services.into_iter().map(past).collect()
    }
}

fn moment(millis: u64, now: Duration) -> Duration {
    Duration::from_millis(millis).min(now)
}

impl ServerMemory {
    fn known(self, now: Duration) -> Known {
        let tally = |check: &CheckMemory| Tally {
            up: check.up,
            since: moment(check.since_ms, now),
            known: check.known,
            failures: check.failures,
            successes: check.successes,
            says: check.says,
            error: check.error.as_ref().map(|(at, why)| Failure { at: moment(*at, now), why: why.as_str().into() }),
        };
        let seats = self.checks.into_iter().map(|check| {
            let tally = tally(&check);
            (check.check, tally)
        });
        Known {
            up: self.up,
            since: moment(self.since_ms, now),
            why: self.why.into(),
            falls: self.falls_ms.into_iter().map(|fall| moment(fall, now)).collect(),
            held_until: self.held_until_ms.map(Duration::from_millis),
            ramp: self.slow_start_ms.map(|from| Ramp { from: moment(from, now), step: 0 }),
            taken_out: self.taken_out,
            seats: seats.collect(),
            notify_down: None,
        }
    }
}
