//! A veth of two interfaces without ARP, and routes of everything into one of them: for a namespace of the daemon's own, where frames are
//! taken from the other end.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType},
};

use crate::{Error, Network};

/// The largest packet that the pair carries: what was put together on reception may come as one.
const MTU: u32 = 65_535;

impl Network {
    /// Makes a veth, both ends up, without ARP and neighbour discovery. Packets are not left to be cut by a network card.
    pub fn add_pair(&mut self, near: &str, far: &str) -> Result<(), Error> {
        let mut message = end(near);
        let kind = LinkInfo::Kind(InfoKind::Veth);
        let data = LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end(far))));
        message.attributes.push(LinkAttribute::LinkInfo(vec![kind, data]));
        let request = RouteNetlinkMessage::NewLink(message);
        self.connection.change(&request, NLM_F_CREATE | NLM_F_EXCL, &format!("make the veth {near} and {far}"))?;
        // An end without the other cannot be up, and both are made one after the other.
        for name in [near, far] {
            let mut message = LinkMessage::default();
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
            message.attributes = vec![LinkAttribute::IfName(name.into())];
            let request = RouteNetlinkMessage::SetLink(message);
            self.connection.change(&request, 0, &format!("set interface {name} up"))?;
        }
        Ok(())
    }

    /// Sends everything out of an interface, as to neighbours, in packets of at most so many bytes.
    pub fn add_default_routes(&mut self, interface: u32, mtu: u32) -> Result<(), Error> {
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header = RouteHeader {
                address_family: family,
                table: RouteHeader::RT_TABLE_MAIN,
                protocol: RouteProtocol::Static,
                scope: if family == AddressFamily::Inet { RouteScope::Link } else { RouteScope::Universe },
                kind: RouteType::Unicast,
                ..RouteHeader::default()
            };
            message.attributes =
                vec![RouteAttribute::Oif(interface), RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])];
            let request = RouteNetlinkMessage::NewRoute(message);
            let added = self.connection.change(&request, NLM_F_CREATE | NLM_F_EXCL, "add a default route");
            match added {
                // A kernel without IPv6, or with it switched off.
                Err(error) if family == AddressFamily::Inet6 && !error.is_forbidden() => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }
}

fn end(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Noarp;
    message.header.change_mask = LinkFlags::Noarp;
    message.attributes =
        vec![LinkAttribute::IfName(name.into()), LinkAttribute::Mtu(MTU), LinkAttribute::GsoMaxSegs(1)];
    message
}
