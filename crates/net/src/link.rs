//! Network interfaces as rtnetlink describes them (RTM_GETLINK).

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        InfoData, InfoVlan, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp,
        XdpAttached,
    },
};
use nix::errno::Errno;

use crate::{Error, Mac, Network};

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vlan {
    /// The tag protocol identifier in host order: 0x8100 (802.1Q) or 0x88a8 (802.1ad).
    pub tpid: u16,
    /// The VLAN identifier, 0 to 4095.
    pub id: u16,
}

/// The other end of a veth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VethPeer {
    /// Its index, in the namespace where it is.
    pub index: u32,
    /// Whether that is the namespace of this end.
    pub here: bool,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it, unique in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC address; none if it does not carry Ethernet frames (loopback, tun, tunnels).
    pub mac: Option<Mac>,
    /// The largest IP packet it sends, in bytes.
    pub mtu: u32,
    /// Whether an administrator set it up.
    pub up: bool,
    /// Whether it has a carrier.
    pub running: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// What the kernel calls its type: "veth", "bridge", "vlan"; none for most physical interfaces.
    pub kind: Option<String>,
    /// The interface underneath, of a VLAN or macvlan, if it is in this namespace.
    pub parent: Option<u32>,
    /// The tag that this interface adds and takes off, if it is a VLAN.
    pub vlan: Option<Vlan>,
    /// The bridge, bond, team or VRF that it belongs to.
    pub master: Option<u32>,
    /// The other end, if it is a veth.
    pub peer: Option<VethPeer>,
    /// Whether an XDP program is attached, in any mode and by anyone.
    pub xdp_attached: bool,
}

impl Link {
    /// Reads a link message; none if it is not one of an interface (no name).
    pub(crate) fn from_message(message: LinkMessage) -> Option<Link> {
        let header = &message.header;
        let mut link = Link {
            index: header.index,
            name: String::new(),
            mac: None,
            mtu: 0,
            up: header.flags.contains(LinkFlags::Up),
            running: header.flags.contains(LinkFlags::Running),
            loopback: header.flags.contains(LinkFlags::Loopback),
            kind: None,
            parent: None,
            vlan: None,
            master: None,
            peer: None,
            xdp_attached: false,
        };
        let ethernet = header.link_layer_type == LinkLayerType::Ether;
        let (mut lower, mut lower_elsewhere) = (None, false);
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::Address(bytes) if ethernet => link.mac = bytes.try_into().ok(),
                LinkAttribute::Controller(index) => link.master = Some(index),
                LinkAttribute::Link(index) => lower = Some(index),
                LinkAttribute::LinkNetNsId(_) => lower_elsewhere = true,
                LinkAttribute::LinkInfo(infos) => link.read_info(&infos),
                LinkAttribute::Xdp(xdp) => {
                    link.xdp_attached =
                        xdp.iter().any(|x| matches!(x, LinkXdp::Attached(a) if *a != XdpAttached::None));
                }
                _ => {}
            }
        }
        // IFLA_LINK is the interface underneath, or for a veth its other end.
        match lower {
            Some(index) if link.is_veth() => link.peer = Some(VethPeer { index, here: !lower_elsewhere }),
            Some(index) if !lower_elsewhere && index != link.index => link.parent = Some(index),
            Some(_) | None => {}
        }
        (!link.name.is_empty()).then_some(link)
    }

    fn read_info(&mut self, infos: &[LinkInfo]) {
        for info in infos {
            match info {
                LinkInfo::Kind(kind) => self.kind = Some(kind.to_string()),
                LinkInfo::Data(InfoData::Vlan(attributes)) => {
                    let mut vlan = Vlan { tpid: 0x8100, id: 0 };
                    for attribute in attributes {
                        match attribute {
                            InfoVlan::Id(id) => vlan.id = *id,
                            InfoVlan::Protocol(protocol) => vlan.tpid = (*protocol).into(),
                            _ => {}
                        }
                    }
                    self.vlan = Some(vlan);
                }
                _ => {}
            }
        }
    }

    /// Whether it is one end of a veth.
    pub fn is_veth(&self) -> bool {
        self.kind.as_deref() == Some("veth")
    }
}

