//! What changes around a director is followed while it runs: by the kernel's own news, without a restart.

use std::thread::sleep;
use std::time::Duration;

use relvs_api::Way;
use relvs_lab::traffic::{Load, Transfer};
use relvs_lab::{Gateway, Shape, Topology};
use relvs_model::Method;

use crate::bed::{Bed, PATIENCE, assert_shares, reason, until};
use crate::configuration::tcp;

/// Another MAC than any of the lab's.
const MAC: &str = "02:00:00:00:99:99";

/// The MAC by which the director reaches the first server of each service.
fn macs(bed: &Bed) -> Vec<String> {
    let status = bed.status();
    let ways = status.services.iter().map(|service| &service.servers[0].way);
    ways.map(|way| if let Way::Ready { mac, .. } = way { mac.clone() } else { String::new() }).collect()
}

/// Gives an interface another MAC, and has its kernel tell the link, as after a failover.
fn change_mac(bed: &Bed, node: &str, interface: &str) {
    let node = bed.node(node);
    node.set_sysctl(&format!("ipv4/conf/{interface}/arp_notify"), "1").unwrap();
    node.set_sysctl(&format!("ipv6/conf/{interface}/ndisc_notify"), "1").unwrap();
    // A kernel does not believe two answers within a second (locktime of neigh(7)).
    sleep(Duration::from_millis(1100));
    node.ip(&format!("link set dev {interface} address {MAC}")).unwrap();
}

#[test]
fn a_servers_new_mac_is_followed() {
    for (shape, method) in [
        (Shape::new(Topology::OneArmed), Method::Dr),
        (Shape::new(Topology::OneArmed), Method::Tun),
        (Shape::new(Topology::TwoArmed), Method::Nat),
    ] {
        let services = [tcp(80, "rr", &[("s1", method, 1)])];
        let Some(bed) = Bed::start(&shape.servers(1), &services) else { return };
        let downloads = bed.targets(80).map(|target| {
            let transfer = Transfer::slow_download(target, 200_000, 4).start(bed.client()).unwrap();
            transfer.wait_for(1, PATIENCE).unwrap();
            transfer
        });
        change_mac(&bed, "s1", "eth0");
        until("the director knows the server's new MAC", || macs(&bed) == [MAC, MAC]);
        for target in bed.targets(80) {
            assert_shares(&bed.requests(target, 10), &[("s1", 10)]);
        }
        for transfer in downloads {
            transfer.join().unwrap();
        }
    }
}

#[test]
fn a_gateways_new_mac_is_followed_by_replies() {
    let services = [tcp(80, "rr", &[("s1", Method::Nat, 1)])];
    let shape = Shape::new(Topology::OneArmed).gateway(Gateway::Director).servers(1);
    let Some(bed) = Bed::start(&shape, &services) else { return };
    let kept = bed.targets(80).map(|target| {
        let load = Load { timeout: PATIENCE, ..Load::new(target) };
        load.keep_alive().rate(20, 1).start(bed.client()).unwrap()
    });
    until("the kept connections were used", || kept.iter().all(|load| load.so_far().ok > 0));
    change_mac(&bed, "r", "eth1");
    let before = kept.each_ref().map(|load| load.so_far().ok);
    until("the kept connections go on", || kept.iter().zip(before).all(|(load, ok)| load.so_far().ok > ok + 5));
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 10), &[("s1", 10)]);
    }
    for load in kept {
        let report = load.stop().unwrap();
        assert_eq!(report.failed(), 0, "{report}");
    }
}

