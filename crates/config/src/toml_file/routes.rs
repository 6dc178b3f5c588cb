//! `routes` and `rules` of a virtual router: what the master has in its routing tables besides.

use super::director::interface_name;
use super::section::Section;
use super::vrrp::SCOPES;
use crate::draft::Given;
use crate::keys::{VIRTUAL_ROUTE, VIRTUAL_RULE};
use crate::network::network;
use crate::report::{Fault, Report, quoted};
use relvs_model::Network;
use relvs_model::vrrp::{RouteAction, VirtualRoute, VirtualRule};
use std::net::IpAddr;

/// The words for what becomes of packets.
pub(crate) const ACTIONS: [(&str, RouteAction); 4] = [
    ("forward", RouteAction::Forward),
    ("blackhole", RouteAction::Blackhole),
    ("unreachable", RouteAction::Unreachable),
    ("prohibit", RouteAction::Prohibit),
];

pub(super) fn routes(section: &Section<'_>, report: &mut Report) -> Vec<VirtualRoute> {
    let mut found = Vec::new();
    for section in &section.tables(&VIRTUAL_ROUTE, report) {
        section.finish(report);
        let to = net(section, "to", report);
        if section.get("to").is_none() {
            section.missing("to", "to = \"198.51.100.0/24\"", report);
        }
        let scope = match section.word("scope", "scope", &SCOPES, &[], report) {
            Given::Is(scope, _) => Some(scope.to_owned()),
            Given::Absent | Given::Wrong => None,
        };
        let (via, source) = (address(section, "via", report), address(section, "source", report));
        let interface = interface(section, "interface", report);
        let mut number = |key| number(section, key, report);
        let (table, metric, mtu) = (number("table"), number("metric"), number("mtu"));
        let mut flag = |key| section.boolean(key, report).or(false).unwrap_or(false);
        let (on_link, no_track) = (flag("on_link"), flag("no_track"));
        let action = action(section, report);
        found.extend(to.map(|to| VirtualRoute {
            to,
            action,
            via,
            interface,
            source,
            table,
            metric,
            scope,
            mtu,
            on_link,
            no_track,
        }));
    }
    found
}

pub(super) fn rules(section: &Section<'_>, report: &mut Report) -> Vec<VirtualRule> {
    let mut found = Vec::new();
    for section in &section.tables(&VIRTUAL_RULE, report) {
        section.finish(report);
        let (from, to) = (net(section, "from", report), net(section, "to", report));
        let (input, output) = (interface(section, "input", report), interface(section, "output", report));
        let mut number = |key| number(section, key, report);
        let (mark, priority, table) = (number("mark"), number("priority"), number("table"));
        let mut flag = |key| section.boolean(key, report).or(false).unwrap_or(false);
        let (ipv6, no_track) = (flag("ipv6"), flag("no_track"));
        let action = action(section, report);
        found.push(VirtualRule { ipv6, from, to, input, output, mark, priority, action, table, no_track });
    }
    found
}

fn action(section: &Section<'_>, report: &mut Report) -> RouteAction {
    section.word("action", "action", &ACTIONS, &[], report).or(RouteAction::Forward).unwrap_or_default()
}

fn number(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<u32> {
    match section.integer(key, report) {
        Given::Is(number, _) => Some(number),
        Given::Absent | Given::Wrong => None,
    }
}

fn net(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<Network> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    network(text).map_err(|fault| report.error(&span, fault)).ok()
}

fn address(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<IpAddr> {
    let Given::Is(text, span) = section.string(key, report) else { return None };
    let refused = |_| report.error(&span, Fault::new(format!("{} is not an IP address", quoted(text))));
    text.parse().map_err(refused).ok()
}

fn interface(section: &Section<'_>, key: &'static str, report: &mut Report) -> Option<String> {
    let Given::Is(name, span) = section.string(key, report) else { return None };
    interface_name(name).map_err(|fault| report.error(&span, fault)).ok().map(|()| name.to_owned())
}
