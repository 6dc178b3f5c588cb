//! The interfaces that virtual routers need: whether they are up, and which addresses adverts come from.

use super::Error;
use relvs_model::vrrp::{Instance, Settings, TrackSource, VirtualAddress};
use relvs_net::{Address, Event, Events, Network};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What is known of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) index: u32,
    pub(super) up: bool,
    /// IPv4 and IPv6.
    pub(super) sources: [Option<IpAddr>; 2],
    /// All that it has.
    pub(super) addresses: BTreeSet<IpAddr>,
}

/// All interfaces that someone asked for.
pub(super) struct Links {
    names: BTreeSet<String>,
    virtual_addresses: BTreeSet<IpAddr>,
    known: BTreeMap<String, Known>,
}

impl Links {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut links = Links { names: BTreeSet::new(), virtual_addresses: BTreeSet::new(), known: BTreeMap::new() };
        links.widen(settings);
        links
    }

    /// What other settings need as well. What the old ones needed stays: their addresses are still to be removed.
    pub(super) fn widen(&mut self, settings: &Settings) {
        let (names, virtual_addresses) = (&mut self.names, &mut self.virtual_addresses);
        let groups = settings.groups.iter().flat_map(|group| &group.track);
        let tracked = settings.instances.iter().flat_map(|instance| &instance.track).chain(groups);
        for tracked in tracked {
            if let TrackSource::Interface(name) = &tracked.source {
                names.insert(name.clone());
            }
        }
        for instance in &settings.instances {
            names.insert(instance.interface.clone());
            names.extend(instance.virtual_interface());
            names.extend(instance.routes.iter().filter_map(|route| route.interface.clone()));
            for address in all(instance) {
                names.extend(address.interface.clone());
                virtual_addresses.insert(address.address);
            }
        }
    }

    pub(super) fn index(&self, name: &str) -> Option<u32> {
        self.known.get(name).map(|known| known.index).filter(|&index| index != 0)
    }

    pub(super) fn known(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.known.iter()
    }

    /// Whether what the kernel told may concern them, and whether it may concern routes.
    pub(super) fn concerned(events: &mut Events) -> Result<(bool, bool), Error> {
        let events = events.drain()?;
        let links = events.iter().any(|event| matches!(event, Event::Overrun | Event::Link(_) | Event::Address { .. }));
        // Those of an interface that goes down vanish without a word.
        let routes = events.iter().any(|event| matches!(event, Event::Overrun | Event::Link(_) | Event::Route));
        Ok((links, routes))
    }

    /// Asks the kernel anew. Gives those that have changed, as they were.
    pub(super) fn refresh(&mut self, network: &mut Network) -> Result<Vec<(String, Known)>, Error> {
        let links = network.links()?;
        let addresses = network.addresses()?;
        let mut changed = Vec::new();
        for name in &self.names {
            let mut now = Known::default();
            if let Some(link) = links.iter().find(|link| link.name == *name) {
                let own = || addresses.iter().filter(|address| address.interface == link.index);
                let virtual_addresses = &self.virtual_addresses;
                now = Known {
                    index: link.index,
                    up: link.up && link.running,
                    sources: [false, true].map(|is_ipv6| source(own(), is_ipv6, virtual_addresses)),
                    addresses: own().map(|address| address.address).collect(),
                };
            }
            let before = self.known.insert(name.clone(), now.clone());
            if before.as_ref() != Some(&now) {
                changed.push((name.clone(), before.unwrap_or_default()));
            }
        }
        Ok(changed)
    }
}

pub(super) fn all(instance: &Instance) -> impl Iterator<Item = &VirtualAddress> {
    instance.addresses.iter().chain(&instance.excluded)
}

/// The first IPv4 address, or the link-local IPv6 address, that is not a virtual one: those come and go.
fn source<'a>(
    own: impl Iterator<Item = &'a Address>,
    is_ipv6: bool,
    virtual_addresses: &BTreeSet<IpAddr>,
) -> Option<IpAddr> {
    let fits = |address: &IpAddr| match address {
        IpAddr::V4(_) => !is_ipv6,
        IpAddr::V6(address) => is_ipv6 && address.is_unicast_link_local(),
    };
    let usable = own.filter(|address| !address.tentative && !address.duplicate).map(|address| address.address);
    usable.filter(fits).find(|address| !virtual_addresses.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_net::Scope;

    #[test]
    fn adverts_come_from_an_address_that_stays() {
        let address = |text: &str, tentative| Address {
            interface: 1,
            address: text.parse().unwrap(),
            prefix: 24,
            scope: Scope::Global,
            label: None,
            tentative,
            duplicate: false,
            deprecated: false,
        };
        let own = [
            address("192.0.2.100", false),
            address("192.0.2.1", false),
            address("2001:db8::1", false),
            address("fe80::100", false),
            address("fe80::2", true),
            address("fe80::3", false),
        ];
        let virtual_addresses = ["192.0.2.100", "fe80::100"].map(|text| text.parse().unwrap()).into();
        assert_eq!(source(own.iter(), false, &virtual_addresses), "192.0.2.1".parse().ok());
        assert_eq!(source(own.iter(), true, &virtual_addresses), "fe80::3".parse().ok());
    }
}
