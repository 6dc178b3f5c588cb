//! Pairs whose addresses are at a virtual MAC: clients' neighbour entries stay as they are, whoever is master.

use super::pairs::{GLOBAL, Pair, gateway, instance, interface, served_by, service};
use crate::bed::Bed;
use relvs_lab::capture::{Capture, Frame, Heading, Kind};
use relvs_lab::{Node, Shape, Topology};
use relvs_model::Method;
use std::net::IpAddr;

/// A virtual router's lines.
fn lines(addresses: &str) -> String {
    format!(" use_vmac\n version 3\n advert_int 1\n virtual_ipaddress {{\n{addresses} }}\n")
}

/// Whatever a machine hears of who has an address.
fn heard(node: &Node, vip: IpAddr) -> Capture {
    let claim = move |frame: &Frame| {
        frame.heading == Heading::Received && frame.claims().is_some_and(|(address, _)| address == vip)
    };
    Capture::start(node, Kind::All, claim).unwrap()
}

/// Nobody was heard but the masters, by the MAC that they share.
#[track_caller]
fn is_all(heard: Capture, mac: [u8; 6]) {
    let claims: Vec<_> = heard.stop().unwrap().iter().filter_map(Frame::claims).collect();
    assert!(claims.len() > 5 && claims.iter().all(|(_, by)| *by == mac), "{claims:02x?}");
}

/// Where a machine sends what is for an address.
fn neighbour(node: &Node, address: IpAddr) -> String {
    let shown = node.ip(&format!("neigh show {address}")).unwrap();
    shown.split_whitespace().skip_while(|word| *word != "lladdr").nth(1).unwrap_or_default().to_owned()
}

/// What a machine has of interfaces and of their switches, but for counters and moments.
fn network(bed: &Bed, interface: &str) -> (String, Vec<String>) {
    let node = bed.node("d1");
    let links = node.ip("-oneline -brief link show").unwrap();
    let switches = ["arp_ignore", "arp_announce", "rp_filter"];
    (links, switches.map(|switch| node.sysctl(&format!("ipv4/conf/{interface}/{switch}")).unwrap()).into())
}

#[test]
fn a_dr_pair_with_keepalived() {
    let conf = |bed: &Bed| {
        let (vip, interface) = (bed.vips[0], interface(bed, 0));
        let lines = lines(&format!(" {vip}/24\n"));
        format!("{GLOBAL}{}{}", instance("VI_1", &interface, 51, &lines), service(bed, vip, "DR"))
    };
    let Some(mut pair) = Pair::new(&Shape::new(Topology::OneArmed).servers(2), Method::Dr, conf) else { return };
    let (vip, interface) = (pair.bed.vips[0], interface(&pair.bed, 0));
    let before = network(&pair.bed, &interface);
    let claims = heard(pair.bed.node("r"), vip);
    pair.start_relvs();
    pair.start_keepalived();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    let own = pair.bed.node("d1").ip("-details link show dev vrrp.51").unwrap();
    assert!(own.contains("00:00:5e:00:01:33") && own.contains("macvlan mode private"), "{own}");

    assert!(pair.bed.director.terminate().unwrap().success());
    assert_eq!(network(&pair.bed, &interface), before, "something is left");
    pair.is_at("d2", vip);
    served_by(&pair.bed, vip, &[("d2", 4)]);
    pair.start_relvs();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);

    // What a daemon that is killed leaves is the next one's, and is gone at its end.
    pair.end_other();
    pair.bed.director.kill().unwrap();
    assert!(pair.has("d1", vip));
    pair.start_relvs();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    assert!(pair.bed.director.terminate().unwrap().success());
    assert_eq!(network(&pair.bed, &interface).0, before.0, "something is left");
    is_all(claims, [0x00, 0x00, 0x5e, 0x00, 0x01, 51]);
}

#[test]
fn a_nat_pair_of_two_relvs_with_the_servers_gateway() {
    let conf = |bed: &Bed| {
        let (vip, outside, inside) = (bed.vips[0], interface(bed, 0), interface(bed, 1));
        let of = |address: IpAddr| lines(&format!(" {address}/24\n")) + " nopreempt\n";
        format!(
            "{GLOBAL}vrrp_sync_group G {{\n group {{\n OUT\n IN\n }}\n}}\n{}{}{}",
            instance("OUT", &outside, 51, &of(vip)),
            instance("IN", &inside, 52, &of(gateway(bed))),
            service(bed, vip, "NAT")
        )
    };
    let shape = Shape::new(Topology::TwoArmed).servers(2);
    let Some(mut pair) = Pair::new(&shape, Method::Nat, conf) else { return };
    let (vip, gateway) = (pair.bed.vips[0], gateway(&pair.bed));
    for name in ["s1", "s2"] {
        pair.bed.node(name).ip(&format!("route replace default via {gateway}")).unwrap();
    }
    let macs = |pair: &Pair| [neighbour(pair.bed.client(), vip), neighbour(pair.bed.node("s1"), gateway)];
    let virtual_macs = ["00:00:5e:00:01:33", "00:00:5e:00:01:34"];
    pair.start_relvs();
    pair.is_at("d1", vip);
    pair.start_second_relvs();
    pair.is_at("d1", gateway);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    assert_eq!(macs(&pair), virtual_macs);
    // One side is cut off: both addresses go.
    pair.bed.node("d1").set_link(&interface(&pair.bed, 1), false).unwrap();
    pair.is_at("d2", vip);
    pair.is_at("d2", gateway);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    assert_eq!(macs(&pair), virtual_macs);
    pair.bed.node("d1").set_link(&interface(&pair.bed, 1), true).unwrap();
    pair.end_other();
    pair.is_at("d1", vip);
    pair.is_at("d1", gateway);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    assert_eq!(macs(&pair), virtual_macs);
}

#[test]
fn ipv6_with_keepalived() {
    let conf = |bed: &Bed| {
        let (vip, interface) = (bed.vips[1], interface(bed, 0));
        let lines = lines(&format!(" fe80::51/64\n {vip}/64\n"));
        format!("{GLOBAL}{}{}", instance("VI_6", &interface, 51, &lines), service(bed, vip, "DR"))
    };
    let Some(mut pair) = Pair::new(&Shape::new(Topology::OneArmed).servers(2), Method::Dr, conf) else { return };
    let vip = pair.bed.vips[1];
    let claims = heard(pair.bed.node("r"), vip);
    pair.start_relvs();
    pair.start_keepalived();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    assert!(pair.bed.director.terminate().unwrap().success());
    pair.is_at("d2", vip);
    served_by(&pair.bed, vip, &[("d2", 4)]);
    pair.start_relvs();
    pair.is_at("d1", vip);
    served_by(&pair.bed, vip, &[("s1", 5), ("s2", 5)]);
    is_all(claims, [0x00, 0x00, 0x5e, 0x00, 0x02, 51]);
}
