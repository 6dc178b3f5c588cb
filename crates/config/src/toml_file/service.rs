//! `[[service]]` and `[[service.server]]`.

use super::section::Section;
use super::{health, persistence, tunnel};
use crate::address;
use crate::draft::{Given, ServerDraft, ServiceDraft};
use crate::keys::SERVER;
use crate::report::{Fault, Report, Span};
use relvs_model::{Method, Scheduler, SchedulerFlags, ServiceKey};
use std::net::IpAddr;

/// The greatest weight, and the greatest threshold: IPVS keeps them in a signed 32-bit number.
pub const MAX_WEIGHT: u32 = i32::MAX as u32;

/// The words for address families, and whether it is IPv6.
pub(crate) const FAMILIES: [(&str, bool); 2] = [("ipv4", false), ("ipv6", true)];

pub(super) fn read(section: &Section<'_>, report: &mut Report) -> ServiceDraft {
    let before = report.problems.len();
    section.finish(report);
    let key = key(section, report);
    let schedulers = Scheduler::ALL.map(|scheduler| (scheduler.name(), scheduler));
    let default = Scheduler::default();
    let scheduler = section.word("scheduler", "scheduler", &schedulers, &[], report).or(default).unwrap_or(default);
    let flags = flags(section, report);
    let method = method(section, report);
    let tunnel = tunnel::read(section, report);
    let persistence = persistence::read(section, report);
    let one_packet = section.boolean("one_packet", report);
    let new_flows = section.integer("new_flows_per_second", report);
    let (health, sorry) = health::service(section, report);
    let checked = health::servers(section, report);
    // A warning breaks nothing.
    let broken = section.is_broken() || report.has_error_since(before);
    let servers = section.tables(&SERVER, report);
    let servers = servers.iter().map(|section| server(section, report)).collect();
    ServiceDraft {
        key,
        scheduler,
        flags,
        method,
        tunnel,
        persistence,
        one_packet,
        new_flows,
        servers,
        health,
        checked,
        sorry,
        broken,
    }
}

/// What the service is known by: `listen`, or `mark` and `family`.
fn key(section: &Section<'_>, report: &mut Report) -> Given<ServiceKey> {
    let listen = section.string("listen", report);
    let mark = section.integer("mark", report);
    let family = section.word("family", "family", &FAMILIES, &[], report);
    if let (Given::Is(_, span), Given::Absent) = (&family, &mark) {
        let fault = Fault::new("`family` is for services with a `mark`");
        report.error(span, fault.help("leave it out: the address in `listen` says it"));
    }
    match (listen, mark) {
        (Given::Is(..) | Given::Wrong, Given::Is(_, span)) => {
            let fault = Fault::new("a service has `listen` or `mark`, not both");
            report.error(&span, fault.help("remove one of them, or write two services"));
            Given::Wrong
        }
        (Given::Wrong, _) | (_, Given::Wrong) => Given::Wrong,
        (Given::Absent, Given::Is(mark, span)) => match family.or(false) {
            Some(six) => Given::Is(ServiceKey::mark(mark, six), span),
            None => Given::Wrong,
        },
        (Given::Absent, Given::Absent) => {
            section.missing("listen", "listen = \"192.0.2.100:80/tcp\"", report);
            Given::Absent
        }
        (Given::Is(text, span), Given::Absent) => match address::listen(text) {
            Ok(key) => Given::Is(key, span),
            Err(fault) => {
                report.error(&span, fault);
                Given::Wrong
            }
        },
    }
}

fn flags(section: &Section<'_>, report: &mut Report) -> Vec<(SchedulerFlags, Option<Scheduler>, Span)> {
    let mut found = Vec::new();
    for (name, span) in section.strings("flags", report) {
        match SchedulerFlags::named(name) {
            Some((flag, whose)) => found.push((flag, whose, span)),
            None => {
                let names: Vec<&str> = SchedulerFlags::all_names().collect();
                report.error(&span, address::unknown("flag", name, &names, &[]));
            }
        }
    }
    found
}

fn server(section: &Section<'_>, report: &mut Report) -> ServerDraft {
    let before = report.problems.len();
    section.finish(report);
    let (address, own_port) = endpoint(section, report);
    let port = port(section, own_port, report);
    let weight = section.integer("weight", report);
    let upper_threshold = section.integer("upper_threshold", report);
    let lower_threshold = section.integer("lower_threshold", report);
    let method = method(section, report);
    let tunnel = tunnel::read(section, report);
    let health = health::servers(section, report);
    let broken = section.is_broken() || report.has_error_since(before);
    ServerDraft { address, port, weight, upper_threshold, lower_threshold, method, tunnel, health, broken }
}

/// A sorry server that is written as a table.
pub(super) fn sorry(section: &Section<'_>, report: &mut Report) -> ServerDraft {
    section.finish(report);
    let (address, own_port) = endpoint(section, report);
    let port = port(section, own_port, report);
    let (method, tunnel) = (method(section, report), tunnel::read(section, report));
    ServerDraft { address, port, method, tunnel, ..ServerDraft::default() }
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
    match (own, section.integer("port", report)) {
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
