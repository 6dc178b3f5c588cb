//! Virtual MAC addresses: an interface with the virtual router's MAC address on the instance's, up while this machine is
//! master; RFC 9568 section 7.3.
//!
//! The interface only receives. Adverts leave as frames made here, and everything else by the interface underneath, as
//! without it; so a backup, whose interface is down, sends no frame by which a switch could take it for the master. It does
//! not run the election, and adds no address.

use super::{Error, links::Links};
use relvs_model::vrrp::{Instance, Settings};
use relvs_net::{
    Mac, Multicast, Network, Switch,
    sysctl::{self, Key},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

/// VLANs on VLANs are looked through to the interface whose frames the director sees.
const DEPTH: usize = 4;
/// What the first three bytes of a virtual router's MAC address are, and the fourth.
const PREFIX: [u8; 4] = [0x00, 0x00, 0x5e, 0x00];

/// Frames to a virtual router's MAC address on an interface are the director's, or not any more: the interface's index,
/// whether it is IPv6, the virtual router's number.
pub(super) type Answers = Arc<dyn Fn(u32, bool, u8, bool) + Send + Sync>;

/// A virtual MAC address in use.
struct Own {
    /// The interface underneath: its name and index.
    base: (String, u32),
    is_ipv6: bool,
    router_id: u8,
    mac: Mac,
    out: Multicast,
    /// While this machine is master: the interfaces where the director knows of it.
    raised: Option<Vec<u32>>,
}

/// All of them, by the names of their interfaces.
pub(super) struct VirtualMacs {
    all: BTreeMap<String, Own>,
    answers: Answers,
    /// Switches of interfaces underneath, by their indices, and their values before.
    switched: BTreeMap<(u32, Switch), u32>,
    /// Since it was asked last, some were raised or lowered.
    changed: bool,
}

impl VirtualMacs {
    pub(super) fn new(answers: Answers) -> Self {
        VirtualMacs { all: BTreeMap::new(), answers, switched: BTreeMap::new(), changed: false }
    }

    /// Makes the interfaces that settings need, where the ones underneath are there. One that an earlier process left is
    /// made anew. If one cannot be made, the others are all the same.
    pub(super) fn make(&mut self, network: &mut Network, links: &Links, settings: &Settings) -> Result<(), Error> {
        let mut failed = None;
        for instance in &settings.instances {
            if let Some(name) = instance.virtual_interface()
                && let Err(e) = self.make_one(network, links, instance, &name)
            {
                failed.get_or_insert(e);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn make_one(&mut self, network: &mut Network, links: &Links, instance: &Instance, name: &str) -> Result<(), Error> {
        let Some(base) = links.index(&instance.interface) else { return Ok(()) };
        if let Some(own) = self.all.get(name)
            && own.base.1 == base
            && links.index(name).is_some()
        {
            return Ok(());
        }
        remove(network, name)?;
        let mac = instance.virtual_mac_address();
        network.add_macvlan(name, base, mac)?;
        let ready = self.switch(network, instance, name, base).and_then(|()| Ok(Multicast::open(base)?));
        let out = match ready {
            Ok(out) => out,
            Err(e) => {
                let _ = remove(network, name);
                return Err(e);
            }
        };
        let own = Own {
            base: (instance.interface.clone(), base),
            is_ipv6: instance.is_ipv6(),
            router_id: instance.router_id,
            mac,
            out,
            raised: None,
        };
        if let Some(before) = self.all.insert(name.to_owned(), own) {
            self.answer(&before, false);
        }
        Ok(())
    }

    /// Its own switches, and those of the interface underneath: ARP for the addresses is answered by the one that has them,
    /// and nobody is asked from one of them by the other.
    fn switch(&mut self, network: &mut Network, instance: &Instance, name: &str, base: u32) -> Result<(), Error> {
        let own = network.link_named(name)?.index;
        // No address of its own by IPv6; a kernel without IPv6 has none anyway.
        if let Err(e) = network.set_no_own_addresses(own) {
            tracing::debug!("{name}: {e}");
        }
        if instance.is_ipv6() {
            // Where it may not be: a host that forwards takes no route from others, as a director mostly does.
            if let Some(key) = Key::interface("ipv6", name, "accept_ra")
                && let Err(e) = sysctl::write(&key, "0")
            {
                tracing::debug!("{e}");
            }
            return Ok(());
        }
        // Packets of clients come in here, and the way back is by the interface underneath: strict would drop them.
        let strict = value("all", Switch::RpFilter) == Some(1);
        let rp_filter = if strict { 2 } else { 0 };
        let switches = [(Switch::ArpIgnore, 1), (Switch::PromoteSecondaries, 1), (Switch::RpFilter, rp_filter)];
        network.set_switches(own, &switches)?;
        for (switch, least) in [(Switch::ArpIgnore, 1), (Switch::ArpAnnounce, 2)] {
            let now = value(&instance.interface, switch).unwrap_or_default();
            if now.max(value("all", switch).unwrap_or_default()) < least {
                network.set_switches(base, &[(switch, least)])?;
                self.switched.entry((base, switch)).or_insert(now);
            }
        }
        Ok(())
    }

    /// This machine is master: frames to the virtual router are its. Addresses come after.
    pub(super) fn raise(&mut self, network: &mut Network, links: &mut Links, instance: &Instance) {
        let Some(name) = instance.virtual_interface() else { return };
        if links.index(&name).is_none() || !self.all.contains_key(&name) {
            let made = self.make_one(network, links, instance, &name).and_then(|()| links.refresh(network).map(drop));
            if let Err(e) = made {
                tracing::error!("{}: {e}", instance.name);
                return;
            }
        }
        let (Some(own), Some(index)) = (self.all.get_mut(&name), links.index(&name)) else { return };
        if own.raised.is_none() {
            own.raised = Some(underneath(network, own.base.1));
            self.changed = true;
            if let Some(own) = self.all.get(&name) {
                // Before anyone sends to it: what the director does not take, this machine's stack would refuse.
                self.answer(own, true);
            }
        }
        if let Err(e) = network.set_link(index, true) {
            tracing::error!("{}: {e}", instance.name);
        }
    }

    /// This machine is master no more.
    pub(super) fn lower(&mut self, network: &mut Network, links: &Links, instance: &Instance) {
        let Some(name) = instance.virtual_interface() else { return };
        if let Some(index) = links.index(&name)
            && let Err(e) = network.set_link(index, false)
            && !e.is_absent()
        {
            tracing::error!("{}: {e}", instance.name);
        }
        let Some(own) = self.all.get_mut(&name) else { return };
        if let Some(interfaces) = own.raised.take() {
            self.changed = true;
            for index in interfaces {
                (self.answers)(index, own.is_ipv6, own.router_id, false);
            }
        }
    }

    /// One that is to be up was set down by someone.
    pub(super) fn keep_up(&mut self, network: &mut Network, links: &Links) {
        for (name, _) in self.all.iter().filter(|(_, own)| own.raised.is_some()) {
            let down = links.known().find(|(known, _)| *known == name).is_some_and(|(_, known)| !known.up);
            if let Some(index) = links.index(name).filter(|_| down)
                && let Err(e) = network.set_link(index, true)
            {
                tracing::warn!("{e}");
            }
        }
    }

    /// Removes those that settings do not need, and gives the interfaces underneath their switches back.
    pub(super) fn retain(&mut self, network: &mut Network, settings: &Settings) {
        let wanted: BTreeSet<String> = settings.instances.iter().filter_map(Instance::virtual_interface).collect();
        let gone: Vec<String> = self.all.keys().filter(|name| !wanted.contains(*name)).cloned().collect();
        for name in gone {
            if let Err(e) = remove(network, &name) {
                tracing::error!("{e}");
            }
            if let Some(own) = self.all.remove(&name) {
                self.answer(&own, false);
            }
        }
        let used = |base: u32| self.all.values().any(|own| !own.is_ipv6 && own.base.1 == base);
        let (kept, restored): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.switched).into_iter().partition(|((base, _), _)| used(*base));
        self.switched = kept;
        for ((base, switch), value) in restored {
            // It may be gone, and its switches with it.
            if let Err(e) = network.set_switches(base, &[(switch, value)]) {
                tracing::debug!("{e}");
            }
        }
    }

    /// Whether adverts of this number that come in on the interface underneath come in on the virtual one as well.
    pub(super) fn hears(&self, base: &str, is_ipv6: bool, router_id: u8) -> bool {
        let fits = |own: &Own| own.base.0 == base && own.is_ipv6 == is_ipv6 && own.router_id == router_id;
        self.all.values().any(|own| own.raised.is_some() && fits(own))
    }

    /// The interfaces where adverts are to be heard besides: name, interface underneath, IPv6, number.
    pub(super) fn heard(&self) -> impl Iterator<Item = (&str, &str, bool, u8)> {
        let raised = self.all.iter().filter(|(_, own)| own.raised.is_some());
        raised.map(|(name, own)| (name.as_str(), own.base.0.as_str(), own.is_ipv6, own.router_id))
    }

    /// Whether some were raised or lowered since it was asked last.
    pub(super) fn changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Sends an advert from the instance's virtual MAC address, if it has one for that. `packet` begins with its IP header.
    pub(super) fn send(
        &self,
        instance: &Instance,
        group: IpAddr,
        packet: impl FnOnce() -> Vec<u8>,
    ) -> Option<Result<(), Error>> {
        let wanted = instance.virtual_mac.as_ref().is_some_and(|own| !own.from_base) && group.is_multicast();
        let own = instance.virtual_interface().filter(|_| wanted).and_then(|name| self.all.get(&name))?;
        Some(own.out.send(own.mac, group, &packet()).map_err(Error::from))
    }

    fn answer(&self, own: &Own, on: bool) {
        for index in own.raised.iter().flatten() {
            (self.answers)(*index, own.is_ipv6, own.router_id, on);
        }
    }
}

/// Removes the interface of this name, if it is one for a virtual router; one that is not is an error.
pub(crate) fn remove(network: &mut Network, name: &str) -> Result<(), Error> {
    let link = match network.link_named(name) {
        Ok(link) => link,
        Err(relvs_net::Error::NoInterface { .. }) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    if link.kind.as_deref() != Some("macvlan") || !link.mac.is_some_and(|mac| mac.starts_with(&PREFIX)) {
        return Err(Error::Settings(format!(
            "interface {name} is there already, and is none of a virtual router: give the virtual MAC's another name"
        )));
    }
    match network.remove_link(link.index) {
        Err(e) if !e.is_absent() => Err(e.into()),
        _ => Ok(()),
    }
}

/// An interface, and of a VLAN those that its frames come in by.
fn underneath(network: &mut Network, index: u32) -> Vec<u32> {
    let mut all = vec![index];
    while let Some(link) = all.last().and_then(|index| network.link(*index).ok())
        && let Some(parent) = link.parent.filter(|_| link.vlan.is_some() && all.len() < DEPTH)
    {
        all.push(parent);
    }
    all
}

/// A switch of an interface, or of all of them.
pub(super) fn value(interface: &str, switch: Switch) -> Option<u32> {
    sysctl::read(&Key::interface("ipv4", interface, switch.name())?).ok()?.parse().ok()
}
