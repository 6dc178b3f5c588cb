//! Each refusal is one line that says what, where and what to do; nothing is applied.

use crate::rig::{Rig, SMALL, http, key, numbered, server, weighted};
use relvs_control::{Control, Desired, Limits};
use relvs_model::{
    Method, Netmask, Network, Persistence, PortRange, Rule, Scheduler, Server, Service, ServiceKey, Tunnel,
};
use std::net::Ipv4Addr;

fn refused(limits: Limits, desired: &[Service]) -> String {
    let control = Control::new(limits);
    let Err(refusal) = control.prepare(&desired.to_vec().into(), 0, 0, &|_| 0) else { panic!("this can be applied") };
    let text = refusal.to_string();
    assert!(!text.contains('\n') && !text.contains("  "), "{text}");
    text
}

fn service(servers: Vec<Server>) -> Service {
    Service::new(key("192.0.2.100:80/tcp"), Scheduler::Wrr, servers)
}

/// Services without servers, one address each.
fn many(count: u32) -> Vec<Service> {
    let address = |n| Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + n);
    (0..count).map(|n| Service { key: http(address(n)), ..service(vec![]) }).collect()
}

#[test]
fn states_that_contradict_themselves() {
    let one = server("10.0.0.1:8080", 1);
    assert_eq!(
        refused(SMALL, &[service(vec![]), service(vec![])]),
        "the service 192.0.2.100:80/tcp is there twice: give each its own address, port or protocol"
    );
    assert_eq!(
        refused(SMALL, &[Service { key: key("192.0.2.100:0/udp"), ..service(vec![]) }]),
        "the service 192.0.2.100:0/udp has port 0 (any port), which needs persistence: add that, or give it a port"
    );
    assert_eq!(
        refused(SMALL, &[service(vec![one.clone(), Server { weight: 3, ..one.clone() }])]),
        "the service 192.0.2.100:80/tcp has the server 10.0.0.1:8080 twice: remove one of them"
    );
    assert_eq!(
        refused(SMALL, &[service(vec![server("[fd00::1]:80", 1)])]),
        "the service 192.0.2.100:80/tcp cannot have the server [fd00::1]:80: its address must be of the service's family, or its method tun"
    );
    let gre = Tunnel::Gre { checksum: true };
    assert_eq!(
        refused(SMALL, &[service(vec![Server { tunnel: gre, ..server("10.0.0.1:80", 1) }])]),
        "the service 192.0.2.100:80/tcp cannot have the nat server 10.0.0.1:80 with a gre+checksum tunnel: that is for method tun"
    );
    let gue = Tunnel::Gue { port: 0, checksum: false };
    assert_eq!(
        refused(SMALL, &[service(vec![Server { method: Method::Tun, tunnel: gue, ..server("10.0.0.1:80", 1) }])]),
        "the service 192.0.2.100:80/tcp cannot have the server 10.0.0.1:80: a gue tunnel needs a port"
    );
    assert_eq!(
        refused(SMALL, &[service(vec![Server { method: Method::Tun, ..one.clone() }])]),
        "the service 192.0.2.100:80/tcp cannot have the tun server 10.0.0.1:8080: its port must be the service's"
    );
    assert_eq!(
        refused(SMALL, &[service(vec![Server { port: 0, ..one }])]),
        "the service 192.0.2.100:80/tcp cannot have the nat server 10.0.0.1:0: its port must be from 1 to 65535"
    );
}

