//! Links, addresses, routes, neighbours and events against a real kernel, in namespaces of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic and says what it skips"
)]

mod topology;

use std::{
    net::IpAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, poll};
use relvs_net::{
    Event, Events, NeighbourState, Network, NewAddress, NextHop, Resolution, Route, RouteKind, Scope, sysctl,
};
use topology::{Lan, ip, lan};

/// The longest a test waits for the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

fn eventually(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it did not come true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asks until the answer is no longer `Pending`.
fn settled(network: &mut Network, destination: IpAddr) -> Resolution {
    let mut resolution = network.resolve(destination).unwrap();
    eventually(|| {
        resolution = network.resolve(destination).unwrap();
        !matches!(resolution, Resolution::Pending { .. })
    });
    resolution
}

/// Gathers events until one satisfies the condition.
fn await_event(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
    let (end, mut seen) = (Instant::now() + PATIENCE, Vec::new());
    while Instant::now() < end {
        poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], 200u16).unwrap();
        seen.extend(events.drain().unwrap());
        if seen.iter().any(&wanted) {
            return seen;
        }
    }
    panic!("the event did not come; seen: {seen:?}");
}

/// Reads until nothing has come for a while, so that what comes next is new.
fn quiet(events: &mut Events) {
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(30));
        if events.drain().unwrap().is_empty() {
            return;
        }
    }
    panic!("changes without end");
}

#[test]
fn links_and_their_kinds() {
    let Some(Lan { near, far: _far }) = lan() else { return };
    near.ip("link add br0 type bridge").unwrap();
    near.ip("link add m0 link eth0 type macvlan").unwrap();
    near.ip("link add v0 type veth peer name v1").unwrap();
    near.ip("link set v0 master br0").unwrap();
    near.ip("link set eth0 mtu 1400").unwrap();
    near.run(|| {
        let mut network = Network::open().unwrap();
        let links = network.links().unwrap();
        let named =
            |name: &str| links.iter().find(|l| l.name == name).unwrap_or_else(|| panic!("no {name}: {links:?}"));
        let (lo, eth0, br0, m0, v0, v1) =
            (named("lo"), named("eth0"), named("br0"), named("m0"), named("v0"), named("v1"));
        assert!(lo.loopback && lo.up && lo.mac.is_none());
        assert_eq!(eth0.mac, Some([2, 0, 0, 0, 0, 1]));
        assert_eq!((eth0.mtu, eth0.up, eth0.running, eth0.is_veth()), (1400, true, true, true));
        assert!(eth0.peer.is_some_and(|p| !p.here), "its other end is in the other namespace");
        assert_eq!(v0.peer.map(|p| (p.index, p.here)), Some((v1.index, true)));
        assert_eq!((v0.master, v0.up, v1.running), (Some(br0.index), false, false));
        assert_eq!((br0.kind.as_deref(), br0.mac.is_some(), br0.master), (Some("bridge"), true, None));
        assert_eq!((m0.parent, m0.peer), (Some(eth0.index), None));
        assert!(links.iter().all(|l| !l.xdp_attached && l.vlan.is_none()));
        assert_eq!(&network.link(eth0.index).unwrap(), eth0);
        assert_eq!(&network.link_named("eth0").unwrap(), eth0);
        for absent in ["eth7", "", "a-name-that-is-too-long"] {
            let error = network.link_named(absent).unwrap_err();
            assert!(error.is_absent(), "{error}");
            assert!(error.to_string().contains(absent), "{error}");
        }
        assert!(network.link(4711).unwrap_err().is_absent());
    })
    .unwrap();
}

