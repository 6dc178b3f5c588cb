//! The addresses of virtual routers, added and removed by rtnetlink, and announced.

use super::{links::Links, routes};
use relvs_model::vrrp::{Instance, Settings, VirtualAddress};
use relvs_net::{Network, NewAddress, Scope};
use std::net::IpAddr;

/// Removes what an earlier process has left behind, as keepalived does.
pub(super) fn clean(network: &mut Network, links: &Links, settings: &Settings) {
    for instance in &settings.instances {
        routes::remove(network, links, instance);
        remove(network, links, instance);
    }
}

/// Adds all addresses of an instance. Each failure is logged; the others are added all the same.
pub(super) fn add(network: &mut Network, links: &Links, instance: &Instance) {
    for address in instance.addresses.iter().chain(&instance.excluded) {
        let Some(interface) = index(links, instance, address) else { continue };
        let mut new = NewAddress::host(interface, address.address, scope(address));
        new.prefix = address.prefix_length();
        new.label.clone_from(&address.label);
        // An address alone has no route of its own either way.
        new.no_prefix_route = address.no_prefix_route;
        // Not chosen as a source, unless it brings a network with it: keepalived's preferred_lft 0.
        new.deprecated = address.address.is_ipv6() && address.prefix_length() == 128;
        if let Err(e) = network.add_address(&new)
            && !e.is_present()
        {
            tracing::error!("{}: {e}", instance.name);
        }
    }
}

/// Removes all addresses of an instance that are there.
pub(super) fn remove(network: &mut Network, links: &Links, instance: &Instance) {
    for address in instance.addresses.iter().chain(&instance.excluded) {
        let Some(interface) = index(links, instance, address) else { continue };
        if let Err(e) = network.remove_address(interface, address.address, address.prefix_length())
            && !e.is_absent()
        {
            tracing::error!("{}: {e}", instance.name);
        }
    }
}

/// Tells the neighbours once.
pub(super) fn announce(links: &Links, interface: &str, address: IpAddr) {
    if let Some(index) = links.index(interface)
        && let Err(e) = relvs_net::announce(index, address)
    {
        tracing::warn!("{e}");
    }
}

fn index(links: &Links, instance: &Instance, address: &VirtualAddress) -> Option<u32> {
    let name = address.interface.as_deref().unwrap_or(&instance.interface);
    let index = links.index(name);
    if index.is_none() {
        tracing::warn!("{}: {} needs interface {name}, which is not there", instance.name, address.address);
    }
    index
}

fn scope(address: &VirtualAddress) -> Scope {
    match address.scope.as_deref() {
        Some("site") => Scope::Site,
        Some("link") => Scope::Link,
        Some("host") => Scope::Host,
        _ => Scope::Global,
    }
}
