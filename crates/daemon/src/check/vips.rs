//! The VIPs: whether clients' packets for them come to this machine, on an interface that is served, and to no other.

use super::{Finding, Place, machine::View};
use crate::realserver::how_to_set_up;
use relvs_model::{Method, Service};
use relvs_net::{Link, Mac};
use std::{collections::BTreeSet, net::IpAddr};

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    if view.served.is_empty() {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (index, service) in view.state.services.iter().enumerate() {
        if let Some(vip) = service.key.address().filter(|vip| seen.insert(*vip)) {
            found.extend(one(view, vip, Place::Service(index)));
        }
    }
    found
}

fn one(view: &View<'_>, vip: IpAddr, place: Place) -> Vec<Finding> {
    if let Some(interface) = shared(view, vip) {
        // It is here while this director is master, and else with another, who answers then.
        return shared_on(view, vip, interface, place).into_iter().collect();
    }
    let holders = view.holders(vip);
    let others = others(view, vip);
    if holders.is_empty() {
        return vec![absent(view, vip, place, &others)];
    }
    let mut found = Vec::new();
    let outside: Vec<&&Link> = holders.iter().filter(|link| link.mac.is_some()).collect();
    if !outside.is_empty() && outside.iter().all(|link| view.served_for(link.index).is_none() && !is_dummy(link)) {
        let names: Vec<&str> = outside.iter().map(|link| link.name.as_str()).collect();
        let name = names.join(", ");
        found.push(Finding::error(
            place,
            format!("the VIP {vip} is on {name}, which is not served, so its packets are not looked at"),
            format!("add \"{name}\" to [director] interfaces, or move the VIP"),
        ));
    }
    for (link, mac) in others {
        found.push(Finding::error(
            place,
            format!(
                "{} answers for the VIP {vip} too on {}, so clients may go there",
                view.host(link, &mac),
                view.name(link)
            ),
            silence(view, vip, &mac),
        ));
    }
    found
}

/// The interface on which a virtual router has this VIP.
fn shared<'a>(view: &View<'a>, vip: IpAddr) -> Option<&'a str> {
    view.state.vrrp.instances.iter().find_map(|instance| {
        let one = instance.addresses.iter().chain(&instance.excluded).find(|one| one.address == vip)?;
        Some(one.interface.as_deref().unwrap_or(&instance.interface))
    })
}

fn shared_on(view: &View<'_>, vip: IpAddr, interface: &str, place: Place) -> Option<Finding> {
    // One that is not there is said of the virtual router.
    let link = view.machine.links.iter().find(|link| link.name == interface)?;
    if view.served_for(link.index).is_some() || link.mac.is_none() || is_dummy(link) {
        return None;
    }
    Some(Finding::error(
        place,
        format!(
            "a virtual router has the VIP {vip} on {interface}, which is not served, so its packets are not looked at"
        ),
        format!("add \"{interface}\" to [director] interfaces, or move the virtual router"),
    ))
}

/// What makes another machine stop answering for a VIP.
fn silence(view: &View<'_>, vip: IpAddr, mac: &Mac) -> String {
    match method_of(view, vip, mac) {
        Some(method @ (Method::Dr | Method::Tun)) => format!("there: `{}`", how_to_set_up(vip, method)),
        Some(Method::Nat) => format!("there: take {vip} off its interfaces; a nat server does not need it"),
        None => format!("take {vip} off that machine's interface"),
    }
}

/// How the VIP's server with this MAC is reached, if it is one.
fn method_of(view: &View<'_>, vip: IpAddr, mac: &Mac) -> Option<Method> {
    let services = view.state.services.iter().filter(|service| service.key.address() == Some(vip));
    let mut servers = services.flat_map(|service: &Service| &service.servers);
    servers.find(|server| view.is_one_of(mac, &[server.address].into())).map(|server| server.method)
}

/// Who else answers for it, on served links.
fn others(view: &View<'_>, vip: IpAddr) -> Vec<(u32, Mac)> {
    let answers = view.machine.answers.iter().filter(|((address, _), _)| *address == vip);
    answers.flat_map(|((_, link), macs)| macs.iter().map(|mac| (*link, *mac))).collect()
}

/// A VIP that no interface of this machine has.
fn absent(view: &View<'_>, vip: IpAddr, place: Place, others: &[(u32, Mac)]) -> Finding {
    let prefix = if vip.is_ipv4() { 32 } else { 128 };
    let on = view.networks(vip).into_iter().find(|link| view.served_for(link.index).is_some());
    let add = |name: &str| format!("`ip addr add {vip}/{prefix} dev {name}`");
    if let Some((link, mac)) = others.first() {
        let (host, name) = (view.host(*link, mac), view.name(*link));
        let message = format!(
            "no interface of this machine has the VIP {vip}, and {host} answers for it on {name}, so clients go there"
        );
        let server = method_of(view, vip, mac).is_some();
        return if server {
            Finding::error(place, message, format!("{}; then here {}", silence(view, vip, mac), add(&name)))
        } else {
            let remedy = format!(
                "right if that is the director and this its backup; else take it off there, and here {}",
                add(&name)
            );
            Finding::warning(place, message, remedy)
        };
    }
    let question = if vip.is_ipv4() { "ARP" } else { "neighbour discovery" };
    match on {
        Some(link) => {
            let asked = view.machine.answers.contains_key(&(vip, link.index));
            let nobody =
                if asked { format!(", and nobody answers {question} for it on {}", link.name) } else { String::new() };
            Finding::error(place, format!("no interface of this machine has the VIP {vip}{nobody}"), add(&link.name))
        }
        None => Finding::warning(
            place,
            format!("no interface of this machine has the VIP {vip}, and it is on no network of a served one"),
            format!(
                "right if the clients' router has a route to it by this machine; else {}",
                view.served.first().map(|link| add(&link.name)).unwrap_or_default()
            ),
        ),
    }
}

/// An interface that only holds addresses, as lo does.
fn is_dummy(link: &Link) -> bool {
    link.kind.as_deref() == Some("dummy")
}
