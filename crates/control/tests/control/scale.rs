//! Many services: how long it takes is printed, that all are found is checked.

use crate::rig::{Rig, http};
use relvs_control::Limits;
use relvs_model::{Method, Scheduler, Server, Service};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Instant,
};

const SERVICES: u32 = 10_000;
const SERVERS: u32 = 10;

/// What a director's tables have when nothing else is said.
const LIMITS: Limits =
    Limits { sets: 1 << 14, services: 1 << 14, bands: 1 << 16, ring: 1 << 19, rules: 0, destinations: 1 << 17 };

fn services(six: bool, method: Method) -> Vec<Service> {
    let address = |net: Ipv4Addr, n: u32| -> IpAddr {
        let four = Ipv4Addr::from_bits(net.to_bits() + n);
        if six { Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(four.to_bits())).into() } else { four.into() }
    };
    let server = |service: u32, n: u32| {
        Server::new(address(Ipv4Addr::new(10, 0, 0, 0), service * SERVERS + n), 80, n % 3, method)
    };
    let service = |n| {
        let servers = (0..SERVERS).map(|server_n| server(n, server_n)).collect();
        Service::new(http(address(Ipv4Addr::new(198, 18, 0, 0), n)), Scheduler::Wrr, servers)
    };
    (0..SERVICES).map(service).collect()
}

fn prepare(name: &str, limits: Limits, six: bool, method: Method) {
    let mut state = services(six, method);
    let mut rig = Rig::new(limits);
    for turn in ["first", "again, with one more server"] {
        let begun = Instant::now();
        let prepared = rig.control.prepare(&state.clone().into(), 1, 1, &|_| 0).unwrap();
        println!("{name}, {turn}: {} ms to prepare", begun.elapsed().as_millis());
        let begun = Instant::now();
        rig.memory.install(1, &prepared.image);
        (rig.half, rig.multiplier) = (1, prepared.image.entries.multiplier);
        rig.control.commit(prepared);
        println!("{name}, {turn}: {} ms to write to memory and commit", begun.elapsed().as_millis());
        for (at, service) in (limits.services..).zip(&state) {
            assert_eq!(rig.service(service.key), Some(at), "{}", service.key);
        }
        let more = Server { port: 80, ..state[1].servers[0].clone() };
        state[0].servers.push(more);
    }
    let begun = Instant::now();
    let json = serde_json::to_string(&rig.control).unwrap();
    let back = serde_json::from_str::<relvs_control::Control>(&json).unwrap();
    println!("{name}: {} ms to disk and back, {} bytes", begun.elapsed().as_millis(), json.len());
    assert_eq!(back.with_limits(limits), rig.control);
}

#[test]
fn ten_thousand_services_of_ten_servers() {
    prepare("DR, IPv4", LIMITS, false, Method::Dr);
    prepare("DR, IPv6", LIMITS, true, Method::Dr);
    // Each of 100,000 NAT servers has an entry too.
    prepare("NAT, IPv4", Limits { sets: 1 << 19, ..LIMITS }, false, Method::Nat);
}
