//! One question that is asked again and again, for all servers that want its answer.
//!
//! At most one probe of it is under way. It has one timer: for the next probe, or for the answer to the one under way.

use super::ProbeId;
use relvs_model::{
    Method, Server, ServiceKey,
    health::{Asked, Check, DataPath, Outcome, Probe, Question, Target},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

/// After its timeout and this, a probe that has not ended is taken as failed: whatever became of it, checks go on.
const GRACE: Duration = Duration::from_secs(1);

/// What must be equal for two checks to be made by the same probes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) question: Arc<Question>,
    interval_ms: u32,
    retry_interval_ms: u32,
}

impl Subject {
    pub(super) fn new(service: ServiceKey, server: &Server, check: &Check) -> Self {
        let timing = &check.timing;
        Subject {
            question: Arc::new(question(service, server, check)),
            interval_ms: timing.interval_ms.max(1),
            retry_interval_ms: if timing.retry_interval_ms == 0 {
                timing.interval_ms
            } else {
                timing.retry_interval_ms
            }
            .max(1),
        }
    }

    /// From the end of a probe to the next.
    pub(super) const fn pause(&self, hurry: bool) -> Duration {
        Duration::from_millis(if hurry { self.retry_interval_ms } else { self.interval_ms } as u64)
    }

    /// When a probe that begins now has ended at the latest.
    pub(super) fn deadline(&self, now: Duration) -> Duration {
        now + Duration::from_millis(u64::from(self.question.timeout_ms)) + GRACE
    }
}

/// The question with all defaults filled in, and without what does not matter to it.
fn question(service: ServiceKey, server: &Server, check: &Check) -> Question {
    let Target { address, port, from, from_port, interface, mark, through_data_path } = check.target.clone();
    let path = match (service.address(), server.method) {
        (Some(vip), Method::Dr | Method::Tun) if through_data_path => {
            Some(DataPath { vip, port: port.unwrap_or(service.port()), method: server.method, tunnel: server.tunnel })
        }
        _ => None,
    };
    // What the data path leads to is the server itself.
    let whom = if path.is_some() { server.address } else { address.unwrap_or(server.address) };
    let port = path.map_or(port.unwrap_or(server.port), |path| path.port);
    let asked = match &check.probe {
        Probe::File(_) => Asked::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        Probe::Ping(_) => Asked { address: whom, port: 0, through: path },
        Probe::Tcp
        | Probe::Http(_)
        | Probe::Smtp(_)
        | Probe::Dns(_)
        | Probe::Udp(_)
        | Probe::Misc(_)
        | Probe::Grpc(_) => Asked { address: whom, port, through: path },
    };
    Question {
        probe: check.probe.clone(),
        asked,
        target: Target { address: None, port: None, from, from_port, interface, mark, through_data_path: false },
        timeout_ms: check.timing.timeout_ms,
        connect_timeout_ms: check.timing.connect_timeout_ms,
    }
}

/// A check of a server: the server's number, and which of its checks.
pub(super) type Seat = (u32, u32);

#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) subject: Arc<Subject>,
    /// Whose checks it answers.
    pub(super) seats: Vec<Seat>,
    /// So many of them are not suspended. While it is 0, nothing is asked.
    pub(super) active: u32,
    /// The probe under way, by its number.
    pub(super) running: Option<u64>,
    pub(super) timer: Option<Duration>,
    /// As long as it is asked.
    pub(super) last: Option<Outcome>,
    /// When the probe under way was started, or the last one.
    pub(super) began: Duration,
    /// How long the last one took.
    pub(super) took: Option<Duration>,
    /// So many probes have ended.
    pub(super) made: u64,
    /// So many of them failed.
    pub(super) failed: u64,
}

impl Ask {
    pub(super) const fn new(subject: Arc<Subject>) -> Self {
        Ask {
            subject,
            seats: Vec::new(),
            active: 0,
            running: None,
            timer: None,
            last: None,
            began: Duration::ZERO,
            took: None,
            made: 0,
            failed: 0,
        }
    }

    pub(super) fn is_running(&self, id: ProbeId) -> bool {
        self.running == Some(id.number)
    }
}
