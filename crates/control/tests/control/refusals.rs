//! Each refusal is one line that says what, where and what to do; nothing is applied.

use crate::rig::{Rig, SMALL, key, numbered, server, weighted};
use relvs_control::{Control, Limits};
use relvs_model::{Method, Scheduler, Server, Service, ServiceKey};
use std::net::Ipv4Addr;

fn refused(limits: Limits, desired: &[Service]) -> String {
    let control = Control::new(limits);
    let Err(refusal) = control.prepare(desired, 0, 0, &|_| 0) else { panic!("this can be applied") };
    let text = refusal.to_string();
    assert!(!text.contains('\n') && !text.contains("  "), "{text}");
    text
}

fn service(servers: Vec<Server>) -> Service {
    Service { key: key("192.0.2.100:80/tcp"), scheduler: Scheduler::Wrr, servers }
}

/// Services without servers, one address each.
fn many(count: u32) -> Vec<Service> {
    let address = |n| Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + n).into();
    (0..count)
        .map(|n| Service { key: ServiceKey { address: address(n), ..key("192.0.2.0:80/tcp") }, ..service(vec![]) })
        .collect()
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
        "the service 192.0.2.100:0/udp has port 0 (any port), which needs persistence: give it a port from 1 to 65535"
    );
    assert_eq!(
        refused(SMALL, &[service(vec![one.clone(), Server { weight: 3, ..one.clone() }])]),
        "the service 192.0.2.100:80/tcp has the server 10.0.0.1:8080 twice: remove one of them"
    );
    assert_eq!(
        refused(SMALL, &[service(vec![server("[fd00::1]:80", 1)])]),
        "the service 192.0.2.100:80/tcp cannot have the server [fd00::1]:80: its address must be of the VIP's family"
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
    let scattered = |n: u32| Ipv4Addr::from_bits(n.wrapping_mul(n).wrapping_mul(0x9e37_79b1)).into();
    let services = (1..63)
        .map(|n| Service { key: ServiceKey { address: scattered(n), ..key("192.0.2.0:80/tcp") }, ..service(vec![]) });
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
    let limits = Limits { sets: 1, services: 1, bands: 3, ring: 6, destinations: 4 };
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
    rig.apply(&[]).unwrap();
    assert!(rig.control.release(1));
    rig.apply(&other).unwrap();
    let smaller = rig.control.clone().with_limits(Limits { destinations: 3, ..limits });
    assert_eq!(
        smaller.prepare(&other, 0, 0, &|_| 0).unwrap_err().to_string(),
        "destination 3 is in use, but the table holds 3: start with tables as large as before"
    );
}
