//! The addresses of virtual routers, added and removed by rtnetlink, and announced.

use super::{links::Links, routes};
use relvs_model::{
    Network as Subnet,
    vrrp::{Instance, Settings, VirtualAddress},
};
use relvs_net::{Network, NewAddress, NewRoute, RouteKind, Scope};
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
        let prefix_route = prefix_route(links, instance, address);
        // An address alone has no route of its own either way.
        new.no_prefix_route = address.no_prefix_route || prefix_route.is_some();
        // Not chosen as a source, unless it brings a network with it: keepalived's preferred_lft 0.
        new.deprecated = address.address.is_ipv6() && address.prefix_length() == 128;
        if let Err(e) = network.add_address(&new)
            && !e.is_present()
        {
            tracing::error!("{}: {e}", instance.name);
        }
        if let Some(route) = prefix_route
            && let Err(e) = network.add_route(&route)
            && !e.is_present()
        {
            tracing::error!("{}: {e}", instance.name);
        }
    }
}

/// What is sent to the network of an address at a virtual MAC leaves by the interface underneath. That one mostly has the
/// route already, by an address of its own.
fn prefix_route(links: &Links, instance: &Instance, address: &VirtualAddress) -> Option<NewRoute> {
    let prefix = address.prefix_length();
    let wanted = !address.no_prefix_route && prefix < if address.address.is_ipv4() { 32 } else { 128 };
    let base = links.index(&instance.interface).filter(|_| wanted && instance.is_at_virtual_mac(address))?;
    Some(NewRoute {
        to: (Subnet::of(address.address, prefix).address, prefix),
        kind: RouteKind::Unicast,
        gateway: None,
        interface: Some(base),
        source: Some(address.address).filter(IpAddr::is_ipv4),
        table: None,
        // That of the kernel's own routes to networks.
        metric: address.address.is_ipv6().then_some(256),
        scope: None,
        mtu: None,
        on_link: false,
    })
}

/// Removes all addresses of an instance that are there.
pub(super) fn remove(network: &mut Network, links: &Links, instance: &Instance) {
    for address in instance.addresses.iter().chain(&instance.excluded) {
        let Some(interface) = index(links, instance, address) else { continue };
        if let Some(route) = prefix_route(links, instance, address)
            && let Err(e) = network.remove_route(&route)
            && !e.is_absent()
        {
            tracing::error!("{}: {e}", instance.name);
        }
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
    let name = instance.interface_of(address);
    let index = links.index(&name);
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
