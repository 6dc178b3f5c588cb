//! What the demo found out, as data: shown as tables or as JSON.
//!
//! Every part carries its own failures, one sentence each; everything held when there is none.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::traffic::Report;

/// Answers by the name of the server that gave them.
pub(super) type Shares = BTreeMap<String, u64>;

/// The whole demo.
#[derive(Debug, Default, Serialize)]
pub struct Results {
    /// No failure anywhere.
    pub held: bool,
    /// From the first step to the last.
    pub seconds: f64,
    /// What was tried in another way than meant, and why.
    pub notes: Vec<String>,
    /// Every method in both families.
    pub(super) cases: Vec<Case>,
    /// A server was taken away.
    pub(super) server_away: Vec<ServerAway>,
    /// The director's daemon was taken away.
    pub(super) director_away: Vec<DirectorAway>,
    /// Why the rest was not tried, if it was not.
    pub(super) ended_early: Option<String>,
    /// Every failure, with the part it belongs to.
    pub failures: Vec<String>,
}

/// One method in one family.
#[derive(Debug, Serialize)]
pub(super) struct Case {
    pub(super) method: String,
    pub(super) family: &'static str,
    pub(super) vip: String,
    pub(super) scheduler: &'static str,
    pub(super) weights: BTreeMap<String, u32>,
    /// Who answered curl; `None` where curl is not installed.
    pub(super) curl: Option<String>,
    pub(super) http: Count,
    pub(super) udp: Count,
    pub(super) download: Option<Moved>,
    pub(super) upload: Option<Moved>,
    /// Of DR and TUN, whose replies go past the director.
    pub(super) bypass: Option<Bypass>,
    pub(super) failures: Vec<String>,
}

/// Requests or datagrams, and who answered them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Count {
    pub(super) sent: u64,
    pub(super) lost: u64,
    pub(super) shares: Shares,
    pub(super) expected: Shares,
}

/// A transfer that came whole.
#[derive(Debug, Serialize)]
pub(super) struct Moved {
    pub(super) server: String,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
}

/// What passed the director while servers answered the client themselves.
#[derive(Debug, Default, Serialize)]
pub(super) struct Bypass {
    /// Packets that the client's interface received.
    pub(super) to_client: u64,
    /// Packets from the VIP that reached the director: by a packet socket there.
    pub(super) replies_at_director: u64,
    /// Packets that the switch gave to the director: by its port's counters.
    pub(super) into_director: u64,
    /// Packets that the director forwarded: by its own counters.
    pub(super) forwarded: u64,
    /// Nodes that said on the LAN that the VIP is theirs.
    pub(super) vip_claimed_by: Vec<String>,
}

/// A server loses its weight, is removed, and comes back.
#[derive(Debug, Default, Serialize)]
pub(super) struct ServerAway {
    pub(super) methods: Vec<String>,
    pub(super) server: String,
    pub(super) requests: u64,
    pub(super) lost: u64,
    pub(super) phases: Vec<Phase>,
    pub(super) downloads: Vec<Download>,
    pub(super) failures: Vec<String>,
}

/// A stretch of a fault.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub(super) what: String,
    pub(super) answered: Shares,
    pub(super) lost: u64,
}

/// A paced download that was under way when something was taken away.
#[derive(Debug, Serialize)]
pub(super) struct Download {
    pub(super) target: String,
    pub(super) server: String,
    pub(super) bytes: u64,
    /// From then to its end.
    pub(super) ended_after_seconds: f64,
}

/// The daemon is killed and started again.
#[derive(Debug, Default, Serialize)]
pub(super) struct DirectorAway {
    pub(super) methods: Vec<String>,
    pub(super) requests_a_second: u32,
    pub(super) requests: u64,
    pub(super) lost: u64,
    /// Requests answered while no daemon ran.
    pub(super) answered_without_daemon: u64,
    pub(super) seconds_without_daemon: f64,
    pub(super) downloads: Vec<Download>,
    pub(super) adopted: bool,
    /// Of the director's counters, before the kill, after the start, and at the end.
    pub(super) flows: [u64; 3],
    /// The same.
    pub(super) packets: [u64; 3],
    pub(super) failures: Vec<String>,
}

impl Count {
    pub(super) fn new(report: &Report, expected: Shares) -> Self {
        Self { sent: report.sent, lost: report.sent - report.ok, shares: report.servers.clone(), expected }
    }
}

impl Results {
    /// Gathers the parts' failures.
    pub(super) fn conclude(&mut self, seconds: f64) {
        let cases = self.cases.iter().map(|case| (format!("{} {}", case.method, case.family), &case.failures));
        let servers = self.server_away.iter();
        let servers = servers.map(|fault| (format!("server away ({})", fault.methods.join(", ")), &fault.failures));
        let directors = self.director_away.iter();
        let directors =
            directors.map(|fault| (format!("director away ({})", fault.methods.join(", ")), &fault.failures));
        let parts = cases.chain(servers).chain(directors);
        self.failures =
            parts.flat_map(|(part, failures)| failures.iter().map(move |why| format!("{part}: {why}"))).collect();
        let ended = self.ended_early.iter().map(|why| format!("the rest was not tried: {why}"));
        self.failures.extend(ended);
        self.held = self.failures.is_empty();
        self.seconds = seconds;
    }
}

/// `s1 100, s2 100`.
pub(super) fn in_words(shares: &Shares) -> String {
    if shares.is_empty() {
        return "nobody".to_owned();
    }
    shares.iter().map(|(server, count)| format!("{server} {count}")).collect::<Vec<_>>().join(", ")
}

/// The first reasons of a report's failures.
pub(super) fn reasons(report: &Report) -> String {
    const SHOWN: usize = 3;
    let shown = report.failures.iter().take(SHOWN).map(|(reason, count)| format!("{count} × {reason}"));
    shown.collect::<Vec<_>>().join("; ")
}
