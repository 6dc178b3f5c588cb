//! Which of the kernel's switches a set of VIPs needs, and what each must say. Decides only; reads and writes nothing.
//!
//! For all three switches the larger of conf/all and conf/INTERFACE counts.

use std::{collections::BTreeMap, net::IpAddr};

use relvs_model::Method;
use relvs_net::sysctl::Key;

use super::state::Vip;

/// The kernel's name for all interfaces, present and to come.
pub(super) const ALL: &str = "all";

/// A switch of net/ipv4/conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Which addresses ARP answers for: 0 all of the host, 1 those of the interface that is asked, 2 besides only to
    /// askers of the same subnet, 3 none of scope host (as the VIP on lo is), 8 none at all.
    ArpIgnore,
    /// Which address ARP asks with: 0 any, 1 rather one of the target's subnet, 2 the best one of the interface.
    ArpAnnounce,
    /// 1: drops what arrives by another interface than the one that leads to its source. 2: drops what no interface
    /// leads to the source of; such a client could not be answered anyhow.
    RpFilter,
}

impl Rule {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Rule::ArpIgnore => "arp_ignore",
            Rule::ArpAnnounce => "arp_announce",
            Rule::RpFilter => "rp_filter",
        }
    }

    pub(super) fn key(self, interface: &str) -> Option<Key> {
        Key::interface("ipv4", interface, self.name())
    }

    /// Whether a value, the one that counts or a single one, does for a real server.
    pub(super) fn accepts(self, value: u32) -> bool {
        match self {
            Rule::ArpIgnore => matches!(value, 1 | 2 | 3 | 8),
            Rule::ArpAnnounce => value >= 2,
            Rule::RpFilter => value != 1,
        }
    }

    /// The value that does.
    pub(super) const fn value(self) -> &'static str {
        match self {
            Rule::ArpIgnore => "1",
            Rule::ArpAnnounce | Rule::RpFilter => "2",
        }
    }

    /// Why, for the report.
    pub(super) const fn purpose(self) -> &'static str {
        match self {
            Rule::ArpIgnore => "ARP answers only for the asked interface's own addresses",
            Rule::ArpAnnounce => "ARP never asks in the VIP's name",
            Rule::RpFilter => "a tunnelled client may be reached by another interface",
        }
    }
}

/// The switches that these VIPs need, each with its rule and interface (or [`ALL`]).
pub(super) fn needed(vips: &BTreeMap<IpAddr, Vip>) -> BTreeMap<Key, (Rule, String)> {
    let mut needed = BTreeMap::new();
    let mut need = |rule: Rule, interface: &str| {
        needed.extend(rule.key(interface).map(|key| (key, (rule, interface.to_owned()))));
    };
    for vip in vips.iter().filter(|(address, _)| address.is_ipv4()).map(|(_, vip)| vip) {
        for rule in [Rule::ArpIgnore, Rule::ArpAnnounce] {
            vip.interfaces.iter().for_each(|interface| need(rule, interface));
            if vip.everywhere {
                need(rule, ALL);
            }
        }
        if vip.method == Method::Tun {
            // Loose on the interface wins over whatever conf/all says, which so stays as it is for the others.
            vip.interfaces.iter().for_each(|interface| need(Rule::RpFilter, interface));
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_model::Tunnel;

    fn vip(method: Method, interfaces: &[&str], everywhere: bool) -> Vip {
        let tunnel = Tunnel::Ipip;
        Vip { method, tunnel, interfaces: interfaces.iter().map(|&i| i.into()).collect(), everywhere, added: true }
    }

    fn keys(address: &str, vip: Vip) -> Vec<String> {
        needed(&[(address.parse().unwrap(), vip)].into()).keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dr_server_hides_its_vip_everywhere_or_where_it_is_told() {
        assert_eq!(
            keys("192.0.2.1", vip(Method::Dr, &["eth0"], true)),
            [
                "net/ipv4/conf/all/arp_announce",
                "net/ipv4/conf/all/arp_ignore",
                "net/ipv4/conf/eth0/arp_announce",
                "net/ipv4/conf/eth0/arp_ignore",
            ]
        );
        assert_eq!(
            keys("192.0.2.1", vip(Method::Tun, &["eth0"], false)),
            ["net/ipv4/conf/eth0/arp_announce", "net/ipv4/conf/eth0/arp_ignore", "net/ipv4/conf/eth0/rp_filter"]
        );
    }

    #[test]
    fn ipv6_needs_no_switch() {
        assert_eq!(keys("2001:db8::1", vip(Method::Tun, &["eth0"], true)), [""; 0]);
    }

    #[test]
    fn values_that_hide_too_are_left_to_the_administrator() {
        let accepted = |rule: Rule| (0..10).filter(|&v| rule.accepts(v)).collect::<Vec<_>>();
        assert_eq!(accepted(Rule::ArpIgnore), [1, 2, 3, 8]);
        assert_eq!(accepted(Rule::ArpAnnounce), [2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(!Rule::RpFilter.accepts(1) && Rule::RpFilter.accepts(0) && Rule::RpFilter.accepts(2));
        for rule in [Rule::ArpIgnore, Rule::ArpAnnounce, Rule::RpFilter] {
            assert!(rule.accepts(rule.value().parse().unwrap()));
        }
    }
}
