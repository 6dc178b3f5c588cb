//! The MAC address that all masters of a virtual router share: RFC 9568 section 7.3.

use super::{Instance, Settings, VirtualAddress};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The master's addresses are at the virtual router's own MAC address, on an interface of their own (use_vmac).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = VrrpVirtualMac)]
pub struct VirtualMac {
    /// How this interface is called; none is `vrrp.` and the virtual router's number.
    pub interface: Option<String>,
    /// Adverts come from the MAC address of the interface underneath (vmac_xmit_base). To unicast peers they always do.
    pub from_base: bool,
}

impl Instance {
    /// The name of the interface that has the virtual MAC address, if there is one.
    pub fn virtual_interface(&self) -> Option<String> {
        let own = self.virtual_mac.as_ref()?;
        Some(own.interface.clone().unwrap_or_else(|| format!("vrrp.{}", self.router_id)))
    }

    /// The virtual router's MAC address, whether it is used or not.
    pub fn virtual_mac_address(&self) -> [u8; 6] {
        [0x00, 0x00, 0x5e, 0x00, if self.is_ipv6() { 0x02 } else { 0x01 }, self.router_id]
    }

    /// Whether an address of this instance is at its virtual MAC address: one of its own family that is not to be elsewhere.
    pub fn is_at_virtual_mac(&self, address: &VirtualAddress) -> bool {
        self.virtual_mac.is_some()
            && address.address.is_ipv6() == self.is_ipv6()
            && address.interface.as_ref().is_none_or(|interface| *interface == self.interface)
    }

    /// The interface that gets an address of this instance.
    pub fn interface_of(&self, address: &VirtualAddress) -> String {
        let own = self.virtual_interface().filter(|_| self.is_at_virtual_mac(address));
        own.or_else(|| address.interface.clone()).unwrap_or_else(|| self.interface.clone())
    }
}

impl Settings {
    /// Gives virtual interfaces that nobody named other names where one before is called so: `vrrp6.` and the number for IPv6,
    /// then `vrrp1.`, `vrrp2.`, as keepalived does.
    pub fn name_virtual_interfaces(&mut self) {
        let mut used: BTreeSet<String> = BTreeSet::new();
        let named = |instance: &&Instance| instance.virtual_mac.as_ref().is_some_and(|own| own.interface.is_some());
        used.extend(self.instances.iter().filter(named).filter_map(Instance::virtual_interface));
        for instance in &mut self.instances {
            let (id, is_ipv6) = (instance.router_id, instance.is_ipv6());
            let Some(own) = instance.virtual_mac.as_mut().filter(|own| own.interface.is_none()) else { continue };
            let second = is_ipv6.then(|| format!("vrrp6.{id}"));
            let mut names = second.into_iter().chain((1..=u8::MAX).map(|n| format!("vrrp{n}.{id}")));
            if used.contains(&format!("vrrp.{id}")) {
                own.interface = names.find(|name| !used.contains(name));
            }
            used.extend(instance.virtual_interface());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_at_the_virtual_mac_if_it_is_of_its_family_and_interface() {
        let address = |text: &str| VirtualAddress::new(text.parse().unwrap());
        let at = |text: &str, interface: &str| VirtualAddress { interface: Some(interface.into()), ..address(text) };
        let mut instance = Instance {
            interface: "eth0".into(),
            router_id: 51,
            addresses: vec![address("192.0.2.1")],
            virtual_mac: Some(VirtualMac::default()),
            ..Instance::default()
        };
        assert_eq!(instance.virtual_mac_address(), [0, 0, 0x5e, 0, 1, 51]);
        for (address, interface) in [
            (address("192.0.2.1"), "vrrp.51"),
            (at("192.0.2.1", "eth0"), "vrrp.51"),
            (at("192.0.2.1", "eth1"), "eth1"),
            (address("2001:db8::1"), "eth0"),
        ] {
            assert_eq!(instance.interface_of(&address), interface, "{address:?}");
        }
        instance.addresses = vec![address("fe80::1")];
        instance.virtual_mac = Some(VirtualMac { interface: Some("web".into()), from_base: false });
        assert_eq!(instance.virtual_mac_address(), [0, 0, 0x5e, 0, 2, 51]);
        assert_eq!(instance.interface_of(&address("2001:db8::1")), "web");
        assert_eq!(instance.interface_of(&address("192.0.2.1")), "eth0");
        instance.virtual_mac = None;
        assert_eq!(instance.interface_of(&address("2001:db8::1")), "eth0");
    }

    #[test]
    fn names_are_chosen_as_keepalived_does() {
        let instance = |address: &str, name: Option<&str>| Instance {
            router_id: 51,
            addresses: vec![VirtualAddress::new(address.parse().unwrap())],
            virtual_mac: Some(VirtualMac { interface: name.map(str::to_owned), from_base: false }),
            ..Instance::default()
        };
        let (four, six) = ("192.0.2.1", "fe80::1");
        let mut settings = Settings {
            instances: vec![
                instance(four, None),
                instance(six, None),
                instance(four, Some("vrrp1.51")),
                instance(six, None),
                Instance { virtual_mac: None, ..instance(six, None) },
            ],
            ..Settings::default()
        };
        settings.name_virtual_interfaces();
        let names: Vec<_> = settings.instances.iter().map(Instance::virtual_interface).collect();
        let expected = ["vrrp.51", "vrrp6.51", "vrrp1.51", "vrrp2.51"].map(|name| Some(name.to_owned()));
        assert_eq!(names[..4], expected);
        assert_eq!(names[4], None);
        assert_eq!(settings.instances[0].virtual_mac, Some(VirtualMac::default()), "what needs no name has none");
    }
}
