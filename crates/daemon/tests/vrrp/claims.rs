//! Another machine that claims an address of ours: it is said, counted, and answered by an announcement.

use crate::link::{Link, has, possible, until};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Announcements, ConditionKind, Instance, Settings, State, Version, VirtualAddress};
use std::{net::IpAddr, time::Duration};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn another_that_claims_an_address_is_told_of() {
    if !possible() {
        return;
    }
    for (vip, other) in [("192.0.2.100", "192.0.2.101"), ("fe80::100", "fe80::101")] {
        let (vip, other): (IpAddr, IpAddr) = (vip.parse().unwrap(), other.parse().unwrap());
        let link = Link::new();
        let instance = Instance {
            name: "VI".into(),
            interface: "eth0".into(),
            router_id: 51,
            version: Version::V3,
            advert_interval_ms: 100,
            addresses: vec![VirtualAddress::new(vip)],
            // Only what answers a claim is announced after the beginning.
            announcements: Announcements { repeat: 1, delay_ms: 0, ..Announcements::default() },
            ..Instance::default()
        };
        let settings = Settings { instances: vec![instance], ..Settings::default() };
        let relvs = link.near.run(|| Vrrp::start(&settings, |_| {})).unwrap().unwrap();
        let status = || relvs.status().unwrap().instances.remove(0);
        until("master", LONG, || status().state == State::Master && has(&link.near, vip)).unwrap();
        let announced = status().statistics.announced;
        // Who says by IPv6 that it has an address must have it.
        let take = || {
            for address in [vip, other].into_iter().filter(IpAddr::is_ipv6) {
                link.far.ip(&format!("addr replace {address}/128 dev eth0 nodad")).unwrap();
            }
        };
        take();
        let claim = |address: IpAddr| {
            let claim = || {
                let index = relvs_net::Network::open().unwrap().link_named("eth0").unwrap().index;
                relvs_net::announce(index, address).unwrap();
            };
            link.far.run(claim).unwrap();
        };
        // The first may come before the listener has begun.
        until("it is heard", LONG, || {
            claim(other);
            claim(vip);
            std::thread::sleep(Duration::from_millis(20));
            status().statistics.claimed_by_other > 0
        })
        .unwrap_or_else(|text| panic!("{vip}: {text}: {:#?}", status()));
        let seen = status();
        let claims: Vec<_> = seen.conditions.iter().filter(|c| c.kind == ConditionKind::ClaimedByOther).collect();
        assert!(matches!(&claims[..], [one] if one.who == format!("{vip} by 02:00:00:00:00:02")), "{claims:?}");
        until("it is answered", LONG, || status().statistics.announced > announced).unwrap();
        assert_eq!(status().state, State::Master);
        // An interface that is gone for a while is listened to again.
        link.far.ip("link set eth0 down").unwrap();
        until("no carrier", LONG, || status().state == State::Fault).unwrap();
        link.far.ip("link set eth0 up").unwrap();
        take();
        until("master again", LONG, || status().state == State::Master).unwrap();
        let before = status().statistics.claimed_by_other;
        until("it is heard again", LONG, || {
            claim(vip);
            std::thread::sleep(Duration::from_millis(120));
            status().statistics.claimed_by_other > before
        })
        .unwrap();
        relvs.stop(false);
    }
}
