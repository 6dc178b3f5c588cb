//! `check`: are the VIPs where they should be, hidden as they should be, and who answers for them on the link?
//!
//! A host does not hear its own answers, so on a server the settings are examined and the link is asked about all
//! others; from any other host the link tells about every server. It changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use relvs_model::{Method, Tunnel};
use relvs_net::{Address, Link, Mac, Network, sysctl::Key};

use super::{
    Decapsulation, Decapsulator, DecapsulatorError, Error, Line, Report, Request,
    answers::{Role, View, ask},
    change::{number, value},
    how_to_set_up,
    interfaces::choose,
    state,
    switches::{ALL, Rule},
    updown::validate,
};

/// How long the link is given to answer. A kernel that answers as a proxy takes up to 0.8 s for it.
pub const PROBE_TIME: Duration = Duration::from_secs(1);

/// Examines this host for each VIP and asks the links who answers for it.
pub fn check(request: &Request, decapsulator: &mut dyn Decapsulator, probe_time: Duration) -> Result<Report, Error> {
    validate(request)?;
    let mut network = Network::open()?;
    let (links, addresses, neighbours) = (network.links()?, network.addresses()?, network.neighbours()?);
    let chosen = choose(&links, &request.interfaces)?;
    let mut lines = Vec::new();
    let set_up: BTreeSet<IpAddr> = match state::load(&request.run_dir) {
        Ok(state) => state.vips.into_keys().collect(),
        Err(error) => {
            lines.push(Line::warning(error.to_string()));
            BTreeSet::new()
        }
    };
    let asked: Vec<&Link> = chosen.iter().copied().filter(|link| link.up && link.running).collect();
    let answers = ask(&request.vips, &asked, probe_time);
    let own: BTreeMap<Mac, &str> = links.iter().filter_map(|link| Some((link.mac?, link.name.as_str()))).collect();
    let unpacked = (request.method == Method::Tun).then(|| decapsulator.current());
    for &vip in &request.vips {
        let (role, line) = place(vip, request.method, &links, &addresses, set_up.contains(&vip));
        lines.push(line);
        if role == Role::Server {
            for link in &chosen {
                for line in settings(vip, request.method, &link.name)? {
                    // Several VIPs share an interface's switches.
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
            }
            if let Some(unpacked) = &unpacked {
                lines.extend(unpacking(vip, super::updown::unpacked(request.tunnel), unpacked, &chosen));
            }
        }
        let view = View { vip, role, method: request.method, own: &own, neighbours: &neighbours };
        lines.extend(view.judge(&answers));
    }
    Ok(Report { lines })
}

/// Where the VIP is on this host, and what that makes of it.
fn place(vip: IpAddr, method: Method, links: &[Link], addresses: &[Address], set_up: bool) -> (Role, Line) {
    let link = |address: &Address| links.iter().find(|link| link.index == address.interface);
    let mut owners = addresses.iter().filter(|address| address.address == vip).filter_map(link);
    let owner = owners.clone().find(|link| !link.loopback).or_else(|| owners.next());
    match owner {
        Some(link) if link.loopback && link.up => (Role::Server, Line::ok(format!("{vip} is on lo"))),
        Some(link) if link.loopback => {
            let line = Line::error(format!("{vip} is on lo, but lo is down, so it receives nothing"));
            (Role::Server, line.remedy("ip link set lo up"))
        }
        Some(link) if set_up => {
            let line =
                Line::error(format!("{vip} is an address of {} too, so this host answers for it there", link.name));
            (Role::Owner, line.remedy(format!("ip addr del {vip} dev {}", link.name)))
        }
        Some(link) => {
            let line =
                Line::warning(format!("{vip} is an address of {}, so this host answers for it there", link.name));
            (
                Role::Owner,
                line.remedy(format!("right on a director; on a real server: ip addr del {vip} dev {}", link.name)),
            )
        }
        None if set_up => {
            let line =
                Line::error(format!("{vip} was set up here but is gone from lo, so its packets are not received"));
            (Role::Onlooker, line.remedy(how_to_set_up(vip, method)))
        }
        None => {
            let line = Line::ok(format!("{vip} is not on this host: it looks on from outside"));
            (Role::Onlooker, line.remedy(format!("if it should be a real server: {}", how_to_set_up(vip, method))))
        }
    }
}

/// The switches that count on one interface of a server.
fn settings(vip: IpAddr, method: Method, interface: &str) -> Result<Vec<Line>, Error> {
    if vip.is_ipv6() {
        return neighbour_proxy(vip, interface);
    }
    let mut lines = Vec::new();
    for rule in [Rule::ArpIgnore, Rule::ArpAnnounce, Rule::RpFilter] {
        if rule == Rule::RpFilter && method != Method::Tun {
            continue;
        }
        let mut effective = 0;
        for name in [ALL, interface] {
            let now = rule.key(name).map(|key| value(&key)).transpose()?.flatten();
            effective = effective.max(now.map_or(0, |now| number(&now)));
        }
        lines.push(setting(vip, method, rule, interface, effective));
    }
    Ok(lines)
}

fn setting(vip: IpAddr, method: Method, rule: Rule, interface: &str, effective: u32) -> Line {
    let name = rule.name();
    if rule.accepts(effective) {
        return Line::ok(format!("{interface}: {name} is {effective}"));
    }
    let meaning = match rule {
        Rule::ArpIgnore => format!("this host answers ARP for {vip} there and takes the director's clients"),
        Rule::ArpAnnounce => format!("this host may ask in the name of {vip} and so teach others a wrong MAC address"),
        Rule::RpFilter => "packets out of a tunnel may be dropped without a word".to_owned(),
    };
    // A value in conf/all that is larger than the right one would win over the interface's own.
    let at_fault: &[&str] = if effective > number(rule.value()) { &[ALL, interface] } else { &[interface] };
    let set = at_fault.iter().filter_map(|name| Some(format!(" {}={}", rule.key(name)?, rule.value())));
    Line::error(format!("{interface}: {name} is {effective} (the larger of all and {interface}): {meaning}"))
        .remedy(format!("{}, or sysctl -w{}", how_to_set_up(vip, method), set.collect::<String>()))
}

/// IPv6 hides addresses on lo by itself, unless the host is told to answer as a proxy.
fn neighbour_proxy(vip: IpAddr, interface: &str) -> Result<Vec<Line>, Error> {
    for name in [ALL, interface] {
        let now = Key::interface("ipv6", name, "proxy_ndp").map(|key| value(&key)).transpose()?.flatten();
        if now.is_some_and(|now| number(&now) != 0) {
            let line =
                Line::warning(format!("{interface}: proxy_ndp is on ({name}), so this host may answer for {vip}"));
            return Ok(vec![line.remedy("see that `ip -6 neigh show proxy` does not list it")]);
        }
    }
    Ok(vec![Line::ok(format!("{interface}: no answer for {vip} by neighbour discovery (proxy_ndp is off)"))])
}

/// What the decapsulator does for a VIP.
fn unpacking(
    vip: IpAddr,
    tunnel: Tunnel,
    current: &Result<Decapsulation, DecapsulatorError>,
    chosen: &[&Link],
) -> Vec<Line> {
    let option = if tunnel.is_default() { String::new() } else { format!(" --tunnel {tunnel}") };
    let remedy = how_to_set_up(vip, Method::Tun) + &option;
    match current {
        Err(error) => vec![Line::error(format!("cannot ask the decapsulator: {error}")).remedy(remedy)],
        Ok(current) if !current.vips.contains_key(&vip) => {
            vec![Line::error(format!("no decapsulator for {vip}: tunnelled packets are dropped")).remedy(remedy)]
        }
        Ok(Decapsulation { vips, .. }) if vips.get(&vip).is_some_and(|there| *there != tunnel) => {
            let there = vips.get(&vip).copied().unwrap_or_default();
            let line = Line::error(format!("the decapsulator for {vip} takes {there}, not {tunnel}"));
            vec![line.remedy(remedy)]
        }
        Ok(current) => {
            let mut lines = Vec::new();
            for link in chosen {
                let there = current.interfaces.contains(&link.name);
                lines.push(if there {
                    Line::ok(format!("{}: decapsulator for {vip}", link.name))
                } else {
                    Line::warning(format!(
                        "{}: no decapsulator; tunnelled packets that arrive here are lost",
                        link.name
                    ))
                    .remedy(remedy.clone())
                });
            }
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realserver::Level;

    fn levels(lines: &[Line]) -> Vec<Level> {
        lines.iter().map(|line| line.level).collect()
    }

    #[test]
    fn a_missing_decapsulator_is_an_error_and_a_missing_interface_a_warning() {
        let vip = "192.0.2.100".parse().unwrap();
        let none = Ok(Decapsulation::default());
        let unpacking = |tunnel, current| unpacking(vip, tunnel, &current, &[]);
        assert_eq!(levels(&unpacking(Tunnel::Ipip, none)), [Level::Error]);
        assert_eq!(levels(&unpacking(Tunnel::Ipip, Err("no BPF".into()))), [Level::Error]);
        let gre = Tunnel::Gre { checksum: false };
        let elsewhere = || Ok(Decapsulation { interfaces: ["eth7".into()].into(), vips: [(vip, gre)].into() });
        assert_eq!(levels(&unpacking(gre, elsewhere())), [] as [Level; 0]);
        assert_eq!(levels(&unpacking(Tunnel::Ipip, elsewhere())), [Level::Error], "another tunnel");
    }
}
