//! Interfaces with a MAC address of their own on another one: macvlans in private mode, which do not reach one another.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode},
};

use crate::{Error, Mac, Network};

impl Network {
    /// Makes a macvlan on an interface; it is down. [`Error::is_present`] tells that there is an interface of this name.
    pub fn add_macvlan(&mut self, name: &str, on: u32, mac: Mac) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        let kind = LinkInfo::Kind(InfoKind::MacVlan);
        let data = LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]));
        message.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::Link(on),
            LinkAttribute::Address(mac.to_vec()),
            LinkAttribute::LinkInfo(vec![kind, data]),
        ];
        let request = RouteNetlinkMessage::NewLink(message);
        self.connection.change(&request, NLM_F_CREATE | NLM_F_EXCL, &format!("make the macvlan {name} on #{on}"))
    }

    /// Sets an interface up or down.
    pub fn set_link(&mut self, interface: u32, up: bool) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = interface;
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        message.header.change_mask = LinkFlags::Up;
        let action = format!("set interface #{interface} {}", if up { "up" } else { "down" });
        self.connection.change(&RouteNetlinkMessage::SetLink(message), 0, &action)
    }

    /// Removes an interface. [`Error::is_absent`] tells that it was not there.
    pub fn remove_link(&mut self, interface: u32) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = interface;
        let action = format!("remove interface #{interface}");
        self.connection.change(&RouteNetlinkMessage::DelLink(message), 0, &action)
    }
}