#[test]
fn attributes_that_cannot_be() {
    let one = server("10.0.0.1:8080", 1);
    let is = |service: Service| refused(SMALL, &[service]);
    let (http, mark) = (service(vec![]), Service { key: ServiceKey::mark(7, true), ..service(vec![]) });
    assert_eq!(
        is(Service { key: ServiceKey::mark(0, false), ..service(vec![]) }),
        "a service has mark 0, which packets without a mark have: give it another"
    );
    assert_eq!(
        is(Service { one_packet: true, ..http.clone() }),
        "the service 192.0.2.100:80/tcp cannot have one-packet scheduling: that is for UDP and for marks"
    );
    let persistent = |timeout_s, netmask| Some(Persistence { timeout_s, netmask });
    assert_eq!(
        is(Service { persistence: persistent(0, Netmask::host(true)), ..http.clone() }),
        "the service 192.0.2.100:80/tcp cannot have this persistence: its timeout must be from 1 to 2147483647 seconds"
    );
    assert_eq!(
        is(Service { persistence: persistent(360, Netmask::host(false)), ..http.clone() }),
        "the service 192.0.2.100:80/tcp cannot have the netmask 128 for its persistence: an IPv4 service's is an IPv4 mask"
    );
    for netmask in [Netmask::host(true), Netmask::V6(0), Netmask::V6(129)] {
        assert_eq!(
            is(Service { persistence: persistent(360, netmask), ..mark.clone() }),
            format!(
                "the service mark 7 (ipv6) cannot have the netmask {netmask} for its persistence: \
                 an IPv6 service's is a prefix from 1 to 128"
            )
        );
    }
    let servers = (0..4094).map(|n| numbered(n, 1)).collect();
    assert_eq!(
        is(Service { scheduler: Scheduler::Mh, servers, ..http.clone() }),
        "the service 192.0.2.100:80/tcp has 4094 servers, but mh can tell only 4093 apart: take another scheduler"
    );
    assert_eq!(
        is(service(vec![Server { weight: 1 << 31, ..one.clone() }])),
        "the server 10.0.0.1:8080 of the service 192.0.2.100:80/tcp is too heavy: a weight is from 0 to 2147483647"
    );
    for (upper_threshold, lower_threshold) in [(7, 8), (0, 1), (1 << 31, 0)] {
        let text = is(service(vec![Server { upper_threshold, lower_threshold, ..one.clone() }]));
        let thresholds = format!("cannot have the thresholds {upper_threshold} and {lower_threshold}: ");
        assert!(text.contains(&thresholds), "{text}");
    }
}

#[test]
fn ports_of_services_that_have_any() {
    let one = server("10.0.0.1:8080", 1);
    let dr = |port| Server { method: Method::Dr, port, ..one.clone() };
    let persistence = Some(Persistence::of_clients(360, true));
    let any = |server| Service { key: key("192.0.2.100:0/tcp"), persistence, ..service(vec![server]) };
    let mark = |server| Service { key: ServiceKey::mark(7, false), ..service(vec![server]) };
    for service in [
        any(Server { port: 0, ..one.clone() }),
        any(one.clone()),
        any(dr(0)),
        mark(Server { port: 0, ..one.clone() }),
        mark(one.clone()),
        mark(dr(0)),
        mark(dr(80)),
    ] {
        Rig::new(SMALL).apply(&[service]).unwrap();
    }
    let text = refused(SMALL, &[any(dr(80))]);
    assert!(text.ends_with("cannot have the dr server 10.0.0.1:80: its port must be the service's"), "{text}");
}

#[test]
fn rules_and_timeouts_that_cannot_be() {
    let control = Control::new(SMALL);
    let of = |change: &dyn Fn(&mut Desired)| {
        let mut desired = Desired::default();
        change(&mut desired);
        control.prepare(&desired, 0, 0, &|_| 0).err().map(|refusal| refusal.to_string()).unwrap_or_default()
    };
    assert_eq!(
        of(&|desired| desired.timeouts.tcp_fin_s = 0),
        "the timeout tcp_fin is out of range: it must be from 1 to 2147483647 seconds"
    );
    let network = |address: &str, prefix| Network { address: address.parse().unwrap(), prefix };
    let everything = Rule { mark: 7, sources: vec![], destinations: vec![], protocol: None, ports: vec![] };
    assert_eq!(of(&|desired| desired.rules.push(everything.clone())), "");
    let rule = |rule: &Rule| of(&|desired| desired.rules.extend([everything.clone(), rule.clone()]));
    assert_eq!(
        rule(&Rule { mark: 0, ..everything.clone() }),
        "match rule 2 cannot be: its mark is 0, which packets without a mark have"
    );
    let four = vec![network("10.0.0.0", 8)];
    assert_eq!(
        rule(&Rule { sources: four.clone(), destinations: vec![network("fd00::", 8)], ..everything.clone() }),
        "match rule 2 cannot be: its sources are all of another address family than its destinations"
    );
    assert_eq!(
        rule(&Rule { sources: vec![network("10.0.0.0", 33)], ..everything.clone() }),
        "match rule 2 cannot be: a prefix is longer than an address"
    );
    assert_eq!(
        rule(&Rule { ports: vec![PortRange { first: 2, last: 1 }], ..everything.clone() }),
        "match rule 2 cannot be: a range of ports ends before it begins"
    );
    let ports = |last| (1..=last).map(|port| PortRange { first: port, last: port }).collect();
    assert_eq!(of(&|desired| desired.rules.push(Rule { ports: ports(32), ..everything.clone() })), "");
    assert_eq!(
        of(&|desired| desired.rules.push(Rule { sources: four.clone(), ports: ports(65), ..everything.clone() })),
        "1 match rules take 65 records, one for each pair of networks and range of ports, but the tables hold 64: \
         name fewer, or make larger tables"
    );
}

