//! promote_secondaries: an address of the machine's own outlives a virtual one that was first in its network.

use crate::link::{Link, has, possible, until};
use relvs_daemon::vrrp::Vrrp;
use relvs_model::vrrp::{Instance, Settings, State, VirtualAddress};
use relvs_net::{namespace::Namespace, sysctl};
use std::{net::IpAddr, time::Duration};

/// More than any of this takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

fn settings(promote_secondaries: bool) -> Settings {
    let instance = Instance {
        name: "VI".into(),
        interface: "eth0".into(),
        router_id: 51,
        advert_interval_ms: 1_000,
        addresses: vec![VirtualAddress { prefix: Some(24), ..VirtualAddress::new(address(100)) }],
        promote_secondaries,
        ..Instance::default()
    };
    Settings { instances: vec![instance], ..Settings::default() }
}

fn address(host: u8) -> IpAddr {
    [198, 51, 100, host].into()
}

fn key() -> sysctl::Key {
    sysctl::Key::interface("ipv4", "eth0", "promote_secondaries").unwrap()
}

fn switch(host: &Namespace) -> String {
    host.run(|| sysctl::read(&key()).unwrap()).unwrap()
}

fn set(host: &Namespace, value: &'static str) {
    host.run(move || sysctl::write(&key(), value).unwrap()).unwrap();
}

#[test]
fn an_address_outlives_the_virtual_one_before_it() {
    if !possible() {
        return;
    }
    let hosts = Link::new();
    let near = &hosts.near;
    set(near, "0");
    let relvs = near.run(|| Vrrp::start(&settings(true), |_| {}).unwrap()).unwrap();
    assert_eq!(switch(near), "1");
    relvs.apply(&settings(false)).unwrap();
    assert_eq!(switch(near), "0");
    relvs.apply(&settings(true)).unwrap();
    assert_eq!(switch(near), "1");
    until("master", LONG, || relvs.status().unwrap().instances[0].state == State::Master && has(near, address(100)))
        .unwrap();
    near.ip("addr add 198.51.100.50/24 dev eth0").unwrap();
    relvs.stop(false);
    assert!(!has(near, address(100)));
    assert!(has(near, address(50)), "it went with the virtual address");
    assert_eq!(switch(near), "0");

    // Where it was on before, it stays.
    set(near, "1");
    let relvs = near.run(|| Vrrp::start(&settings(true), |_| {}).unwrap()).unwrap();
    relvs.stop(false);
    assert_eq!(switch(near), "1");
}
