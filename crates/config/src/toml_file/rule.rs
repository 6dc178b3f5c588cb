//! `[[rule]]`: which packets have which mark.

use super::section::{Section, wrong_type};
use crate::draft::{Given, RuleDraft};
use crate::network::{network, ports};
use crate::report::{Fault, Report};
use relvs_model::{Network, PortRange, Protocol, Rule};
use toml::de::DeValue;

pub(super) fn read(section: &Section<'_>, report: &mut Report) -> RuleDraft {
    let before = report.problems.len();
    section.finish(report);
    let mark = section.integer("mark", report);
    if let Given::Absent = mark {
        section.missing("mark", "mark = 7", report);
    }
    let sources = networks(section, "source", report);
    let destinations = networks(section, "destination", report);
    let protocols = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    let protocol = match section.word("protocol", "protocol", &protocols, &[], report) {
        Given::Is(protocol, _) => Some(protocol),
        Given::Absent | Given::Wrong => None,
    };
    let ports = port_ranges(section, report);
    let broken = section.is_broken() || report.has_error_since(before);
    let (number, place) = match mark {
        Given::Is(mark, span) => (mark, span),
        Given::Absent | Given::Wrong => (0, section.span.clone()),
    };
    RuleDraft { rule: Rule { mark: number, sources, destinations, protocol, ports }, place, broken }
}

fn networks(section: &Section<'_>, key: &str, report: &mut Report) -> Vec<Network> {
    let mut found = Vec::new();
    for (text, span) in section.strings(key, report) {
        match network(text) {
            Ok(network) => found.push(network),
            Err(fault) => report.error(&span, fault),
        }
    }
    found
}

/// One port or range, or an array of them.
fn port_ranges(section: &Section<'_>, report: &mut Report) -> Vec<PortRange> {
    let mut found = Vec::new();
    for (value, span) in section.elements("ports") {
        match one(value) {
            Ok(range) => found.push(range),
            Err(fault) => report.error(&span, fault),
        }
    }
    found
}

fn one(value: &DeValue<'_>) -> Result<PortRange, Fault> {
    match value {
        DeValue::String(text) => ports(text),
        DeValue::Integer(integer) => ports(integer.as_str()),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(wrong_type("`ports`", "ports like 80 and ranges like \"8000-8100\"", value))
        }
    }
}