#[test]
fn addresses_come_and_go() {
    let Some(Lan { near, far: _far }) = lan() else { return };
    let (listing_before, routes_before) = (near.ip("addr").unwrap(), near.ip("-6 route").unwrap());
    near.run(|| {
        let mut network = Network::open().unwrap();
        for vip in [ip("192.0.2.100"), ip("2001:db8:ff::100")] {
            let mut new = NewAddress::host(1, vip, Scope::Host);
            new.label = Some("lo:relvs".into());
            new.deprecated = true;
            network.add_address(&new).unwrap();
            assert!(network.add_address(&new).unwrap_err().is_present());
            let addresses = network.addresses().unwrap();
            let found = addresses.iter().find(|a| a.address == vip).unwrap();
            assert_eq!((found.interface, found.prefix), (1, if vip.is_ipv4() { 32 } else { 128 }));
            assert!(!found.tentative && !found.duplicate);
            if vip.is_ipv4() {
                assert_eq!((found.scope, found.label.as_deref()), (Scope::Host, Some("lo:relvs")));
            } else {
                assert!(found.deprecated);
            }
            // The kernel adds the local route of an IPv6 address a moment later.
            eventually(|| network.resolve(vip).unwrap() == Resolution::Local);
        }
        assert!(network.addresses().unwrap().iter().any(|a| a.address == ip("10.0.0.1") && a.prefix == 24));
    })
    .unwrap();
    let listing = near.ip("addr show lo").unwrap();
    assert!(listing.contains("inet 192.0.2.100/32 scope host") && listing.contains("lo:relvs"), "{listing}");
    assert_eq!(near.ip("-6 route").unwrap(), routes_before, "no route to the prefix");
    near.run(|| {
        let mut network = Network::open().unwrap();
        for (vip, prefix) in [(ip("192.0.2.100"), 32), (ip("2001:db8:ff::100"), 128)] {
            network.remove_address(1, vip, prefix).unwrap();
            assert!(network.remove_address(1, vip, prefix).unwrap_err().is_absent());
        }
    })
    .unwrap();
    assert_eq!(near.ip("addr").unwrap(), listing_before);
}

#[test]
fn routes_of_every_kind() {
    let Some(Lan { near, far: _far }) = lan() else { return };
    for (route, kind4, kind6) in [
        ("blackhole", "203.0.113.1", "2001:db8:b::1"),
        ("unreachable", "203.0.113.2", "2001:db8:b::2"),
        ("prohibit", "203.0.113.3", "2001:db8:b::3"),
    ] {
        near.ip(&format!("route add {route} {kind4}")).unwrap();
        near.ip(&format!("route add {route} {kind6}")).unwrap();
    }
    near.ip("route add 198.51.100.0/24 via 10.0.0.2 mtu 1300").unwrap();
    near.ip("route add 2001:db8:51::/48 via 2001:db8::2 mtu 1290").unwrap();
    near.ip("route add 198.51.101.0/24 via inet6 2001:db8::2 dev eth0").unwrap();
    near.run(|| {
        let mut network = Network::open().unwrap();
        let eth0 = network.link_named("eth0").unwrap().index;
        let mut kind = |destination: &str| network.route(ip(destination)).unwrap().kind;
        for (destination, expected) in [
            ("203.0.113.1", RouteKind::Blackhole),
            ("203.0.113.2", RouteKind::Unreachable),
            ("203.0.113.3", RouteKind::Prohibit),
            ("203.0.113.4", RouteKind::None),
            ("2001:db8:b::1", RouteKind::Blackhole),
            ("2001:db8:b::2", RouteKind::Unreachable),
            ("2001:db8:b::3", RouteKind::Prohibit),
            ("2001:db8:b::4", RouteKind::None),
            ("10.0.0.1", RouteKind::Local),
            ("2001:db8::1", RouteKind::Local),
            ("10.0.0.255", RouteKind::Broadcast),
        ] {
            assert_eq!(kind(destination), expected, "{destination}");
        }
        let way = |gateway: Option<&str>, source: &str, mtu| Route {
            kind: RouteKind::Unicast,
            interface: Some(eth0),
            gateway: gateway.map(ip),
            source: Some(ip(source)),
            mtu,
        };
        assert_eq!(network.route(ip("10.0.0.2")).unwrap(), way(None, "10.0.0.1", None));
        assert_eq!(network.route(ip("198.51.100.9")).unwrap(), way(Some("10.0.0.2"), "10.0.0.1", Some(1300)));
        assert_eq!(network.route(ip("2001:db8:51::9")).unwrap(), way(Some("2001:db8::2"), "2001:db8::1", Some(1290)));
        assert_eq!(network.route(ip("198.51.101.9")).unwrap(), way(Some("2001:db8::2"), "10.0.0.1", None));
    })
    .unwrap();
}

