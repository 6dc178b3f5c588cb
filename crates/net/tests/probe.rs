//! Who answers for an address on a link: ARP and neighbour discovery between real kernels.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic and says what it skips"
)]

mod topology;

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use relvs_net::{Mac, Network, NewAddress, Scope, namespace::Namespace, probe, sysctl};
use topology::{Lan, ip, lan};

const VIPS: [&str; 2] = ["192.0.2.100", "2001:db8:ff::100"];

fn ask(from: &Namespace, target: IpAddr) -> Vec<Mac> {
    from.run(|| {
        let eth0 = Network::open().unwrap().link_named("eth0").unwrap().index;
        probe(eth0, target, Duration::from_millis(450)).unwrap()
    })
    .unwrap()
}

/// Puts the VIPs on lo as a real server has them.
fn take_vips(host: &Namespace) {
    host.run(|| {
        let mut network = Network::open().unwrap();
        for vip in VIPS {
            network.add_address(&NewAddress::host(1, ip(vip), Scope::Host)).unwrap();
        }
    })
    .unwrap();
}

#[test]
fn the_owner_on_the_link_answers() {
    let Some(Lan { near, far }) = lan() else { return };
    for (address, silent) in [("10.0.0.2", "10.0.0.77"), ("2001:db8::2", "2001:db8::77")] {
        assert_eq!(ask(&near, ip(address)), [[2, 0, 0, 0, 0, 2]], "{address}");
        assert_eq!(ask(&near, ip(silent)), [[0u8; 6]; 0], "{silent}");
    }
    assert_eq!(ask(&far, ip("10.0.0.2")), [[0u8; 6]; 0], "no host hears itself");
    // An IPv4 probe claims nothing, so the other side learns nothing from it.
    assert!(!far.ip("neigh").unwrap().contains("10.0.0.1 "));
}

#[test]
fn a_vip_on_lo_answers_arp_until_it_is_hidden_and_never_neighbour_discovery() {
    let Some(Lan { near, far }) = lan() else { return };
    take_vips(&far);
    assert_eq!(ask(&near, ip(VIPS[0])), [[2, 0, 0, 0, 0, 2]], "not hidden");
    assert_eq!(ask(&near, ip(VIPS[1])), [[0u8; 6]; 0], "IPv6 answers for the interface's own addresses only");
    let key = sysctl::Key::interface("ipv4", "eth0", "arp_ignore").unwrap();
    far.run(|| sysctl::write(&key, "1").unwrap()).unwrap();
    assert_eq!(ask(&near, ip(VIPS[0])), [[0u8; 6]; 0], "hidden");
    assert_eq!(ask(&near, ip("10.0.0.2")), [[2, 0, 0, 0, 0, 2]], "the server's own address is not");
    // With a proxy entry even IPv6 gives it away.
    far.ip("neigh add proxy 2001:db8:ff::100 dev eth0").unwrap();
    far.run(|| {
        sysctl::write(&sysctl::Key::interface("ipv6", "eth0", "proxy_ndp").unwrap(), "1").unwrap();
        sysctl::write(&sysctl::Key::interface("ipv6", "all", "forwarding").unwrap(), "1").unwrap();
    })
    .unwrap();
    // The kernel delays a proxy's answer by a random part of this.
    far.run(|| sysctl::write(&sysctl::Key::parse("net/ipv6/neigh/eth0/proxy_delay").unwrap(), "0").unwrap()).unwrap();
    assert_eq!(ask(&near, ip(VIPS[1])), [[2, 0, 0, 0, 0, 2]], "a proxy answers even for the address on lo");
}

/// Asks while another host asks in turn for someone who does not exist, in the name of `source`.
fn ask_while(asking: &Namespace, source: &str, nobody: &str, from: &Namespace, target: IpAddr) -> Vec<Mac> {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            asking.run(|| UdpSocket::bind((source, 0)).unwrap().send_to(b"x", (nobody, 9)).unwrap()).unwrap();
        });
        ask(from, target)
    })
}

#[test]
fn only_claims_to_the_address_on_this_link_count() {
    let Some(Lan { near, far }) = lan() else { return };
    let unrelated = ask_while(&far, "10.0.0.2", "10.0.0.77", &near, ip(VIPS[0]));
    assert_eq!(unrelated, [[0u8; 6]; 0], "another address's owner is of no interest");
    // Who asks in the name of the VIP claims it, though it answers nobody.
    take_vips(&far);
    far.run(|| sysctl::write(&sysctl::Key::interface("ipv4", "eth0", "arp_ignore").unwrap(), "8").unwrap()).unwrap();
    let claimed = ask_while(&far, VIPS[0], "10.0.0.78", &near, ip(VIPS[0]));
    assert_eq!(claimed, [[2, 0, 0, 0, 0, 2]], "a question in the VIP's name is a claim");
    // The same on another link is that link's matter.
    let other = Namespace::new().unwrap();
    near.ip(&format!("link add eth1 type veth peer name eth0 netns {}", other.path())).unwrap();
    near.ip("link set eth1 up").unwrap();
    other.ip("link set eth0 up").unwrap();
    other.ip("addr add 10.0.1.2/24 dev eth0").unwrap();
    take_vips(&other);
    let elsewhere = ask_while(&other, VIPS[0], "10.0.1.77", &near, ip(VIPS[0]));
    assert_eq!(elsewhere, [[0u8; 6]; 0]);
}

#[test]
fn every_host_that_answers_is_found() {
    let Some(Lan { near, far }) = lan() else { return };
    // A third host on the same link: a second interface of the far side with the same VIP, behind one bridge.
    let third = Namespace::new().unwrap();
    far.ip(&format!("link add p0 type veth peer name eth0 netns {}", third.path())).unwrap();
    far.ip("link add br0 type bridge").unwrap();
    for step in ["link set br0 address 02:00:00:00:00:02 up", "link set p0 master br0 up", "link set eth0 master br0"] {
        far.ip(step).unwrap();
    }
    third.ip("link set eth0 address 02:00:00:00:00:03 up").unwrap();
    third.ip("addr add 10.0.0.3/24 dev eth0").unwrap();
    for host in [&far, &third] {
        take_vips(host);
    }
    assert_eq!(ask(&near, ip(VIPS[0])), [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3]]);
}

#[test]
fn an_interface_without_arp_is_refused_by_name() {
    let Some(Lan { near, far: _far }) = lan() else { return };
    near.run(|| {
        for target in [ip("192.0.2.1"), ip("2001:db8::1")] {
            let lo = probe(1, target, Duration::from_millis(10)).unwrap_err().to_string();
            assert!(lo.contains("no Ethernet interface"), "{lo}");
            let absent = probe(4711, target, Duration::from_millis(10)).unwrap_err();
            assert!(absent.is_absent(), "{absent}");
        }
    })
    .unwrap();
}
