//! What reading a file gives: the state, the diagnostics, and the places for what is only known later.

use crate::diagnostic::{Diagnostic, Severity};
use crate::draft::Common;
use crate::keepalived::{Keepalived, Place};
use crate::lines::{Lines, Location};
use crate::report::{Fault, Report, quoted};
use crate::rules::Accepted;
use relvs_model::State;
use std::collections::BTreeMap;

/// No more diagnostics than this are kept of one file; one more says how many are left out.
pub const MAX_DIAGNOSTICS: usize = 1000;

/// What was understood of a file, and what there is to say about it.
///
/// The state is consistent in itself even where the file has errors: a service or a server with an error in its own
/// table is left out, a director's setting with an error has its default.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What the file asks for, as far as it was understood.
    pub state: State,
    /// Errors and warnings in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// Their names: of the one that was asked for, and of those it includes.
    files: Vec<String>,
    interfaces: Vec<Location>,
    flows: Option<Location>,
    xdp_mode: Option<Location>,
    services: Vec<ServicePlace>,
    routers: Vec<Location>,
}

#[derive(Clone, Debug)]
struct ServicePlace {
    listen: Location,
    servers: Vec<Location>,
}

impl Parsed {
    /// Gives what was read its locations.
    pub(crate) fn new(file: &str, lines: &Lines<'_>, common: Common, services: Vec<Accepted>, report: Report) -> Self {
        let Common { director, listeners, notify, vrrp: (vrrp, routers), settings, timeouts, rules } = common;
        let mut parsed = Parsed {
            state: State {
                director: director.settings,
                listeners,
                vrrp,
                notify,
                settings,
                timeouts,
                rules,
                services: Vec::with_capacity(services.len()),
            },
            diagnostics: Vec::new(),
            files: vec![file.to_owned()],
            interfaces: director.interfaces.iter().map(|span| lines.location(span)).collect(),
            flows: director.flows.map(|span| lines.location(&span)),
            xdp_mode: director.xdp_mode.map(|span| lines.location(&span)),
            services: Vec::with_capacity(services.len()),
            routers: routers.iter().map(|span| lines.location(span)).collect(),
        };
        for Accepted { service, place, servers } in services {
            parsed.state.services.push(service);
            parsed.services.push(ServicePlace {
                listen: lines.location(&place),
                servers: servers.iter().map(|span| lines.location(span)).collect(),
            });
        }
        parsed.report(report, lines);
        parsed
    }

    /// What keepalived.conf says, with a warning for each of its words that does something else or nothing here.
    pub fn of_keepalived(read: &Keepalived) -> Self {
        let mut diagnostics = read.diagnostics.clone();
        diagnostics.extend(read.remarks.iter().filter_map(|remark| remark.diagnostic(&read.document)));
        let services = read.places.services.iter().map(|(place, servers)| ServicePlace {
            listen: place.location(),
            servers: servers.iter().map(Place::location).collect(),
        });
        let mut parsed = Parsed {
            state: read.state.clone(),
            diagnostics: Vec::new(),
            files: read.document.sources.iter().map(|source| source.name.clone()).collect(),
            interfaces: Vec::new(),
            flows: None,
            xdp_mode: None,
            services: services.collect(),
            routers: (read.state.vrrp.instances.iter())
                .map(|instance| read.places.named.get(&instance.name).map_or(Location::START, Place::location))
                .collect(),
        };
        let numbers = parsed.numbers();
        diagnostics.sort_by_key(|said| (numbers.get(said.file.as_str()), said.line, said.column));
        drop(numbers);
        parsed.diagnostics = diagnostics;
        parsed
    }

    /// The first number of each file.
    fn numbers(&self) -> BTreeMap<&str, usize> {
        self.files.iter().enumerate().rev().map(|(at, name)| (name.as_str(), at)).collect()
    }

    fn report(&mut self, mut report: Report, lines: &Lines<'_>) {
        report.problems.sort_by_key(|problem| (problem.span.start, problem.severity));
        let more = report.problems.split_off(report.problems.len().min(MAX_DIAGNOSTICS));
        for problem in report.problems {
            let location = lines.location(&problem.span);
            self.diagnostics.push(self.diagnostic(problem.severity, location, problem.fault));
        }
        if let (Some(next), Some(worst)) = (more.first(), more.iter().map(|problem| problem.severity).min()) {
            let fault = Fault::new(format!("{} more problems, from here on, are not shown", more.len()));
            self.diagnostics.push(self.diagnostic(worst, lines.location(&next.span), fault));
        }
    }

    fn diagnostic(&self, severity: Severity, location: Location, fault: Fault) -> Diagnostic {
        let Location { file, line, column, length } = location;
        let file = self.files.get(file).cloned().unwrap_or_default();
        Diagnostic { severity, file, line, column, length, message: fault.message, help: fault.help }
    }

    /// Whether an error is among the diagnostics.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Adds an error for each of the director's interfaces for which `exists` is false, at its name in the file.
    /// Call it once.
    pub fn check_interfaces(&mut self, exists: impl Fn(&str) -> bool) {
        let missing: Vec<(Location, String)> = (self.state.director.interfaces.iter().zip(&self.interfaces))
            .filter(|(name, _)| !exists(name))
            .map(|(name, location)| (*location, format!("interface {} does not exist", quoted(name))))
            .collect();
        for (location, message) in missing {
            self.error(location, message, Some("`ip link` lists those of this machine".into()));
        }
    }

    /// Where `state.director.interfaces[index]` is written; the file's start if there is no such interface.
    pub fn at_interface(&self, index: usize) -> Location {
        self.interfaces.get(index).copied().unwrap_or(Location::START)
    }

    /// Where `flows` is written; the file's start if it is not.
    pub fn at_flows(&self) -> Location {
        self.flows.unwrap_or(Location::START)
    }

    /// Where `xdp_mode` is written; the file's start if it is not.
    pub fn at_xdp_mode(&self) -> Location {
        self.xdp_mode.unwrap_or(Location::START)
    }

    /// Where `state.services[service]` is written (its `listen` or `mark`); the file's start if there is no such service.
    pub fn at_service(&self, service: usize) -> Location {
        self.services.get(service).map_or(Location::START, |place| place.listen)
    }

    /// Where `state.services[service].servers[server]` is written (its `address`); the service's place if there is no
    /// such server.
    pub fn at_server(&self, service: usize, server: usize) -> Location {
        let place = self.services.get(service).and_then(|place| place.servers.get(server));
        place.copied().unwrap_or_else(|| self.at_service(service))
    }

    /// Where `state.vrrp.instances[router]` is written (its `interface`); the file's start if there is no such virtual router.
    pub fn at_router(&self, router: usize) -> Location {
        self.routers.get(router).copied().unwrap_or(Location::START)
    }

    /// Adds an error that only the caller could find, among the others in the order of their places.
    pub fn error(&mut self, location: Location, message: impl Into<String>, help: Option<String>) {
        self.add(Severity::Error, location, message, help);
    }

    /// The same with any severity.
    pub fn add(&mut self, severity: Severity, location: Location, message: impl Into<String>, help: Option<String>) {
        let diagnostic = self.diagnostic(severity, location, Fault { message: message.into(), help });
        let numbers = self.numbers();
        let place = (numbers.get(diagnostic.file.as_str()), location.line, location.column);
        let comes_before = |other: &Diagnostic| (numbers.get(other.file.as_str()), other.line, other.column) <= place;
        let after = self.diagnostics.partition_point(comes_before);
        self.diagnostics.insert(after, diagnostic);
    }
}