#[test]
fn a_destination_is_resolved_directly_and_through_a_gateway() {
    let Some(Lan { near, far: _far }) = lan() else { return };
    near.ip("route add 198.51.100.0/24 via 10.0.0.2 mtu 1300").unwrap();
    near.ip("route add 2001:db8:51::/48 via 2001:db8::2").unwrap();
    near.run(|| {
        let mut network = Network::open().unwrap();
        let eth0 = network.link_named("eth0").unwrap().index;
        assert_eq!(
            network.resolve(ip("198.51.100.9")).unwrap(),
            Resolution::Pending { interface: eth0, neighbour: ip("10.0.0.2") }
        );
        let hop = |mtu, source: &str, neighbour: &str| {
            Resolution::Ready(NextHop {
                interface: eth0,
                route_interface: eth0,
                vlans: vec![],
                source_mac: [2, 0, 0, 0, 0, 1],
                destination_mac: [2, 0, 0, 0, 0, 2],
                mtu,
                source: ip(source),
                neighbour: ip(neighbour),
            })
        };
        assert_eq!(settled(&mut network, ip("198.51.100.9")), hop(1300, "10.0.0.1", "10.0.0.2"));
        assert_eq!(settled(&mut network, ip("10.0.0.2")), hop(1500, "10.0.0.1", "10.0.0.2"));
        assert_eq!(settled(&mut network, ip("2001:db8:51::9")), hop(1500, "2001:db8::1", "2001:db8::2"));
        assert_eq!(settled(&mut network, ip("2001:db8::2")), hop(1500, "2001:db8::1", "2001:db8::2"));
        let neighbours = network.neighbours().unwrap();
        let known = neighbours.iter().find(|n| n.address == ip("10.0.0.2")).unwrap();
        assert_eq!((known.interface, known.resolved()), (eth0, Some([2, 0, 0, 0, 0, 2])));
        assert_eq!(network.neighbour(eth0, ip("10.0.0.2")).unwrap().as_ref(), Some(known));
        assert_eq!(network.neighbour(eth0, ip("10.0.0.77")).unwrap(), None);
    })
    .unwrap();
}

#[test]
fn without_a_way_the_reason_is_named() {
    let Some(Lan { near, far }) = lan() else { return };
    near.ip("route add blackhole 203.0.113.1").unwrap();
    let why = |destination: &str| {
        near.run(|| match Network::open().unwrap().resolve(ip(destination)).unwrap() {
            Resolution::Unreachable { why } => why,
            other @ (Resolution::Local | Resolution::Pending { .. } | Resolution::Ready(_)) => {
                panic!("{destination}: {other:?}")
            }
        })
        .unwrap()
    };
    assert_eq!(why("192.0.2.9"), "no route leads there");
    assert_eq!(why("2001:db8:9::9"), "no route leads there");
    assert_eq!(why("203.0.113.1"), "a blackhole route covers it");
    assert_eq!(why("224.0.0.18"), "no route leads there");
    assert!(why("fe80::2").contains("link-local"));
    far.ip("link set eth0 down").unwrap();
    assert_eq!(why("10.0.0.2"), "interface eth0 has no carrier");
    near.ip("addr flush dev eth0").unwrap();
    near.ip("link set eth0 down").unwrap();
    assert_eq!(why("10.0.0.2"), "no route leads there");
}

#[test]
fn a_silent_neighbour_stays_pending_until_it_speaks() {
    let Some(Lan { near, far }) = lan() else { return };
    near.run(|| {
        let mut network = Network::open().unwrap();
        let eth0 = network.link_named("eth0").unwrap().index;
        let pending = Resolution::Pending { interface: eth0, neighbour: ip("10.0.0.3") };
        let mut events = Events::open().unwrap();
        assert_eq!(network.resolve(ip("10.0.0.3")).unwrap(), pending);
        let asked = Event::Neighbour { interface: eth0, address: ip("10.0.0.3") };
        // Three questions a second apart, then FAILED.
        let mut state = || network.neighbour(eth0, ip("10.0.0.3")).unwrap().unwrap().state;
        eventually(|| state() == NeighbourState::Failed);
        await_event(&mut events, |e| *e == asked);
        assert_eq!(network.resolve(ip("10.0.0.3")).unwrap(), pending, "a failed one is asked again");
        far.ip("addr add 10.0.0.3/24 dev eth0").unwrap();
        assert!(matches!(settled(&mut network, ip("10.0.0.3")), Resolution::Ready(_)));
    })
    .unwrap();
}

#[test]
fn what_an_administrator_set_is_not_asked_for() {
    let Some(Lan { near, far: _far }) = lan() else { return };
    // Nobody answers for this one, and nobody has to.
    near.ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 nud permanent dev eth0").unwrap();
    near.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 nud stale dev eth0").unwrap();
    near.run(|| {
        let mut network = Network::open().unwrap();
        let eth0 = network.link_named("eth0").unwrap().index;
        let state = |network: &mut Network, address| network.neighbour(eth0, ip(address)).unwrap().unwrap().state;
        let both = [(eth0, ip("10.0.0.9")), (eth0, ip("10.0.0.2")), (eth0 + 100, ip("10.0.0.2"))].into();
        network.confirm(&both).unwrap();
        assert_eq!(state(&mut network, "10.0.0.9"), NeighbourState::Permanent);
        assert!(matches!(network.resolve(ip("10.0.0.9")).unwrap(), Resolution::Ready(_)));
        // The other goes from stale by delay to reachable.
        assert_ne!(state(&mut network, "10.0.0.2"), NeighbourState::Stale);
    })
    .unwrap();
}