#[test]
fn tables_that_are_too_small() {
    let weights = |weights: &[u32]| [weighted(Scheduler::Wrr, weights)];
    assert_eq!(
        refused(Limits { services: 2, ..SMALL }, &many(3)),
        "3 services are more than the 2 that the tables hold: remove some, or make larger tables"
    );
    assert_eq!(
        refused(Limits { sets: 1, ..SMALL }, &many(5)),
        "5 services and 0 addresses of NAT servers do not fit into 1 sets of four (0 arrangements tried): \
         remove some, or make larger tables"
    );
    // Two places are left of 64: no arrangement of scattered addresses is that even.
    let scattered = |n: u32| Ipv4Addr::from_bits(n.wrapping_mul(n).wrapping_mul(0x9e37_79b1));
    let services = (1..63).map(|n| Service { key: http(scattered(n)), ..service(vec![]) });
    assert_eq!(
        refused(Limits { sets: 16, ..SMALL }, &services.collect::<Vec<_>>()),
        "62 services and 0 addresses of NAT servers do not fit into 16 sets of four (4096 arrangements tried): \
         remove some, or make larger tables"
    );
    assert_eq!(
        refused(Limits { sets: 3, ..SMALL }, &[]),
        "a service table cannot have 3 sets: make it with a power of two, at most 16777216"
    );
    assert_eq!(
        refused(Limits { bands: 2, ..SMALL }, &weights(&[1, 2, 3])),
        "the service 192.0.2.100:80/tcp needs more than the 2 bands that are left for its round: \
         give its servers fewer different weights, or make larger tables"
    );
    assert_eq!(
        refused(Limits { ring: 5, ..SMALL }, &weights(&[1, 2, 3])),
        "the service 192.0.2.100:80/tcp needs more than the 5 ring slots that are left: \
         give it fewer servers or fewer different weights, or make larger tables"
    );
    assert_eq!(
        refused(Limits { destinations: 3, ..SMALL }, &weights(&[1, 2, 3])),
        "3 servers and 0 removed ones that still have flows are more than the 2 destinations that the tables hold: \
         remove some, wait, or make larger tables"
    );
}

#[test]
fn tables_that_are_just_large_enough() {
    let limits = Limits { sets: 1, services: 1, bands: 3, ring: 6, rules: 0, destinations: 4 };
    let dr = |server: Server| Server { method: Method::Dr, port: 80, ..server };
    let state = Service {
        servers: weighted(Scheduler::Wrr, &[1, 2, 3]).servers.into_iter().map(dr).collect(),
        ..service(vec![])
    };
    let mut rig = Rig::new(limits);
    rig.apply(std::slice::from_ref(&state)).unwrap();
    rig.apply(std::slice::from_ref(&state)).unwrap();
    let reached: Vec<_> = (0..6).map(|_| rig.arrive(state.key).unwrap().ip()).collect();
    assert_eq!(reached, [3, 2, 1, 3, 3, 2].map(|n| numbered(n, 0).address));
}

#[test]
fn retired_destinations_take_room_and_numbers_stay_within_the_table() {
    let limits = Limits { destinations: 4, ..SMALL };
    let mut rig = Rig::new(limits);
    rig.apply(&[service(vec![numbered(1, 1), numbered(2, 1)])]).unwrap();
    let other = [service(vec![numbered(3, 1), numbered(4, 1)])];
    let before = rig.control.clone();
    assert_eq!(
        rig.apply(&other).unwrap_err().to_string(),
        "2 servers and 2 removed ones that still have flows are more than the 3 destinations that the tables hold: \
         remove some, wait, or make larger tables"
    );
    assert_eq!(rig.control, before);
    rig.apply::<Service>(&[]).unwrap();
    assert!(rig.release(1));
    rig.apply(&other).unwrap();
    let smaller = rig.control.clone().with_limits(Limits { destinations: 3, ..limits });
    assert_eq!(
        smaller.prepare(&other.to_vec().into(), 0, 0, &|_| 0).unwrap_err().to_string(),
        "destination 3 is in use, but the table holds 3: start with tables as large as before"
    );
}
