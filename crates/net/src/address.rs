//! Addresses of interfaces (RTM_GETADDR, RTM_NEWADDR, RTM_DELADDR).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo},
};

use crate::{Error, Network};

/// How far an address is valid (rtnetlink(7), ifa_scope). IPv6 derives it from the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// In this site.
    Site,
    /// On this link only.
    Link,
    /// On this host only: the kernel never chooses it as the source of a packet to elsewhere.
    Host,
    /// Any other number.
    Other(u8),
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface's index.
    pub interface: u32,
    /// The host's own address.
    pub address: IpAddr,
    /// The length of its network prefix, in bits.
    pub prefix: u8,
    /// How far it is valid.
    pub scope: Scope,
    /// IPv4: the name that ip(8) prints, the interface's unless another was given.
    pub label: Option<String>,
    /// Duplicate address detection has not ended: the address is not usable yet.
    pub tentative: bool,
    /// Duplicate address detection found another owner: the address is not usable.
    pub duplicate: bool,
    /// Still accepted, but not chosen as the source of new flows.
    pub deprecated: bool,
}

/// An address to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAddress {
    /// The interface's index.
    pub interface: u32,
    /// The address.
    pub address: IpAddr,
    /// The length of its network prefix, in bits.
    pub prefix: u8,
    /// How far it is valid. The kernel ignores it for IPv6.
    pub scope: Scope,
    /// IPv4: a name for ip(8), the interface's name plus `:` and more, 15 bytes at most.
    pub label: Option<String>,
    /// Adds no route to the prefix.
    pub no_prefix_route: bool,
    /// IPv6: usable at once, without duplicate address detection.
    pub no_dad: bool,
    /// IPv6: not chosen as the source of new flows while there is another.
    pub deprecated: bool,
}

impl NewAddress {
    /// One address alone (/32 or /128), without a route to its prefix and without duplicate address detection.
    pub fn host(interface: u32, address: IpAddr, scope: Scope) -> Self {
        let prefix = full_prefix(address);
        NewAddress {
            interface,
            address,
            prefix,
            scope,
            label: None,
            no_prefix_route: true,
            no_dad: true,
            deprecated: false,
        }
    }
}

impl Address {
    pub(crate) fn from_message(message: &AddressMessage) -> Option<Address> {
        let mut flags = u32::from(message.header.flags.bits());
        let (mut local, mut address, mut label) = (None, None, None);
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(a) => local = Some(*a),
                AddressAttribute::Address(a) => address = Some(*a),
                AddressAttribute::Label(l) => label = Some(l.clone()),
                AddressAttribute::Flags(f) => flags |= f.bits(),
                _ => {}
            }
        }
        let flags = AddressFlags::from_bits_retain(flags);
        Some(Address {
            interface: message.header.index,
            // On a point-to-point link IFA_ADDRESS is the other end's.
            address: local.or(address)?,
            prefix: message.header.prefix_len,
            scope: scope(message.header.scope),
            label,
            tentative: flags.contains(AddressFlags::Tentative),
            duplicate: flags.contains(AddressFlags::Dadfailed),
            deprecated: flags.contains(AddressFlags::Deprecated),
        })
    }
}

impl Network {
    /// All addresses, IPv4 and IPv6, of all interfaces of this namespace.
    pub fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let answers = self.connection.dump(&request, "list the addresses")?;
        Ok(answers.iter().filter_map(new_address).collect())
    }

    /// Adds an address. [`Error::is_present`] tells that the interface has it already.
    pub fn add_address(&mut self, new: &NewAddress) -> Result<(), Error> {
        let action = format!("add {}/{} to interface #{}", new.address, new.prefix, new.interface);
        self.connection.change(&RouteNetlinkMessage::NewAddress(message(new)), NLM_F_CREATE | NLM_F_EXCL, &action)
    }

    /// Removes an address. [`Error::is_absent`] tells that it, or the interface, was not there.
    pub fn remove_address(&mut self, interface: u32, address: IpAddr, prefix: u8) -> Result<(), Error> {
        let mut message = AddressMessage::default();
        message.header.family = family(address);
        message.header.prefix_len = prefix;
        message.header.index = interface;
        message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        let action = format!("remove {address}/{prefix} from interface #{interface}");
        self.connection.change(&RouteNetlinkMessage::DelAddress(message), 0, &action)
    }
}