#[test]
fn changes_are_announced() {
    let Some(Lan { near, far }) = lan() else { return };
    near.run(|| {
        let mut network = Network::open().unwrap();
        let eth0 = network.link_named("eth0").unwrap().index;
        assert!(matches!(settled(&mut network, ip("10.0.0.2")), Resolution::Ready(_)));
        let mut events = Events::open().unwrap();
        assert_eq!(events.drain().unwrap(), [], "nothing has changed since");

        near.ip("route add 198.51.100.0/24 via 10.0.0.2").unwrap();
        await_event(&mut events, |e| *e == Event::Route);
        quiet(&mut events);
        near.ip("-6 route add 2001:db8:51::/48 via 2001:db8::2").unwrap();
        await_event(&mut events, |e| *e == Event::Route);
        quiet(&mut events);
        near.ip("rule add from 192.0.2.9 table main").unwrap();
        await_event(&mut events, |e| *e == Event::Route);
        quiet(&mut events);
        near.ip("-6 rule add from 2001:db8:9::/48 table main").unwrap();
        await_event(&mut events, |e| *e == Event::Route);
        quiet(&mut events);
        near.ip("nexthop add id 7 via 10.0.0.2 dev eth0").unwrap();
        await_event(&mut events, |e| *e == Event::Route);

        let address = ip("10.0.0.9");
        near.ip("addr add 10.0.0.9/24 dev eth0").unwrap();
        await_event(&mut events, |e| *e == Event::Address { interface: eth0, address });
        near.ip("link set eth0 mtu 1400").unwrap();
        await_event(&mut events, |e| *e == Event::Link(eth0));

        // The server gets another network card: its announcement changes the entry without a question.
        far.ip("link set eth0 address 02:00:00:00:00:99").unwrap();
        let changed = Event::Neighbour { interface: eth0, address: ip("10.0.0.2") };
        near.ip("neigh replace 10.0.0.2 lladdr 02:00:00:00:00:99 dev eth0").unwrap();
        await_event(&mut events, |e| *e == changed);
        let Resolution::Ready(hop) = network.resolve(ip("10.0.0.2")).unwrap() else { panic!("not ready") };
        assert_eq!((hop.destination_mac, hop.mtu), ([2, 0, 0, 0, 0, 0x99], 1400));
    })
    .unwrap();
}

#[test]
fn many_changes_are_each_told_once_and_lost_ones_are_admitted() {
    let Some(Lan { near, far: _far }) = lan() else { return };
    near.run(|| {
        let mut events = Events::open().unwrap();
        let mut network = Network::open().unwrap();
        for _ in 0..50 {
            let new = NewAddress::host(1, ip("192.0.2.100"), Scope::Host);
            network.add_address(&new).unwrap();
            network.remove_address(1, new.address, new.prefix).unwrap();
        }
        let seen = events.drain().unwrap();
        let address = Event::Address { interface: 1, address: ip("192.0.2.100") };
        assert_eq!(seen, [address, Event::Route], "coalesced, and in an order of its own");
        // Two messages of more than 500 bytes of memory each, 20,000 times: more than the buffer holds.
        for _ in 0..20_000 {
            let new = NewAddress::host(1, ip("192.0.2.100"), Scope::Host);
            network.add_address(&new).unwrap();
            network.remove_address(1, new.address, new.prefix).unwrap();
        }
        assert_eq!(events.drain().unwrap().first(), Some(&Event::Overrun));
        assert_eq!(events.drain().unwrap(), []);
    })
    .unwrap();
}

#[test]
fn a_switch_is_that_of_the_threads_namespace() {
    let Some(Lan { near, far }) = lan() else { return };
    let key = sysctl::Key::interface("ipv4", "eth0", "arp_ignore").unwrap();
    assert_eq!(near.run(|| sysctl::write(&key, "1").unwrap()).unwrap(), "0");
    assert_eq!(near.run(|| sysctl::write(&key, "2").unwrap()).unwrap(), "1");
    assert_eq!(near.run(|| sysctl::read(&key).unwrap()).unwrap(), "2");
    assert_eq!(far.run(|| sysctl::read(&key).unwrap()).unwrap(), "0");
    let absent = sysctl::Key::interface("ipv4", "eth7", "arp_ignore").unwrap();
    let error = near.run(|| sysctl::read(&absent).unwrap_err()).unwrap();
    assert!(error.is_absent() && error.to_string().contains("net/ipv4/conf/eth7/arp_ignore"), "{error}");
}
