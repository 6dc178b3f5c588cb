//! `up` and `down`: which VIPs are set up afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
};

use relvs_model::{Method, Tunnel};
use relvs_net::sysctl::Key;

use super::{
    Decapsulator, Error, Line, Report, Request,
    change::{Machine, Plan, value},
    interfaces::{choose, loopback},
    state::{self, State, Store, Vip},
};

/// Puts the VIPs on lo and hides them; for TUN attaches the decapsulator. VIPs that were set up earlier stay. Done
/// twice it changes nothing the second time, but mends what was disturbed in between.
pub fn up(request: &Request, decapsulator: &mut dyn Decapsulator) -> Result<Report, Error> {
    validate(request)?;
    let store = Store::open(&request.run_dir)?;
    let old = state::load(&request.run_dir)?;
    let mut machine = Machine::look(decapsulator)?;
    let chosen = choose(&machine.links, &request.interfaces)?;
    if chosen.is_empty() && request.method == Method::Tun {
        return Err(Error::NoInterface);
    }
    let interfaces: Vec<String> = chosen.iter().map(|link| link.name.clone()).collect();
    let (mut vips, mut notes) = (old.vips.clone(), Vec::new());
    for vip in &request.vips {
        placeable(&machine, *vip)?;
        let there = machine.on_loopback(*vip);
        let added = old.vips.get(vip).map_or(there.is_none(), |entry| entry.added);
        match there {
            Some(prefix) if prefix != full_prefix(*vip) => notes.push(
                Line::warning(format!("{vip} is on lo as /{prefix}, so all of that network is this host to itself"))
                    .remedy(format!("ip addr del {vip}/{prefix} dev lo, then `up` again")),
            ),
            Some(_) => notes.push(Line::ok(format!("{vip} is on lo already"))),
            None => {}
        }
        let entry = Vip {
            method: request.method,
            tunnel: unpacked(request.tunnel),
            interfaces: interfaces.clone(),
            everywhere: request.interfaces.is_empty(),
            added,
        };
        vips.insert(*vip, entry);
    }
    let plan = machine.plan(&old, vips)?;
    carry_out(&store, &old, &plan, &mut machine, notes)
}

/// Takes these VIPs off lo, all that `up` set up if none is named, and restores what no other VIP needs.
pub fn down(run_dir: &Path, vips: &BTreeSet<IpAddr>, decapsulator: &mut dyn Decapsulator) -> Result<Report, Error> {
    let store = Store::open(run_dir)?;
    let old = state::load(run_dir)?;
    let mut machine = Machine::look(decapsulator)?;
    let mut left: BTreeMap<IpAddr, Vip> = BTreeMap::new();
    if !vips.is_empty() {
        left.extend(old.vips.iter().filter(|(vip, _)| !vips.contains(vip)).map(|(vip, entry)| (*vip, entry.clone())));
    }
    let foreign = vips.iter().filter(|vip| !old.vips.contains_key(vip));
    let mut notes: Vec<Line> = foreign
        .map(|vip| match machine.on_loopback(*vip) {
            Some(prefix) => Line::warning(format!("{vip} is on lo, but `up` did not set it up, so it is left there"))
                .remedy(format!("to remove it: ip addr del {vip}/{prefix} dev lo")),
            None => Line::ok(format!("{vip} is not set up here")),
        })
        .collect();
    if vips.is_empty() && old.vips.is_empty() {
        notes.push(Line::ok("nothing is set up here"));
    }
    let plan = machine.plan(&old, left)?;
    carry_out(&store, &old, &plan, &mut machine, notes)
}

/// Keeps the state on disk true at every moment: it covers both sides while the steps are taken.
fn carry_out(
    store: &Store,
    old: &State,
    plan: &Plan,
    machine: &mut Machine<'_>,
    mut lines: Vec<Line>,
) -> Result<Report, Error> {
    store.save(&old.union(&plan.state))?;
    match machine.carry_out(plan) {
        Ok(done) => lines.extend(done),
        Err(error @ Error::Undone { .. }) => {
            store.save(old)?;
            return Err(error);
        }
        // The state that covers both sides stays: `down` can still find what is left.
        Err(error) => return Err(error),
    }
    store.save(&plan.state)?;
    lines.extend(plan.notes.iter().cloned());
    Ok(Report { lines })
}