fn new_address(message: &RouteNetlinkMessage) -> Option<Address> {
    if let RouteNetlinkMessage::NewAddress(message) = message { Address::from_message(message) } else { None }
}

fn message(new: &NewAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(new.address);
    message.header.prefix_len = new.prefix;
    message.header.index = new.interface;
    message.header.scope = match new.scope {
        Scope::Global => AddressScope::Universe,
        Scope::Site => AddressScope::Site,
        Scope::Link => AddressScope::Link,
        Scope::Host => AddressScope::Host,
        Scope::Other(number) => AddressScope::Other(number),
    };
    let mut flags = AddressFlags::empty();
    flags.set(AddressFlags::Noprefixroute, new.no_prefix_route);
    flags.set(AddressFlags::Nodad, new.no_dad && new.address.is_ipv6());
    message.attributes = vec![
        AddressAttribute::Local(new.address),
        AddressAttribute::Address(new.address),
        AddressAttribute::Flags(flags),
    ];
    if let Some(label) = new.label.as_ref().filter(|_| new.address.is_ipv4()) {
        message.attributes.push(AddressAttribute::Label(label.clone()));
    }
    if new.deprecated && new.address.is_ipv6() {
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_preferred = 0;
        lifetime.ifa_valid = u32::MAX;
        message.attributes.push(AddressAttribute::CacheInfo(lifetime));
    }
    message
}

fn scope(scope: AddressScope) -> Scope {
    match scope {
        AddressScope::Universe => Scope::Global,
        AddressScope::Site => Scope::Site,
        AddressScope::Link => Scope::Link,
        AddressScope::Host => Scope::Host,
        other => Scope::Other(other.into()),
    }
}

pub(crate) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

pub(crate) fn full_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_address_of_a_point_to_point_link_is_the_hosts_own() {
        let mut message = AddressMessage::default();
        message.attributes = vec![
            AddressAttribute::Address("10.0.0.2".parse().unwrap()),
            AddressAttribute::Local("10.0.0.1".parse().unwrap()),
        ];
        assert_eq!(Address::from_message(&message).unwrap().address, "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn flags_stand_in_the_header_and_in_an_attribute() {
        let mut message = AddressMessage::default();
        message.header.flags = netlink_packet_route::address::AddressHeaderFlags::Tentative;
        message.attributes = vec![
            AddressAttribute::Address("2001:db8::1".parse().unwrap()),
            AddressAttribute::Flags(AddressFlags::Deprecated | AddressFlags::Noprefixroute),
        ];
        let address = Address::from_message(&message).unwrap();
        assert_eq!((address.tentative, address.deprecated, address.duplicate), (true, true, false));
    }

    #[test]
    fn what_only_one_family_knows_is_left_out_for_the_other() {
        let mut new = NewAddress::host(1, "192.0.2.1".parse().unwrap(), Scope::Host);
        new.label = Some("lo:relvs".into());
        new.deprecated = true;
        let v4 = message(&new);
        assert!(v4.attributes.contains(&AddressAttribute::Label("lo:relvs".into())));
        assert!(v4.attributes.contains(&AddressAttribute::Flags(AddressFlags::Noprefixroute)));
        assert!(!v4.attributes.iter().any(|a| matches!(a, AddressAttribute::CacheInfo(_))));
        new.address = "2001:db8::1".parse().unwrap();
        let v6 = message(&new);
        assert!(!v6.attributes.iter().any(|a| matches!(a, AddressAttribute::Label(_))));
        assert!(v6.attributes.contains(&AddressAttribute::Flags(AddressFlags::Noprefixroute | AddressFlags::Nodad)));
    }
}
