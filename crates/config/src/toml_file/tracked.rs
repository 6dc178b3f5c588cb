//! `track` and `arbiter`: what a virtual router depends on; and the addresses that are asked for it.

use super::director::interface_name;
use super::section::Section;
use super::vrrp::{interface, own_address, required};
use crate::draft::Given;
use crate::keys::{ARBITER, TRACK};
use crate::report::{Fault, Report, Span};
use relvs_model::ServiceKey;
use relvs_model::vrrp::{TrackPing, TrackSource, Tracked};
use std::net::{IpAddr, Ipv4Addr};

/// The health of the director itself that is no service's.
const DATA_PATH: &str = "data-path";
/// Keys that each name a source; one of them is written.
const SOURCES: [&str; 6] = ["interface", "script", "file", "process", "ping", "health"];

/// What is tracked by an instance or a group. `services` are those of the file, if all of them are known.
pub(super) fn tracked(section: &Section<'_>, services: Option<&[ServiceKey]>, report: &mut Report) -> Vec<Tracked> {
    let mut found = Vec::new();
    for section in section.tables(&TRACK, report) {
        section.finish(report);
        let weight = section.signed("weight", report).or(0).unwrap_or(0);
        let reverse = section.boolean("reverse", report).or(false).unwrap_or(false);
        let weight = i16::try_from(weight).unwrap_or_default();
        if let Some(source) = source(&section, services, report) {
            found.push(Tracked { source, weight, reverse });
        }
    }
    found
}

/// What must be well to become master.
pub(super) fn arbiter(
    section: &Section<'_>,
    services: Option<&[ServiceKey]>,
    report: &mut Report,
) -> Option<TrackSource> {
    let section = section.table(&ARBITER, report)?;
    section.finish(report);
    source(&section, services, report)
}

/// An address that is asked whether it answers.
pub(super) fn ping(section: &Section<'_>, report: &mut Report) -> TrackPing {
    section.finish(report);
    let (name, address) =
        (required(section, "name", "name = \"gateway\"", report), own_address(section, "address", report));
    if section.get("address").is_none() {
        section.missing("address", "address = \"192.0.2.254\"", report);
    }
    let (from, interface) = (own_address(section, "from", report), interface(section, "interface", report));
    if let Some(address) = address {
        let span = section.get("address").map_or(section.span.clone(), toml::Spanned::span);
        if from.is_some_and(|from| from.is_ipv6() != address.is_ipv6()) {
            report.error(&span, Fault::new("`address` and `from` must be of one family"));
        }
        if matches!(address, IpAddr::V6(six) if six.is_unicast_link_local()) && interface.is_none() {
            let fault = Fault::new("`address` is link-local: it is another on each link");
            report.error(&span, fault.help("say by which `interface`"));
        }
    }
    let interval_ms = section.pause("interval", report).or(1_000).unwrap_or(1_000);
    TrackPing {
        name,
        // Where it is wrong, none of the settings is taken.
        address: address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        from,
        interface,
        interval_ms,
        timeout_ms: section.pause("timeout", report).or(interval_ms).unwrap_or(interval_ms),
        fall: section.integer("fall", report).or(TrackPing::FALL).unwrap_or(TrackPing::FALL),
        rise: section.integer("rise", report).or(1).unwrap_or(1),
    }
}

/// The one source that a table names.
fn source(section: &Section<'_>, services: Option<&[ServiceKey]>, report: &mut Report) -> Option<TrackSource> {
    let said = SOURCES.iter().filter_map(|&key| section.get(key).map(|value| (value.span().start, key)));
    let mut said: Vec<(usize, &'static str)> = said.collect();
    said.sort_unstable();
    let Some(&(_, key)) = said.first() else {
        if !section.is_broken() {
            let fault = Fault::new("nothing says what is to be well");
            report.error(&section.span, fault.help(format!("name one of {}", SOURCES.join(", "))));
        }
        return None;
    };
    if let Some(&(_, other)) = said.get(1) {
        let fault = Fault::new(format!("`{other}` beside `{key}`: one thing is tracked by each table"));
        let span = section.get(other).map_or(section.span.clone(), toml::Spanned::span);
        report.error(&span, fault.help("write a table for each"));
        return None;
    }
    let Given::Is(name, span) = section.string(key, report) else { return None };
    named(key, name, &span, services, report)
}

fn named(
    key: &str,
    name: &str,
    span: &Span,
    services: Option<&[ServiceKey]>,
    report: &mut Report,
) -> Option<TrackSource> {
    let owned = name.to_owned();
    match key {
        "interface" => match interface_name(name) {
            Ok(()) => Some(TrackSource::Interface(owned)),
            Err(fault) => {
                report.error(span, fault);
                None
            }
        },
        "script" => Some(TrackSource::Script(owned)),
        "file" => Some(TrackSource::File(owned)),
        "process" => Some(TrackSource::Process(owned)),
        "ping" => Some(TrackSource::Ping(owned)),
        _ if name == DATA_PATH => Some(TrackSource::Health(owned)),
        _ => match name.parse::<ServiceKey>() {
            Ok(key) => {
                if services.is_some_and(|services| !services.contains(&key)) {
                    let fault = Fault::new(format!("there is no service {key} in this file"));
                    report.warning(span, fault.help("while there is none, it counts as not well"));
                }
                Some(TrackSource::Health(key.to_string()))
            }
            Err(error) => {
                report.error(span, Fault::new(error.to_string()).help("or write \"data-path\""));
                None
            }
        },
    }
}
