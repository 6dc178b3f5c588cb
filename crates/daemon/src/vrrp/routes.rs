//! The routes and rules of virtual routers, added and removed by rtnetlink.

use super::links::Links;
use relvs_model::vrrp::{Instance, RouteAction, VirtualRoute, VirtualRule};
use relvs_net::{Network, NewRoute, NewRule, RouteKind, Scope};

/// Adds those that are not there. Each failure is logged; the others are added all the same.
pub(super) fn add(network: &mut Network, links: &Links, instance: &Instance) {
    for route in &instance.routes {
        let Some(new) = new_route(links, instance, route) else { continue };
        if let Err(e) = network.add_route(&new)
            && !e.is_present()
        {
            tracing::error!("{}: {e}", instance.name);
        }
    }
    for rule in &instance.rules {
        if let Err(e) = network.add_rule(&new_rule(rule))
            && !e.is_present()
        {
            tracing::error!("{}: {rule}: {e}", instance.name);
        }
    }
}

/// Adds those again that someone removed. What fails was logged when it was added first, and may fail often: a router that is
/// not there fails with every change of any route.
pub(super) fn restore(network: &mut Network, links: &Links, instance: &Instance) {
    for route in instance.routes.iter().filter(|route| !route.no_track) {
        if new_route(links, instance, route).is_some_and(|new| network.add_route(&new).is_ok()) {
            tracing::warn!("{}: someone removed {route}: added again", instance.name);
        }
    }
    for rule in instance.rules.iter().filter(|rule| !rule.no_track) {
        if network.add_rule(&new_rule(rule)).is_ok() {
            tracing::warn!("{}: someone removed {rule}: added again", instance.name);
        }
    }
}

/// Removes those that are there.
pub(super) fn remove(network: &mut Network, links: &Links, instance: &Instance) {
    for rule in &instance.rules {
        if let Err(e) = network.remove_rule(&new_rule(rule))
            && !e.is_absent()
        {
            tracing::error!("{}: {rule}: {e}", instance.name);
        }
    }
    for route in &instance.routes {
        let Some(old) = new_route(links, instance, route) else { continue };
        if let Err(e) = network.remove_route(&old)
            && !e.is_absent()
        {
            tracing::error!("{}: {e}", instance.name);
        }
    }
}

fn kind(action: RouteAction) -> RouteKind {
    match action {
        RouteAction::Forward => RouteKind::Unicast,
        RouteAction::Blackhole => RouteKind::Blackhole,
        RouteAction::Unreachable => RouteKind::Unreachable,
        RouteAction::Prohibit => RouteKind::Prohibit,
    }
}

/// None if its interface is not there, which is logged.
fn new_route(links: &Links, instance: &Instance, route: &VirtualRoute) -> Option<NewRoute> {
    let own = || Some(instance.interface.as_str()).filter(|_| route.via.is_none());
    let named = route.interface.as_deref().or_else(own).filter(|_| route.action == RouteAction::Forward);
    let interface = named.map(|name| links.index(name).ok_or(name)).transpose();
    let interface = interface
        .inspect_err(|name| tracing::warn!("{}: {route} needs interface {name}, which is not there", instance.name));
    Some(NewRoute {
        to: (route.to.address, route.to.prefix),
        kind: kind(route.action),
        gateway: route.via,
        interface: interface.ok()?,
        source: route.source,
        table: route.table,
        metric: route.metric,
        scope: route.scope.as_deref().and_then(scope),
        mtu: route.mtu,
        on_link: route.on_link,
    })
}

/// A name of ip(8), or a number.
fn scope(text: &str) -> Option<Scope> {
    match text {
        "global" | "universe" => Some(Scope::Global),
        "site" => Some(Scope::Site),
        "link" => Some(Scope::Link),
        "host" => Some(Scope::Host),
        "nowhere" => Some(Scope::Other(255)),
        number => number.parse().ok().map(Scope::Other),
    }
}

fn new_rule(rule: &VirtualRule) -> NewRule {
    let network = |network: relvs_model::Network| (network.address, network.prefix);
    NewRule {
        is_ipv6: rule.is_ipv6(),
        from: rule.from.map(network),
        to: rule.to.map(network),
        input: rule.input.clone(),
        output: rule.output.clone(),
        mark: rule.mark,
        priority: rule.priority,
        kind: kind(rule.action),
        table: rule.table,
    }
}
