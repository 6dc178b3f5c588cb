//! The neighbour tables: which MAC address answers for an IP address on a link (RTM_GETNEIGH, RTM_NEWNEIGH).

use std::{collections::BTreeSet, net::IpAddr};

use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState as WireState},
};

use crate::{Error, Mac, Network, address::family};

/// What the kernel knows about a neighbour (RFC 4861 section 7.3.2, for ARP as well).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeighbourState {
    /// Asked, not answered yet.
    Incomplete,
    /// Confirmed a moment ago.
    Reachable,
    /// Known, not confirmed lately; asked again when used.
    Stale,
    /// Used since; asked again in a few seconds.
    Delay,
    /// Being asked again.
    Probe,
    /// Did not answer.
    Failed,
    /// Needs no resolution.
    NoArp,
    /// Set by an administrator.
    Permanent,
    /// No state yet.
    None,
}

impl NeighbourState {
    /// Whether the address that is known now may be used.
    pub fn is_resolved(self) -> bool {
        match self {
            NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::NoArp
            | NeighbourState::Permanent => true,
            NeighbourState::Incomplete | NeighbourState::Failed | NeighbourState::None => false,
        }
    }
}

/// An entry of a neighbour table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The index of the interface where it is.
    pub interface: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// Its MAC address, if one is known.
    pub mac: Option<Mac>,
    /// What is known about it.
    pub state: NeighbourState,
}

impl Neighbour {
    /// Its MAC address, if it may be used now.
    pub fn resolved(&self) -> Option<Mac> {
        self.mac.filter(|_| self.state.is_resolved())
    }

    /// Reads a neighbour message; none if it is not about an IP address (a bridge's forwarding entry).
    pub(crate) fn from_message(message: &NeighbourMessage) -> Option<Neighbour> {
        if !matches!(message.header.family, AddressFamily::Inet | AddressFamily::Inet6) {
            return None;
        }
        let (mut address, mut mac) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => address = Some(IpAddr::V4(*a)),
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(a)) => address = Some(IpAddr::V6(*a)),
                NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok(),
                _ => {}
            }
        }
        let state = state(message.header.state);
        Some(Neighbour { interface: message.header.ifindex, address: address?, mac, state })
    }
}

impl Network {
    /// All entries, IPv4 and IPv6, without those for proxies.
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>, Error> {
        let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let answers = self.connection.dump(&request, "list the neighbours")?;
        Ok(answers.iter().filter_map(new_neighbour).collect())
    }

    /// One entry, if there is one.
    pub fn neighbour(&mut self, interface: u32, address: IpAddr) -> Result<Option<Neighbour>, Error> {
        let request = RouteNetlinkMessage::GetNeighbour(message(interface, address));
        match self.connection.get(&request, &format!("look up neighbour {address}")) {
            Ok(answer) => Ok(new_neighbour(&answer)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel confirm these neighbours again, by interface and address, as packets to them would. Returns at once;
    /// what comes of it are events. What an administrator has set stays as it is; one that cannot be asked, because its
    /// interface has gone a moment ago, is no error.
    pub fn confirm(&mut self, wanted: &BTreeSet<(u32, IpAddr)>) -> Result<(), Error> {
        let fixed = |state| matches!(state, NeighbourState::Permanent | NeighbourState::NoArp);
        let known = self.neighbours()?;
        let fixed: BTreeSet<_> =
            known.iter().filter(|there| fixed(there.state)).map(|there| (there.interface, there.address)).collect();
        for (interface, address) in wanted.difference(&fixed) {
            let _ = self.solicit(*interface, *address);
        }
        Ok(())
    }

    /// Has the kernel resolve a neighbour, or confirm it again if it is stale, as a packet to it would. Returns at once;
    /// the outcome is an event. Not for one that an administrator has set: the kernel takes a request of this kind as
    /// leave to resolve it anew (net/core/neighbour.c, NEIGH_UPDATE_F_USE clears NUD_PERMANENT).
    pub(crate) fn solicit(&mut self, interface: u32, address: IpAddr) -> Result<(), Error> {
        let mut message = message(interface, address);
        message.header.flags = NeighbourFlags::Use;
        let action = format!("resolve neighbour {address}");
        self.connection.change(&RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE, &action)
    }
}

fn message(interface: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = interface;
    message.attributes.push(NeighbourAttribute::Destination(address.into()));
    message
}

fn new_neighbour(message: &RouteNetlinkMessage) -> Option<Neighbour> {
    if let RouteNetlinkMessage::NewNeighbour(message) = message { Neighbour::from_message(message) } else { None }
}

fn state(state: WireState) -> NeighbourState {
    match state {
        WireState::Incomplete => NeighbourState::Incomplete,
        WireState::Reachable => NeighbourState::Reachable,
        WireState::Stale => NeighbourState::Stale,
        WireState::Delay => NeighbourState::Delay,
        WireState::Probe => NeighbourState::Probe,
        WireState::Failed => NeighbourState::Failed,
        WireState::Noarp => NeighbourState::NoArp,
        WireState::Permanent => NeighbourState::Permanent,
        _ => NeighbourState::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_neighbours_old_mac_is_not_used() {
        let mut neighbour = Neighbour {
            interface: 2,
            address: "10.0.0.2".parse().unwrap(),
            mac: Some([2; 6]),
            state: NeighbourState::Stale,
        };
        assert_eq!(neighbour.resolved(), Some([2; 6]));
        neighbour.state = NeighbourState::Failed;
        assert_eq!(neighbour.resolved(), None);
    }

    #[test]
    fn a_bridges_forwarding_entry_is_no_neighbour() {
        let mut entry = message(2, "10.0.0.2".parse().unwrap());
        assert!(Neighbour::from_message(&entry).is_some());
        entry.header.family = AddressFamily::Bridge;
        assert_eq!(Neighbour::from_message(&entry), None);
    }
}