/// What no machine could do.
pub(super) fn validate(request: &Request) -> Result<(), Error> {
    if request.vips.is_empty() {
        return Err(Error::NoVip);
    }
    if request.method == Method::Nat {
        return Err(Error::NatServer);
    }
    for &vip in &request.vips {
        let link_local = match vip {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let broadcast = matches!(vip, IpAddr::V4(address) if address.is_broadcast());
        let mapped = matches!(vip, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
        let kinds = [
            (vip.is_unspecified(), "no address at all"),
            (vip.is_loopback(), "a loopback address"),
            (vip.is_multicast(), "a multicast group"),
            (broadcast, "the broadcast address"),
            (link_local, "a link-local address"),
            (mapped, "an IPv4 address in IPv6 clothes"),
        ];
        if let Some((_, what)) = kinds.into_iter().find(|(is, _)| *is) {
            return Err(Error::NotAVip { vip, what });
        }
    }
    Ok(())
}

/// What this machine cannot do with a VIP as it is now.
fn placeable(machine: &Machine<'_>, vip: IpAddr) -> Result<(), Error> {
    let lo = loopback(&machine.links)?;
    if !lo.up {
        return Err(Error::LoopbackDown);
    }
    if let Some(address) = machine.addresses.iter().find(|a| a.address == vip && a.interface != lo.index) {
        let name = machine.links.iter().find(|link| link.index == address.interface).map(|link| link.name.clone());
        let interface = name.unwrap_or_else(|| format!("interface #{}", address.interface));
        return Err(Error::VipOnLink { vip, interface });
    }
    if vip.is_ipv6() {
        let key = Key::interface("ipv6", "lo", "disable_ipv6");
        let off = key.map(|key| value(&key)).transpose()?.flatten();
        // Without IPv6 in the kernel there is no such switch at all.
        if off.is_none_or(|off| off != "0") {
            return Err(Error::Ipv6Off { vip });
        }
    }
    Ok(())
}

/// The tunnels that are unpacked where this one is expected: with and without a checksum.
pub(super) fn unpacked(tunnel: Tunnel) -> Tunnel {
    match tunnel {
        Tunnel::Ipip => Tunnel::Ipip,
        Tunnel::Gre { .. } => Tunnel::Gre { checksum: false },
        Tunnel::Gue { port, .. } => Tunnel::Gue { port, checksum: false },
    }
}

fn full_prefix(vip: IpAddr) -> u8 {
    if vip.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(vips: &[&str], method: Method) -> Request {
        Request {
            vips: vips.iter().map(|v| v.parse().unwrap()).collect(),
            method,
            tunnel: Tunnel::Ipip,
            interfaces: vec![],
            run_dir: "/nonexistent".into(),
        }
    }

    #[test]
    fn what_cannot_be_a_vip_is_named() {
        assert!(validate(&request(&["192.0.2.1", "2001:db8::1"], Method::Tun)).is_ok());
        for (vip, what) in [
            ("0.0.0.0", "no address"),
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("224.0.0.18", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("fe80::1", "link-local"),
            ("169.254.1.1", "link-local"),
            ("::ffff:192.0.2.1", "IPv4 address"),
        ] {
            let error = validate(&request(&["192.0.2.1", vip], Method::Dr)).unwrap_err().to_string();
            assert!(error.contains(vip) && error.contains(what), "{error}");
        }
        assert!(matches!(validate(&request(&[], Method::Dr)), Err(Error::NoVip)));
        assert!(matches!(validate(&request(&["192.0.2.1"], Method::Nat)), Err(Error::NatServer)));
    }
}
