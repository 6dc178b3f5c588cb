//! What the health of a server and of a service is, by what is written at both.

use crate::draft::{CheckDraft, Given, HealthDraft, ServiceDraft};
use crate::report::{Fault, Report};
use relvs_model::health::{ServerHealth, ServiceHealth};
use relvs_model::{Method, Server, ServiceKey};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The health of servers of one service.
pub(crate) struct Checked<'d> {
    service: &'d HealthDraft,
    /// Of servers that say nothing for themselves.
    shared: Option<Arc<ServerHealth>>,
    /// The places of checks that were judged wrong: those of a service are judged with each of its servers.
    wrong: BTreeSet<usize>,
}

impl<'d> Checked<'d> {
    pub(crate) fn new(service: &'d HealthDraft) -> Self {
        let health = merged(service, &HealthDraft::default());
        Checked {
            service,
            shared: (health != ServerHealth::default()).then(|| Arc::new(health)),
            wrong: BTreeSet::new(),
        }
    }

    /// The health of a server; none if nothing is said of it.
    pub(crate) fn server(
        &mut self,
        own: &HealthDraft,
        key: Option<ServiceKey>,
        port: u16,
        method: Method,
        report: &mut Report,
    ) -> Option<Arc<ServerHealth>> {
        let checks = own.checks.as_ref().or(self.service.checks.as_ref());
        for check in checks.into_iter().flatten() {
            self.judge(check, key, port, method, report);
        }
        if own.is_silent() {
            return self.shared.clone();
        }
        let health = merged(self.service, own);
        (health != ServerHealth::default()).then(|| Arc::new(health))
    }

    fn judge(&mut self, check: &CheckDraft, key: Option<ServiceKey>, port: u16, method: Method, report: &mut Report) {
        let Some(key) = key else { return };
        let place = &check.place;
        if check.needs_port && check.check.target.port.is_none() && port == 0 && self.wrong.insert(place.start) {
            let fault = Fault::new("the service has no port of its own that this check could ask");
            report.error(place, fault.help("add `port = 80` to the check"));
        }
        if !check.check.target.through_data_path {
            return;
        }
        if key.address().is_none() && self.wrong.insert(place.start) {
            let fault = Fault::new("a mark has no VIP that could be asked through the data path");
            report.error(place, fault.help("leave `through_data_path` out"));
        } else if method == Method::Nat && self.wrong.insert(place.start) {
            let fault = Fault::new("through the data path a nat server is asked as without it");
            report.warning(place, fault.help("leave `through_data_path` out"));
        }
    }
}

impl HealthDraft {
    /// Whether nothing is said.
    fn is_silent(&self) -> bool {
        let HealthDraft { checks, inhibit_on_failure, slow_start_ms, damping, notify_up, notify_down } = self;
        checks.is_none()
            && matches!((inhibit_on_failure, slow_start_ms), (Given::Absent, Given::Absent))
            && damping.is_none()
            && notify_up.is_none()
            && notify_down.is_none()
    }
}

/// What a server says for itself, and else what its service says.
fn merged(service: &HealthDraft, own: &HealthDraft) -> ServerHealth {
    let checks = own.checks.as_ref().or(service.checks.as_ref());
    ServerHealth {
        checks: checks.into_iter().flatten().map(|check| check.check.clone()).collect(),
        inhibit_on_failure: said(&own.inhibit_on_failure, &service.inhibit_on_failure).unwrap_or_default(),
        slow_start_ms: said(&own.slow_start_ms, &service.slow_start_ms).unwrap_or_default(),
        damping: own.damping.or(service.damping),
        notify_up: own.notify_up.clone().or_else(|| service.notify_up.clone()),
        notify_down: own.notify_down.clone().or_else(|| service.notify_down.clone()),
    }
}

fn said<T: Copy>(own: &Given<T>, service: &Given<T>) -> Option<T> {
    match (own, service) {
        (Given::Is(value, _), _) | (Given::Absent, Given::Is(value, _)) => Some(*value),
        (Given::Absent | Given::Wrong, _) => None,
    }
}

/// The health of a service; none if nothing is said of it and none of its servers has checks.
pub(crate) fn service(draft: &ServiceDraft, sorry: Option<Server>, servers: &[Server]) -> Option<Arc<ServiceHealth>> {
    let checked = servers.iter().any(|server| server.health.as_ref().is_some_and(|health| !health.checks.is_empty()));
    if draft.health.is_none() && sorry.is_none() && !checked {
        return None;
    }
    Some(Arc::new(ServiceHealth { sorry, ..draft.health.clone().unwrap_or_default() }))
}
