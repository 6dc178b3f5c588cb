//! Numbers of destinations, and their records, over any sequence of changes.

use crate::rig::{Rig, SMALL, http, key, server};
use proptest::prelude::*;
use relvs_core::table::destination::{AVAILABLE, Destination, NONE, QUIESCED, method};
use relvs_model::{Method, Scheduler, Server, Service, ServiceKey};
use std::{collections::BTreeMap, net::Ipv4Addr};

type Known = (ServiceKey, std::net::IpAddr, u16, Method);

/// For each of four services: is it there, and its servers' weights and methods.
type State = Vec<Option<Vec<Option<(u32, Method)>>>>;

fn states() -> impl Strategy<Value = Vec<(State, Vec<prop::sample::Index>)>> {
    let server = proptest::option::of((0..3_u32, proptest::sample::select(Method::ALL.to_vec())));
    let service = proptest::option::of(proptest::collection::vec(server, 4));
    let releases = proptest::collection::vec(any::<prop::sample::Index>(), 0..3);
    proptest::collection::vec((proptest::collection::vec(service, 4), releases), 1..12)
}

fn services(state: &State) -> Vec<Service> {
    let made = (1..).zip(state).filter_map(|(n, servers)| {
        let key = http(Ipv4Addr::new(192, 0, 2, n));
        let servers = (1..).zip(servers.as_ref()?).filter_map(|(n, server)| {
            let (weight, method) = (*server)?;
            Some(Server::new(Ipv4Addr::new(10, 0, 0, n).into(), 80, weight, method))
        });
        Some(Service::new(key, Scheduler::Wrr, servers.collect()))
    });
    made.collect()
}

fn known(key: ServiceKey, server: &Server) -> Known {
    (key, server.address, server.port, server.method)
}

proptest! {
    #[test]
    fn numbers_stay_and_records_follow(states in states()) {
        let mut rig = Rig::new(SMALL);
        // What a table has that was written to as told.
        let mut table: BTreeMap<u32, Destination> = BTreeMap::new();
        let mut numbers: BTreeMap<Known, u32> = BTreeMap::new();
        for (state, releases) in states {
            let desired = services(&state);
            let prepared = rig.control.prepare(&desired.clone().into(), 0, 0, &|_| 0).unwrap();
            for (number, record) in &prepared.destinations {
                prop_assert_ne!(table.insert(*number, *record), Some(*record), "written without need");
            }
            rig.apply(&desired).unwrap();
            prop_assert_eq!(&table, &rig.control.records().collect::<BTreeMap<_, _>>());
            prop_assert!(!table.contains_key(&NONE));

            let now: BTreeMap<Known, u32> =
                rig.control.destinations().map(|(number, key, server, _)| (known(key, server), number)).collect();
            prop_assert_eq!(now.len(), table.len());
            for (destination, number) in &numbers {
                prop_assert_eq!(now.get(destination), Some(number));
            }
            let mut live: Vec<_> = desired.iter().flat_map(|s| s.servers.iter().map(|r| (known(s.key, r), r.weight))).collect();
            let mut held: Vec<_> = rig.control.destinations().filter(|(.., retired)| !retired)
                .map(|(_, key, server, _)| (known(key, server), server.weight)).collect();
            live.sort();
            held.sort();
            prop_assert_eq!(live, held);
            for (number, _, server, retired) in rig.control.destinations() {
                let flags = match (retired, server.weight) {
                    (true, _) => 0,
                    (false, 0) => AVAILABLE | QUIESCED,
                    (false, _) => AVAILABLE,
                };
                prop_assert_eq!(table[&number].flags, flags);
            }
            numbers = now;

            for release in releases {
                let retired: Vec<u32> = rig.control.retired().map(|(number, ..)| number).collect();
                if retired.is_empty() {
                    continue;
                }
                let number = retired[release.index(retired.len())];
                prop_assert!(rig.release(number));
                prop_assert!(!rig.release(number));
                table.remove(&number);
                numbers.retain(|_, known| *known != number);
            }
        }
    }
}

fn one(server: Server) -> Vec<Service> {
    vec![Service::new(key("192.0.2.100:80/tcp"), Scheduler::Rr, vec![server])]
}

fn listed(rig: &Rig) -> Vec<(u32, Method, bool)> {
    rig.control.destinations().map(|(number, _, server, retired)| (number, server.method, retired)).collect()
}

#[test]
fn a_removed_server_is_retired_and_revived() {
    let mut rig = Rig::new(SMALL);
    let state = one(server("10.0.0.1:8080", 1));
    rig.apply(&state).unwrap();
    assert_eq!(listed(&rig), [(1, Method::Nat, false)]);
    assert!(!rig.release(1), "one in service is not released");
    rig.apply::<Service>(&[]).unwrap();
    assert_eq!(listed(&rig), [(1, Method::Nat, true)]);
    rig.apply(&one(server("10.0.0.2:8080", 1))).unwrap();
    assert_eq!(listed(&rig), [(1, Method::Nat, true), (2, Method::Nat, false)]);
    rig.apply(&state).unwrap();
    assert_eq!(listed(&rig), [(1, Method::Nat, false), (2, Method::Nat, true)]);
    assert!(rig.release(2));
    rig.apply(&one(server("10.0.0.3:8080", 1))).unwrap();
    assert_eq!(listed(&rig), [(1, Method::Nat, true), (2, Method::Nat, false)]);
}

#[test]
fn another_method_is_another_destination() {
    let mut rig = Rig::new(SMALL);
    let nat = server("10.0.0.1:80", 1);
    rig.apply(&one(nat.clone())).unwrap();
    rig.apply(&one(Server { method: Method::Dr, ..nat.clone() })).unwrap();
    assert_eq!(listed(&rig), [(1, Method::Nat, true), (2, Method::Dr, false)]);
    rig.apply(&one(nat)).unwrap();
    assert_eq!(listed(&rig), [(1, Method::Nat, false), (2, Method::Dr, true)]);
}

#[test]
fn a_record_is_in_memory_order() {
    let mut rig = Rig::new(SMALL);
    let state = Service::new(key("[2001:db8::64]:443/tcp"), Scheduler::Rr, vec![server("[fd00::1]:8443", 1)]);
    rig.apply(&[
        state,
        Service { servers: vec![server("10.0.0.1:8080", 1)], ..one(server("10.0.0.1:80", 1))[0].clone() },
    ])
    .unwrap();
    let records: Vec<_> = rig.control.records().map(|(_, record)| record).collect();
    let bytes = |port: u16, words: [u64; 2]| (port.to_ne_bytes(), words.map(u64::to_ne_bytes));
    let [six, four] = records[..] else { panic!("two records") };
    assert_eq!((six.method, six.flags, six.hop, six.mtu, six.dip), (method::NAT, AVAILABLE, 0, 0, [0; 2]));
    let fd00 = [0xfd, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(bytes(six.server_port, six.rip), ([0x20, 0xfb], [fd00, [0, 0, 0, 0, 0, 0, 0, 1]]));
    let vip = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0];
    assert_eq!(bytes(six.service_port, six.vip), ([1, 187], [vip, [0, 0, 0, 0, 0, 0, 0, 0x64]]));
    assert_eq!(bytes(four.server_port, four.rip), ([0x1f, 0x90], [[10, 0, 0, 1, 0, 0, 0, 0], [0; 8]]));
    assert_eq!(bytes(four.service_port, four.vip), ([0, 80], [[192, 0, 2, 100, 0, 0, 0, 0], [0; 8]]));
}
