//! The virtual routers: whether the interfaces that they need are there, up, and have an address to send adverts from. None of it
//! is an error, as the daemon begins without, and takes up what comes.

use super::{Finding, Place, machine::View};
use relvs_model::vrrp::{Instance, TrackSource};
use relvs_net::Link;

const LIST: &str = "`ip link` lists those of this machine";

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let instances = view.state.vrrp.instances.iter().enumerate();
    instances.flat_map(|(index, instance)| one(view, instance, Place::Router(index))).collect()
}

fn one(view: &View<'_>, instance: &Instance, place: Place) -> Vec<Finding> {
    let Instance { name, interface, .. } = instance;
    let named = |name: &str| view.machine.links.iter().find(|link| link.name == name);
    let mut found = Vec::new();
    match named(interface) {
        None => {
            let message = format!(
                "virtual router {name}: interface `{interface}` does not exist, and without it it takes no part"
            );
            found.push(Finding::warning(place, message, LIST));
        }
        Some(link) => found.extend(on(view, instance, link, place)),
    }
    let addresses = instance.addresses.iter().chain(&instance.excluded);
    for other in addresses.filter_map(|address| address.interface.as_deref()).filter(|other| named(other).is_none()) {
        let message =
            format!("virtual router {name}: its addresses on `{other}` cannot be set: there is no such interface");
        found.push(Finding::warning(place, message, LIST));
    }
    for tracked in instance.track.iter().filter(|tracked| tracked.weight == 0 && !tracked.reverse) {
        if let TrackSource::Interface(other) = &tracked.source
            && named(other).is_none()
        {
            let message =
                format!("virtual router {name} takes no part: it tracks interface `{other}`, which does not exist");
            found.push(Finding::warning(place, message, LIST));
        }
    }
    found
}

/// What is to be said of the interface that it is on.
fn on(view: &View<'_>, instance: &Instance, link: &Link, place: Place) -> Option<Finding> {
    let (name, interface) = (&instance.name, &link.name);
    if !link.up && !instance.dont_track_primary {
        let message =
            format!("virtual router {name}: interface `{interface}` is down, and until it is up it takes no part");
        return Some(Finding::warning(place, message, format!("`ip link set dev {interface} up`")));
    }
    let four = !instance.is_ipv6();
    let shared = |address| view.state.vrrp.instances.iter().any(|one| has(one, address));
    let usable = |own: &&relvs_net::Address| {
        own.interface == link.index
            && own.address.is_ipv4() == four
            && (four || matches!(own.address, std::net::IpAddr::V6(six) if six.is_unicast_link_local()))
            && !shared(own.address)
    };
    if link.up && instance.source.is_none() && !view.machine.addresses.iter().any(|own| usable(&own)) {
        let kind = if four { "IPv4 address" } else { "link-local address" };
        let message = format!(
            "virtual router {name}: interface `{interface}` has no {kind} to send adverts from, so it takes no part"
        );
        return Some(Finding::warning(place, message, format!("give {interface} one of its own, or name a `source`")));
    }
    None
}

fn has(instance: &Instance, address: std::net::IpAddr) -> bool {
    instance.addresses.iter().chain(&instance.excluded).any(|one| one.address == address)
}
