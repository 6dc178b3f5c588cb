//! An interface's switches, set by rtnetlink (IFLA_AF_SPEC of RTM_SETLINK): /proc/sys may be read-only where the network may be
//! changed, as in a service that must not touch the rest of it.

use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkMessage},
};

use crate::{Error, Network};

/// Where switches of IPv4 stand in IFLA_AF_SPEC (linux/if_link.h).
const IFLA_INET_CONF: u16 = 1;

/// A switch of IPv4 (Documentation/networking/ip-sysctl.rst); the numbers are those of linux/ip.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Switch {
    /// Whether a packet is dropped whose way back is another one.
    RpFilter = 8,
    /// Which of its addresses the host asks from.
    ArpAnnounce = 18,
    /// For which of its addresses the host answers.
    ArpIgnore = 19,
    /// What becomes of an interface's other addresses of a network when the first is removed.
    PromoteSecondaries = 20,
}

impl Switch {
    /// Its name under /proc/sys/net/ipv4/conf.
    pub const fn name(self) -> &'static str {
        match self {
            Switch::RpFilter => "rp_filter",
            Switch::ArpAnnounce => "arp_announce",
            Switch::ArpIgnore => "arp_ignore",
            Switch::PromoteSecondaries => "promote_secondaries",
        }
    }
}

impl Network {
    /// Sets switches of IPv4.
    pub fn set_switches(&mut self, interface: u32, switches: &[(Switch, u32)]) -> Result<(), Error> {
        let conf = DefaultNla::new(IFLA_INET_CONF | NLA_F_NESTED, nested(switches));
        self.set_family(interface, AfSpecUnspec::Inet(vec![AfSpecInet::Other(conf)]))
    }

    /// Gives an interface no IPv6 address but those that are added.
    pub fn set_no_own_addresses(&mut self, interface: u32) -> Result<(), Error> {
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        self.set_family(interface, AfSpecUnspec::Inet6(vec![mode]))
    }

    fn set_family(&mut self, interface: u32, family: AfSpecUnspec) -> Result<(), Error> {
        let mut message = LinkMessage::default();
        message.header.index = interface;
        message.attributes = vec![LinkAttribute::AfSpecUnspec(vec![family])];
        let action = format!("set switches of interface #{interface}");
        self.connection.change(&RouteNetlinkMessage::SetLink(message), 0, &action)
    }
}

/// An attribute for each: length, number, value.
fn nested(switches: &[(Switch, u32)]) -> Vec<u8> {
    let one = |(switch, value): &(Switch, u32)| {
        [&8_u16.to_ne_bytes()[..], &(*switch as u16).to_ne_bytes(), &value.to_ne_bytes()].concat()
    };
    switches.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{Switch, nested};

    #[test]
    fn a_switch_may_be_set_to_nothing() {
        let all = nested(&[(Switch::ArpIgnore, 1), (Switch::RpFilter, 0)]);
        let words: Vec<u16> = all.chunks(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
        assert_eq!(
            words,
            if cfg!(target_endian = "little") { [8, 19, 1, 0, 8, 8, 0, 0] } else { [8, 19, 0, 1, 8, 8, 0, 0] }
        );
    }
}