#[test]
fn a_server_that_was_down_at_the_start_comes_up() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Tun, 1)])];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::OneArmed).servers(2)) else { return };
    bed.prepare(&services);
    for name in ["s1", "s2"] {
        bed.lab.unplug(name).unwrap();
    }
    bed.configure(&services);
    bed.director.start().unwrap();
    let pending = |way: &Way| matches!(way, Way::Pending { .. });
    assert!(bed.status().services.iter().flat_map(|s| &s.servers).all(|server| pending(&server.way)));
    assert!(bed.director.log().contains("192.0.2.11: 192.0.2.11 does not answer"), "{}", bed.director.log());
    for target in bed.targets(80) {
        let load = Load { timeout: Duration::from_millis(300), ..Load::new(target) };
        assert_eq!(load.requests(2).run(bed.client()).unwrap().ok, 0);
    }
    assert!(reason(&bed.status(), "next_hop_unresolved") >= 4);
    for name in ["s1", "s2"] {
        bed.lab.plug(name).unwrap();
    }
    bed.all_ready();
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 20), &[("s1", 10), ("s2", 10)]);
    }
}

#[test]
fn a_route_to_a_server_that_comes_later_is_followed() {
    let services = [tcp(80, "rr", &[("f1", Method::Tun, 1)])];
    let Some(mut bed) = Bed::bare(&Shape::new(Topology::Wan).servers(1)) else { return };
    let routes = ["203.0.113.0/24 via 192.0.2.4", "2001:db8:113::/64 via 2001:db8:2::4"];
    let defaults = ["default via 192.0.2.1", "default via 2001:db8:2::1"];
    for route in routes.iter().chain(&defaults) {
        bed.node("d1").ip(&format!("route del {route}")).unwrap();
    }
    bed.run(&services);
    let status = bed.status();
    let ways = status.services.iter().flat_map(|service| &service.servers).map(|server| &server.way);
    assert!(ways.clone().count() == 2 && ways.clone().all(|way| matches!(way, Way::Unreachable { .. })), "{status:?}");
    for route in routes {
        bed.node("d1").ip(&format!("route add {route}")).unwrap();
    }
    bed.all_ready();
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 5), &[("f1", 5)]);
    }
}

#[test]
fn a_director_that_was_cut_off_goes_on() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Tun, 1)])];
    let Some(bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(2), &services) else { return };
    let target = bed.targets(80)[0];
    let download = Transfer::slow_download(target, 200_000, 4).start(bed.client()).unwrap();
    download.wait_for(1, PATIENCE).unwrap();
    bed.lab.unplug("d1").unwrap();
    sleep(Duration::from_millis(500));
    bed.lab.plug("d1").unwrap();
    bed.all_ready();
    download.join().unwrap();
    for target in bed.targets(80) {
        bed.requests(target, 10);
    }
}

#[test]
fn an_interface_that_is_made_again_is_served_again() {
    let services = [tcp(80, "rr", &[("s1", Method::Dr, 1), ("s2", Method::Tun, 1)])];
    let Some(mut bed) = Bed::start(&Shape::new(Topology::OneArmed).servers(2), &services) else { return };
    let (director, switch) = (bed.node("d1"), bed.node("sw"));
    director.ip("link del dev eth0").unwrap();
    until("the interface is no longer served", || bed.status().interfaces.is_empty());
    let namespace = director.namespace();
    let cable = format!("type veth peer name eth0 mtu 1600 address 02:00:00:00:02:02 netns {namespace}");
    switch.ip(&format!("link add name d1.eth0 mtu 1600 {cable}")).unwrap();
    switch.check("ethtool", ["-K", "d1.eth0", "tx", "off", "tso", "off", "gro", "on"]).unwrap();
    director.check("ethtool", ["-K", "eth0", "tx", "off", "tso", "off"]).unwrap();
    switch.ip("link set dev d1.eth0 master lan up").unwrap();
    director.ip("address add 192.0.2.2/24 dev eth0").unwrap();
    director.ip("address add 2001:db8:2::2/64 dev eth0 nodad").unwrap();
    director.ip("link set dev eth0 up").unwrap();
    for vip in bed.vips {
        bed.lab.add_vip("d1", vip).unwrap();
    }
    until("the new interface is served", || bed.status().interfaces.len() == 1);
    bed.all_ready();
    for target in bed.targets(80) {
        assert_shares(&bed.requests(target, 10), &[("s1", 5), ("s2", 5)]);
    }
    assert!(bed.director.is_running());
}
