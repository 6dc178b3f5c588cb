//! Lines of `virtual_routes` and `virtual_rules`: those of ip-route(8) and ip-rule(8), without the options that few know.

use crate::{
    keepalived::{Statement, Word, reading::Reading},
    report::{Fault, quoted},
};
use relvs_model::{
    Network,
    vrrp::{RouteAction, VirtualRoute, VirtualRule},
};
use std::{net::IpAddr, str::FromStr};

/// The numbers of tables that have a name everywhere; others have it on one machine.
const TABLES: [(&str, u32); 4] = [("default", 253), ("main", 254), ("local", 255), ("unspec", 0)];

const ACTIONS: [(&str, RouteAction); 3] = [
    ("blackhole", RouteAction::Blackhole),
    ("unreachable", RouteAction::Unreachable),
    ("prohibit", RouteAction::Prohibit),
];

/// The words of a line, one after the other. What cannot be taken is said once, and the line is left out.
struct Words<'a, 'r, 'd> {
    words: Vec<&'a Word>,
    at: usize,
    reading: &'r mut Reading<'d>,
}

impl<'a, 'r, 'd> Words<'a, 'r, 'd> {
    fn of(line: &'a Statement, reading: &'r mut Reading<'d>) -> Self {
        Words { words: std::iter::once(&line.keyword).chain(&line.arguments).collect(), at: 0, reading }
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(&word.text)
    }

    /// The word that was taken last is nothing of the kind.
    fn fault<T>(&mut self, what: &str) -> Option<T> {
        let at = self.at.saturating_sub(1).min(self.words.len() - 1);
        let text = quoted(&self.words[at].text);
        let fault = Fault::new(format!("{text} is {what}"));
        self.reading.fault(self.words[at].place, fault.help("correct it; the line is left out"));
        None
    }

    fn value<T>(&mut self, what: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        match self.next().map(parse) {
            Some(Some(value)) => Some(value),
            Some(None) => self.fault(&format!("no {what}")),
            None => self.fault(&format!("the last word, and {what} should follow")),
        }
    }

    fn number<T: FromStr>(&mut self) -> Option<T> {
        self.value("number", |text| text.parse().ok())
    }

    fn address(&mut self) -> Option<IpAddr> {
        self.value("IP address", |text| text.parse().ok())
    }

    fn table(&mut self) -> Option<u32> {
        let named = |text: &str| TABLES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
        self.value("number of a table", |text| text.parse().ok().or_else(|| named(text)))
    }

    fn name(&mut self) -> Option<String> {
        self.value("name", |text| Some(text.to_owned()))
    }
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let longest = Network::longest(address.is_ipv4());
    let prefix = prefix.map_or(Some(longest), |prefix| prefix.parse().ok().filter(|prefix| *prefix <= longest))?;
    Some(Network::of(address, prefix))
}

fn everything(is_ipv6: bool) -> Network {
    let text = if is_ipv6 { "::/0" } else { "0.0.0.0/0" };
    network(text).unwrap_or(Network { address: IpAddr::from([0; 4]), prefix: 0 })
}

/// `[blackhole|unreachable|prohibit] [to] default|PREFIX [via ADDRESS] [dev INTERFACE] [src ADDRESS] ...`
pub(super) fn route(line: &Statement, is_ipv6: bool, reading: &mut Reading<'_>) -> Option<VirtualRoute> {
    let mut words = Words::of(line, reading);
    let mut route = VirtualRoute::new(everything(is_ipv6));
    let mut to = None;
    while let Some(word) = words.next() {
        match word {
            "unicast" | "to" => {}
            "inet" => route.to = everything(false),
            "inet6" => route.to = everything(true),
            "via" | "gw" => {
                route.via = Some(match words.next() {
                    Some("inet" | "inet6") => words.address()?,
                    _ => {
                        words.at -= 1;
                        words.address()?
                    }
                });
            }
            "dev" | "oif" => route.interface = Some(words.name()?),
            "src" | "from" => route.source = Some(words.address()?),
            "table" => route.table = Some(words.table()?),
            "metric" | "priority" | "preference" => route.metric = Some(words.number()?),
            "scope" => route.scope = Some(words.name()?),
            "mtu" => route.mtu = Some(words.number()?),
            "onlink" => route.on_link = true,
            "no_track" => route.no_track = true,
            "proto" | "protocol" => drop(words.name()?),
            "default" | "all" | "any" if to.is_none() => to = Some(route.to),
            _ => match ACTIONS.iter().find(|(name, _)| *name == word) {
                Some((_, action)) => route.action = *action,
                None if to.is_none() && network(word).is_some() => to = network(word),
                None => return words.fault("nothing of a route that relvs sets"),
            },
        }
    }
    let Some(to) = to else { return words.fault("the last word, and no network was named") };
    let six = route.via.or(route.source).map_or(to.address.is_ipv6(), |address| address.is_ipv6());
    // `default` may be of either family: what else is said tells.
    route.to = if to.prefix == 0 && to.address.is_unspecified() { everything(six) } else { to };
    if route.interface.is_none() && !route.no_track {
        let fault = Fault::new("the route names no interface, so keepalived does not look whether it is up");
        reading.complaint(line.keyword.place, fault.help("add `dev` and the interface, or `no_track`"));
    }
    Some(route)
}

/// `[inet6] [from PREFIX] [to PREFIX] [priority N] [fwmark N] [iif INTERFACE] table N ...`
pub(super) fn rule(line: &Statement, is_ipv6: bool, reading: &mut Reading<'_>) -> Option<VirtualRule> {
    let mut words = Words::of(line, reading);
    let mut rule = VirtualRule { ipv6: is_ipv6, ..VirtualRule::default() };
    let prefix = |text: &str| match text {
        "all" | "any" | "default" => Some(None),
        text => network(text).map(Some),
    };
    while let Some(word) = words.next() {
        match word {
            "inet" => rule.ipv6 = false,
            "inet6" => rule.ipv6 = true,
            "from" => rule.from = words.value("network", prefix)?,
            "to" => rule.to = words.value("network", prefix)?,
            "iif" | "dev" => rule.input = Some(words.name()?),
            "oif" => rule.output = Some(words.name()?),
            "fwmark" => {
                rule.mark = Some(words.value("mark", |text| match text.strip_prefix("0x") {
                    Some(digits) => u32::from_str_radix(digits, 16).ok(),
                    None => text.parse().ok(),
                })?);
            }
            "priority" | "preference" | "order" => rule.priority = Some(words.number()?),
            "table" | "lookup" => rule.table = Some(words.table()?),
            "protocol" | "proto" => drop(words.name()?),
            "no_track" => rule.no_track = true,
            _ => match ACTIONS.iter().find(|(name, _)| *name == word) {
                Some((_, action)) => rule.action = *action,
                None => return words.fault("nothing of a rule that relvs sets"),
            },
        }
    }
    if rule.table.is_none() && rule.action == RouteAction::Forward {
        return words.fault("the last word, and no table was named");
    }
    if rule.priority.is_none() {
        let fault = Fault::new("the rule has no priority, so it comes before all that are there");
        reading.complaint(line.keyword.place, fault.help("add `priority` and a number"));
    }
    Some(rule)
}
