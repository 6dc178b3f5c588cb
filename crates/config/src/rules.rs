//! What must hold between the values of virtual services, whatever format they were written in. What breaks a rule is
//! reported and left out; the rest is accepted.

use crate::address::one_machine;
use crate::checked::{self, Checked};
use crate::draft::{Given, MaskDraft, ServerDraft, ServiceDraft};
use crate::lines::Lines;
use crate::report::{Fault, Report, Span, quoted};
use relvs_model::{
    Method, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags, Server, Service, ServiceKey, Tunnel,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Servers that mh can tell apart: the size of its table.
const MH_SERVERS: usize = 4093;

/// A service that holds, with its places.
pub(crate) struct Accepted {
    pub(crate) service: Service,
    /// Of what it is known by.
    pub(crate) place: Span,
    /// The places of its servers, in their order.
    pub(crate) servers: Vec<Span>,
}

/// The services that hold, in their order.
pub(crate) fn accept(drafts: Vec<ServiceDraft>, lines: &Lines<'_>, report: &mut Report) -> Vec<Accepted> {
    let mut seen: BTreeMap<ServiceKey, Span> = BTreeMap::new();
    let mut accepted = Vec::new();
    for draft in drafts {
        let key = match &draft.key {
            Given::Is(key, span) => Some((*key, span.clone())),
            Given::Absent | Given::Wrong => None,
        };
        let holds = key.as_ref().is_some_and(|(key, span)| listens(*key, span, &draft, &mut seen, lines, report));
        let flags = flags(&draft, report);
        let persistence = persistence(&draft, key.as_ref().map(|(key, _)| *key), report);
        let one_packet = one_packet(&draft, key.as_ref().map(|(key, _)| *key), report);
        let servers = servers(&draft, key.as_ref().map(|(key, _)| *key), lines, report);
        let sorry = sorry(&draft, key.as_ref().map(|(key, _)| *key), report);
        let Some((key, place)) = key.filter(|_| holds && !draft.broken) else { continue };
        let (Some(flags), Some(persistence), Some(one_packet)) = (flags, persistence, one_packet) else { continue };
        if draft.servers.is_empty() {
            let fault = Fault::new(format!("the service {key} has no server"));
            report.warning(&place, fault.help("its clients are refused until it has one"));
        }
        if draft.scheduler == Scheduler::Mh && draft.servers.len() > MH_SERVERS {
            let fault = Fault::new(format!("mh can tell only {MH_SERVERS} servers apart, not {}", draft.servers.len()));
            report.error(&place, fault.help("write another scheduler"));
            continue;
        }
        let (servers, places): (Vec<Server>, Vec<Span>) = servers.into_iter().unzip();
        let health = checked::service(&draft, sorry, &servers);
        let scheduler = draft.scheduler;
        let new_flows_per_second = draft.new_flows.or(0).unwrap_or(0);
        let service = Service { key, scheduler, flags, persistence, one_packet, new_flows_per_second, health, servers };
        accepted.push(Accepted { service, place, servers: places });
    }
    accepted
}

/// Whether a service can listen to this; it is remembered as seen.
fn listens(
    key: ServiceKey,
    span: &Span,
    draft: &ServiceDraft,
    seen: &mut BTreeMap<ServiceKey, Span>,
    lines: &Lines<'_>,
    report: &mut Report,
) -> bool {
    let mut holds = true;
    if let Some(Err(fault)) = key.address().map(|vip| one_machine("the VIP", vip)) {
        report.error(span, fault);
        holds = false;
    }
    if key.address().is_some() && key.port() == 0 && matches!(draft.persistence, Given::Absent) {
        let fault = Fault::new("port 0 (any port) needs persistence");
        report.error(span, fault.help("add `persistence = true`, or write a port from 1 to 65535"));
        holds = false;
    }
    if let Some(first) = seen.get(&key) {
        let first = lines.line_of(first.start) + 1;
        let fault = Fault::new(format!("the service {key} is defined twice"));
        report.error(span, fault.help(format!("the first is on line {first}")));
        return false;
    }
    seen.insert(key, span.clone());
    holds
}

/// The flags, unless one is another scheduler's.
fn flags(draft: &ServiceDraft, report: &mut Report) -> Option<SchedulerFlags> {
    let mut holds = true;
    let mut flags = SchedulerFlags::NONE;
    for (flag, whose, span) in &draft.flags {
        flags = flags.with(*flag);
        let name = flag.names(whose.unwrap_or(draft.scheduler)).join(",");
        if let Some(whose) = whose.filter(|whose| *whose != draft.scheduler) {
            let fault = Fault::new(format!("`{name}` is a flag of {whose}, not of {}", draft.scheduler));
            report.error(span, fault.help(format!("write scheduler = \"{whose}\", or leave the flag out")));
            holds = false;
        } else if name.starts_with("flag-") {
            let fault = Fault::new(format!("`{name}` means nothing to {}", draft.scheduler));
            report.warning(span, fault.help("leave it out"));
        }
    }
    holds.then_some(flags)
}

/// The persistence, unless its netmask is of the other family.
fn persistence(draft: &ServiceDraft, key: Option<ServiceKey>, report: &mut Report) -> Option<Option<Persistence>> {
    let (persistence, key) = match (&draft.persistence, key) {
        (Given::Absent, _) => return Some(None),
        (Given::Wrong, _) | (_, None) => return None,
        (Given::Is(persistence, _), Some(key)) => (persistence, key),
    };
    let netmask = match &persistence.netmask {
        Given::Absent => Netmask::host(key.is_ipv4()),
        Given::Wrong => return None,
        Given::Is(MaskDraft::Mask(mask), _) if key.is_ipv4() => Netmask::V4(*mask),
        Given::Is(MaskDraft::Prefix(prefix), _) if key.is_ipv4() && *prefix <= 32 => {
            let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
            Netmask::V4(mask.into())
        }
        Given::Is(MaskDraft::Prefix(prefix), _) if !key.is_ipv4() => Netmask::V6(*prefix),
        Given::Is(MaskDraft::Prefix(prefix), span) => {
            let fault = Fault::new(format!("an IPv4 address has 32 bits, so the netmask cannot be {prefix}"));
            report.error(span, fault.help("write a prefix from 1 to 32"));
            return None;
        }
        Given::Is(MaskDraft::Mask(mask), span) => {
            let fault = Fault::new(format!("the netmask {mask} is for IPv4, but the service is IPv6"));
            report.error(span, fault.help("write a prefix from 1 to 128"));
            return None;
        }
    };
    Some(Some(Persistence { timeout_s: persistence.timeout_s, netmask }))
}

/// Whether it is one-packet scheduling, which is for UDP and marks alone.
fn one_packet(draft: &ServiceDraft, key: Option<ServiceKey>, report: &mut Report) -> Option<bool> {
    match (&draft.one_packet, key.and_then(|key| key.protocol())) {
        (Given::Is(true, span), Some(protocol @ (Protocol::Tcp | Protocol::Sctp))) => {
            let fault = Fault::new(format!("one-packet scheduling is for UDP and for marks, not for {protocol}"));
            report.error(span, fault.help("leave it out"));
            None
        }
        (one_packet, _) => one_packet.or(false),
    }
}

/// The servers that hold. Where the service's own key is not known, only what can be judged without it is reported.
fn servers(
    draft: &ServiceDraft,
    key: Option<ServiceKey>,
    lines: &Lines<'_>,
    report: &mut Report,
) -> Vec<(Server, Span)> {
    let default_method = draft.method.or(Method::default());
    let mut seen: BTreeMap<(IpAddr, u16), Span> = BTreeMap::new();
    let mut checked = Checked::new(&draft.checked);
    let mut accepted = Vec::new();
    for server in &draft.servers {
        let Given::Is(address, place) = &server.address else { continue };
        if let Err(fault) = one_machine("the server's address", *address) {
            report.error(place, fault);
            continue;
        }
        let method = match server.method {
            Given::Absent => default_method,
            Given::Wrong => None,
            Given::Is(method, _) => Some(method),
        };
        if let (Some(key), Some(method)) = (key, method)
            && !reachable(server, *address, place, key, method, report)
        {
            continue;
        }
        if let (Some(key), Given::Is(port, span), Given::Is(..)) = (key, &server.port, &draft.persistence)
            && key.port() == 0
        {
            let fault =
                Fault::new(format!("persistent clients reach this server on the port they chose, not on {port}"));
            report.warning(span, fault.help("leave the port out"));
        }
        let thresholds = thresholds(server, report);
        let tunnel = method.and_then(|method| tunnel(draft, server, method, report));
        // Before the service is known, servers without a port have the same one.
        let Some(port) = server.port.or(key.map_or(0, |key| key.port())) else { continue };
        if let Some(first) = seen.get(&(*address, port)) {
            let first = lines.line_of(first.start) + 1;
            let fault = Fault::new(format!("the server {} is in this service twice", quoted(&address.to_string())));
            report.error(place, fault.help(format!("the first is on line {first}")));
            continue;
        }
        seen.insert((*address, port), place.clone());
        if let (Some(method), Some(tunnel), Some(weight), Some((upper_threshold, lower_threshold)), false) =
            (method, tunnel, server.weight.or(Server::DEFAULT_WEIGHT), thresholds, server.broken)
        {
            let health = checked.server(&server.health, key, port, method, report);
            let server =
                Server { address: *address, port, weight, method, tunnel, upper_threshold, lower_threshold, health };
            accepted.push((server, place.clone()));
        }
    }
    accepted
}

/// The sorry server, if it holds.
fn sorry(draft: &ServiceDraft, key: Option<ServiceKey>, report: &mut Report) -> Option<Server> {
    let server = draft.sorry.as_ref()?;
    let (Given::Is(address, place), Some(key)) = (&server.address, key) else { return None };
    if let Err(fault) = one_machine("the sorry server's address", *address) {
        report.error(place, fault);
        return None;
    }
    let method = match server.method {
        Given::Absent => draft.method.or(Method::default()),
        Given::Wrong => None,
        Given::Is(method, _) => Some(method),
    };
    let holds = reachable(server, *address, place, key, method?, report) && !server.broken;
    let tunnel = tunnel(draft, server, method?, report)?;
    let server = Server::new(*address, server.port.or(key.port())?, Server::DEFAULT_WEIGHT, method?);
    holds.then_some(Server { tunnel, ..server })
}

/// What a server's packets travel in: as it says, or its service for it.
fn tunnel(service: &ServiceDraft, server: &ServerDraft, method: Method, report: &mut Report) -> Option<Tunnel> {
    match (&server.tunnel, method) {
        (Given::Is(_, span), Method::Nat | Method::Dr) => {
            let fault = Fault::new(format!("a {method} server has no tunnel"));
            report.error(span, fault.help("write method = \"tun\", or leave `tunnel` out"));
            None
        }
        (Given::Absent, Method::Nat | Method::Dr) => Some(Tunnel::Ipip),
        (Given::Absent, Method::Tun) => service.tunnel.or(Tunnel::Ipip),
        (own @ (Given::Wrong | Given::Is(..)), _) => own.or(Tunnel::Ipip),
    }
}

/// The thresholds, upper and lower, if they are that way round.
fn thresholds(server: &ServerDraft, report: &mut Report) -> Option<(u32, u32)> {
    let (upper, lower) = (server.upper_threshold.or(0)?, server.lower_threshold.or(0)?);
    if lower > upper
        && let Given::Is(_, span) = &server.lower_threshold
    {
        let (message, help) = match upper {
            0 => ("`lower_threshold` needs an `upper_threshold`".to_owned(), "add it, or leave this out".to_owned()),
            _ => (
                format!("`lower_threshold` is {lower}, more than `upper_threshold`, which is {upper}"),
                format!("write at most {upper}"),
            ),
        };
        report.error(span, Fault::new(message).help(help));
        return None;
    }
    Some((upper, lower))
}

/// Whether this method brings the service's packets to this server.
fn reachable(
    server: &ServerDraft,
    address: IpAddr,
    place: &Span,
    key: ServiceKey,
    method: Method,
    report: &mut Report,
) -> bool {
    let mut holds = true;
    if Some(address) == key.address() {
        let fault = Fault::new(format!("the server's address {} is the VIP itself", quoted(&address.to_string())));
        report.error(place, fault.help("write the address that the server alone has"));
        holds = false;
    }
    if address.is_ipv4() != key.is_ipv4() && method != Method::Tun {
        let (server, own) = (family(address.is_ipv4()), family(key.is_ipv4()));
        let what = if key.address().is_some() { "VIP" } else { "mark" };
        let fault = Fault::new(format!("{method} from an {own} {what} to an {server} server is not possible"));
        report.error(place, fault.help(format!("write the server's {own} address, or method = \"tun\"")));
        holds = false;
    }
    match (method, &server.port) {
        (_, Given::Is(0, span)) => {
            report.error(span, Fault::new("a server's port must be from 1 to 65535, not 0"));
            false
        }
        (Method::Dr | Method::Tun, Given::Is(port, span)) if *port != key.port() => {
            let fault = match key.port() {
                0 => format!("a {method} server gets each packet on the port it was sent to, not on {port}"),
                own => format!("a {method} server gets packets on the service's port {own}, not {port}"),
            };
            report.error(span, Fault::new(fault).help("leave the port out, or write method = \"nat\""));
            false
        }
        (Method::Nat | Method::Dr | Method::Tun, _) => holds,
    }
}

fn family(ipv4: bool) -> &'static str {
    if ipv4 { "IPv4" } else { "IPv6" }
}
