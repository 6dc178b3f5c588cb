//! What must hold between the values of virtual services, whatever format they were written in. What breaks a rule is
//! reported and left out; the rest is accepted.

use crate::address::one_machine;
use crate::draft::{Given, ServerDraft, ServiceDraft};
use crate::lines::Lines;
use crate::report::{Fault, Report, Span, quoted};
use relvs_model::{Method, Server, Service, ServiceKey};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A service that holds, with its places.
pub(crate) struct Accepted {
    pub(crate) service: Service,
    pub(crate) listen: Span,
    /// The places of its servers, in their order.
    pub(crate) servers: Vec<Span>,
}

/// The services that hold, in their order.
pub(crate) fn accept(drafts: Vec<ServiceDraft>, lines: &Lines<'_>, report: &mut Report) -> Vec<Accepted> {
    let mut seen: BTreeMap<ServiceKey, Span> = BTreeMap::new();
    let mut accepted = Vec::new();
    for draft in drafts {
        let key = match &draft.listen {
            Given::Is(key, span) => Some((*key, span.clone())),
            Given::Absent | Given::Wrong => None,
        };
        let holds = key.as_ref().is_some_and(|(key, span)| listens(*key, span, &draft, &mut seen, lines, report));
        let servers = servers(&draft, key.as_ref().map(|(key, _)| *key), lines, report);
        let Some((key, listen)) = key.filter(|_| holds && !draft.broken) else { continue };
        if draft.servers.is_empty() {
            let fault = Fault::new(format!("the service {key} has no server"));
            report.warning(&listen, fault.help("its clients are refused until it has one"));
        }
        let (servers, places) = servers.into_iter().unzip();
        accepted.push(Accepted {
            service: Service { key, scheduler: draft.scheduler, servers },
            listen,
            servers: places,
        });
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
    if let Err(fault) = one_machine("the VIP", key.address) {
        report.error(span, fault);
        holds = false;
    }
    if key.port == 0 && !draft.persistent {
        let fault = Fault::new("port 0 (any port) needs persistence");
        report.error(span, fault.help("persistence is not available in this version; write a port from 1 to 65535"));
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

/// The servers that hold. Where the service's own key is not known, only what can be judged without it is reported.
fn servers(
    draft: &ServiceDraft,
    key: Option<ServiceKey>,
    lines: &Lines<'_>,
    report: &mut Report,
) -> Vec<(Server, Span)> {
    let default_method = draft.method.or(Method::default());
    let mut seen: BTreeMap<(IpAddr, u16), Span> = BTreeMap::new();
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
        // Before the service is known, servers without a port have the same one.
        let Some(port) = server.port.or(key.map_or(0, |key| key.port)) else { continue };
        if let Some(first) = seen.get(&(*address, port)) {
            let first = lines.line_of(first.start) + 1;
            let fault = Fault::new(format!("the server {} is in this service twice", quoted(&address.to_string())));
            report.error(place, fault.help(format!("the first is on line {first}")));
            continue;
        }
        seen.insert((*address, port), place.clone());
        if let (Some(method), Some(weight), false) = (method, server.weight.or(1), server.broken) {
            accepted.push((Server { address: *address, port, weight, method }, place.clone()));
        }
    }
    accepted
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
    if address == key.address {
        let fault = Fault::new(format!("the server's address {} is the VIP itself", quoted(&address.to_string())));
        report.error(place, fault.help("write the address that the server alone has"));
        holds = false;
    }
    if address.is_ipv4() != key.address.is_ipv4() {
        let (server, vip) = (family(address), family(key.address));
        report.error(
            place,
            match method {
                Method::Nat | Method::Dr => {
                    Fault::new(format!("{method} from an {vip} VIP to an {server} server is not possible"))
                        .help(format!("write the server's {vip} address"))
                }
                Method::Tun => Fault::new(format!(
                    "a tunnel from an {vip} VIP to an {server} server is not available in this version"
                ))
                .help(format!("write the server's {vip} address")),
            },
        );
        holds = false;
    }
    match (method, &server.port) {
        (_, Given::Is(0, span)) => {
            report.error(span, Fault::new("a server's port must be from 1 to 65535, not 0"));
            false
        }
        (Method::Dr | Method::Tun, Given::Is(port, span)) if *port != key.port => {
            let fault =
                Fault::new(format!("a {method} server gets packets on the service's port {}, not {port}", key.port));
            report.error(span, fault.help("leave the port out, or write method = \"nat\""));
            false
        }
        (Method::Nat | Method::Dr | Method::Tun, _) => holds,
    }
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}
