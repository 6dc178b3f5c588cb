//! Adverts of virtual routers, which any host on the link can send: what is understood was said by the bytes, and a backup
//! goes on whatever it hears.

use relvs_model::vrrp::{Instance, Settings, State, Version, VirtualAddress};
use relvs_proto::vrrp::{
    Datagram, Input, Router,
    packet::{Packet, router_id},
};
use std::{net::IpAddr, time::Duration};

/// The first byte says family, destination, password, TTL and our version; the others are the packet.
pub(super) fn run(data: &[u8]) {
    let Some((&how, payload)) = data.split_first() else { return };
    let six = how & 1 != 0;
    let address = |four: [u8; 4], text: &str| -> IpAddr { if six { text.parse().unwrap() } else { four.into() } };
    let (own, source) = (address([192, 0, 2, 1], "fe80::1"), address([192, 0, 2, 2], "fe80::2"));
    let group = address([224, 0, 0, 18], "ff02::12");
    let destination = if how & 2 == 0 { group } else { own };
    if let Ok(packet) = Packet::new(payload, source, destination) {
        let advert = packet.advert();
        assert_eq!(Some(advert.router_id), router_id(payload));
        assert!(!advert.interval.is_zero() || packet.version().number() == 2);
        let again = advert.bytes(source, destination, packet.form());
        let again = Packet::new(&again, source, destination).expect("what was written is read");
        assert_eq!(again.advert(), advert);
        assert_eq!(again.form(), packet.form());
    }
    let instance = Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: router_id(payload).filter(|id| *id != 0).unwrap_or(1),
        version: if how & 16 == 0 { Version::V2 } else { Version::V3 },
        auth_pass: (how & 20 == 4 && !six).then(|| "password".into()),
        addresses: vec![VirtualAddress::new(address([192, 0, 2, 100], "fe80::100"))],
        ..Instance::default()
    };
    let mut router = Router::new(&Settings { instances: vec![instance], ..Settings::default() });
    let now = Duration::from_secs(1);
    router.handle(now, Input::Source { interface: "eth0", is_ipv6: six, address: Some(own) });
    router.handle(now, Input::Interface { name: "eth0", up: true });
    router.handle(now, Input::Start);
    let ttl = Some(if how & 8 == 0 { 255 } else { how });
    let datagram = Datagram { interface: "eth0", source, destination, ttl, payload };
    router.handle(now, Input::Datagram(datagram));
    let status = router.status(now).instances.remove(0);
    let s = status.statistics;
    let dropped = s.packet_len_err
        + s.advert_interval_err
        + s.ip_ttl_err
        + s.invalid_type_rcvd
        + s.invalid_authtype
        + s.authtype_mismatch
        + s.auth_failure
        + s.checksum_err
        + s.version_err
        + s.source_err
        + s.addr_list_err
        + s.owner_ignored;
    let known = router_id(payload).is_some_and(|id| id != 0);
    assert_eq!(status.state, State::Backup);
    // Every packet is believed or has a reason why not.
    assert!(!known || s.advert_rcvd + dropped >= 1, "{s:?}");
    // It waits for a time that there is, and takes over when that is past.
    let due = router.poll_timeout().expect("a backup waits");
    assert!(due <= now + Duration::from_secs(255 * 4 + 1), "{due:?}");
    router.handle_timeout(due);
    assert_eq!(router.status(due).instances[0].state, State::Master);
}
