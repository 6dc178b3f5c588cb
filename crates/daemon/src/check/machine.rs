//! A machine and its links, as far as a configuration can be held against them. Described, never asked.

use crate::rights::Rights;
use relvs_model::State;
use relvs_net::{Address, Link, Mac, Neighbour, Resolution, XdpFeatures, mac_text};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// A machine and its links at one moment.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) neighbours: Vec<Neighbour>,
    /// The ways to servers. One that is missing could not be asked for.
    pub(super) ways: BTreeMap<IpAddr, Resolution>,
    /// Who else answers for a VIP on the link of an interface. One that is missing was not asked for.
    pub(super) answers: BTreeMap<(IpAddr, u32), Vec<Mac>>,
    /// Why the links were not asked, if they were not.
    pub(super) unasked: Option<String>,
    /// The interfaces between which the kernel forwards, of IPv4 (true) and IPv6 (false).
    pub(super) forwarding: BTreeSet<(u32, bool)>,
    /// What drivers can do for XDP, where the kernel tells.
    pub(super) features: BTreeMap<u32, XdpFeatures>,
    /// The interfaces that this run directory's director is attached to.
    pub(super) ours: BTreeSet<u32>,
    /// Whether this run directory has tables already, which keep their size.
    pub(super) has_tables: bool,
    /// Bytes of memory: what could be had now, and all there is.
    pub(super) memory: Option<(u64, u64)>,
    /// The rights of the director that runs with this run directory, if one does.
    pub(super) daemon: Option<Rights>,
    /// The kernel's version, first and second number.
    pub(super) kernel: Option<(u32, u32)>,
}

/// A machine, and what is wanted of it.
pub(super) struct View<'a> {
    pub(super) machine: &'a Machine,
    pub(super) state: &'a State,
    /// The interfaces that are to be served and are there.
    pub(super) served: Vec<&'a Link>,
}

impl<'a> View<'a> {
    pub(super) fn new(machine: &'a Machine, state: &'a State) -> Self {
        let named = |name: &String| machine.links.iter().find(|link| link.name == *name && link.mac.is_some());
        View { machine, state, served: state.director.interfaces.iter().filter_map(named).collect() }
    }

    pub(super) fn link(&self, index: u32) -> Option<&'a Link> {
        self.machine.links.iter().find(|link| link.index == index)
    }

    pub(super) fn name(&self, index: u32) -> String {
        self.link(index).map_or_else(|| format!("#{index}"), |link| link.name.clone())
    }

    /// The served interface whose frames come in by an interface: itself, the one underneath a VLAN, or a bridge's port.
    pub(super) fn served_for(&self, index: u32) -> Option<&'a Link> {
        let mut at = Some(index);
        // A VLAN on a VLAN on a bond is as deep as it gets.
        for _ in 0..4 {
            let here = at?;
            let found = self.served.iter().find(|link| link.index == here || link.master == Some(here));
            if let Some(found) = found {
                return Some(found);
            }
            at = self.link(here).and_then(|link| link.parent);
        }
        None
    }

    /// The interfaces that have an address, loopback included.
    pub(super) fn holders(&self, address: IpAddr) -> Vec<&'a Link> {
        let holding = self.machine.addresses.iter().filter(|there| there.address == address);
        holding.filter_map(|there| self.link(there.interface)).collect()
    }

    /// The interfaces on whose network an address is, by their own addresses.
    pub(super) fn networks(&self, address: IpAddr) -> Vec<&'a Link> {
        let on = |there: &&Address| {
            there.address.is_ipv4() == address.is_ipv4()
                && there.prefix < if address.is_ipv4() { 32 } else { 128 }
                && shares(there.address, address, there.prefix)
        };
        let indexes: BTreeSet<u32> = self.machine.addresses.iter().filter(on).map(|there| there.interface).collect();
        indexes.into_iter().filter_map(|index| self.link(index)).filter(|link| !link.loopback).collect()
    }

    /// A MAC address, with the addresses by which the kernel knows it.
    pub(super) fn host(&self, interface: u32, mac: &Mac) -> String {
        let known = self.machine.neighbours.iter().filter(|n| n.interface == interface && n.mac == Some(*mac));
        let names: Vec<String> = known.map(|n| n.address.to_string()).collect();
        if names.is_empty() { mac_text(mac) } else { format!("{} ({})", names.join(", "), mac_text(mac)) }
    }

    /// Whether a MAC address is that of one of these hosts.
    pub(super) fn is_one_of(&self, mac: &Mac, hosts: &BTreeSet<IpAddr>) -> bool {
        self.machine.neighbours.iter().any(|n| n.mac == Some(*mac) && hosts.contains(&n.address))
    }
}

/// Whether two addresses of one family have the same first bits.
fn shares(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    relvs_model::Network::of(a, prefix) == relvs_model::Network::of(b, prefix)
}