impl Network {
    /// All interfaces of this namespace, by index.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        let request = RouteNetlinkMessage::GetLink(request());
        let mut links: Vec<Link> =
            self.connection.dump(&request, "list the interfaces")?.into_iter().filter_map(link).collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The interface with this index, or [`Error::NoInterface`].
    pub fn link(&mut self, index: u32) -> Result<Link, Error> {
        let mut message = request();
        message.header.index = index;
        self.one_link(message, || format!("#{index}"))
    }

    /// The interface with this name, or [`Error::NoInterface`].
    pub fn link_named(&mut self, name: &str) -> Result<Link, Error> {
        // IFNAMSIZ with its final zero: the kernel would refuse longer ones with a reason of its own.
        if name.is_empty() || name.len() > 15 {
            return Err(Error::NoInterface { name: name.into() });
        }
        let mut message = request();
        message.attributes.push(LinkAttribute::IfName(name.into()));
        self.one_link(message, || name.into())
    }

    fn one_link(&mut self, message: LinkMessage, name: impl Fn() -> String) -> Result<Link, Error> {
        let action = format!("describe interface {}", name());
        match self.connection.get(&RouteNetlinkMessage::GetLink(message), &action) {
            Ok(answer) => link(answer).ok_or_else(|| Error::NoInterface { name: name() }),
            Err(error) if error.errno() == Some(Errno::ENODEV) => Err(Error::NoInterface { name: name() }),
            Err(error) => Err(error),
        }
    }
}

/// Statistics are most of a link's answer, and nobody reads them here.
fn request() -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    message
}

fn link(message: RouteNetlinkMessage) -> Option<Link> {
    if let RouteNetlinkMessage::NewLink(message) = message { Link::from_message(message) } else { None }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::{InfoKind, VlanProtocol};

    use super::*;

    fn message(kind: InfoKind, more: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 5;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::Running;
        message.attributes = vec![
            LinkAttribute::IfName("x0".into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::Mtu(1500),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]),
        ];
        message.attributes.extend(more);
        message
    }

    #[test]
    fn a_vlan_has_its_tag_and_its_parent() {
        let mut vlan = message(InfoKind::Vlan, vec![LinkAttribute::Link(3)]);
        let data = InfoData::Vlan(vec![InfoVlan::Protocol(VlanProtocol::Ieee8021Ad), InfoVlan::Id(77)]);
        vlan.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]));
        let link = Link::from_message(vlan).unwrap();
        assert_eq!((link.vlan, link.parent), (Some(Vlan { tpid: 0x88a8, id: 77 }), Some(3)));
        assert_eq!((link.mac, link.mtu, link.up, link.running), (Some([2, 0, 0, 0, 0, 1]), 1500, true, true));
    }

    #[test]
    fn the_lower_interface_in_another_namespace_is_no_parent() {
        let elsewhere = vec![LinkAttribute::Link(3), LinkAttribute::LinkNetNsId(0)];
        let macvlan = Link::from_message(message(InfoKind::MacVlan, elsewhere.clone())).unwrap();
        assert_eq!((macvlan.parent, macvlan.peer), (None, None));
        let veth = Link::from_message(message(InfoKind::Veth, elsewhere)).unwrap();
        assert_eq!((veth.parent, veth.peer), (None, Some(VethPeer { index: 3, here: false })));
    }

    #[test]
    fn a_mac_belongs_to_ethernet_only_and_a_nameless_message_is_no_link() {
        let mut tunnel = message(InfoKind::IpIp, vec![]);
        tunnel.header.link_layer_type = LinkLayerType::Tunnel;
        assert_eq!(Link::from_message(tunnel).unwrap().mac, None);
        assert_eq!(Link::from_message(LinkMessage::default()), None);
    }

    #[test]
    fn an_xdp_program_is_seen_in_any_mode() {
        let xdp = |attached| message(InfoKind::Veth, vec![LinkAttribute::Xdp(vec![LinkXdp::Attached(attached)])]);
        assert!(!Link::from_message(xdp(XdpAttached::None)).unwrap().xdp_attached);
        assert!(Link::from_message(xdp(XdpAttached::SocketBuffer)).unwrap().xdp_attached);
    }
}
