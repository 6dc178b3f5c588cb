//! `[[service]]` and `[[service.server]]`.

use super::section::{Keys, Section};
use crate::address;
use crate::draft::{Given, ServerDraft, ServiceDraft};
use crate::report::{Fault, Report, Span};
use relvs_model::{Method, Scheduler, ServiceKey};
use std::net::IpAddr;

/// The greatest weight: IPVS keeps weights in a signed 32-bit number.
pub const MAX_WEIGHT: u32 = i32::MAX as u32;

const SERVICE: Keys =
    Keys { known: &["listen", "scheduler", "method", "server"], later: &["persistence", "check", "flags", "mark"] };
const SERVER: Keys = Keys { known: &["address", "port", "weight", "method"], later: &["check"] };

/// Where nothing is said. IPVS's own default is wlc; this follows the weights as wlc does, without asking for load.
const DEFAULT_SCHEDULER: Scheduler = Scheduler::Wrr;

/// All that IPVS has, in the model or not.
const IPVS_SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];

pub(super) fn read(section: &Section<'_>, report: &mut Report) -> ServiceDraft {
    let before = report.problems.len();
    section.finish(&SERVICE, report);
    let listen = listen(section, report);
    let schedulers = Scheduler::ALL.map(|scheduler| (scheduler.name(), scheduler));
    let scheduler = section.word("scheduler", "scheduler", &schedulers, &IPVS_SCHEDULERS, report);
    let method = method(section, report);
    let broken = section.is_broken() || report.problems.len() > before;
    let servers = section.tables("server", "[[service.server]]", report);
    ServiceDraft {
        listen,
        scheduler: scheduler.or(DEFAULT_SCHEDULER).unwrap_or(DEFAULT_SCHEDULER),
        method,
        persistent: section.get("persistence").is_some(),
        servers: servers.iter().map(|section| server(section, report)).collect(),
        broken,
    }
}

fn listen(section: &Section<'_>, report: &mut Report) -> Given<ServiceKey> {
    match section.string("listen", report) {
        Given::Absent => {
            // A service of a mark has no `listen`; the mark itself is reported.
            if section.get("mark").is_none() {
                section.missing("listen", "listen = \"192.0.2.100:80/tcp\"", report);
            }
            Given::Absent
        }
        Given::Wrong => Given::Wrong,
        Given::Is(text, span) => match address::listen(text) {
            Ok(key) => Given::Is(key, span),
            Err(fault) => {
                report.error(&span, fault);
                Given::Wrong
            }
        },
    }
}

fn server(section: &Section<'_>, report: &mut Report) -> ServerDraft {
    let before = report.problems.len();
    section.finish(&SERVER, report);
    let (address, own_port) = endpoint(section, report);
    let port = port(section, own_port, report);
    let weight = section.integer("weight", 0..=MAX_WEIGHT, report);
    let method = method(section, report);
    let broken = section.is_broken() || report.problems.len() > before;
    ServerDraft { address, port, weight, method, broken }
}

/// The address, and the port that is written with it.
fn endpoint(section: &Section<'_>, report: &mut Report) -> (Given<IpAddr>, Option<(u16, Span)>) {
    match section.string("address", report) {
        Given::Absent => {
            section.missing("address", "address = \"10.0.0.11\"", report);
            (Given::Absent, None)
        }
        Given::Wrong => (Given::Wrong, None),
        Given::Is(text, span) => match address::endpoint(text) {
            Ok((address, port)) => (Given::Is(address, span.clone()), port.map(|port| (port, span))),
            Err(fault) => {
                report.error(&span, fault);
                (Given::Wrong, None)
            }
        },
    }
}

/// The port, from the address or from its own key. Both are fine if they agree.
fn port(section: &Section<'_>, own: Option<(u16, Span)>, report: &mut Report) -> Given<u16> {
    match (own, section.integer("port", 1..=u32::from(u16::MAX), report)) {
        (_, Given::Wrong) => Given::Wrong,
        (None, Given::Absent) => Given::Absent,
        (Some((port, span)), Given::Absent) => Given::Is(port, span),
        (None, Given::Is(port, span)) => u16::try_from(port).map_or(Given::Wrong, |port| Given::Is(port, span)),
        (Some((own, own_span)), Given::Is(port, span)) => {
            if u32::from(own) == port {
                return Given::Is(own, own_span);
            }
            report.error(
                &span,
                Fault::new(format!("`port` is {port}, but `address` says {own}")).help("write one of them"),
            );
            Given::Wrong
        }
    }
}

fn method(section: &Section<'_>, report: &mut Report) -> Given<Method> {
    let methods = Method::ALL.map(|method| (method.name(), method));
    section.word("method", "method", &methods, &[], report)
}
