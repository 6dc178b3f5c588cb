//! Virtual MAC addresses: their interface, who answers, and what is left.

use crate::link::{Link, has, possible, until};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Instance, Settings, State, Version, VirtualAddress, VirtualMac};
use relvs_net::{Network, namespace::Namespace, sysctl};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);
const MAC: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x01, 51];

fn vip() -> IpAddr {
    "192.0.2.100".parse().unwrap()
}

fn settings(virtual_mac: Option<VirtualMac>) -> Settings {
    let instance = Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: Version::V3,
        advert_interval_ms: 100,
        addresses: vec![VirtualAddress { prefix: Some(24), ..VirtualAddress::new(vip()) }],
        virtual_mac,
        ..Instance::default()
    };
    Settings { instances: vec![instance], ..Settings::default() }
}

fn named(name: &str) -> Settings {
    settings(Some(VirtualMac { interface: Some(name.to_owned()), from_base: false }))
}

/// An interface's index, and whether it is up.
fn link(host: &Namespace, name: &str) -> Option<(u32, bool)> {
    let link = host.run(|| Network::open().unwrap().link_named(name)).unwrap();
    link.ok().map(|link| (link.index, link.up))
}

/// Whether the address is on this interface, which is up.
fn is_on(host: &Namespace, name: &str) -> bool {
    let addresses = host.run(|| Network::open().unwrap().addresses().unwrap()).unwrap();
    let Some((index, true)) = link(host, name) else { return false };
    addresses.iter().any(|own| own.address == vip() && own.interface == index)
}

fn switch(host: &Namespace, name: &str) -> String {
    host.run(|| sysctl::read(&sysctl::Key::interface("ipv4", "eth0", name).unwrap()).unwrap()).unwrap()
}

#[test]
fn the_addresses_are_on_an_interface_that_is_up_on_the_master() {
    if !possible() {
        return;
    }
    let hosts = Link::new();
    let near = &hosts.near;
    let before = ["arp_ignore", "arp_announce"].map(|name| switch(near, name));
    let answers: Arc<Mutex<Vec<_>>> = Arc::default();
    let start = || {
        let answers = answers.clone();
        let answer = move |index, is_ipv6, id, on| answers.lock().unwrap().push((index, is_ipv6, id, on));
        Vrrp::start_with(&settings(Some(VirtualMac::default())), |_| {}, answer).unwrap()
    };
    let relvs = near.run(start).unwrap();
    // Nothing comes from it before it is master.
    assert!(link(near, "vrrp.51").is_some());
    until("master", LONG, || relvs.status().unwrap().instances[0].state == State::Master && is_on(near, "vrrp.51"))
        .unwrap();
    let (eth0, _) = link(near, "eth0").unwrap();
    let told = |expected: &[bool]| {
        let expected: Vec<_> = expected.iter().map(|on| (eth0, false, 51, *on)).collect();
        assert_eq!(*answers.lock().unwrap(), expected);
    };
    told(&[true]);
    // It answers, and nobody else does.
    let ask = || {
        let index = Network::open().unwrap().link_named("eth0").unwrap().index;
        relvs_net::probe(index, vip(), Duration::from_millis(300)).unwrap()
    };
    until("the address is answered for", LONG, || hosts.far.run(ask).unwrap() == [MAC]).unwrap();
    // The way to the address's network is the one underneath.
    let routes = near.run(|| Network::open().unwrap().route("192.0.2.77".parse().unwrap()).unwrap()).unwrap();
    assert_eq!(routes.interface, Some(eth0));

    near.ip("link del vrrp.51").unwrap();
    until("it is there again", LONG, || is_on(near, "vrrp.51")).unwrap();
    told(&[true, false, true]);

    relvs.apply(&settings(None)).unwrap();
    until("it is on eth0", LONG, || is_on(near, "eth0")).unwrap();
    assert_eq!(link(near, "vrrp.51"), None);
    told(&[true, false, true, false]);
    relvs.apply(&named("web")).unwrap();
    until("it is on the other", LONG, || is_on(near, "web")).unwrap();
    relvs.apply(&named("web2")).unwrap();
    until("it has another name", LONG, || is_on(near, "web2")).unwrap();
    assert_eq!(link(near, "web"), None);
    relvs.stop(false);
    assert_eq!(link(near, "web2"), None);
    assert!(!has(near, vip()));
    told(&[true, false, true, false, true, false, true, false]);
    assert_eq!(["arp_ignore", "arp_announce"].map(|name| switch(near, name)), before);
}

#[test]
fn what_is_there_already_is_taken_away_if_it_is_ours() {
    if !possible() {
        return;
    }
    let hosts = Link::new();
    let near = &hosts.near;
    near.ip("link add vrrp.51 link eth0 address 00:00:5e:00:01:33 type macvlan mode private").unwrap();
    near.ip("link set vrrp.51 up").unwrap();
    near.ip("addr add 192.0.2.100/24 dev vrrp.51").unwrap();
    near.ip("link add web type veth peer name other").unwrap();
    let start = |settings: Settings| near.run(move || Vrrp::start(&settings, |_| {})).unwrap();
    let refused = start(named("web")).unwrap_err().to_string();
    assert_eq!(
        refused,
        "interface web is there already, and is none of a virtual router: give the virtual MAC's another name"
    );
    assert!(link(near, "web").is_some() && is_on(near, "vrrp.51"));
    // A backup, as its priority is the lowest and the interval the longest.
    let mut slow = settings(Some(VirtualMac::default()));
    slow.instances[0].advert_interval_ms = 40_000;
    let relvs = start(slow).unwrap();
    assert!(matches!(link(near, "vrrp.51"), Some((_, false))) && !has(near, vip()));
    relvs.stop(false);
    assert_eq!(link(near, "vrrp.51"), None);
}
