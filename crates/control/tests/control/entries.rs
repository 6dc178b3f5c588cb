//! Every service and every NAT server is found where the core looks, and nothing else is.

use crate::rig::{Rig, SMALL, http, key, server};
use proptest::prelude::*;
use relvs_control::{Control, Limits};
use relvs_core::table::entry::SERVER;
use relvs_model::{Method, Protocol, Scheduler, Server, Service, ServiceKey};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

fn addresses() -> impl Strategy<Value = (u32, u128, bool)> {
    // Neighbouring ones and any.
    let four = prop_oneof![(0..64_u32).prop_map(|n| 0xc000_0200 + n), any::<u32>()];
    let six = prop_oneof![(0..64_u128).prop_map(|n| (0x2001_0db8 << 96) + n), any::<u128>()];
    (four, six, any::<bool>())
}

fn address((four, six, is_six): (u32, u128, bool)) -> IpAddr {
    if is_six { Ipv6Addr::from_bits(six).into() } else { Ipv4Addr::from_bits(four).into() }
}

fn services() -> impl Strategy<Value = Vec<Service>> {
    let servers = proptest::collection::vec((addresses(), 1..4_u16, 0..3_u32, 0..3_usize), 0..4);
    let service = (addresses(), prop_oneof![1..6_u16, 1..=u16::MAX], any::<bool>(), servers);
    proptest::collection::vec(service, 0..40).prop_map(|drafts| {
        let mut keys = BTreeSet::new();
        let made = drafts.into_iter().filter_map(|(vip, port, udp, servers)| {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            let key = ServiceKey::listen(protocol, address(vip), port);
            let mut endpoints = BTreeSet::new();
            let servers = servers.into_iter().filter_map(|((four, six, _), nat_port, weight, method)| {
                let method = Method::ALL[method];
                let port = if method == Method::Nat { nat_port } else { port };
                let address = address((four, six, vip.2));
                endpoints.insert((address, port)).then_some(Server::new(address, port, weight, method))
            });
            let servers = servers.collect();
            keys.insert(key).then_some(Service::new(key, Scheduler::Rr, servers))
        });
        made.collect()
    })
}

fn check(rig: &Rig, probes: &[Service]) -> Result<(), TestCaseError> {
    let applied = rig.control.services();
    for service in probes {
        let at = applied.iter().position(|s| s.key == service.key).map(|at| at as u32);
        prop_assert_eq!(rig.control.index_of(service.key), at);
        let found = rig.service(service.key);
        if at.is_none() && rig.control.retired().any(|(_, key, _)| key == service.key) {
            // Its flows still find their destinations; a new one finds none.
            prop_assert!(found.is_some_and(|index| rig.takes_none(index)), "{:?}", service.key);
        } else {
            prop_assert_eq!(found, at.map(|at| rig.half * rig.limits.services + at));
        }
    }
    for service in probes {
        for server in &service.servers {
            let nat = rig.control.destinations().any(|(_, key, held, _)| {
                (held.address, held.port, held.method) == (server.address, server.port, Method::Nat)
                    && key.protocol() == service.key.protocol()
            });
            let found = rig.entry(server.address, server.port, service.key.protocols()[0], SERVER);
            prop_assert_eq!(found.is_some(), nat, "{:?}", server);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_applied_is_found_and_nothing_else(states in proptest::collection::vec(services(), 1..4)) {
        // Those that were removed take room until they are released.
        let mut rig = Rig::new(Limits { services: 128, sets: 256, ..SMALL });
        let all = states.concat();
        for state in &states {
            rig.apply(state).unwrap();
            check(&rig, &all)?;
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_image(state in services(), seed: u64) {
        let control = Control::new(SMALL);
        let image = |seed| control.prepare(&state.clone().into(), 1, seed, &|_| 0).unwrap().image;
        prop_assert_eq!(image(seed), image(seed));
        prop_assert!(image(seed).entries.multiplier % 2 == 1);
    }
}

#[test]
fn full_sets_are_avoided() {
    // Four times as many services as sets, less a few: a multiplier taken at random almost never does.
    let limits = Limits { sets: 4, ..SMALL };
    let state: Vec<_> =
        (0..13).map(|n| Service::new(http(Ipv4Addr::new(192, 0, 2, n)), Scheduler::Rr, Vec::new())).collect();
    let mut rig = Rig::new(limits);
    rig.apply(&state).unwrap();
    check(&rig, &state).unwrap();
}

#[test]
fn a_nat_server_answers_as_long_as_its_flows_may_last() {
    let mut rig = Rig::new(SMALL);
    let http = Service::new(key("192.0.2.100:80/tcp"), Scheduler::Rr, vec![server("10.0.0.1:8080", 0)]);
    let again = Service { key: key("192.0.2.101:80/tcp"), ..http.clone() };
    let found = |rig: &Rig| rig.entry("10.0.0.1".parse().unwrap(), 8080, Protocol::Tcp, SERVER).is_some();
    rig.apply(&[http.clone(), again.clone()]).unwrap();
    assert!(found(&rig), "without weight it keeps its flows");
    assert!(rig.entry("10.0.0.1".parse().unwrap(), 8080, Protocol::Udp, SERVER).is_none());
    rig.apply(std::slice::from_ref(&again)).unwrap();
    rig.apply::<Service>(&[]).unwrap();
    assert!(found(&rig), "retired it keeps its flows");
    let retired: Vec<_> = rig.control.retired().map(|(number, ..)| number).collect();
    assert_eq!(retired.len(), 2, "one of each service");
    for number in retired {
        assert!(rig.release(number));
    }
    let image = rig.control.prepare(&Vec::new().into(), 0, 0, &|_| 0).unwrap().image;
    assert!(!image.nat);
    rig.apply::<Service>(&[]).unwrap();
    assert!(!found(&rig));
}
